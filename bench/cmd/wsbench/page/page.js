"use strict";
// Draws the plots of #plots into the elements with their data-plot. Colours come from the style sheet, and the
// plots are drawn anew when it changes between light and dark.
(() => {
	const plots = JSON.parse(document.getElementById("plots").textContent) || [];
	const color = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

	const scaled = (v, steps) => {
		for (const [size, unit] of steps)
			if (Math.abs(v) >= size) return parseFloat((v / size).toPrecision(3)) + " " + unit;
		const [size, unit] = steps[steps.length - 1];
		return v === 0 ? "0" : parseFloat((v / size).toPrecision(3)) + " " + unit;
	};
	const texts = {
		us: v => scaled(v, [[1e6, "s"], [1e3, "ms"], [1, "us"], [1e-3, "ns"]]),
		ns: v => scaled(v, [[1e9, "s"], [1e6, "ms"], [1e3, "us"], [1, "ns"]]),
		octets: v => scaled(v, [[1e9, "GB"], [1e6, "MB"], [1e3, "KB"], [1, "B"]]),
		number: v => v === 0 ? "0" : scaled(v, [[1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]]).trim(),
		seconds: v => parseFloat(v.toPrecision(4)) + " s",
		// x is 1/(1-q): 1 is 0 %, 10 is 90 %, 1000 is 99.9 %.
		percentile: v => parseFloat((100 * (1 - 1 / v)).toPrecision(Math.max(2, Math.ceil(Math.log10(v)) + 1))) + " %",
	};
	const text = (unit, v) => v == null ? "–" : texts[unit](v);
	// On log scales only powers of ten have labels.
	const ticks = (unit, log) => (u, values) => (log ? decades(u, values) : values).map(v => v == null ? "" : text(unit, v));

	// decades leaves the powers of ten of a log scale.
	const decades = (u, splits) => splits.map(v => v != null && Number.isInteger(+Math.log10(v).toFixed(9)) ? v : null);

	const axes = (p, bars) => {
		const common = { stroke: color("--ink2"), grid: { stroke: color("--grid"), width: 1 }, ticks: { stroke: color("--grid"), width: 1 }, font: "12px system-ui, sans-serif" };
		const x = bars
			? { ...common, grid: { show: false }, size: 50, splits: () => p.names.map((_, i) => i), values: () => p.names.map(n => n.replace(/ /g, "\n")) }
			: { ...common, values: ticks(p.x, p.logX), space: 60 };
		const y = { ...common, size: 68, values: ticks(p.y, p.logY) };
		for (const [axis, log] of [[x, p.logX], [y, p.logY]])
			if (log) axis.grid = { ...axis.grid, filter: decades }, axis.ticks = { ...axis.ticks, filter: decades };
		return [x, y];
	};

	// labels writes each bar's value above it.
	const labels = p => u => {
		const { ctx } = u;
		ctx.save();
		ctx.fillStyle = color("--ink");
		ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
		ctx.textAlign = "center";
		u.data[1].forEach((v, i) => {
			if (v != null) ctx.fillText(text(p.y, v), u.valToPos(i, "x", true), u.valToPos(v, "y", true) - 8 * devicePixelRatio);
		});
		ctx.restore();
	};

	const options = (p, width) => {
		const bars = p.kind === "bars";
		const y = p.logY ? { distr: 3, log: 10 } : { range: (u, min, max) => [0, Math.max(max * 1.1, p.least || 0)] };
		if (bars) y.range = p.logY
			? (u, min, max) => [10 ** Math.floor(Math.log10(min / 2)), 10 ** Math.ceil(Math.log10(max * 1.5))]
			: (u, min, max) => [0, max * 1.15];
		const x = { time: false };
		if (p.logX) Object.assign(x, { distr: 3, log: 10 });
		if (bars) x.range = [-0.6, p.names.length - 0.4];
		return {
			width, height: 250, padding: [12, 44, 0, 0], legend: { show: !bars }, cursor: { show: !bars, points: { size: 6 } },
			scales: { x, y }, axes: axes(p, bars),
			series: [
				{ label: p.xName || "time", value: (u, v) => text(p.x || "number", v) },
				...p.series.map((s, i) => ({
					label: s.name, stroke: color(`--s${s.color || i % 6 + 1}`), width: 2, value: (u, v) => text(p.y, v),
					points: { show: s.values.length < 3 }, spanGaps: true,
					...(bars ? { paths: uPlot.paths.bars({ size: [0.6, 90] }), fill: color("--s1"), points: { show: false } } : {}),
					...(s.fill ? { fill: color(`--s${s.color || i % 6 + 1}`) + "22" } : {}),
				})),
			],
			hooks: bars ? { draw: [labels(p)] } : {},
		};
	};

	let drawn = [];
	const draw = () => {
		drawn.forEach(u => u.destroy());
		drawn = plots.map((p, i) => {
			const at = document.querySelector(`[data-plot="${i}"]`);
			const xs = p.kind === "bars" ? p.names.map((_, i) => i) : p.xs;
			return new uPlot(options(p, at.clientWidth), [xs, ...p.series.map(s => s.values)], at);
		});
	};
	draw();
	matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
	let pending;
	addEventListener("resize", () => { clearTimeout(pending); pending = setTimeout(draw, 150); });
})();

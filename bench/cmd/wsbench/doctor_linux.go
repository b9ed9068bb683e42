package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"h2ws/bench"
)

// systemFindings looks at the kernel's limits for conns connections.
func systemFindings(conns int) []finding {
	return []finding{descriptors(conns), ports(conns), backlog(conns), socketBuffers(), clock(), governor(), quota(), memory(conns)}
}

// sysctl reads one of /proc/sys, "" where there is none.
func sysctl(name string) string { return readTrimmed("/proc/sys/" + name) }

func readTrimmed(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func number64(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

func descriptors(conns int) finding {
	f := finding{name: "descriptors", text: fmt.Sprintf("enough for %s connections", bench.Thousands(conns))}
	if err := raiseDescriptors(conns); err != nil {
		f.bad, f.text, f.cure = true, "too few", err.Error()
	}
	return f
}

func ports(conns int) finding {
	f := finding{name: "ports", text: sysctl("net/ipv4/ip_local_port_range")}
	if r := words(f.text); len(r) == 2 {
		n := number64(r[1]) - number64(r[0]) + 1
		f.text = fmt.Sprintf("%s to %s: %s connections from one address to one server", r[0], r[1], bench.Thousands(int(n)))
		f.bad = n < int64(conns)
	}
	f.cure = "connect from several addresses (-local, or -sources on the loopback), or sysctl -w net.ipv4.ip_local_port_range='1024 65535'"
	return f
}

func backlog(conns int) finding {
	n := number64(sysctl("net/core/somaxconn"))
	return finding{
		name: "backlog", text: fmt.Sprintf("somaxconn %d, tcp_max_syn_backlog %s", n, sysctl("net/ipv4/tcp_max_syn_backlog")), bad: n < 1024 && conns > 1000,
		cure: "connections are made 64 at a time; on the server's machine: sysctl -w net.core.somaxconn=4096",
	}
}

func socketBuffers() finding {
	r, w := words(sysctl("net/ipv4/tcp_rmem")), words(sysctl("net/ipv4/tcp_wmem"))
	f := finding{name: "buffers", text: "tcp_rmem " + strings.Join(r, " ") + ", tcp_wmem " + strings.Join(w, " ")}
	if len(r) == 3 && len(w) == 3 {
		f.bad = number64(r[2]) < 1<<20 || number64(w[2]) < 1<<20
	}
	f.cure = "one connection with many sockets needs large ones: sysctl -w net.ipv4.tcp_rmem='4096 131072 6291456' net.ipv4.tcp_wmem='4096 16384 4194304'"
	return f
}

func clock() finding {
	source := readTrimmed("/sys/devices/system/clocksource/clocksource0/current_clocksource")
	slow := source == "hpet" || source == "acpi_pm" || source == "refined-jiffies" || source == "jiffies"
	return finding{
		name: "clock", text: "clock source " + source, bad: slow,
		cure: "reading it is a system call and slow: see /sys/devices/system/clocksource/clocksource0/available_clocksource",
	}
}

func governor() finding {
	g := readTrimmed("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
	f := finding{name: "frequency", text: "governor " + g, bad: g == "powersave" || g == "ondemand", cure: "cpupower frequency-set -g performance"}
	if g == "" {
		f.text = "no governor to be seen"
	}
	return f
}

// quota is what a container may use: cgroup v2.
func quota() finding {
	f := finding{name: "quota", text: "no CPU quota", cure: "the loader is stopped when it is used up: raise it (--cpus of a container)"}
	if max := words(readTrimmed("/sys/fs/cgroup/cpu.max")); len(max) == 2 && max[0] != "max" {
		cpus := float64(number64(max[0])) / float64(number64(max[1]))
		f.text, f.bad = fmt.Sprintf("%.2f CPUs", cpus), cpus < 2
	}
	return f
}

// memory compares what is free with what the kernel takes for a connection, both ends on this machine.
func memory(conns int) finding {
	const perConn = 16 << 10
	var free int64
	for line := range strings.Lines(readTrimmed("/proc/meminfo")) {
		if value, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			free = number64(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB"))) << 10
		}
	}
	return finding{
		name: "memory", bad: free < int64(conns)*perConn,
		text: fmt.Sprintf("%s available; %s connections take some %s", bench.OctetsText(float64(free)), bench.Thousands(conns), bench.OctetsText(float64(conns)*perConn)),
		cure: "use fewer -conns, or HTTP/2, where sockets share them",
	}
}

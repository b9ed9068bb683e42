package conform

import (
	"fmt"

	"h2ws/bench/raw"
	"h2ws/ws"
)

// sample has characters of one to four octets, and both ends of each range that is cut.
const sample = "a\u007f\u00e9\u07ff\u20ac\ud7ff\ue000\ufffd\U0001f600\U0010ffffz"

var validTexts = []struct{ name, text string }{
	{"nul", "\x00"}, {"7f", "\x7f"}, {"controls", "\x01\t\r\n\x1b"},
	{"80", "\u0080"}, {"7ff", "\u07ff"}, {"800", "\u0800"}, {"d7ff", "\ud7ff"}, {"e000", "\ue000"}, {"fffd", "\ufffd"},
	{"fffe", "\ufffe"}, {"ffff", "\uffff"}, {"fdd0", "\ufdd0"}, {"10000", "\U00010000"}, {"1fffe", "\U0001fffe"}, {"10ffff", "\U0010ffff"},
	{"byte-order-mark", "\ufeffhello"}, {"greek", "κόσμε"}, {"cjk", "日本語テキスト"}, {"emoji", "👩‍👩‍👧‍👦 😀"},
	{"combining", "e\u0301\u0323"}, {"right-to-left", "\u202eשלום"}, {"sample", sample},
}

// invalidTexts are not UTF-8 (RFC 3629), from the first octet that cannot be.
var invalidTexts = []struct{ name, text string }{
	{"80", "\x80"}, {"bf", "\xbf"}, {"continuations", "\x80\xbf\x80\xbf\x80\xbf"},
	{"c0", "\xc0 "}, {"c1", "\xc1\x80"}, {"c3-alone", "\xc3 "}, {"e0-alone", "\xe0 "}, {"e2-82-alone", "\xe2\x82 "},
	{"f0-alone", "\xf0 "}, {"f0-9f-alone", "\xf0\x9f "}, {"f0-9f-98-alone", "\xf0\x9f\x98 "},
	{"f5", "\xf5\x80\x80\x80"}, {"f8", "\xf8\x88\x80\x80\x80"}, {"fc", "\xfc\x84\x80\x80\x80\x80"}, {"fe", "\xfe"}, {"ff", "\xff"},
	{"overlong-2f-in-2", "\xc0\xaf"}, {"overlong-2f-in-3", "\xe0\x80\xaf"}, {"overlong-2f-in-4", "\xf0\x80\x80\xaf"},
	{"overlong-7f", "\xc1\xbf"}, {"overlong-7ff", "\xe0\x9f\xbf"}, {"overlong-ffff", "\xf0\x8f\xbf\xbf"}, {"overlong-nul", "\xc0\x80"},
	{"surrogate-d800", "\xed\xa0\x80"}, {"surrogate-db7f", "\xed\xad\xbf"}, {"surrogate-dc00", "\xed\xb0\x80"}, {"surrogate-dfff", "\xed\xbf\xbf"},
	{"surrogate-pair", "\xed\xa0\xbd\xed\xb8\x80"}, {"110000", "\xf4\x90\x80\x80"}, {"13ffff", "\xf4\xbf\xbf\xbf"},
	{"latin-1", "caf\xe9 au lait"}, {"utf-16", "\xff\xfeh\x00i\x00"},
}

func utf8Cases() (all []Case) {
	const section = "RFC 6455 §8.1"
	for _, v := range validTexts {
		all = append(all, socket("valid-"+v.name, section, say(text(v.text)), want(echoText(v.text)), alive))
	}
	for _, v := range invalidTexts {
		all = append(all,
			socket("invalid-"+v.name, section, say(text("ok "+v.text+" ok")), fails(ws.CloseInvalidPayload)),
			socket("binary-"+v.name, "RFC 6455 §5.6", say(bin(v.text)), want(echoBinary(v.text)), alive))
	}
	for _, v := range []struct{ name, text string }{{"c3", "\xc3"}, {"e2", "\xe2"}, {"e2-82", "\xe2\x82"}, {"f0", "\xf0"}, {"f0-9f", "\xf0\x9f"}, {"f0-9f-98", "\xf0\x9f\x98"}} {
		all = append(all,
			socket("cut-at-end-"+v.name, section, say(text("ok "+v.text)), fails(ws.CloseInvalidPayload)),
			socket("cut-at-end-of-fragments-"+v.name, section, say(part(ws.OpText, "ok "), last(v.text)), fails(ws.CloseInvalidPayload)),
			socket("cut-before-empty-last-"+v.name, section, say(part(ws.OpText, "ok "+v.text), last("")), fails(ws.CloseInvalidPayload)))
	}
	return all
}

// utf8CutCases have text cut at every octet, and what is wrong found at once.
func utf8CutCases() (all []Case) {
	const section = "RFC 6455 §5.6, §8.1"
	frameOf := text(sample)
	header := len(frameOf) - len(sample)
	for i := 1; i < len(sample); i++ {
		all = append(all,
			socket(named("fragments-at", i), section, say(part(ws.OpText, sample[:i]), last(sample[i:])), want(echoText(sample)), alive),
			socket(named("data-at", i), section, sayEach(frameOf[:header+i], frameOf[header+i:]), want(echoText(sample)), alive))
	}
	all = append(all,
		socket("fragment-for-each-octet", section, say(octetFragments(sample)), want(echoText(sample)), alive),
		socket("data-for-each-octet", section, sayCut(1, frameOf), want(echoText(sample)), alive),
		socket("ping-inside-of-character", section, say(part(ws.OpText, sample[:len(sample)-2]), ping("x"), last(sample[len(sample)-2:])),
			want(ponged("x"), echoText(sample)), alive))
	const wrong = "ok \xed\xa0\x80 ok" // the second octet of it cannot be
	for i := 1; i < len(wrong); i++ {
		all = append(all, socket(named("invalid-fragments-at", i), section, say(part(ws.OpText, wrong[:i]), last(wrong[i:])), fails(ws.CloseInvalidPayload)))
	}
	return append(all, failFastCases()...)
}

func octetFragments(s string) []byte {
	b := part(ws.OpText, s[:1])
	for i := 1; i < len(s)-1; i++ {
		b = append(b, more(s[i:i+1])...)
	}
	return append(b, last(s[len(s)-1:])...)
}

// failFastCases tell at once what cannot become UTF-8: an endpoint fails the connection "When an endpoint is to
// interpret a byte stream as UTF-8 but finds that the byte stream is not" (RFC 6455 §8.1), not when it ends.
func failFastCases() (all []Case) {
	const section = "RFC 6455 §8.1"
	for _, v := range []struct{ name, text string }{
		{"ff", "\xff"}, {"80", "\x80"}, {"c0", "\xc0"}, {"overlong", "\xe0\x80"}, {"overlong-4", "\xf0\x80"}, {"surrogate", "\xed\xa0"},
		{"110000", "\xf4\x90"}, {"f5", "\xf5"}, {"c3-alone", "\xc3a"}, {"late", payload(1000) + "\xff"},
	} {
		message := text("ok " + v.text + payload(20))
		upTo := len(message) - 20
		all = append(all,
			socket("fast-in-fragment-"+v.name, section, say(part(ws.OpText, "ok "+v.text)), failsFast(last("rest"))),
			socket("fast-in-data-"+v.name, section, say(message[:upTo]), failsFast(message[upTo:])))
	}
	return all
}

// failsFast wants the failure before the rest of the message, which is Lenient behind it.
func failsFast(rest []byte) step {
	return func(d *dialogue) error {
		e, err := d.await(d.s.id, d.grace())
		switch {
		case err == nil:
			return failure{codes: []ws.CloseCode{ws.CloseInvalidPayload}}.judge(d, e)
		case !raw.Timeout(err):
			return err
		}
		d.allow("found at the end of the message only (RFC 6455 §8.1)")
		return steps(say(rest), fails(ws.CloseInvalidPayload))(d)
	}
}

// chunkCases have large messages in DATA frames and fragments of many sizes.
func chunkCases() (all []Case) {
	const section = "RFC 6455 §5.4, RFC 8441 §5"
	for _, n := range []int{1, 2, 3, 5, 13, 14, 125, 126, 1000, 1024, 4095, 8192, 16383, 16384} {
		for _, t := range dataOps {
			all = append(all, socket(fmt.Sprintf("data-%d-%s", n, t.name), section,
				sayCut(n, whole(t.op, payload(messageMax))), want(echo(t.op, payload(messageMax))), alive))
		}
	}
	for _, n := range []int{64, 65, 125, 126, 256, 1000, 1024, 4096, 16000, 32768, 65535} {
		all = append(all,
			socket(named("fragments", n), section, say(fragmentsOf(n, payload(messageMax))), want(echoText(payload(messageMax))), alive),
			socket(fmt.Sprintf("fragments-%d-data-100", n), section, sayCut(100, fragmentsOf(n, payload(messageMax))), want(echoText(payload(messageMax))), alive))
	}
	for _, header := range []struct{ name, text string }{{"2", payload(100)}, {"4", payload(1000)}, {"10", payload(messageMax)}} {
		octets := text(header.text)
		for i := 1; i < len(octets)-len(header.text); i++ {
			all = append(all, socket(fmt.Sprintf("header-%s-cut-at-%d", header.name, i), section,
				sayEach(octets[:i]), say(octets[i:]), want(echoText(header.text)), alive))
		}
	}
	return all
}

// fragmentsOf is a text message in fragments of n octets.
func fragmentsOf(n int, s string) []byte {
	b := part(ws.OpText, s[:n])
	for s = s[n:]; len(s) > n; s = s[n:] {
		b = append(b, more(s[:n])...)
	}
	return append(b, last(s)...)
}

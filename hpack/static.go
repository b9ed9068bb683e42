package hpack

// staticTable is RFC 7541 Appendix A; entry i has index i+1. Entries of one name are adjacent.
var staticTable = [...]Field{
	{":authority", ""},
	{":method", "GET"},
	{":method", "POST"},
	{":path", "/"},
	{":path", "/index.html"},
	{":scheme", "http"},
	{":scheme", "https"},
	{":status", "200"},
	{":status", "204"},
	{":status", "206"},
	{":status", "304"},
	{":status", "400"},
	{":status", "404"},
	{":status", "500"},
	{"accept-charset", ""},
	{"accept-encoding", "gzip, deflate"},
	{"accept-language", ""},
	{"accept-ranges", ""},
	{"accept", ""},
	{"access-control-allow-origin", ""},
	{"age", ""},
	{"allow", ""},
	{"authorization", ""},
	{"cache-control", ""},
	{"content-disposition", ""},
	{"content-encoding", ""},
	{"content-language", ""},
	{"content-length", ""},
	{"content-location", ""},
	{"content-range", ""},
	{"content-type", ""},
	{"cookie", ""},
	{"date", ""},
	{"etag", ""},
	{"expect", ""},
	{"expires", ""},
	{"from", ""},
	{"host", ""},
	{"if-match", ""},
	{"if-modified-since", ""},
	{"if-none-match", ""},
	{"if-range", ""},
	{"if-unmodified-since", ""},
	{"last-modified", ""},
	{"link", ""},
	{"location", ""},
	{"max-forwards", ""},
	{"proxy-authenticate", ""},
	{"proxy-authorization", ""},
	{"range", ""},
	{"referer", ""},
	{"refresh", ""},
	{"retry-after", ""},
	{"server", ""},
	{"set-cookie", ""},
	{"strict-transport-security", ""},
	{"transfer-encoding", ""},
	{"user-agent", ""},
	{"vary", ""},
	{"via", ""},
	{"www-authenticate", ""},
}

// staticNames holds the first index of every name.
var staticNames = func() map[string]int {
	names := make(map[string]int, len(staticTable))
	for i, f := range staticTable {
		if names[f.Name] == 0 {
			names[f.Name] = i + 1
		}
	}
	return names
}()

// searchStatic returns the index of the entry with this name and value, exact, or else of the first with this name, or
// else 0.
func searchStatic(name, value string) (index int, exact bool) {
	first := staticNames[name]
	if first == 0 {
		return 0, false
	}
	for i := first; i <= len(staticTable) && staticTable[i-1].Name == name; i++ {
		if staticTable[i-1].Value == value {
			return i, true
		}
	}
	return first, false
}

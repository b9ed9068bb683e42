module h2ws/bench

go 1.26.0

replace h2ws => ../

tool h2ws/bench/cmd/wsbench

require (
	github.com/HdrHistogram/hdrhistogram-go v1.4.0
	golang.org/x/net v0.62.0
	golang.org/x/sys v0.49.0
	h2ws v0.0.0-00010101000000-000000000000
)

require golang.org/x/text v0.43.0 // indirect

module h2ws/bench/interop

go 1.26.0

replace h2ws => ../..

require (
	github.com/gobwas/ws v1.5.0
	golang.org/x/net v0.62.0
	h2ws v0.0.0-00010101000000-000000000000
)

require (
	github.com/gobwas/httphead v0.1.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

// Package interop proves the server with clients that nobody here wrote: browsers, proxies, and the HTTP/2
// clients of other languages. Everything is in its tests, which .ci/interop installs the clients for and runs;
// a client that is missing is a failure.
//
// Each test starts a server in its own process and a client in another, asks the client for what a user of
// it would do, and then compares what the client reports with what the server saw. Between them stands a
// tap, which keeps every frame as text, under TLS too, and shows it when a test fails.
//
// With H2WS_INTEROP_OUT=folder the transcripts of all tests are left there, and pictures of the browsers' pages.
package interop

package main

import (
	"crypto/tls"
	"errors"
	"io"
	"syscall"

	"h2ws/bench"
)

// hint says what else to try after an error; "" if nothing comes to mind.
func hint(err error) string {
	var secure *bench.TLSError
	var record tls.RecordHeaderError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, bench.ErrNoConnectProtocol):
		return " (over HTTP/1.1: -proto h1)"
	case errors.As(err, &certificate):
		return " (trust its issuer with -ca FILE, or anybody with -insecure)"
	case errors.As(err, &record), errors.As(err, &secure) && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)):
		return " (is it cleartext? Then http or ws)"
	case errors.Is(err, bench.ErrNotHTTP2):
		return " (over HTTP/1.1: -proto h1; if it wants TLS: https or wss)"
	case errors.As(err, &secure):
		return " (its ALPN may lack HTTP/2: -proto h1)"
	}
	return ""
}

package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"h2ws/bench"
	"h2ws/bench/raw"
)

// access is what the command line says of how a server is spoken to.
type access struct {
	protocol    string
	ca          string
	insecure    bool
	header      headerFlag
	origin      string
	subprotocol string
	locals      string
}

// The protocols of -proto.
const (
	protoH2  = "h2"  // over TLS
	protoH2C = "h2c" // cleartext, prior knowledge
	protoH1  = "h1"  // either
)

func (a *access) register(f *flag.FlagSet) {
	f.StringVar(&a.protocol, "proto", "", "speak `h2|h2c|h1`: HTTP/2 over TLS, cleartext HTTP/2 with prior knowledge, HTTP/1.1 (default: h2 to https and wss, h2c to http and ws)")
	f.StringVar(&a.ca, "ca", "", "trust the certificates in this PEM `file` instead of the system's")
	f.BoolVar(&a.insecure, "insecure", false, "trust any certificate")
	f.Var(&a.header, "header", "say this `'Name: value'` in every opening handshake; may be given several times")
	f.StringVar(&a.origin, "origin", "", "say this `origin` in every opening handshake")
	f.StringVar(&a.subprotocol, "subprotocol", "", "offer these `names`, with commas between them")
	f.StringVar(&a.locals, "local", "", "connect from these `addresses` in turn, with commas between them: each has 28,000 ports")
}

// headerFlag is a flag.Value.
type headerFlag http.Header

func (h *headerFlag) String() string { return "" }

func (h *headerFlag) Set(s string) error {
	name, value, ok := strings.Cut(s, ":")
	if !ok {
		return errors.New("it is Name: value")
	}
	if *h == nil {
		*h = headerFlag{}
	}
	http.Header(*h).Add(name, strings.TrimSpace(value))
	return nil
}

// target reads what is where: a URL, or host:port for cleartext HTTP/2.
func (a *access) target(where, path string) (t bench.Target, err error) {
	if !strings.Contains(where, "://") {
		if _, port, err := net.SplitHostPort(where); err != nil || port == "" {
			return t, fmt.Errorf("bad target %q: it is a URL, or host:port", where)
		}
		where = "http://" + where
	}
	u, err := url.Parse(where)
	if err != nil {
		return t, fmt.Errorf("bad %w", err)
	}
	secure, err := secureScheme(u)
	if err != nil {
		return t, err
	}
	t = bench.Target{Target: raw.Target{Addr: dialAddr(u, secure), Authority: u.Host, Path: path}, HTTP1: a.protocol == protoH1}
	if p := u.EscapedPath(); p != "" && p != "/" || u.RawQuery != "" {
		if path != "/" {
			return t, fmt.Errorf("the path is %s in the target and %s in -path", u.RequestURI(), path)
		}
		t.Path = templated(u.RequestURI())
	}
	if err := a.checkProtocol(secure); err != nil {
		return t, err
	}
	if secure {
		if t.TLS, err = a.tls(); err != nil {
			return t, err
		}
	} else if a.ca != "" || a.insecure {
		return t, errors.New("-ca and -insecure are for https and wss")
	}
	return t, a.fill(&t)
}

// templated takes back that net/url escapes braces.
func templated(path string) string {
	return strings.NewReplacer("%7B", "{", "%7D", "}").Replace(path)
}

func secureScheme(u *url.URL) (bool, error) {
	switch {
	case u.Hostname() == "" && u.Port() == "":
		return false, fmt.Errorf("bad target %q: there is no host in it", u)
	case u.User != nil || u.Fragment != "":
		return false, fmt.Errorf("bad target %q: user and fragment mean nothing to a WebSocket (-header 'Authorization: ...' says who you are)", u.Redacted())
	}
	switch u.Scheme {
	case "http", "ws":
		return false, nil
	case "https", "wss":
		return true, nil
	}
	return false, fmt.Errorf("bad target %q: it begins with http, https, ws or wss", u)
}

// dialAddr is where to connect: without a host this machine, without a port the scheme's.
func dialAddr(u *url.URL, secure bool) string {
	host, port := u.Hostname(), u.Port()
	if host == "" {
		host = "127.0.0.1"
	}
	if port == "" {
		port = "80"
		if secure {
			port = "443"
		}
	}
	return net.JoinHostPort(host, port)
}

func (a *access) checkProtocol(secure bool) error {
	switch {
	case a.protocol == protoH2 && !secure:
		return errors.New("-proto h2 takes TLS, so https or wss; cleartext is h2c")
	case a.protocol == protoH2C && secure:
		return errors.New("-proto h2c is cleartext, so http or ws; over TLS it is h2")
	}
	switch a.protocol {
	case "", protoH2, protoH2C, protoH1:
		return nil
	}
	return fmt.Errorf("-proto must be h2, h2c or h1, not %q", a.protocol)
}

func (a *access) tls() (*tls.Config, error) {
	cfg := &tls.Config{InsecureSkipVerify: a.insecure}
	if a.ca == "" {
		return cfg, nil
	}
	if a.insecure {
		return nil, errors.New("-ca says whom to trust, and -insecure to trust anybody: give one of them")
	}
	pem, err := os.ReadFile(a.ca)
	if err != nil {
		return nil, fmt.Errorf("-ca: %w", err)
	}
	cfg.RootCAs = x509.NewCertPool()
	if !cfg.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("-ca: there is no certificate in %s", a.ca)
	}
	return cfg, nil
}

// fill takes the flags that need no URL.
func (a *access) fill(t *bench.Target) error {
	t.Header = http.Header(a.header)
	if a.origin != "" {
		t.Header = t.Header.Clone()
		if t.Header == nil {
			t.Header = http.Header{}
		}
		t.Header.Set("Origin", a.origin)
	}
	if a.subprotocol != "" {
		t.Subprotocols = strings.Split(a.subprotocol, ",")
	}
	if a.locals == "" {
		return nil
	}
	for _, s := range strings.Split(a.locals, ",") {
		ip, err := netip.ParseAddr(s)
		if err != nil {
			return fmt.Errorf("-local: %q is no address", s)
		}
		t.Locals = append(t.Locals, ip)
	}
	return nil
}

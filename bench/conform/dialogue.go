package conform

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/net/http2/hpack"

	"h2ws/bench/raw"
	"h2ws/engine/frame"
)

// entry is a setting of the client.
type entry = frame.Setting

// dialogue is one connection to the server, with what has happened on it.
type dialogue struct {
	c      *raw.Conn
	cfg    *Config
	setup  setup
	log    transcript
	notes  []string // what the RFCs let pass
	over   bool     // the connection was to end, and has
	events []event  // came, and no step has looked at them yet

	// The server's side.
	settings    map[frame.SettingID]uint32
	started     bool // the client has said its SETTINGS
	settled     bool // the server's have come
	acked       bool // and its ACK of ours
	decoder     *hpack.Decoder
	tableLower  bool   // the next field block must say that its table is no larger than the client's HEADER_TABLE_SIZE
	block       []byte // of a field block that takes more than one frame
	blockHeader frame.Header
	gone        error // why nothing comes any more

	// Windows, in octets: may be sent, and may be received.
	sendWindow, recvWindow int64

	streams map[uint32]*stream
	opened  []*stream // in the order of their requests
	s       *stream   // the one that steps are about
	nextID  uint32
	pings   uint64
}

const (
	streamWindow = 1 << 20 // INITIAL_WINDOW_SIZE of the client
	connWindow   = 1 << 24
)

// dialTimeout is how long connecting may take, however short the answers are waited for.
const dialTimeout = 10 * time.Second

// newDialogue connects.
func newDialogue(ctx context.Context, cfg *Config, s setup) (*dialogue, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := raw.Dial(ctx, &cfg.Target)
	if err != nil {
		return nil, err
	}
	return &dialogue{
		c: c, cfg: cfg, setup: s, settings: map[frame.SettingID]uint32{}, decoder: raw.NewDecoder(s.settings),
		tableLower: slices.ContainsFunc(s.settings, func(e entry) bool { return e.ID == frame.HeaderTableSize && e.Value < raw.TableSize }),
		streams:    map[uint32]*stream{}, nextID: 1, sendWindow: 65535, recvWindow: 65535,
	}, nil
}

// start exchanges SETTINGS.
func (d *dialogue) start() error {
	settings := []entry{{ID: frame.EnablePush, Value: 0}}
	if !slices.ContainsFunc(d.setup.settings, func(e entry) bool { return e.ID == frame.InitialWindowSize }) {
		settings = append(settings, entry{ID: frame.InitialWindowSize, Value: streamWindow})
	}
	settings = append(settings, d.setup.settings...)
	b := frame.AppendSettings([]byte(frame.Preface), settings...)
	b = frame.AppendWindowUpdate(b, 0, connWindow-65535)
	if d.settled {
		b = frame.AppendSettingsAck(b)
	}
	d.recvWindow, d.started = connWindow, true
	if err := d.send(b); err != nil {
		return err
	}
	by := d.patience()
	for !d.settled || !d.acked {
		if err := d.recv(by); err != nil {
			return d.missed(err, "SETTINGS and the ACK of the client's (RFC 9113 §3.4, §6.5.3)")
		}
	}
	return nil
}

// patience is until when an answer must come.
func (d *dialogue) patience() time.Time { return time.Now().Add(d.cfg.Wait) }

// grace is until when an answer comes that comes at once.
func (d *dialogue) grace() time.Time { return time.Now().Add(d.cfg.Grace) }

// allow notes what is not as it should be, and may be.
func (d *dialogue) allow(format string, args ...any) {
	d.notes = append(d.notes, fmt.Sprintf(format, args...))
}

// send sends octets as they are. That the server has ended the connection meanwhile shows when steps wait for
// what it says.
func (d *dialogue) send(p []byte) error { return d.sendFields(p, nil) }

// sendFields is send of a request, whose fields are for the transcript.
func (d *dialogue) sendFields(p []byte, fields []raw.Field) error {
	d.log.addSent(p, fields)
	err := d.c.Send(p, d.patience())
	if raw.Timeout(err) {
		return &missError{"a server that reads", "nothing was read in time"}
	}
	return nil
}

// ping sends a PING that no other of this dialogue equals.
func (d *dialogue) ping() (data [8]byte, err error) {
	d.pings++
	copy(data[:], "conf")
	binary.BigEndian.PutUint32(data[4:], uint32(d.pings))
	return data, d.send(frame.AppendPing(nil, false, data))
}

// answered asks for an answer with a PING, and hands over what comes, with whether it is the PING's ACK, until judge is
// done. want is what a server that says nothing at all has missed.
func (d *dialogue) answered(want string, judge func(e event, acked bool) (done bool, err error)) error {
	data, err := d.ping()
	if err != nil {
		return err
	}
	for by := d.patience(); ; {
		e, err := d.awaitAny(by)
		if err != nil {
			return d.missed(err, want)
		}
		if done, err := judge(e, e.kind == gotPingAck && string(e.data) == string(data[:])); done || err != nil {
			return err
		}
	}
}

// missed makes of an error of recv what a step says that wanted something.
func (d *dialogue) missed(err error, want string) error {
	var miss *missError
	switch {
	case errors.As(err, &miss):
		return err
	case raw.Timeout(err):
		return &missError{want, fmt.Sprintf("nothing for %v", d.cfg.Wait)}
	case errors.Is(err, io.EOF):
		return &missError{want, "the end of the connection (FIN)"}
	}
	return &missError{want, "the end of the connection: " + err.Error()}
}

// await returns the next event of a stream, or of the connection for id 0. A connection that ends is an
// event of every stream.
func (d *dialogue) await(id uint32, by time.Time) (event, error) {
	for {
		for i, e := range d.events {
			if e.stream == id || e.kind == gotGoAway && e.code != uint32(frame.NoError) {
				d.events = append(d.events[:i:i], d.events[i+1:]...)
				return e, nil
			}
		}
		if d.gone != nil {
			return event{kind: gotGone, text: d.gone.Error()}, nil
		}
		err := d.recv(by)
		if err != nil && d.gone == nil {
			return event{}, err
		}
	}
}

// awaitAny returns the next event of whatever.
func (d *dialogue) awaitAny(by time.Time) (event, error) {
	for len(d.events) == 0 && d.gone == nil {
		if err := d.recv(by); err != nil && d.gone == nil {
			return event{}, err
		}
	}
	if len(d.events) == 0 {
		return event{kind: gotGone, text: d.gone.Error()}, nil
	}
	e := d.events[0]
	d.events = d.events[1:]
	return e, nil
}

// finish makes sure that the connection lives and that nothing came which no step wanted. A PING says when to
// stop listening.
func (d *dialogue) finish() error {
	if d.over {
		return nil
	}
	if err := d.barrier(); err != nil {
		return err
	}
	for _, e := range d.events {
		s := d.streams[e.stream]
		if s != nil && (s.dropped || s.over && e.kind == gotReset) || e.kind == gotPingAck || e.kind == gotGoAway {
			continue
		}
		return &missError{"nothing more", e.String()}
	}
	return nil
}

// barrier has the server answer a PING, which shows that the connection lives and that it has read
// everything before.
func (d *dialogue) barrier() error {
	const want = "the ACK of a PING: the connection lives"
	data, err := d.ping()
	if err != nil {
		return err
	}
	by := d.patience()
	for {
		e, err := d.await(0, by)
		switch {
		case err != nil:
			return d.missed(err, want)
		case e.kind == gotPingAck && string(e.data) == string(data[:]):
			return nil
		case e.kind == gotGone, e.kind == gotGoAway && e.code != uint32(frame.NoError):
			return &missError{want, e.String()}
		}
	}
}

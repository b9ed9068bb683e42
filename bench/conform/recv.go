package conform

import (
	"fmt"
	"time"

	"h2ws/bench/raw"
	"h2ws/engine/frame"
)

// breach is a server that breaks a rule, whatever the case is about.
func breach(f raw.Frame, rule string) error {
	return &missError{"a server that keeps to the rules", f.String() + ": " + rule}
}

// recv takes in one frame: it judges it, acts on it as a client must, and turns it into events.
func (d *dialogue) recv(by time.Time) error {
	if d.gone != nil {
		return d.gone
	}
	f, err := d.c.Recv(by)
	if err != nil {
		if !raw.Timeout(err) {
			d.gone = err
		}
		return err
	}
	d.log.add(line{h: f.Header, payload: f.Payload})
	if err := frame.Check(f.Header, frame.MaxPayloadMin); err != nil {
		return breach(f, err.Error())
	}
	if !d.settled && (f.Type != frame.Settings || f.Flags.Has(frame.FlagAck)) && f.Type != frame.GoAway {
		return breach(f, "the first frame is not SETTINGS (RFC 9113 §3.4)")
	}
	if d.block != nil && (f.Type != frame.Continuation || f.StreamID != d.blockHeader.StreamID) {
		return breach(f, "a field block is interrupted (RFC 9113 §4.3)")
	}
	return d.recvFrame(f)
}

func (d *dialogue) recvFrame(f raw.Frame) error {
	switch f.Type {
	case frame.Data:
		return d.recvData(f)
	case frame.Headers, frame.Continuation:
		return d.recvHeaders(f)
	case frame.RSTStream:
		return d.recvRSTStream(f)
	case frame.Settings:
		return d.recvSettings(f)
	case frame.PushPromise:
		return breach(f, "ENABLE_PUSH is 0 (RFC 9113 §6.6)")
	case frame.Ping:
		return d.recvPing(f)
	case frame.GoAway:
		_, code, debug := frame.ParseGoAway(f.Payload)
		d.events = append(d.events, event{kind: gotGoAway, code: uint32(code), data: debug})
	case frame.WindowUpdate:
		return d.recvWindowUpdate(f)
	}
	return nil
}

func (d *dialogue) recvSettings(f raw.Frame) error {
	if f.Flags.Has(frame.FlagAck) {
		d.acked = true
		return nil
	}
	for p := f.Payload; len(p) > 0; {
		var s frame.Setting
		s, p = frame.ParseSetting(p)
		if err := s.Check(); err != nil {
			return breach(f, err.Error())
		}
		if s.ID == frame.EnablePush && s.Value != 0 {
			return breach(f, "a server must not set ENABLE_PUSH to 1 (RFC 9113 §6.5.2)")
		}
		if s.ID == frame.EnableConnectProtocol && s.Value == 0 && d.settings[s.ID] == 1 {
			return breach(f, "ENABLE_CONNECT_PROTOCOL 0 after 1 (RFC 8441 §3)")
		}
		if s.ID == frame.InitialWindowSize {
			for _, stream := range d.streams {
				stream.sendWindow += int64(s.Value) - d.initialWindow()
			}
		}
		d.settings[s.ID] = s.Value
	}
	d.settled = true
	if !d.started {
		return nil // start does it
	}
	return d.send(frame.AppendSettingsAck(nil))
}

// initialWindow is what may be sent on a new stream.
func (d *dialogue) initialWindow() int64 {
	if v, ok := d.settings[frame.InitialWindowSize]; ok {
		return int64(v)
	}
	return 65535
}

func (d *dialogue) recvPing(f raw.Frame) error {
	if f.Flags.Has(frame.FlagAck) {
		d.events = append(d.events, event{kind: gotPingAck, data: f.Payload})
		return nil
	}
	return d.send(frame.AppendPing(nil, true, frame.ParsePing(f.Payload)))
}

func (d *dialogue) recvWindowUpdate(f raw.Frame) error {
	increment, err := frame.ParseWindowUpdate(f.Header, f.Payload)
	if err != nil {
		return breach(f, err.Error())
	}
	window := &d.sendWindow
	if f.StreamID != 0 {
		s := d.streams[f.StreamID]
		if s == nil {
			return breach(f, "the stream is idle (RFC 9113 §5.1)")
		}
		window = &s.sendWindow
	}
	if *window += int64(increment); *window > 1<<31-1 {
		return breach(f, "the window exceeds 2^31-1 (RFC 9113 §6.9.1)")
	}
	return nil
}

func (d *dialogue) recvRSTStream(f raw.Frame) error {
	s := d.streams[f.StreamID]
	if s == nil {
		return breach(f, "the stream is idle (RFC 9113 §6.4)")
	}
	s.reset = true
	d.note(s, event{kind: gotReset, code: uint32(frame.ParseRSTStream(f.Payload))})
	return nil
}

// note queues an event of a stream.
func (d *dialogue) note(s *stream, e event) {
	e.stream = s.id
	d.events = append(d.events, e)
}

// recvData charges the windows and passes on what is in the frame.
func (d *dialogue) recvData(f raw.Frame) error {
	s, size := d.streams[f.StreamID], int64(f.Length)
	switch {
	case s == nil:
		return breach(f, "the stream is idle (RFC 9113 §5.1)")
	case s.ended:
		return breach(f, "DATA after END_STREAM (RFC 9113 §5.1)")
	case s.reset:
		return breach(f, "DATA after RST_STREAM (RFC 9113 §6.4)")
	case s.status == 0:
		return breach(f, "DATA before HEADERS (RFC 9113 §8.1)")
	case size > s.recvWindow || size > d.recvWindow:
		return breach(f, fmt.Sprintf("more than the windows, %d and %d octets (RFC 9113 §6.9)", s.recvWindow, d.recvWindow))
	}
	s.recvWindow, d.recvWindow = s.recvWindow-size, d.recvWindow-size
	end := f.Flags.Has(frame.FlagEndStream)
	if size > 0 && !d.setup.noCredit {
		if err := d.credit(s, size, end); err != nil {
			return err
		}
	}
	p := f.Payload
	if f.Flags.Has(frame.FlagPadded) {
		n, err := frame.DataLen(f.Header, p[0])
		if err != nil {
			return breach(f, err.Error())
		}
		p = p[1 : 1+n]
	}
	if s.status == 200 && s.connect {
		if rule := d.recvSocket(s, p); rule != "" {
			return breach(f, rule)
		}
	}
	if end {
		s.ended = true
		d.note(s, event{kind: gotEnd})
	}
	return nil
}

// credit gives back what was received.
func (d *dialogue) credit(s *stream, size int64, end bool) error {
	b := frame.AppendWindowUpdate(nil, 0, uint32(size))
	d.recvWindow += size
	if !end {
		b = frame.AppendWindowUpdate(b, s.id, uint32(size))
		s.recvWindow += size
	}
	return d.send(b)
}

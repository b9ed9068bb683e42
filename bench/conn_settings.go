package bench

import (
	"math"

	"h2ws/engine/frame"
)

// recvSettings applies the server's SETTINGS in their order and acknowledges them.
func (c *conn) recvSettings(h frame.Header, p []byte) error {
	if h.Flags.Has(frame.FlagAck) {
		return nil
	}
	connect := false
	for len(p) > 0 {
		var s frame.Setting
		s, p = frame.ParseSetting(p)
		if err := s.Check(); err != nil {
			return faultf("%v", err)
		}
		connect = connect || s == frame.Setting{ID: frame.EnableConnectProtocol, Value: 1}
		c.apply(s)
	}
	if !c.settled && !connect {
		return ErrNoConnectProtocol
	}
	c.heard = c.heard || !c.settled
	c.settled = true
	c.control(frame.AppendSettingsAck(c.out))
	c.pump()
	return nil
}

func (c *conn) apply(s frame.Setting) {
	switch s.ID {
	case frame.MaxConcurrentStreams:
		c.maxStreams = int(min(s.Value, math.MaxInt32))
	case frame.MaxFrameSize:
		c.maxFrame = int(s.Value)
	case frame.HeaderTableSize:
		c.request.limitTable(s.Value)
	case frame.InitialWindowSize:
		// "a SETTINGS frame can alter the initial flow-control window size for streams" that are open
		// (RFC 9113 §6.9.2): peerWindow is the base of them all.
		c.peerWindow = int32(s.Value)
		c.unstallAll()
	}
}

func (c *conn) recvWindowUpdate(h frame.Header, p []byte) error {
	increment, err := frame.ParseWindowUpdate(h, p)
	if err != nil {
		return faultf("%v", err)
	}
	if h.StreamID == 0 {
		c.sendWindow += int64(increment)
		if c.sendWindow > math.MaxInt32 {
			return faultf("WINDOW_UPDATE raises the connection's window above 2^31-1 (RFC 9113 §6.9.1)")
		}
		c.pump()
		return nil
	}
	i, err := c.index(h)
	if err != nil {
		return err
	}
	s := &c.streams[i]
	if s.state == done || s.state == dropped {
		return nil
	}
	if c.available(s)+int64(increment) > math.MaxInt32 {
		return faultf("WINDOW_UPDATE raises the window of stream %d above 2^31-1 (RFC 9113 §6.9.1)", h.StreamID)
	}
	s.send += int32(increment)
	c.unstall(i)
	c.pump()
	return nil
}

package engine

import (
	"h2ws/engine/frame"
	"h2ws/flow"
	"h2ws/hpack"
)

// settingsState follows our one SETTINGS frame (RFC 9113 §6.5.3).
type settingsState uint8

const (
	settingsWaitingACK settingsState = iota
	settingsSynced
)

// sendSettings writes our SETTINGS, the first frame of the connection (RFC 9113 §3.4). They never
// change: clients must not see ENABLE_CONNECT_PROTOCOL taken back (RFC 8441 §3).
func (c *conn) sendSettings() {
	l := &c.core.limits
	settings := []frame.Setting{
		{ID: frame.EnableConnectProtocol, Value: 1},
		{ID: frame.MaxConcurrentStreams, Value: l.MaxConcurrentStreams},
		{ID: frame.MaxHeaderListSize, Value: l.Header.ListSize},
		{ID: frame.NoRFC7540Priorities, Value: 1},
	}
	if l.StreamWindow != flow.InitialSize {
		settings = append(settings, frame.Setting{ID: frame.InitialWindowSize, Value: uint32(l.StreamWindow)})
	}
	c.settingsBy = after(c.core.now, l.SettingsTimeout)
	c.control = frame.AppendSettings(c.controls(), settings...)
	c.control = frame.AppendWindowUpdate(c.controls(), 0, uint32(l.ConnWindow-flow.InitialSize))
	c.touch()
}

func (c *conn) recvSettings(h frame.Header, p []byte) error {
	if h.Flags.Has(frame.FlagAck) {
		return c.recvSettingsAck()
	}
	if err := c.charge(RuleSettings, 1); err != nil {
		return err
	}
	for n := 0; len(p) > 0; n++ {
		if n == settingsMax {
			return c.breach(RuleSettings, frame.EnhanceYourCalm, "too many parameters")
		}
		var s frame.Setting
		s, p = frame.ParseSetting(p)
		if err := c.recvSetting(s); err != nil {
			return err
		}
	}
	if c.state == connOpening {
		c.state = connOpen
		c.prefaceBy = never
	}
	c.control = frame.AppendSettingsAck(c.controls())
	c.touch()
	return nil
}

// settingsMax is how many parameters a frame may have: four times what there are.
const settingsMax = 32

func (c *conn) recvSettingsAck() error {
	if c.settings == settingsSynced {
		return c.charge(RuleGlitch, 1)
	}
	c.settings = settingsSynced
	c.settingsBy = never
	return nil
}

// recvSetting applies one parameter, in the order of appearance (RFC 9113 §6.5.3). All but these
// bind us to nothing: no frame of ours is larger than every peer must take; unknown ones "MUST be
// ignored" (§6.5.2).
func (c *conn) recvSetting(s frame.Setting) error {
	if err := s.Check(); err != nil {
		return err
	}
	switch s.ID {
	case frame.HeaderTableSize:
		c.tableless = c.tableless || s.Value < hpack.TableSize
	case frame.InitialWindowSize:
		c.setPeerInitial(int32(s.Value))
	case frame.MaxHeaderListSize:
		c.setPeerFields(s.Value)
	}
	return nil
}

package conform

import (
	"slices"

	"h2ws/bench/raw"
	"h2ws/engine/frame"
)

// fieldsOf makes the fields of a request of those of an ordinary opening handshake, which it may change.
type fieldsOf func(fields []raw.Field) []raw.Field

// edit is the opening handshake with changes, one after another.
func edit(changes ...fieldsOf) fieldsOf {
	return func(fields []raw.Field) []raw.Field {
		for _, change := range changes {
			fields = change(fields)
		}
		return fields
	}
}

// with adds a field at the end.
func with(name, value string) fieldsOf {
	return func(fields []raw.Field) []raw.Field { return append(fields, raw.Field{Name: name, Value: value}) }
}

// without drops a field.
func without(name string) fieldsOf {
	return func(fields []raw.Field) []raw.Field {
		return slices.DeleteFunc(fields, func(f raw.Field) bool { return f.Name == name })
	}
}

// set changes the value of a field.
func set(name, value string) fieldsOf {
	return func(fields []raw.Field) []raw.Field {
		for i := range fields {
			if fields[i].Name == name {
				fields[i].Value = value
			}
		}
		return fields
	}
}

// again repeats a pseudo-header field behind itself.
func again(name string) fieldsOf {
	return func(fields []raw.Field) []raw.Field {
		i := slices.IndexFunc(fields, func(f raw.Field) bool { return f.Name == name })
		return slices.Insert(fields, i, fields[i])
	}
}

// late moves a pseudo-header field to the end, behind regular fields.
func late(name string) fieldsOf {
	return func(fields []raw.Field) []raw.Field {
		i := slices.IndexFunc(fields, func(f raw.Field) bool { return f.Name == name })
		f := fields[i]
		return append(slices.Delete(fields, i, i+1), f)
	}
}

// ordered has the pseudo-header fields in that order.
func ordered(names ...string) fieldsOf {
	return func(fields []raw.Field) []raw.Field {
		slices.SortStableFunc(fields[:len(names)], func(a, b raw.Field) int {
			return slices.Index(names, a.Name) - slices.Index(names, b.Name)
		})
		return fields
	}
}

// front puts a field before all others.
func front(name, value string) fieldsOf {
	return func(fields []raw.Field) []raw.Field {
		return slices.Insert(fields, 0, raw.Field{Name: name, Value: value})
	}
}

// ordinary makes it another method, without :protocol.
func ordinary(method string) fieldsOf {
	return edit(set(":method", method), without(":protocol"), without("sec-websocket-version"))
}

// request sends a request on the next stream, which is the current one from then on.
func request(fields fieldsOf) step { return requestFlags(0, fields) }

// requestEnd is request with END_STREAM.
func requestEnd(fields fieldsOf) step { return requestFlags(frame.FlagEndStream, fields) }

func requestFlags(flags frame.Flags, fields fieldsOf) step {
	return requestAs(fields, func(id uint32, all []raw.Field) []byte { return raw.AppendRequest(nil, id, flags, all) })
}

// requestAs sends a request in frames that build makes.
func requestAs(fields fieldsOf, build func(id uint32, fields []raw.Field) []byte) step {
	return func(d *dialogue) error {
		s := d.newStream(fields(d.cfg.Target.Handshake()))
		return d.sendFields(build(s.id, s.request), s.request)
	}
}

// newStream is the next stream.
func (d *dialogue) newStream(fields []raw.Field) *stream {
	s := &stream{
		id: d.nextID, request: fields, sendWindow: d.initialWindow(), recvWindow: streamWindow,
		connect: slices.ContainsFunc(fields, func(f raw.Field) bool { return f.Name == ":method" && f.Value == "CONNECT" }),
	}
	for _, e := range d.setup.settings {
		if e.ID == frame.InitialWindowSize {
			s.recvWindow = int64(e.Value)
		}
	}
	d.nextID += 2
	d.streams[s.id], d.s = s, s
	d.opened = append(d.opened, s)
	return s
}

package tape

import (
	"encoding/binary"

	"rookery/core/seam"
)

// Begin takes the beginning of a tape: the configuration, and the entries that follow it.
func Begin(b []byte) (config, entries []byte, err error) {
	if len(b) < len(Magic) {
		return nil, nil, ErrShort
	}
	if string(b[:len(Magic)]) != Magic {
		return nil, nil, ErrWrong
	}
	if b = b[len(Magic):]; len(b) < lengthSize {
		return nil, nil, ErrShort
	}
	length := uint64(binary.LittleEndian.Uint32(b))
	if b = b[lengthSize:]; length > uint64(len(b)) {
		return nil, nil, ErrShort
	}
	return b[:length], b[length:], nil
}

// Next takes one entry from b and returns what follows it. The input's bytes are copies: a Step may change its frame.
func Next(b []byte) (Entry, []byte, error) {
	if len(b) < lengthSize {
		return Entry{}, b, ErrShort
	}
	length := uint64(binary.LittleEndian.Uint32(b))
	if length > uint64(len(b)-lengthSize) {
		return Entry{}, b, ErrShort
	}
	r := reader{b: b[lengthSize : lengthSize+length]}
	var e Entry
	e.To = r.address()
	e.Now = seam.Now{Mono: seam.Mono(r.signed()), Wall: seam.Wall(r.signed())}
	e.Input = r.input(&e)
	e.Digest = seam.Digest(r.digest())
	if r.wrong || len(r.b) > 0 {
		return Entry{}, b, ErrWrong
	}
	return e, b[lengthSize+length:], nil
}

// reader takes fields from an entry and remembers that one was not there.
type reader struct {
	b     []byte
	wrong bool
}

func (r *reader) input(e *Entry) seam.Input {
	switch r.byte() {
	case kindStarted:
		in := &seam.Started{Files: r.entries()}
		for _, fault := range r.bytes() {
			in.Dirs = append(in.Dirs, seam.Fault(fault))
		}
		return in
	case kindOpened:
		in := &seam.Opened{Conn: seam.Conn(r.number()), Listener: int32(r.number()), Port: int32(r.number())}
		in.Host, in.Remote = string(r.bytes()), string(r.bytes())
		return in
	case kindRequest:
		return &seam.Request{Conn: seam.Conn(r.number()), Lease: seam.Lease(r.number()), Frame: r.bytes()}
	case kindWanting:
		return &seam.Wanting{Conn: seam.Conn(r.number()), Bytes: int64(r.number())}
	case kindHangup:
		return &seam.Hangup{Conn: seam.Conn(r.number())}
	case kindWrote:
		return &seam.Wrote{Op: seam.Op(r.number()), Bytes: int64(r.number()), Fault: seam.Fault(r.number()), Entries: r.entries()}
	case kindSynced:
		return &seam.Synced{Op: seam.Op(r.number()), Fault: seam.Fault(r.number())}
	case kindLoaded:
		return &seam.Loaded{Op: seam.Op(r.number()), Fault: seam.Fault(r.number()), Data: r.bytes()}
	case kindSent:
		return &seam.Sent{Op: seam.Op(r.number()), Conn: seam.Conn(r.number()), Fault: seam.Fault(r.number())}
	case kindRewritten:
		return &seam.Rewritten{Op: seam.Op(r.number()), Lease: seam.Lease(r.number()), Data: r.bytes()}
	case kindMail:
		return r.mail(e)
	case kindAlarm:
		return &seam.Alarm{}
	case kindStop:
		return &seam.Stop{}
	}
	r.wrong = true
	return nil
}

func (r *reader) mail(e *Entry) *seam.Mail {
	in := &seam.Mail{From: r.address(), Link: r.number(), Lease: seam.Lease(r.number()), Fault: seam.Fault(r.number())}
	e.Body = r.byte() == 1
	framed := r.byte() == 1
	in.Frame = r.bytes()
	if !framed {
		in.Frame = nil
	}
	return in
}

func (r *reader) address() seam.Address {
	a := seam.Address{Kind: seam.AddressKind(r.byte()), ID: r.number(), Port: int32(r.number())}
	a.Host = string(r.bytes())
	return a
}

func (r *reader) entries() []seam.Entry {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.wrong = true
		return nil
	}
	var entries []seam.Entry
	for range n {
		e := seam.Entry{Path: seam.Path{Dir: int32(r.number())}, Size: int64(r.number())}
		e.Path.Name = string(r.bytes())
		e.Folder = r.byte() == 1
		entries = append(entries, e)
	}
	return entries
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.wrong = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.wrong = true
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) signed() int64 {
	n, size := binary.Varint(r.b)
	if size <= 0 {
		r.wrong = true
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) digest() uint64 {
	if len(r.b) < 8 {
		r.wrong = true
		return 0
	}
	n := binary.LittleEndian.Uint64(r.b)
	r.b = r.b[8:]
	return n
}

func (r *reader) bytes() []byte {
	n := r.number()
	if n > uint64(len(r.b)) {
		r.wrong = true
		return nil
	}
	data := append(make([]byte, 0, n), r.b[:n]...)
	r.b = r.b[n:]
	return data
}

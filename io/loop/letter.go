package loop

import "rookery/core/seam"

type kind uint8

const (
	request kind = iota
	wrote
	synced
	loaded
	sent
	hangup
	alarm
	stop
	rare // carried whole, on the heap
)

// letter is an input by value. The frequent kinds share the fields; nothing is allocated for them.
type letter struct {
	kind  kind
	fault seam.Fault
	op    seam.Op
	conn  seam.Conn
	lease seam.Lease
	bytes int64
	data  []byte
	body  any
	whole seam.Input
}

// inputs are the structs that letters are opened into: good for one Step.
type inputs struct {
	request seam.Request
	wrote   seam.Wrote
	synced  seam.Synced
	loaded  seam.Loaded
	sent    seam.Sent
	hangup  seam.Hangup
	alarm   seam.Alarm
}

// isOfWorld says that a letter tells of a write, a sync, a read or an answer that is done.
func (l *letter) isOfWorld() bool {
	return l.kind == wrote || l.kind == synced || l.kind == loaded || l.kind == sent
}

// seal copies an input into an empty letter.
func (l *letter) seal(in seam.Input) {
	switch in := in.(type) {
	case *seam.Request:
		l.kind, l.conn, l.lease, l.data, l.body = request, in.Conn, in.Lease, in.Frame, in.Body
	case *seam.Wrote:
		l.kind, l.op, l.bytes, l.fault = wrote, in.Op, in.Bytes, in.Fault
		if in.Entries != nil {
			whole := *in
			l.kind, l.whole = rare, &whole
		}
	case *seam.Synced:
		l.kind, l.op, l.fault = synced, in.Op, in.Fault
	case *seam.Loaded:
		l.kind, l.op, l.data, l.fault = loaded, in.Op, in.Data, in.Fault
	case *seam.Sent:
		l.kind, l.op, l.conn, l.fault = sent, in.Op, in.Conn, in.Fault
	case *seam.Wanting:
		whole := *in
		l.kind, l.conn, l.whole = rare, in.Conn, &whole
	case *seam.Rewritten:
		whole := *in
		l.kind, l.whole = rare, &whole
	case *seam.Hangup:
		l.kind, l.conn = hangup, in.Conn
	case *seam.Alarm:
		l.kind = alarm
	case *seam.Started:
		whole := *in
		l.kind, l.whole = rare, &whole
	case *seam.Opened:
		whole := *in
		l.kind, l.conn, l.whole = rare, in.Conn, &whole
	case *seam.Mail:
		whole := *in
		l.kind, l.whole = rare, &whole
	case *seam.Stop:
		l.kind, l.whole = stop, &seam.Stop{}
	}
}

// open is the input again, in a struct of into.
func (l *letter) open(into *inputs) seam.Input {
	switch l.kind {
	case request:
		into.request = seam.Request{Conn: l.conn, Lease: l.lease, Frame: l.data, Body: l.body}
		return &into.request
	case wrote:
		into.wrote = seam.Wrote{Op: l.op, Bytes: l.bytes, Fault: l.fault}
		return &into.wrote
	case synced:
		into.synced = seam.Synced{Op: l.op, Fault: l.fault}
		return &into.synced
	case loaded:
		into.loaded = seam.Loaded{Op: l.op, Data: l.data, Fault: l.fault}
		return &into.loaded
	case sent:
		into.sent = seam.Sent{Op: l.op, Conn: l.conn, Fault: l.fault}
		return &into.sent
	case hangup:
		into.hangup = seam.Hangup{Conn: l.conn}
		return &into.hangup
	case alarm:
		return &into.alarm
	}
	return l.whole
}

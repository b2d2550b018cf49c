package workload

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/client"
	"rookery/core/seam"
	"rookery/core/wire"
	"rookery/sim/check"
)

// deputy is a Client machine as the simulator runs it: the machine itself, and beside it what can be seen of it from
// outside. It changes nothing of what the machine is told and asks for, but that a letter to the program says when what
// it tells of was asked.
//
// What it knows is enough for one law: a machine that owes its program something, and awaits no answer, has asked to be
// woken before its longest pause is over. Whatever else it waits for it would wait for until the time of what it owes
// is up.
type deputy struct {
	seam.Machine
	run   *Run
	name  string
	quiet bool      // its produces have no answer (acks=0)
	pause seam.Mono // the longest that it rests

	link     uint64 // links up to this one are gone
	awaited  int    // answers
	owed     int    // records, calls, flushes
	credit   int64  // of fetches
	alarm    seam.Mono
	asked    seam.Mono // when the last Fetch was sent
	fetches  queue
	coming   map[*client.Assign]*reading
	readings map[check.Partition]*reading
}

// letter is what the machine wrote to its program.
type letter struct {
	body    any
	asked   seam.Mono // of a Fetched: when the Fetch was sent
	reading *reading  // and whose it is
}

func newDeputy(run *Run, name string, config client.Config) *deputy {
	return &deputy{Machine: client.New(config), run: run, name: name, quiet: config.Acks == client.AcksNone,
		pause: max(config.Linger, config.RetryBackoffMax*6/5, config.ReconnectBackoffMax*6/5) + seam.Millisecond,
		alarm: seam.Never, coming: map[*client.Assign]*reading{}, readings: map[check.Partition]*reading{}}
}

// Step is the machine's.
func (d *deputy) Step(now seam.Now, in seam.Input, fx *seam.Effects) {
	switch in := in.(type) {
	case *seam.Alarm:
		d.alarm = seam.Never
	case *seam.Mail:
		d.onMail(in)
	case *seam.Started, *seam.Opened, *seam.Request, *seam.Hangup, *seam.Wrote, *seam.Synced, *seam.Loaded, *seam.Sent, *seam.Rewritten, *seam.Wanting, *seam.Stop:
	}
	asked := d.asked
	d.Machine.Step(now, in, fx)
	for i := range fx.Sends {
		if s := &fx.Sends[i]; s.To.Kind == seam.ToPeer {
			d.onFrame(now.Mono, s.Data)
		} else {
			s.Body = d.onLetter(s.Body, asked)
		}
	}
	for _, c := range fx.Reading {
		d.link, d.awaited = uint64(c.Conn), 0 // what was sent in this Step is lost with it
	}
	d.alarm = min(d.alarm, fx.Alarm)
	if d.awaited == 0 && d.owes() {
		d.run.require(d.alarm <= now.Mono+d.pause, check.ClientAwake, "%s owes %d things and has %d bytes of credit, awaits nothing, and wishes to be woken at %v; it is %v",
			d.name, d.owed, d.credit, d.alarm, now.Mono)
	}
}

func (d *deputy) owes() bool { return d.owed > 0 || d.credit > 0 && len(d.readings) > 0 }

func (d *deputy) onMail(in *seam.Mail) {
	switch {
	case in.From.Kind != seam.ToPeer:
		d.onTold(in.Body)
	case in.Link <= d.link:
	case in.Fault != seam.OK:
		d.link, d.awaited = in.Link, 0
	case in.Frame != nil:
		d.awaited--
	}
}

func (d *deputy) onTold(body any) {
	switch in := body.(type) {
	case *client.Produce:
		d.owed += len(in.Records)
	case *client.Call, *client.Flush:
		d.owed++
	case *client.Close:
		d.owed++
		clear(d.readings)
	case *client.Assign:
		d.readings[check.Partition{Topic: in.Topic, Number: in.Partition}] = d.coming[in]
		delete(d.coming, in)
	case *client.Poll:
		d.credit += in.Bytes
	}
}

func (d *deputy) onFrame(now seam.Mono, frame []byte) {
	key := int16(binary.BigEndian.Uint16(frame[4:]))
	if key == wire.KeyFetch {
		d.asked = now
		if r, is := decodeSent(frame).(*kmsg.FetchRequest); d.run.require(is, check.ClientTells, "%s: what it sends cannot be read", d.name) {
			d.fetches.asks(d.run, d.name, r)
		}
	}
	if key != wire.KeyProduce || !d.quiet {
		d.awaited++
	}
}

func (d *deputy) onLetter(body any, asked seam.Mono) *letter {
	switch in := body.(type) {
	case client.Deliveries:
		for i := range in {
			d.owed -= int(in[i].Count)
		}
	case *client.Fetched:
		p := check.Partition{Topic: in.Topic, Number: in.Partition}
		rd := d.readings[p]
		d.credit -= in.Bytes
		if in.Stopped {
			delete(d.readings, p)
		}
		return &letter{in, asked, rd}
	case *client.Answer, *client.Flushed, *client.Closed:
		d.owed--
	}
	return &letter{body: body}
}

package workload

import (
	"encoding/binary"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/client"
	"rookery/core/seam"
	"rookery/core/wire"
	"rookery/sim/check"
)

// queue is in which order a client machine has asked for partitions, when it last did so without a session.
type queue struct {
	names []check.Partition
	times int // one after the other
}

// sameAgainMax is how often that may be the same order: the machine may have been told to read something anew meanwhile.
const sameAgainMax = 4

// asks: a fetch that begins no session's next round is served in the order in which it names partitions. That must not always be
// the same (KIP-74).
func (q *queue) asks(run *Run, who string, r *kmsg.FetchRequest) {
	var names []check.Partition
	for i := range r.Topics {
		for _, p := range r.Topics[i].Partitions {
			names = append(names, check.Partition{Topic: r.Topics[i].Topic + string(r.Topics[i].TopicID[:]), Number: p.Partition})
		}
	}
	if q.times++; r.SessionEpoch > 0 || len(names) < 2 || !slices.Equal(names, q.names) {
		q.times = 1
	}
	if q.names = names; r.SessionEpoch > 0 {
		q.names = nil
	}
	run.require(q.times < sameAgainMax, check.EachInTurn, "%s has asked %d times for %d partitions in the same order, without a session", who, q.times, len(names))
}

// decodeSent is a request that a client machine sends; nil: it cannot be read.
func decodeSent(frame []byte) kmsg.Request {
	request := kmsg.RequestForKey(int16(binary.BigEndian.Uint16(frame[4:])))
	request.SetVersion(int16(binary.BigEndian.Uint16(frame[6:])))
	body := frame[14+max(0, int(int16(binary.BigEndian.Uint16(frame[12:])))):]
	if request.IsFlexible() {
		body = body[1:] // no tags
	}
	if request.ReadFrom(body) != nil {
		return nil
	}
	return request
}

// witness is a worker's Client machine with somebody beside it who reads along. Where the group commits by itself he knows how far
// the application had come with what it has let go, as it was asked to: before the group may give that to somebody else the
// machine has said so, or whoever gets it does all since the last commit once more. Whether it was heard is another matter, and
// who has lost a partition may say nothing of it.
type witness struct {
	seam.Machine
	run    *Run
	name   string
	config client.Config

	lots    map[int32]*lot
	asked   uint64  // the tag of the Revoked that was not answered yet
	ending  []int32 // what that names
	owed    map[int32]debt
	fetches queue
}

// debt is how far the application had come with what it has let go. A commit that found no coordinator until then is given up.
type debt struct {
	said  int64
	until seam.Mono
}

// lot is a partition that the group gave to the machine.
type lot struct {
	known bool  // to the application, which has Assigned it
	from  int64 // where it goes on; -1: that is not known yet
	said  int64 // so far it has come
	told  int64 // and so far the group was told
}

func newWitness(run *Run, name string, config client.Config) *witness {
	return &witness{Machine: client.New(config), run: run, name: name, config: config, lots: map[int32]*lot{}, owed: map[int32]debt{}}
}

// Step is the machine's.
func (w *witness) Step(now seam.Now, in seam.Input, fx *seam.Effects) {
	if in, is := in.(*seam.Mail); is && in.From.Kind != seam.ToPeer {
		w.onTold(now.Mono, in.Body)
	}
	w.Machine.Step(now, in, fx)
	for i := range fx.Sends {
		if s := &fx.Sends[i]; s.To.Kind == seam.ToPeer {
			w.onFrame(now.Mono, s.Data)
		} else {
			w.onLetter(s.Body)
		}
	}
}

func (w *witness) onTold(now seam.Mono, body any) {
	switch in := body.(type) {
	case *client.Assign:
		if l := w.lots[in.Partition]; l != nil {
			l.known = true
		}
	case *client.Polled:
		for _, place := range in.Processed {
			if l := w.lots[place.Number]; l != nil && l.known {
				l.said = place.Offset
			}
		}
	case *client.Released:
		if in.Tag != w.asked || w.asked == 0 {
			return
		}
		for _, n := range w.ending {
			if l := w.lots[n]; l != nil && w.config.AutoCommitInterval > 0 && l.from >= 0 && l.said > max(l.from, l.told) && !w.run.hasRotted(check.Partition{Topic: crewTopic, Number: n}) {
				w.owed[n] = debt{l.said, now + w.config.RequestTimeout}
			}
			delete(w.lots, n)
		}
		w.asked, w.ending = 0, nil
	}
}

func (w *witness) onLetter(body any) {
	switch in := body.(type) {
	case *client.Assigned:
		for _, p := range in.Partitions {
			w.lots[p.Number] = &lot{from: -1, said: -1, told: -1}
		}
	case *client.Revoked:
		if in.Lost {
			clear(w.lots)
			clear(w.owed)
			w.asked, w.ending = 0, nil
			return
		}
		w.asked, w.ending = in.Tag, nil
		for _, p := range in.Partitions {
			w.ending = append(w.ending, p.Number)
		}
	case *client.Fetched:
		if l := w.lots[in.Partition]; l != nil && l.known && l.from < 0 && !in.Code.Failed() {
			if l.from = in.From; l.from < 0 {
				l.from = in.Position - int64(len(in.Records))
			}
		}
	}
}

// onFrame reads what is sent: commits, and what lets the group give to others what is let go.
func (w *witness) onFrame(now seam.Mono, frame []byte) {
	switch int16(binary.BigEndian.Uint16(frame[4:])) {
	case wire.KeyOffsetCommit, wire.KeyJoinGroup, wire.KeyLeaveGroup, wire.KeyConsumerGroupHeartbeat, wire.KeyFetch:
	default:
		return
	}
	request := decodeSent(frame)
	if !w.run.require(request != nil, check.ClientTells, "%s: what it sends cannot be read", w.name) {
		return
	}
	switch r := request.(type) {
	case *kmsg.OffsetCommitRequest:
		for i := range r.Topics {
			for _, p := range r.Topics[i].Partitions {
				w.commits(p.Partition, p.Offset)
			}
		}
	case *kmsg.ConsumerGroupHeartbeatRequest:
		if r.Topics == nil && r.MemberEpoch >= 0 {
			return
		}
		w.letsGo(now, func(n int32) bool {
			return slices.ContainsFunc(r.Topics, func(t kmsg.ConsumerGroupHeartbeatRequestTopic) bool { return slices.Contains(t.Partitions, n) })
		})
	case *kmsg.FetchRequest:
		w.fetches.asks(w.run, w.name, r)
	default:
		w.letsGo(now, func(int32) bool { return false })
	}
}

func (w *witness) commits(n int32, offset int64) {
	if l := w.lots[n]; l != nil {
		l.told = max(l.told, offset)
	}
	if owed, owes := w.owed[n]; owes && owed.said <= offset {
		w.run.require(true, check.SaidBeforeGone, "")
		delete(w.owed, n)
	}
}

// letsGo: the group may give to somebody else what it does not keep.
func (w *witness) letsGo(now seam.Mono, keeps func(n int32) bool) {
	for n, owed := range w.owed { //tidy:unordered each by itself
		if !keeps(n) {
			delete(w.owed, n)
			w.run.require(now >= owed.until, check.SaidBeforeGone, "%s lets %d go, and had come up to %d, of which the group was not told", w.name, n, owed.said)
		}
	}
}

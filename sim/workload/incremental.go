package workload

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/sim/check"
	"rookery/sim/world"
)

// fetchSessions is what a seed makes of them (KIP-227): a third goes without.
type fetchSessions struct {
	On          bool
	Slots       int // 0: the default, as of the others
	EvictMillis int
	Bytes       int64
	Stammer     bool // readers send a session's next request before they have an answer
}

func drawFetchSessions(tape *world.Tape, quiet bool) fetchSessions {
	s := tape.Stream("fetch sessions")
	p := fetchSessions{On: s.Choose(3) > 0}
	if !p.On {
		return p
	}
	p.Slots = [4]int{0, 1, 2, 3}[s.Choose(4)]
	p.EvictMillis = [4]int{0, 1, 100, 1000}[s.Choose(4)]
	p.Bytes = [4]int64{0, 0, 0, 700}[s.Choose(4)]
	p.Stammer = !quiet && s.Choose(4) > 0
	return p
}

// incremental is what a reader knows of its fetch session: what it has asked of each of its partitions, and what it was
// told last. It trusts an answer that leaves a partition out as far as to take that for a look at it.
type incremental struct {
	stream *world.Stream
	id     int32 // 0: there is none
	epoch  int32 // of the next request
	parts  []heldPart
}

type heldPart struct {
	in          bool // the session has it
	topic       [16]byte
	from        int64
	size, read  int32
	told        bool
	code        int16
	high, start int64
	waits       int // for so many answers that have brought records of others, and none of it, which has some
}

const (
	idNotFound     = 70
	epochWrong     = 71
	inconsistentID = 103
)

// enterSession gives a reader a session, where the plan and the reader's version have any.
func (r *reader) enterSession() {
	if s := r.run.tape.Stream(r.name + ".incremental"); r.run.plan.Sessions.On && r.version >= 7 {
		r.held = &incremental{stream: s, parts: make([]heldPart, len(r.partitions))}
	}
}

// pack says in a request what the session does not know yet. Now and then the reader does without a session.
func (h *incremental) pack(r *reader, request *kmsg.FetchRequest, wanted []bool, from []int64, read []int32, size int32) {
	if h.stream.Choose(16) == 15 {
		h.epoch = -1
	}
	request.SessionID, request.SessionEpoch = h.id, h.epoch
	for i, p := range r.partitions {
		x, id := &h.parts[i], r.run.topicIDs[p.Topic]
		if h.epoch <= 0 {
			*x = heldPart{}
		}
		if x.in && (!wanted[i] || r.version >= 13 && x.topic != id) {
			request.ForgottenTopics = append(request.ForgottenTopics, kmsg.FetchRequestForgottenTopic{Topic: p.Topic, TopicID: x.topic, Partitions: []int32{p.Number}})
			*x = heldPart{}
		}
		if !wanted[i] {
			continue
		}
		asked := size
		if x.in && h.stream.Choose(4) > 0 {
			asked = x.size // as before
		}
		if !x.in || x.from != from[i] || x.read != read[i] || x.size != asked {
			r.addTo(request, p, from[i], read[i], asked)
			x.in, x.topic, x.from, x.read, x.size = true, id, from[i], read[i], asked
		}
	}
	if h.epoch > 0 {
		h.epoch++
	}
}

// stammer sends the session's next request before the answer to the one that was just sent. That is answered, or it is
// told that it was overtaken, and then nothing of it counts as told.
func (h *incremental) stammer(r *reader, now seam.Mono, sent *kmsg.FetchRequest, fx *seam.Effects, done func(at seam.Mono, answer kmsg.Response)) {
	if !r.run.plan.Sessions.Stammer || h.epoch <= 1 || h.stream.Choose(4) > 0 {
		return
	}
	request := kmsg.NewPtrFetchRequest()
	request.Version, request.MaxWaitMillis, request.MinBytes, request.MaxBytes = sent.Version, sent.MaxWaitMillis, sent.MinBytes, sent.MaxBytes
	request.SessionID, request.SessionEpoch = h.id, h.epoch
	h.epoch++
	r.ask(now, request, fx, &call{done: func(at seam.Mono, answer kmsg.Response, _ *seam.Effects) { done(at, answer) }})
}

// inTurn: what an answer has brought records of comes last in the next one (KIP-74), so that nothing waits longer than for each of
// the others once; and once more, since it may have been on its way to another folder. hungry are those that surely have records.
func (h *incremental) inTurn(r *reader, asked int32, hungry []bool, answer *kmsg.FetchResponse) {
	if asked <= 0 || answer.ErrorCode != none || r.run.mayRot() {
		return
	}
	brought, any := make([]bool, len(h.parts)), false
	for t := range answer.Topics {
		for k := range answer.Topics[t].Partitions {
			part := &answer.Topics[t].Partitions[k]
			i := r.indexOf(answer.Topics[t].Topic, answer.Topics[t].TopicID, part.Partition)
			any = any || len(part.RecordBatches) > 0
			if i >= 0 && (len(part.RecordBatches) > 0 || part.ErrorCode != none || part.DivergingEpoch.EndOffset >= 0) {
				brought[i] = true
			}
		}
	}
	for i := range h.parts {
		switch x := &h.parts[i]; {
		case !x.in || brought[i] || !hungry[i]:
			x.waits = 0
		case any:
			x.waits++
			r.run.require(x.waits <= len(h.parts), check.EachInTurn, "%s: %d answers of a session of %d partitions at most have brought records, none of %v", r.name, x.waits, len(h.parts), r.partitions[i])
		}
	}
}

// hungry are the partitions of which there are records to be had for certain, from where they are read.
func (r *reader) hungry(from []int64) []bool {
	hungry := make([]bool, len(from))
	for i := range from {
		hungry[i] = r.highsLife == r.run.World.Node.Life && r.highs[i] > from[i] && !r.run.plan.isFleeting(r.partitions[i].Topic)
	}
	return hungry
}

// lost: an answer did not come, and what it would have said is not known.
func (h *incremental) lost() { h.epoch = 0 }

// answered takes what an answer says of the session itself. False: it says nothing of partitions.
func (h *incremental) answered(r *reader, asked int32, answer *kmsg.FetchResponse) bool {
	overtaken := answer.ErrorCode == epochWrong && len(r.inflight) > 0
	switch {
	case overtaken:
	case answer.ErrorCode == idNotFound:
		h.id, h.epoch = 0, 0
	case answer.ErrorCode != none:
		h.epoch = 0
	case asked <= 0:
		h.id, h.epoch = answer.SessionID, min(answer.SessionID, 1)
		r.run.require(asked == 0 || h.id == 0, check.LeftOutUnchanged, "%s was given the session %d without asking", r.name, h.id)
	default:
		r.run.require(answer.SessionID == h.id, check.LeftOutUnchanged, "%s asked in the session %d and was answered in %d", r.name, h.id, answer.SessionID)
	}
	return answer.ErrorCode == none
}

// toldOf takes what an answer says of a partition.
func (h *incremental) toldOf(r *reader, i int, part *kmsg.FetchResponseTopicPartition) {
	x := &h.parts[i]
	r.run.require(x.in, check.LeftOutUnchanged, "%s was told of %v, which its session has forgotten", r.name, r.partitions[i])
	x.told, x.code, x.high, x.start = true, part.ErrorCode, part.HighWatermark, part.LogStartOffset
}

// leftOut looks at what an answer did not name: it is as it was told last.
func (h *incremental) leftOut(r *reader, called, now seam.Mono, asked int32, from []int64, named []bool) (behind bool) {
	for i, p := range r.partitions {
		x := &h.parts[i]
		if !x.in || named[i] {
			continue
		}
		if !r.run.require(asked > 0 && x.told && x.code == none, check.LeftOutUnchanged, "%s: an answer to epoch %d left out %v, told %t with error %d", r.name, asked, p, x.told, x.code) {
			return false
		}
		r.run.began(p, called, now, x.start, x.high)
		r.run.History.Reads = append(r.run.History.Reads, &check.Read{Client: r.id, Partition: p, Call: called, Return: now, From: from[i], HighWatermark: x.high, Implied: true})
		r.done[i] = r.done[i] || r.positions[i] >= x.high
		behind = behind || from[i] < x.high
	}
	return behind
}

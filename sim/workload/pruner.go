package workload

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
	"rookery/sim/check"
	"rookery/sim/world"
)

// pruning is what a seed makes of deletion: none in half of them.
type pruning struct {
	On          bool
	Keep        check.Keep // of every stable topic but the ledger
	CheckMillis int        // log.retention.check.interval.ms
}

// drawPruning has a stream of its own, so that seeds without it stay what they were.
func drawPruning(tape *world.Tape) pruning {
	s := tape.Stream("pruning")
	p := pruning{Keep: check.Keep{Bytes: -1, Millis: -1}}
	kind := s.Choose(6)
	if p.On = kind >= 3; !p.On {
		return p
	}
	p.CheckMillis = [4]int{100, 20, 500, 2000}[s.Choose(4)]
	if kind >= 4 {
		p.Keep.Bytes = [4]int64{4000, 0, 900, 20_000}[s.Choose(4)]
	}
	if kind == 5 && s.Choose(2) == 1 {
		p.Keep.Millis = [4]int64{2000, 0, 500, 8000}[s.Choose(4)]
	}
	if p.Keep.Millis >= 0 && tape.Choose("age alone", 2) == 1 {
		p.Keep.Bytes = -1
	}
	return p
}

// prunes says whether anything of a topic may be deleted but by DeleteTopics.
func (p *Plan) prunes(topic string) bool {
	return p.Pruning.On && topic != p.Ledger && !p.isFleeting(topic)
}

// pruner deletes records of the stable topics: it asks where a partition ends, and deletes up to somewhere near there.
type pruner struct {
	*session
	partitions []check.Partition
	budget     int
	next       seam.Mono
	epochs     *world.Stream
}

func (p *pruner) idle() bool { return len(p.inflight) == 0 && (p.run.draining || p.budget == 0) }

func (p *pruner) turn(now seam.Mono, fx *seam.Effects) {
	if len(p.inflight) > 0 || p.idle() {
		return
	}
	if now < p.next {
		fx.Wake(p.next)
		return
	}
	p.next = now + 3*p.think()
	p.budget--
	partition := p.partitions[p.stream.Choose(len(p.partitions))]
	p.run.list(p.session, now, partition, latest, int16(1+p.stream.Choose(11)), fx, func(at seam.Mono, found *kmsg.ListOffsetsResponseTopicPartition, fx *seam.Effects) {
		if found != nil {
			p.prune(at, partition, found.Offset, fx)
		}
	})
}

// prune deletes up to the end, all of it, a little less, more than there is, or up to where a leader epoch was said to end.
func (p *pruner) prune(now seam.Mono, partition check.Partition, end int64, fx *seam.Effects) {
	offset := max(0, end-int64(p.stream.Choose(12)))
	switch p.stream.Choose(6) {
	case 4:
		offset = -1
	case 5:
		offset = end + 1000
	}
	if ends := p.run.History.EpochEnds; p.epochs.Choose(4) == 3 {
		for _, x := range ends[max(0, len(ends)-20):] {
			if x.Partition == partition && x.Epoch >= 0 && x.Offset <= end {
				offset = x.Offset
			}
		}
	}
	request := kmsg.NewPtrDeleteRecordsRequest()
	request.Version, request.TimeoutMillis = int16(p.stream.Choose(3)), 30_000
	topic := kmsg.NewDeleteRecordsRequestTopic()
	topic.Topic = partition.Topic
	topic.Partitions = append(topic.Partitions, kmsg.DeleteRecordsRequestTopicPartition{Partition: partition.Number, Offset: offset})
	request.Topics = append(request.Topics, topic)
	d := &check.Deletion{Partition: partition, Offset: offset, Call: now}
	p.run.History.Deletions = append(p.run.History.Deletions, d)
	judge := func(at seam.Mono, answer kmsg.Response) {
		one := answer.(*kmsg.DeleteRecordsResponse).Topics[0].Partitions[0]
		p.run.told(question{key: wire.KeyDeleteRecords, topic: partition.Topic, sent: now}, one.ErrorCode, at, one.LowWatermark)
		switch one.ErrorCode {
		case none:
			d.Outcome = check.Done
			p.run.began(partition, now, at, one.LowWatermark, -1)
			p.run.require(offset < 0 || one.LowWatermark >= offset, check.StartHasReason, "%s: %v up to %d is answered with %d", p.name, partition, offset, one.LowWatermark)
		case offsetOutOfRange:
			d.Outcome = check.Refused
			p.run.require(offset > end || !p.run.facts.Durable[partition.Topic], check.StartHasReason, "%s: %v up to %d is out of range, and it ends at %d", p.name, partition, offset, end)
		}
	}
	p.ask(now, request, fx, &call{settle: judge, done: func(at seam.Mono, answer kmsg.Response, fx *seam.Effects) {
		if answer != nil {
			judge(at, answer)
		}
	}})
}

// began notes what was said of where a log begins.
func (r *Run) began(p check.Partition, called, at seam.Mono, offset, high int64) {
	r.History.Begins = append(r.History.Begins, &check.Begin{Partition: p, Call: called, Return: at, Offset: offset, HighWatermark: high})
}

// What a ListOffsets may ask for instead of a time.
const (
	latest        = -1
	earliest      = -2
	earliestLocal = -4 // KIP-405
	latestTiered  = -5 // KIP-1005
)

// list asks for one offset; then is told it, or nil.
func (r *Run) list(s *session, now seam.Mono, p check.Partition, timestamp int64, version int16, fx *seam.Effects, then func(at seam.Mono, found *kmsg.ListOffsetsResponseTopicPartition, fx *seam.Effects)) {
	request := kmsg.NewPtrListOffsetsRequest()
	request.Version, request.ReplicaID = version, -1
	part := kmsg.NewListOffsetsRequestTopicPartition()
	part.Partition, part.Timestamp, part.CurrentLeaderEpoch = p.Number, timestamp, -1
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = p.Topic
	topic.Partitions = append(topic.Partitions, part)
	request.Topics = append(request.Topics, topic)
	s.ask(now, request, fx, &call{done: func(at seam.Mono, answer kmsg.Response, fx *seam.Effects) {
		if answer == nil {
			then(at, nil, fx)
			return
		}
		found := &answer.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
		if r.told(question{key: wire.KeyListOffsets, topic: p.Topic, sent: now}, found.ErrorCode, at, found.Offset, found.Timestamp, int64(found.LeaderEpoch)); found.ErrorCode != none {
			s.rest(at + 10*seam.Millisecond)
			fx.Wake(s.resting)
			found = nil
		}
		then(at, found, fx)
	}})
}

// searchTime asks for a time, or for the largest one; or for the end of the tiers, and there are none.
func (r *reader) searchTime(now seam.Mono, fx *seam.Effects) {
	p := r.partitions[r.times.Choose(len(r.partitions))]
	asked := int64(check.LargestTime)
	if r.times.Choose(4) > 0 {
		asked = r.run.clock(r.times, now) - int64(r.times.Choose(100)*50)
	}
	version := int16(7 + r.times.Choose(5))
	if version >= 9 && r.times.Choose(16) == 15 {
		asked = latestTiered
	}
	r.run.list(r.session, now, p, asked, version, fx, func(at seam.Mono, found *kmsg.ListOffsetsResponseTopicPartition, _ *seam.Effects) {
		switch {
		case found == nil:
		case asked == latestTiered:
			r.run.require(found.Offset == -1 && found.Timestamp == -1, check.SearchFindsFirst, "%s: of the tiers of %v offset %d was found", r.name, p, found.Offset)
		default:
			r.run.result.Lists++
			r.run.History.Searches = append(r.run.History.Searches, &check.Search{Partition: p, Call: now, Return: at, Time: asked, Offset: found.Offset, Found: found.Timestamp, Epoch: found.LeaderEpoch})
		}
	})
}

// findBegin asks where a partition begins, and goes on from there.
func (r *reader) findBegin(now seam.Mono, i int, fx *seam.Effects) {
	p := r.partitions[i]
	r.lost[i] = true
	version, asked := int16(1+r.stream.Choose(11)), int64(earliest)
	if version >= 8 && r.times.Choose(2) == 1 {
		asked = earliestLocal // the same where there are no tiers
	}
	r.run.list(r.session, now, p, asked, version, fx, func(at seam.Mono, found *kmsg.ListOffsetsResponseTopicPartition, _ *seam.Effects) {
		if found != nil {
			r.run.began(p, now, at, found.Offset, -1)
			r.positions[i], r.behindOf[i], r.lost[i] = found.Offset, -1, false
		}
	})
}

// dueWithin is how long a broker of which nothing is wrong any more may take to do what is due: its looks from time to time, a
// checkpoint, and what a disk has still to answer.
const dueWithin = 60 * seam.Second

// await goes on until nothing is due any more, which is seen from outside: look says what is.
func (r *Run) await(law check.Law, look func() string) {
	w := r.World
	due := look()
	for until := w.Now() + dueWithin; due != "" && w.Now() < until && w.Failure() == nil; due = look() {
		w.Run(w.Now()+100*seam.Millisecond, nil)
	}
	r.require(due == "" || w.Failure() != nil, law, "%v after the faults have ended: %s", dueWithin, due)
}

// overdue is what of the logs that are pruned should be gone, as they lie on the disk. Nobody knows how old a rotten one is.
func (r *Run) overdue() string {
	begins := r.begins()
	for _, p := range r.plan.partitionsOf(r.plan.stable()...) {
		if !r.plan.prunes(p.Topic) || r.rotted(p) {
			continue
		}
		if what := check.Overdue(r.files(p), begins[p], r.plan.Pruning.Keep, r.World.Node.Wall()); what != "" {
			return folderName(p) + "/" + what
		}
	}
	return ""
}

// unflushed is a partition of which something is in the page cache only, and whose topic has a flush.ms for certain.
func (r *Run) unflushed() string {
	m := r.World.Node.Broker()
	if r.broker.View == nil || m == nil {
		return ""
	}
	v := check.View{}
	r.broker.View(m, false, &v)
	for i := range v.Partitions {
		p := &v.Partitions[i]
		if p.Durable < p.Next && r.isAltered(knob{p.Topic, "flush.ms"}) && !r.rotted(check.Partition{Topic: p.Topic, Number: p.Number}) {
			return fmt.Sprintf("%s-%d is on the disk up to %d, and ends at %d", p.Topic, p.Number, p.Durable, p.Next)
		}
	}
	return ""
}

// isAltered says whether a knob is for certain something else than its default.
func (r *Run) isAltered(k knob) bool {
	all := r.knobs[k]
	return len(all) > 0 && !slices.Contains(all[len(all)-1].values, unset) && !r.plan.isFleeting(k.of)
}

// unremoved is a folder of a deleted partition that is still there. A broker that was not started anew may have given it up.
func (r *Run) unremoved() string {
	for dir := range r.plan.Dirs {
		for _, e := range r.World.Node.Disk.List(seam.Path{Dir: int32(dir)}) {
			if e.Folder && strings.HasSuffix(e.Path.Name, "-delete") && !r.noRestart {
				return e.Path.Name
			}
		}
	}
	return ""
}

package workload

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
	"rookery/sim/check"
	"rookery/sim/world"
)

// reader follows a few partitions, goes back now and then, and asks where they end.
type reader struct {
	*session
	version    int16
	partitions []check.Partition
	positions  []int64
	budget     int
	whole      bool // it reads from the beginning, all at once
	audit      bool // it reads everything once, whatever the time, and is done
	behind     *poll
	held       *incremental // nil: every fetch names everything
	done       []bool
	lost       []bool // out of range: where it begins is to be asked for
	next       seam.Mono
	times      *world.Stream
	epochs     *world.Stream
	behindOf   []int32 // the epoch of the batch before each position; -1: not known
	highs      []int64 // the largest high watermark that it was told of each in this life of the broker
	highsLife  int
	tails      []tail
	weighed    bool // an auditor has asked for all the tails at once
}

// tail is the last batch that was read of a partition.
type tail struct {
	from int64
	size int
}

// poll is a fetch that is sent before every other one and waits for nothing that comes: the answers behind it are held
// in the broker, whatever happens meanwhile to what they name.
type poll struct {
	partition check.Partition
	from      int64
}

func (r *reader) idle() bool {
	return len(r.inflight) == 0 && (r.audit && !r.unread() && r.weighed || !r.audit && (r.run.draining || r.budget == 0))
}

func (r *reader) unread() bool {
	for i := range r.partitions {
		if !r.done[i] {
			return true
		}
	}
	return false
}

func (r *reader) turn(now seam.Mono, fx *seam.Effects) {
	if len(r.inflight) > 0 || r.idle() {
		return
	}
	if now < r.next {
		fx.Wake(r.next)
		return
	}
	if r.audit && !r.unread() {
		r.weigh(now, fx)
		return
	}
	if i := slices.Index(r.lost, true); i >= 0 {
		r.findBegin(now, i, fx)
		return
	}
	if r.next = now + r.think(); r.audit { // it reads everything, in two minutes
		r.next = now + (r.next-now)/2
	}
	r.budget = max(r.budget-1, 0)
	switch r.epochs.Choose(16) {
	case 13:
		r.fetchBeyond(now, fx)
		return
	case 14, 15:
		r.askEpoch(now, fx)
		return
	}
	if r.times.Choose(6) == 5 {
		r.searchTime(now, fx)
		return
	}
	switch r.stream.Pick(12, 3, 1) {
	case 0:
		r.fetch(now, fx)
	case 1:
		r.listEnds(now, fx)
	case 2:
		i := r.stream.Choose(len(r.positions))
		if !r.audit {
			r.positions[i], r.behindOf[i] = 0, -1
		}
		r.fetch(now, fx)
	}
}

var (
	fetchWaits = [4]int32{0, 20, 200, 1000}
	fetchSizes = [6]int32{1 << 20, 1, 300, 2000, 9000, 100_000}
)

func (r *reader) fetch(now seam.Mono, fx *seam.Effects) {
	request := kmsg.NewPtrFetchRequest()
	request.Version = r.version
	request.MaxWaitMillis, request.MinBytes = fetchWaits[r.stream.Choose(4)], int32(1+r.stream.Choose(2)*200)
	request.MaxBytes, request.SessionEpoch = 50<<20, -1
	size := fetchSizes[r.stream.Choose(6)]
	if r.whole {
		size = 8 << 20
	}
	from, wanted := append([]int64(nil), r.positions...), make([]bool, len(r.partitions))
	read := r.readBefore()
	for i, p := range r.partitions {
		if r.audit && r.done[i] {
			continue
		}
		if wanted[i] = true; r.whole {
			from[i], read[i] = 0, -1
		}
		if _, known := r.run.topicIDs[p.Topic]; !known && r.version >= 13 {
			r.run.lookUp(r.session, now, fx)
			return
		}
		if r.held == nil {
			r.addTo(request, p, from[i], read[i], size)
		}
	}
	if r.held != nil {
		r.held.pack(r, request, wanted, from, read, size)
	}
	if r.behind != nil {
		r.pollFirst(now, fx)
	}
	asked, sizes, life := request.SessionEpoch, r.sizes(size), r.run.World.Node.Life
	there, hungry := r.there(now), r.hungry(from)
	done := func(at seam.Mono, answer kmsg.Response) {
		if answer != nil {
			r.bounded(answer.(*kmsg.FetchResponse), request.MaxBytes, sizes)
			if r.run.World.Node.Life == life && slices.Contains(wanted, true) {
				r.patient(now, at, request.MaxWaitMillis, answer.(*kmsg.FetchResponse))
				r.prompt(now, at, request, there, answer.(*kmsg.FetchResponse))
				if r.held != nil {
					r.held.inTurn(r, asked, hungry, answer.(*kmsg.FetchResponse))
				}
			}
			r.onFetched(now, at, from, read, wanted, asked, answer.(*kmsg.FetchResponse))
		} else if r.held != nil {
			r.held.lost()
		}
	}
	r.ask(now, request, fx, &call{done: func(at seam.Mono, answer kmsg.Response, _ *seam.Effects) { done(at, answer) }})
	if r.held != nil {
		r.held.stammer(r, now, request, fx, done)
	}
}

// sizes are how much may come of each partition.
func (r *reader) sizes(size int32) []int32 {
	sizes := make([]int32, len(r.partitions))
	for i := range sizes {
		if sizes[i] = size; r.held != nil {
			sizes[i] = r.held.parts[i].size
		}
	}
	return sizes
}

// bounded: an answer holds to what the request, the broker and each partition allow, but for the first batch of the first
// partition that has any, which comes whole and alone if it has to (KIP-74).
func (r *reader) bounded(answer *kmsg.FetchResponse, most int32, sizes []int32) {
	if most = min(most, cmp.Or(r.run.plan.FetchBytesMax, most)); r.run.mayRot() {
		return // whatever says that it is a batch
	}
	first := true
	for t := range answer.Topics {
		topic := &answer.Topics[t]
		for k := range topic.Partitions {
			part := &topic.Partitions[k]
			n, allowed := int32(len(part.RecordBatches)), most
			if n == 0 {
				continue
			}
			i := r.indexOf(topic.Topic, topic.TopicID, part.Partition)
			if i >= 0 {
				allowed = min(most, max(0, sizes[i]))
			}
			alone := first && n >= 12 && n == 12+int32(binary.BigEndian.Uint32(part.RecordBatches[8:]))
			r.run.require(n <= allowed || alone, check.FetchBounded, "%s: %s-%d brings %d bytes (first %v), and is allowed %d", r.name, topic.Topic, part.Partition, n, first, allowed)
			first, most = false, max(0, most-n)
		}
	}
}

// patient: an answer that has nothing to tell, no record, no error, no end of an epoch, and no other start of a log, has waited. A
// broker that stops waits for nobody, and a session may have lost what was asked for.
func (r *reader) patient(sent, at seam.Mono, millis int32, answer *kmsg.FetchResponse) {
	if answer.ErrorCode != none || r.run.World.Node.Stopping() || r.run.mayRot() {
		return
	}
	for t := range answer.Topics {
		for k := range answer.Topics[t].Partitions {
			if part := &answer.Topics[t].Partitions[k]; part.ErrorCode != none || len(part.RecordBatches) > 0 || part.DivergingEpoch.EndOffset >= 0 {
				return
			}
		}
	}
	if r.held != nil && !slices.ContainsFunc(r.held.parts, func(x heldPart) bool { return x.in }) {
		return
	}
	r.run.require(at >= sent+seam.Mono(millis)*seam.Millisecond, check.FetchWaits, "%s: a fetch of %v, sent at %v, was answered at %v with nothing, and was to wait for %d ms", r.name, r.partitions, sent, at, millis)
}

// weigh asks for the last batches of all partitions, and for no less than all of them: they are there.
func (r *reader) weigh(now seam.Mono, fx *seam.Effects) {
	r.weighed = true
	request := kmsg.NewPtrFetchRequest()
	request.Version, request.MaxWaitMillis, request.MinBytes, request.MaxBytes, request.SessionEpoch = min(r.version, 12), 1000, 0, 50<<20, -1
	for i, x := range r.tails {
		if x.size > 0 {
			request.MinBytes += int32(x.size)
			r.addTo(request, r.partitions[i], x.from, -1, 1<<20)
		}
	}
	there := r.there(now)
	r.ask(now, request, fx, &call{done: func(at seam.Mono, answer kmsg.Response, _ *seam.Effects) {
		if answer != nil {
			r.prompt(now, at, request, there, answer.(*kmsg.FetchResponse))
		}
	}})
}

// there is how far each partition may be read for certain; nil: whoever asks now may be kept waiting for other reasons than that
// there is too little. The auditor may not: it comes over a new link when the faults are over and everybody else is done.
func (r *reader) there(now seam.Mono) []int64 {
	if !r.audit || r.run.mayRot() || r.muted.until > now || r.highsLife != r.run.World.Node.Life {
		return nil
	}
	return slices.Clone(r.highs)
}

// high notes a high watermark that it was told. What it had asked an earlier life for says nothing of this one.
func (r *reader) high(called seam.Mono, i int, high int64) {
	if began := r.run.facts.Starts; len(began) > 0 && called < began[len(began)-1] {
		return
	}
	if life := r.run.World.Node.Life; r.highsLife != life {
		r.highs, r.highsLife = make([]int64, len(r.partitions)), life
	}
	r.highs[i] = max(r.highs[i], high)
}

// prompt: an answer that comes only when its time is up brings all that was there when it was asked for, and of that less than was
// to come at least. Otherwise there was nothing to wait for.
func (r *reader) prompt(sent, at seam.Mono, asked *kmsg.FetchRequest, there []int64, answer *kmsg.FetchResponse) {
	if there == nil || answer.ErrorCode != none || r.run.World.Node.Stopping() || asked.MaxWaitMillis < 100 || at < sent+seam.Mono(asked.MaxWaitMillis)*seam.Millisecond {
		return
	}
	bytes := 0
	for t := range answer.Topics {
		topic := &answer.Topics[t]
		for k := range topic.Partitions {
			part := &topic.Partitions[k]
			i := r.indexOf(topic.Topic, topic.TopicID, part.Partition)
			batches, _, err := check.ReadBatches(part.RecordBatches)
			if i < 0 || err != nil || len(batches) == 0 {
				continue
			}
			end := batches[len(batches)-1].Last + 1
			r.run.require(end >= there[i], check.FetchWaits, "%s: a fetch of %v, sent at %v, was answered at %v, when its time was up, with %s-%d up to %d, and %d was there", r.name, r.partitions, sent, at, r.partitions[i].Topic, part.Partition, end, there[i])
			for _, b := range batches {
				if b.Last < there[i] {
					bytes += b.Size
				}
			}
		}
	}
	r.run.require(bytes == 0 || bytes < int(asked.MinBytes), check.FetchWaits, "%s: a fetch of %v, sent at %v, was answered at %v, when its time was up, with %d bytes that were there, and asked for %d", r.name, r.partitions, sent, at, bytes, asked.MinBytes)
}

func (r *reader) pollFirst(now seam.Mono, fx *seam.Effects) {
	request := kmsg.NewPtrFetchRequest()
	request.Version, request.MaxWaitMillis, request.MinBytes, request.MaxBytes, request.SessionEpoch = 12, 2000, 1<<30, 1<<30, -1
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes, part.CurrentLeaderEpoch = r.behind.partition.Number, r.behind.from, 1<<30, -1
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.Partitions = r.behind.partition.Topic, append(topic.Partitions, part)
	request.Topics = append(request.Topics, topic)
	r.ask(now, request, fx, &call{done: func(at seam.Mono, answer kmsg.Response, _ *seam.Effects) {
		if answer == nil {
			return
		}
		for _, topic := range answer.(*kmsg.FetchResponse).Topics {
			for _, part := range topic.Partitions {
				r.run.told(question{key: wire.KeyFetch, topic: r.behind.partition.Topic, sent: now}, part.ErrorCode, at, besideError(&part)...)
				r.behind.from = max(0, part.HighWatermark)
			}
		}
	}})
}

func (r *reader) addTo(request *kmsg.FetchRequest, p check.Partition, from int64, read, size int32) {
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes = p.Number, from, size
	part.CurrentLeaderEpoch, part.LastFetchedEpoch = -1, read
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic = p.Topic
	if r.version >= 13 {
		topic.TopicID = r.run.topicIDs[p.Topic]
	}
	topic.Partitions = append(topic.Partitions, part)
	if last := len(request.Topics) - 1; last >= 0 && request.Topics[last].Topic == p.Topic {
		request.Topics[last].Partitions = append(request.Topics[last].Partitions, part)
		return
	}
	request.Topics = append(request.Topics, topic)
}

func (r *reader) onFetched(called, now seam.Mono, from []int64, read []int32, asks []bool, asked int32, answer *kmsg.FetchResponse) {
	r.run.result.Fetches++
	r.run.told(question{key: wire.KeyFetch, sent: called}, answer.ErrorCode, now)
	if r.held != nil && !r.held.answered(r, asked, answer) {
		return
	}
	behind, brought, named := false, false, make([]bool, len(from))
	for t := range answer.Topics {
		topic := &answer.Topics[t]
		for k := range topic.Partitions {
			part := &topic.Partitions[k]
			i := r.indexOf(topic.Topic, topic.TopicID, part.Partition)
			if i < 0 { // a topic that has gone since
				brought = brought || len(part.RecordBatches) > 0
				continue
			}
			r.run.told(question{key: wire.KeyFetch, topic: r.partitions[i].Topic, sent: called}, part.ErrorCode, now, besideError(part)...)
			if named[i] = true; r.held != nil {
				r.held.toldOf(r, i, part)
			}
			if part.ErrorCode != none {
				r.onFault(called, now, i, from[i], part.ErrorCode)
				continue
			}
			if end := part.DivergingEpoch.EndOffset; end >= 0 {
				brought = true
				r.parted(called, now, i, from[i], read[i], part)
				continue
			}
			behind = behind || from[i] < part.HighWatermark
			brought = r.onPart(called, now, i, from[i], part) || brought
		}
	}
	for i := range named {
		_, known := r.run.topicIDs[r.partitions[i].Topic] // it may have been forgotten since, and is not found in the answer then
		if r.held == nil && answer.ErrorCode == none && asks[i] && (known || r.version < 13) && !r.run.plan.isFleeting(r.partitions[i].Topic) {
			r.run.require(named[i], check.AnswersInOrder, "%s: the answer leaves %v out", r.name, r.partitions[i])
		}
	}
	if r.held != nil {
		behind = r.held.leftOut(r, called, now, asked, from, named) || behind
	}
	if answer.ErrorCode == none {
		r.run.require(!behind || brought || r.run.mayRot(), check.FetchProgress, "%s: a fetch of %v from %v brought nothing", r.name, r.partitions, from)
	}
}

// fetchBeyond reads from far behind the end of a log that nobody will come to.
func (r *reader) fetchBeyond(now seam.Mono, fx *seam.Effects) {
	p := r.partitions[r.epochs.Choose(len(r.partitions))]
	request := kmsg.NewPtrFetchRequest()
	request.Version, request.MaxWaitMillis, request.MinBytes, request.MaxBytes, request.SessionEpoch = min(r.version, 12), 100, 1, 1<<20, -1
	r.addTo(request, p, max(r.run.facts.Origins[p], 0)+1<<40, -1, 1<<20)
	r.ask(now, request, fx, &call{done: func(at seam.Mono, answer kmsg.Response, _ *seam.Effects) {
		if answer != nil {
			part := &answer.(*kmsg.FetchResponse).Topics[0].Partitions[0]
			r.run.beyond(r.name, question{key: wire.KeyFetch, topic: p.Topic, sent: now}, part, at)
		}
	}})
}

// beyond: what is behind the end is out of range, too.
func (r *Run) beyond(who string, q question, part *kmsg.FetchResponseTopicPartition, at seam.Mono) {
	if part.ErrorCode == offsetOutOfRange {
		r.World.Laws[check.BelowStartIsOut]++
		return
	}
	r.told(q, part.ErrorCode, at, besideError(part)...)
	r.require(part.ErrorCode != none, check.BelowStartIsOut, "%s: a fetch of %s-%d from far behind its end was served, up to %d", who, q.topic, part.Partition, part.HighWatermark)
}

// besideError is what a Fetch tells of a partition beside an error.
func besideError(part *kmsg.FetchResponseTopicPartition) []int64 {
	return []int64{part.HighWatermark, part.LastStableOffset, part.LogStartOffset, int64(len(part.RecordBatches)) - 1}
}

func (r *reader) indexOf(topic string, id [16]byte, number int32) int {
	for i, p := range r.partitions {
		asked := r.run.topicIDs[p.Topic]
		if r.held != nil {
			asked = r.held.parts[i].topic
		}
		if p.Number == number && (p.Topic == topic || r.version >= 13 && asked == id) {
			return i
		}
	}
	return -1
}

func (r *reader) onFault(called, now seam.Mono, i int, from int64, code int16) {
	if r.run.diskInTheWay(r.version, code) {
		r.done[i] = r.done[i] || r.run.mayRot() && (code == storageError || r.run.rotted(r.partitions[i]))
	}
	switch code {
	case offsetOutOfRange:
		p := r.partitions[i]
		r.positions[i], r.behindOf[i], r.lost[i] = 0, -1, r.run.plan.prunes(p.Topic)
		r.run.History.Outs = append(r.run.History.Outs, &check.OutOfRange{Partition: p, Call: called, Return: now, From: from})
	case unknownTopic, unknownTopicID, inconsistentID:
		delete(r.run.topicIDs, r.partitions[i].Topic)
		if r.run.plan.isFleeting(r.partitions[i].Topic) {
			r.done[i] = true
		}
	}
	r.rest(now + 10*seam.Millisecond)
}

func (r *reader) onPart(called, now seam.Mono, i int, from int64, part *kmsg.FetchResponseTopicPartition) (brought bool) {
	p := r.partitions[i]
	batches, _, err := check.ReadBatches(part.RecordBatches)
	if err != nil {
		if !r.run.mayRot() {
			r.run.fail(check.Fail(check.ReadsAreSlices, "%s: fetch of %v from %d: %v", r.name, p, from, err))
		}
		r.done[i] = true
		return true
	}
	if n := misplaced(batches, from); n < len(batches) && r.run.hasRotted(p) {
		r.done[i] = true // the bit that turned is in a header's offset, which no checksum covers
		if batches = batches[:n]; n == 0 {
			return true
		}
	}
	if r.version >= 4 {
		r.run.require(part.LastStableOffset == part.HighWatermark, check.StartBelowEnd, "%s: %v has a high watermark of %d and is stable up to %d", r.name, p, part.HighWatermark, part.LastStableOffset)
	}
	if r.version >= 5 {
		r.run.began(p, called, now, part.LogStartOffset, part.HighWatermark)
		r.run.require(from >= part.LogStartOffset, check.BelowStartIsOut, "%s: a fetch of %v from %d was served, and it begins at %d", r.name, p, from, part.LogStartOffset)
	}
	if len(batches) > 0 {
		r.run.led(p, batches[len(batches)-1].Epoch, now)
	}
	read := &check.Read{Client: r.id, Partition: p, Call: called, Return: now, From: from, HighWatermark: part.HighWatermark}
	for _, b := range batches {
		if r.tails == nil {
			r.tails = make([]tail, len(r.partitions))
		}
		r.tails[i] = tail{b.Base, b.Size}
		for _, e := range b.Entries {
			if e.Offset >= from {
				read.Entries = append(read.Entries, e)
			}
		}
		r.positions[i], r.behindOf[i] = max(from, b.Last+1), b.Epoch
	}
	if len(batches) > 0 {
		r.run.require(batches[0].Base <= from && batches[0].Last >= from || r.run.plan.isFleeting(p.Topic), check.ReadsAreSlices,
			"%s: a fetch of %v from %d begins with the batch %d to %d", r.name, p, from, batches[0].Base, batches[0].Last)
	}
	unreadable := r.run.mayRot() && len(batches) == 0 && len(part.RecordBatches) > 0
	r.done[i] = r.done[i] || r.positions[i] >= part.HighWatermark || unreadable
	r.high(called, i, part.HighWatermark)
	r.run.History.Reads = append(r.run.History.Reads, read)
	return len(batches) > 0
}

// misplaced is the index of the first batch that does not stand where a read from that offset has to find it.
func misplaced(batches []check.Batch, from int64) int {
	for i := range batches {
		if i == 0 && (batches[0].Base > from || batches[0].Last < from) || i > 0 && batches[i].Base != batches[i-1].Last+1 {
			return i
		}
	}
	return len(batches)
}

// listEnds asks where a partition ends: its high watermark.
func (r *reader) listEnds(now seam.Mono, fx *seam.Effects) {
	i := r.stream.Choose(len(r.partitions))
	p := r.partitions[i]
	r.run.list(r.session, now, p, latest, int16(1+r.stream.Choose(8)), fx, func(at seam.Mono, found *kmsg.ListOffsetsResponseTopicPartition, _ *seam.Effects) {
		if found != nil {
			r.run.result.Lists++
			r.high(now, i, found.Offset)
			r.run.History.Reads = append(r.run.History.Reads, &check.Read{Client: r.id, Partition: p, Call: now, Return: at, HighWatermark: found.Offset, Listed: true})
		}
	})
}

package workload

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core"
	"rookery/core/seam"
	"rookery/core/wire"
	"rookery/sim/check"
	"rookery/sim/world"
)

// tidying is what a seed makes of compaction: a topic with few keys and tiny segments, a map with room for fewer keys, two
// clients that write, one that reads from the start to the end again and again. Of the codecs none and zstd.
type tidying struct {
	On              bool // in half of the runs
	BackOffMillis   int64
	BytesPerSecond  int64
	Threads         int
	SegmentBytes    int
	RetentionMillis int64 // delete.retention.ms
	Ratio           int   // thousandths
	MinLagMillis    int64
	MaxLagMillis    int64 // 0: none
	Interval        int
	CheckpointMilli int
	Budget          int   // batches of a keeper
	KeepMillis      int64 // retention.ms, which is nothing to a topic that is compacted alone
}

const (
	tidyTopic   = "tidy"
	tidyKeys    = 12
	tidyMap     = 8
	tidyClients = 3
)

func drawTidying(tape *world.Tape) tidying {
	s := tape.Stream("tidying")
	t := tidying{On: s.Choose(2) == 1}
	if !t.On {
		return t
	}
	t.BackOffMillis = [4]int64{50, 10, 200, 800}[s.Choose(4)]
	t.BytesPerSecond = [4]int64{0, 0, 3000, 30_000}[s.Choose(4)]
	t.Threads = [2]int{1, 3}[s.Choose(2)]
	t.SegmentBytes = [4]int{300, 700, 2000, 300}[s.Choose(4)]
	t.RetentionMillis = [4]int64{2000, 500, 6000, 0}[s.Choose(4)]
	t.Ratio = [3]int{0, 300, 10}[s.Choose(3)]
	t.MinLagMillis = [4]int64{0, 0, 0, 150}[s.Choose(4)]
	t.MaxLagMillis = [4]int64{0, 0, 200, 1000}[s.Choose(4)]
	t.Interval = [3]int{4096, 0, 150}[s.Choose(3)]
	t.CheckpointMilli = [3]int{100, 30, 500}[s.Choose(3)]
	t.Budget = 60 + 40*s.Choose(4)
	t.KeepMillis = [2]int64{-1, 1000}[tape.Choose("tidy ages", 2)]
	return t
}

func (t *tidying) config() map[string]string {
	config := map[string]string{
		"cleanup.policy": "compact", "retention.ms": strconv.FormatInt(t.KeepMillis, 10), "message.timestamp.after.max.ms": "9223372036854775807", "flush.messages": "1",
		"internal.segment.bytes": strconv.Itoa(t.SegmentBytes), "delete.retention.ms": strconv.FormatInt(t.RetentionMillis, 10),
		"min.cleanable.dirty.ratio": fmt.Sprintf("0.%03d", t.Ratio), "min.compaction.lag.ms": strconv.FormatInt(t.MinLagMillis, 10), "index.interval.bytes": strconv.Itoa(t.Interval),
	}
	if t.MaxLagMillis > t.MinLagMillis {
		config["max.compaction.lag.ms"] = strconv.FormatInt(t.MaxLagMillis, 10)
	}
	return config
}

func (t *tidying) configure(c *core.Config) {
	if !t.On {
		return
	}
	c.Cleaner = core.CleanerConfig{Enable: true, Threads: t.Threads, BackOff: seam.Mono(t.BackOffMillis) * seam.Millisecond, KeysMax: tidyMap, BytesPerSecond: t.BytesPerSecond}
	c.CheckpointEvery = seam.Mono(t.CheckpointMilli) * seam.Millisecond
	if t.KeepMillis >= 0 {
		c.RetentionCheckEvery = seam.Mono(t.KeepMillis) * seam.Millisecond / 4
	}
}

// tidied is what a run knows of the compacted topic.
type tidied struct {
	check.Compacted
	begun   seam.Mono // when the Cleaner at work began; 0: there is none
	jumps   int       // of the node's clock, when it began
	since   int64     // what that showed
	longest seam.Mono // from a Cleaner's beginning until all that it has written was in its place
}

// onTidied takes the broker's events about the topic.
func (r *Run) onTidied(e *seam.Event) {
	if e.Kind == seam.CompactionFailed {
		r.require(!strings.Contains(e.Text, "damaged") || r.World.Counts[world.BitRotted] > 0, check.KeptAsWritten, "%s-%d: %s, and no bit has turned", e.Topic, e.Partition, e.Text)
	}
	if e.Topic != tidyTopic {
		return
	}
	now := r.World.Now()
	switch e.Kind {
	case seam.CompactionBegun:
		r.tidied.begun, r.tidied.jumps, r.tidied.since = now, r.World.Counts[world.ClockJumped], r.World.Node.Wall()
	case seam.Compacted, seam.CompactionFailed:
		r.tidied.longest = max(r.tidied.longest, now-r.tidied.begun)
		r.tidied.begun = 0
	}
	if e.Kind == seam.Compacted {
		r.tidied.Swept, r.tidied.UpTo = r.tidied.since, e.A
	}
}

// slack is how much less than delete.retention.ms a reader may take to see each delete: what a Cleaner reads at its
// beginning others may read until it has ended.
func (r *Run) slack(now seam.Mono) seam.Mono {
	if r.tidied.begun > 0 {
		return max(r.tidied.longest, now-r.tidied.begun)
	}
	return r.tidied.longest
}

// keeper writes to the compacted topic: a batch at a time, again until it is acknowledged.
type keeper struct {
	*session
	budget  int
	pid     int64
	epoch   int16
	next    seam.Mono
	count   check.Value
	batch   []byte // that has no answer yet
	puts    []check.Put
	numbers int32 // the next sequence
}

func (k *keeper) idle() bool {
	return len(k.inflight) == 0 && k.batch == nil && (k.budget == 0 || k.run.draining)
}

func (k *keeper) turn(now seam.Mono, fx *seam.Effects) {
	if _, there := k.run.there[tidyTopic]; !there {
		fx.Wake(now + 20*seam.Millisecond)
		return
	}
	if len(k.inflight) > 0 || k.idle() {
		return
	}
	if k.pid < 0 {
		k.run.askProducerID(k.session, now, fx, func(now seam.Mono, id int64, epoch int16) {
			if k.pid, k.epoch, k.numbers = id, epoch, 0; id < 0 {
				k.rest(now + 20*seam.Millisecond)
			}
		})
		return
	}
	if k.batch == nil {
		if now < k.next {
			fx.Wake(k.next)
			return
		}
		k.next = now + k.think()/2
		k.begin(now)
	}
	k.send(now, fx)
}

// begin makes a batch up. One key in some is written by one keeper only, so that the other's last batch is not always new.
func (k *keeper) begin(now seam.Mono) {
	k.budget--
	k.puts = k.puts[:0]
	for range 1 + k.stream.Choose(3) {
		k.count++
		p := check.Put{Kept: check.Kept{Key: fmt.Sprint("key ", k.stream.Choose(tidyKeys)), Value: check.Value(k.id)<<32 | k.count}, Producer: k.pid, Sequence: k.numbers}
		if p.Time = k.run.wall(now); k.stream.Choose(4) == 3 {
			p.Value = 0
		}
		k.numbers++
		k.puts = append(k.puts, p)
	}
	k.batch = encodePuts(k.puts, k.epoch, 10*k.stream.Choose(4), k.stream.Choose(3) == 2)
}

func (k *keeper) send(now seam.Mono, fx *seam.Effects) {
	request := kmsg.NewPtrProduceRequest()
	request.Version, request.Acks, request.TimeoutMillis = 9, -1, 10_000
	part := kmsg.NewProduceRequestTopicPartition()
	part.Records = k.batch
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic, topic.Partitions = tidyTopic, append(topic.Partitions, part)
	request.Topics = append(request.Topics, topic)
	k.ask(now, request, fx, &call{done: func(at seam.Mono, answer kmsg.Response, fx *seam.Effects) {
		if answer == nil {
			return // it is sent again
		}
		one := &answer.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
		k.run.told(question{key: wire.KeyProduce, topic: tidyTopic, sent: now, patience: 10 * seam.Second}, one.ErrorCode, at, one.BaseOffset)
		switch one.ErrorCode {
		case none:
			k.acknowledged(one.BaseOffset)
		case outOfOrderSequence: // what it is does not matter: it may be there, or not
			k.batch, k.pid = nil, -1
		case storageError:
			if k.run.draining && k.run.rotted(check.Partition{Topic: tidyTopic}) { // nobody can read it any more
				k.batch = nil
				return
			}
			fallthrough
		default:
			k.rest(at + 20*seam.Millisecond)
			fx.Wake(k.resting)
		}
	}})
}

func (k *keeper) acknowledged(base int64) {
	for i, p := range k.puts {
		p.Offset = base + int64(i)
		k.run.tidied.Puts = append(k.run.tidied.Puts, p)
	}
	k.run.result.Acknowledged++
	k.batch = nil
}

// compressor serves every run: one takes longer to make than a batch takes to compress.
var compressor, _ = zstd.NewWriter(nil)

// encodePuts lays a batch of keyed records out.
func encodePuts(puts []check.Put, epoch int16, padding int, compressed bool) []byte {
	var records []byte
	for i, p := range puts {
		body := append([]byte{0}, binary.AppendVarint(binary.AppendVarint(nil, 0), int64(i))...)
		body = append(binary.AppendVarint(body, int64(len(p.Key))), p.Key...)
		if p.Value == 0 {
			body = binary.AppendVarint(body, -1)
		} else {
			body = binary.AppendVarint(body, int64(8+padding))
			body = append(binary.BigEndian.AppendUint64(body, uint64(p.Value)), make([]byte, padding)...)
		}
		body = check.AppendHeaders(body, p.Value)
		records = append(binary.AppendVarint(records, int64(len(body))), body...)
	}
	b, order := make([]byte, 61), binary.BigEndian
	if compressed {
		records = compressor.EncodeAll(records, nil)
		order.PutUint16(b[21:], 4)
	}
	b = append(b, records...)
	order.PutUint32(b[8:], uint32(len(b)-12))
	order.PutUint32(b[12:], 0xffffffff)
	b[16] = 2
	order.PutUint32(b[23:], uint32(len(puts)-1))
	order.PutUint64(b[27:], uint64(puts[0].Time))
	order.PutUint64(b[35:], uint64(puts[0].Time))
	order.PutUint64(b[43:], uint64(puts[0].Producer))
	order.PutUint16(b[51:], uint16(epoch))
	order.PutUint32(b[53:], uint32(puts[0].Sequence))
	order.PutUint32(b[57:], uint32(len(puts)))
	order.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// passer reads the compacted topic from its start to its end, again and again.
type passer struct {
	*session
	version  int16
	position int64
	pass     check.Pass
	begun    seam.Mono
	life     int
	jumps    int  // of the node's clock, before anything that may be compacted under its eyes
	rotten   bool // a bit of the partition had turned when the pass began
	turned   int  // bits, of whatever partition, by then
	next     seam.Mono
	budget   int
	passes   int // of late, since the faults are over
}

func (p *passer) idle() bool {
	return len(p.inflight) == 0 && (p.run.draining && p.passes > 0 || !p.run.draining && p.budget == 0)
}

func (p *passer) turn(now seam.Mono, fx *seam.Effects) {
	if _, there := p.run.there[tidyTopic]; !there {
		fx.Wake(now + 20*seam.Millisecond)
		return
	}
	if len(p.inflight) > 0 || p.idle() {
		fx.Wake(now + 500*seam.Millisecond) // there is one more to come when the faults are over
		return
	}
	if now < p.next {
		fx.Wake(p.next)
		return
	}
	if p.position == 0 {
		p.pass, p.begun, p.life, p.jumps = check.Pass{}, now, p.run.World.Node.Life, p.run.World.Counts[world.ClockJumped]
		if p.run.tidied.begun > 0 {
			p.jumps = p.run.tidied.jumps
		}
		p.rotten, p.turned = p.run.rotted(check.Partition{Topic: tidyTopic}), p.run.World.Counts[world.BitRotted]
		p.budget = max(0, p.budget-1)
	}
	p.next = now + p.think()/4
	request := kmsg.NewPtrFetchRequest()
	request.Version, request.MaxWaitMillis, request.MinBytes, request.MaxBytes, request.SessionEpoch = p.version, fetchWaits[p.stream.Choose(3)], 1, 50<<20, -1
	part := kmsg.NewFetchRequestTopicPartition()
	part.FetchOffset, part.PartitionMaxBytes, part.CurrentLeaderEpoch = p.position, fetchSizes[p.stream.Choose(6)], -1
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.Partitions = tidyTopic, append(topic.Partitions, part)
	request.Topics = append(request.Topics, topic)
	p.ask(now, request, fx, &call{done: func(at seam.Mono, answer kmsg.Response, fx *seam.Effects) {
		if answer == nil {
			return
		}
		p.run.result.Fetches++
		one := &answer.(*kmsg.FetchResponse).Topics[0].Partitions[0]
		p.run.told(question{key: wire.KeyFetch, topic: tidyTopic, sent: now}, one.ErrorCode, at, besideError(one)...)
		if one.ErrorCode != none {
			p.run.require(one.ErrorCode != offsetOutOfRange || p.position > 0 || p.run.mayRot(), check.StartHasReason, "%s: %s begins behind 0, and nobody has asked for that", p.name, tidyTopic)
			p.position = 0
			if p.run.diskInTheWay(p.version, one.ErrorCode) && p.run.draining && p.run.rotted(check.Partition{Topic: tidyTopic}) {
				p.passes++ // nobody can read it any more
			}
			p.rest(at + 20*seam.Millisecond)
			fx.Wake(p.resting)
			return
		}
		p.onPart(at, one)
	}})
}

// sound says whether no bit of what the pass has read had turned. That cannot be seen later: a segment that was made of what
// a Cleaner had read before takes the rotten one's place (seed 20035829).
func (p *passer) sound() bool {
	return !p.rotten && p.run.World.Counts[world.BitRotted] == p.turned
}

func (p *passer) onPart(now seam.Mono, part *kmsg.FetchResponseTopicPartition) {
	batches, _, err := check.ReadKept(part.RecordBatches)
	p.run.require(err == nil || !p.sound(), check.KeptAsWritten, "%s: %v", p.name, err)
	brought := len(batches) > 0 || p.position >= part.HighWatermark
	p.run.require(brought || !p.sound(), check.FetchProgress, "%s: a fetch of %s from %d brought nothing below %d", p.name, tidyTopic, p.position, part.HighWatermark)
	if err != nil || !brought {
		p.over()
		return
	}
	for _, b := range batches {
		for _, k := range b.Kept {
			if k.Offset >= p.position {
				p.pass.Kept = append(p.pass.Kept, k)
			}
		}
		p.position = max(p.position, b.Last+1)
	}
	if p.position < part.HighWatermark {
		return
	}
	w, took := p.run.World, now-p.begun
	whole := w.Node.Life == p.life && w.Counts[world.ClockJumped] == p.jumps
	p.pass.End = part.HighWatermark
	p.pass.Short = whole && took+p.run.slack(now) < seam.Mono(p.run.plan.Tidying.RetentionMillis)*seam.Millisecond
	if p.sound() {
		p.run.tidied.Passes = append(p.run.tidied.Passes, p.pass)
	}
	p.over()
}

// over ends a pass, whether it has come to the end or to what cannot be read.
func (p *passer) over() {
	p.position = 0
	if p.run.draining {
		p.passes++
	}
}

// enterTidy starts the clients of the compacted topic.
func (r *Run) enterTidy() {
	if !r.plan.Tidying.On {
		return
	}
	for i := range 2 {
		k := &keeper{session: r.client(fmt.Sprintf("keeper.%d", i)), budget: r.plan.Tidying.Budget >> i, pid: -1}
		r.enter(k.session, k)
	}
	p := &passer{session: r.client("passer"), budget: r.plan.Tidying.Budget}
	p.version = int16(4 + p.stream.Choose(9))
	r.enter(p.session, p)
}

// cleansWithin is how long compaction may take to get on, beyond what the Cleaners' rate makes of it (passesOver): a log that could not be
// compacted rests for up to a minute.
const cleansWithin = 120 * seam.Second

// awaitCleaning goes on until a log is as clean as it was asked to be, which is seen from outside: look tells up to where it was
// compacted, and whether the rest is due.
func (r *Run) awaitCleaning(look func() (upTo int64, due bool)) {
	w := r.World
	for upTo, due := look(); due && w.Failure() == nil; {
		within := cleansWithin + r.passesOver()
		before, until := upTo, w.Now()+within
		for due && upTo == before && w.Now() < until && w.Failure() == nil {
			w.Run(w.Now()+100*seam.Millisecond, nil)
			upTo, due = look()
		}
		r.require(!due || upTo != before, check.CompactionGetsOn, "%v after the faults have ended %s is dirty from %d on, as before", within, tidyTopic, before)
	}
}

// passesOver is how long Cleaners may be at work on other logs, and on this one, at the rate that they have: a log that is passed over is
// the dirtiest after four passes, and each of those reads a log twice and writes it once.
func (r *Run) passesOver() seam.Mono {
	t := &r.plan.Tidying
	if t.BytesPerSecond == 0 {
		return 0
	}
	bytes := int64(0)
	for _, p := range append(offsetsLogs(), check.Partition{Topic: tidyTopic}) {
		for _, f := range r.files(p) {
			bytes += int64(len(f.Data))
		}
	}
	const passes, each = 4, 3
	return seam.Mono(passes*each*bytes*int64(t.Threads)/t.BytesPerSecond) * seam.Second
}

// tidyDirt looks at the compacted topic as it lies on the disk. Nobody can compact what is rotten, and what is from a clock that
// was set back is of no age.
func (r *Run) tidyDirt() (upTo int64, due bool) {
	t, partition := &r.plan.Tidying, check.Partition{Topic: tidyTopic}
	if !t.On || r.rotted(partition) || t.MinLagMillis > 0 && r.World.Node.SetBack > 0 {
		return 0, false
	}
	for dir := range r.plan.Dirs {
		if files := r.filesIn(int32(dir), partition); files != nil {
			upTo = check.ReadBegins(r.World.Node.Disk.Contents(seam.Path{Dir: int32(dir), Name: "cleaner-offset-checkpoint"}))[partition]
			dirty, total, oldest := check.Dirt(files, upTo)
			overdue := dirty > 0 && t.MaxLagMillis > t.MinLagMillis && r.World.Node.SetBack == 0 && r.World.Node.Wall()-oldest > t.MaxLagMillis
			return upTo, overdue || dirty*1000 > total*int64(t.Ratio)
		}
	}
	return 0, false
}

// judgeTidy holds what lies on the disk, and what was seen of it, against what was written.
func (r *Run) judgeTidy() {
	partition := check.Partition{Topic: tidyTopic}
	if !r.plan.Tidying.On || r.rotted(partition) {
		return
	}
	left, err := check.ReadCompacted(r.files(partition))
	if !r.require(err == nil, check.KeptAsWritten, "%v: %v", partition, err) {
		return
	}
	c := &r.tidied.Compacted
	if c.Left, c.Active, c.End = left.Left, left.Active, left.End; r.World.Node.SetBack > 0 {
		c.Swept = 0
	}
	r.World.Fail(check.JudgeCompacted(c, r.World.Laws))
}

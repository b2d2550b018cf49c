package log_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/batch"
	"rookery/core/log"
	"rookery/core/producer"
	"rookery/core/replica"
	"rookery/core/seam"
	"rookery/core/wire"
)

// rig drives one partition over the disk and keeps a dumb twin of it.
type rig struct {
	t        *rapid.T
	disk     *disk
	now      seam.Now
	fx       seam.Effects
	files    seam.File
	config   log.Config
	flush    int64
	epoch    int32
	replica  *replica.Replica
	builder  batch.Builder
	ticket   uint32
	twin     []twinBatch          // planned and not failed, by offset
	ever     map[int64][][]byte   // every batch that was ever planned at an offset
	waiting  map[uint32]twinBatch // by ticket
	freeing  map[uint32]bool
	high     int64
	point    int64 // recovery point, as checkpointed
	acked    int64 // acks=all answered below, in durable mode
	start    int64 // log start, as checkpointed
	sequence map[int64]int32
	deleted  map[int64]batch.View // the newest batch below the start, by producer
	counts   map[string]int
}

type twinBatch struct {
	data       []byte
	base, last int64
	acks       int16
}

func newRig(t *rapid.T) *rig {
	r := &rig{t: t, disk: newDisk(t), ever: map[int64][][]byte{}, deleted: map[int64]batch.View{}, counts: map[string]int{}}
	r.now = seam.Now{Mono: 1, Wall: 1_000_000}
	r.config = log.Config{
		SegmentBytes:       int64(rapid.SampledFrom([]int{300, 700, 3000, 1 << 30}).Draw(t, "segment")),
		SegmentMillis:      rapid.SampledFrom([]int64{50, 1 << 40}).Draw(t, "segment ms"),
		IndexBytes:         int32(rapid.SampledFrom([]int{40, 10 << 20}).Draw(t, "index bytes")),
		IndexIntervalBytes: int32(rapid.SampledFrom([]int{0, 1, 150, 4096}).Draw(t, "interval")),
	}
	r.flush = rapid.SampledFrom([]int64{1, 1, 3, 1 << 62}).Draw(t, "flush.messages")
	l := log.New("t", 0, seam.Path{Name: "t-0"}, r.config, log.Numbers{Owner: 7, Files: &r.files})
	l.Create(r.now, &r.fx)
	r.lead(l, producer.New())
	return r
}

func (r *rig) lead(l *log.Log, producers *producer.State) {
	r.epoch++
	r.replica = replica.New(l, producers, r.flush)
	r.replica.BecomeLeader(r.epoch)
	r.waiting, r.freeing, r.sequence = map[uint32]twinBatch{}, map[uint32]bool{}, map[int64]int32{}
	r.high = r.replica.High().Offset
	r.drain()
}

// drain takes what the replica has decided and checks the laws that hold after every step.
func (r *rig) drain() {
	l := r.replica.Log
	for _, t := range r.replica.Freed {
		require.True(r.t, r.freeing[t.Request], "freed once")
		delete(r.freeing, t.Request)
	}
	high := r.replica.High()
	for _, d := range r.replica.Done {
		w, ok := r.waiting[d.Ticket.Request]
		require.True(r.t, ok, "answered once")
		delete(r.waiting, d.Ticket.Request)
		switch {
		case d.Code != wire.None:
			r.counts["refused"]++
		case w.acks == -1:
			require.Less(r.t, w.last, high.Offset, "acks=all waits for the high watermark")
			if r.replica.Durable() {
				r.acked = max(r.acked, w.last+1)
			}
			r.counts["acked all"]++
		default:
			require.Less(r.t, w.last, l.End().Offset, "acks=1 waits for the page cache")
			r.counts["acked one"]++
		}
	}
	r.replica.Freed, r.replica.Done = r.replica.Freed[:0], r.replica.Done[:0]
	for len(r.twin) > 0 && r.twin[len(r.twin)-1].base >= l.Next() {
		r.twin = r.twin[:len(r.twin)-1]
	}
	require.GreaterOrEqual(r.t, high.Offset, r.high, "the high watermark never goes back")
	r.high = high.Offset
	require.LessOrEqual(r.t, l.Durable().Offset, l.End().Offset)
	require.LessOrEqual(r.t, l.End().Offset, l.Next())
	if r.replica.Durable() {
		require.LessOrEqual(r.t, high.Offset, l.Durable().Offset)
	}
	taken, asked := 0, len(r.fx.Files)
	r.replica.Unlink(func() bool { taken++; return true }, func(seam.File) bool { return false }, &r.fx)
	require.LessOrEqual(r.t, taken, len(r.fx.Files)-asked, "who takes room without an effect is called again at once, for ever")
	r.disk.queue(&r.fx)
	r.fx.Reset()
}

func (r *rig) build(pid int64, sequence int32, count int) []byte {
	spec := batch.Plain(batch.None)
	if pid >= 0 {
		spec.ProducerID, spec.ProducerEpoch, spec.BaseSequence = pid, 0, sequence
	}
	r.builder.Begin(spec)
	for range count {
		time := rapid.Int64Range(-1, 60).Draw(r.t, "time")
		r.builder.Add(time, nil, make([]byte, rapid.IntRange(0, 90).Draw(r.t, "value")), nil)
	}
	return slices.Clone(r.builder.Finish())
}

func (r *rig) produce() {
	pid := rapid.Int64Range(-1, 2).Draw(r.t, "pid")
	data := r.build(pid, r.sequence[pid], rapid.IntRange(1, 3).Draw(r.t, "count"))
	acks := rapid.SampledFrom([]int16{0, 1, -1, -1}).Draw(r.t, "acks")
	facts := batch.Inspect(data, batch.Limits{})
	require.Equal(r.t, batch.Fine, facts.Fault)
	r.ticket++
	out := r.replica.Produce(r.now, replica.Ticket{Request: r.ticket}, acks, data, &facts, &r.fx)
	if out.Code != wire.None {
		r.counts["produce "+fmt.Sprint(out.Code)]++
		if out.Code == wire.OutOfOrderSequenceNumber { // a batch failed behind the producer's back: begin anew
			r.sequence[pid] = 0
		}
		return
	}
	view := batch.View(data)
	w := twinBatch{data: slices.Clone(data), base: out.Base, last: out.Base + int64(view.LastOffsetDelta()), acks: acks}
	if out.Waits {
		r.waiting[r.ticket] = w
	}
	if !out.Writes {
		r.counts["duplicate"]++
		r.again(pid, view, w)
		return
	}
	r.freeing[r.ticket] = true
	require.Equal(r.t, r.end(), out.Base, "offsets are dense")
	require.Equal(r.t, r.epoch, view.LeaderEpoch())
	r.twin = append(r.twin, w)
	r.ever[w.base] = append(r.ever[w.base], w.data)
	if pid >= 0 && rapid.IntRange(0, 5).Draw(r.t, "send again") > 0 {
		r.sequence[pid] += facts.LastOffsetDelta + 1
	}
}

// again: a duplicate is answered with its original's offsets.
func (r *rig) again(pid int64, view batch.View, w twinBatch) {
	i := slices.IndexFunc(r.twin, func(b twinBatch) bool { return b.base == w.base })
	if i >= 0 || r.start == 0 { // a producer is remembered longer than its records
		original := batch.View(r.twin[i].data)
		require.Equal(r.t, view.BaseSequence(), original.BaseSequence())
		require.Equal(r.t, view.LastSequence(), original.LastSequence())
	}
	r.sequence[pid] += view.LastOffsetDelta() + 1
}

func (r *rig) end() int64 {
	if len(r.twin) == 0 {
		return r.start
	}
	return r.twin[len(r.twin)-1].last + 1
}

// deliver hands one completion to the replica, in any order.
func (r *rig) deliver() {
	if len(r.disk.inbox) == 0 {
		return
	}
	i := rapid.IntRange(0, len(r.disk.inbox)-1).Draw(r.t, "deliver")
	in := r.disk.inbox[i]
	r.disk.inbox = slices.Delete(r.disk.inbox, i, i+1)
	switch in := in.(type) {
	case *seam.Wrote:
		r.replica.Wrote(in, func() bool { return true }, &r.fx)
	case *seam.Synced:
		r.replica.Synced(in, &r.fx)
	case *seam.Loaded:
		require.True(r.t, r.replica.Log.AgeLoaded(in))
	}
	r.drain()
}

func (r *rig) sync() {
	if r.replica.SyncWanted(r.now.Mono) {
		r.replica.EmitSyncs(r.now.Mono, &r.fx)
		r.drain()
	}
}

// rest lets everything come to an end without faults.
func (r *rig) rest() {
	r.disk.faults, r.disk.full = 0, false
	for range 100_000 {
		r.sync()
		if !r.disk.busy() {
			if !r.replica.Log.Retry() {
				break
			}
			for !r.replica.Log.Settled() {
				r.replica.Log.RewriteIndexes(&r.fx)
				r.drain()
			}
		}
		if r.disk.carryOut(); len(r.disk.inbox) > 0 {
			r.deliver()
		}
	}
	l := r.replica.Log
	require.False(r.t, l.Broken() || l.Outstanding() || l.Busy(), "the log comes to rest: dead %v, outstanding %v, busy %v, disk %v, %s, %+v", l.Dead(), l.Outstanding(), l.Busy(), r.disk.busy(), l.BusyWith(), l.Segments())
	require.Empty(r.t, r.freeing)
	require.Equal(r.t, r.end(), l.End().Offset)
	if r.replica.Durable() {
		require.Equal(r.t, l.End().Offset, l.Durable().Offset, "everything written gets durable")
		require.Empty(r.t, r.waiting, "and everybody is answered")
	}
}

// restart runs a Recovery over what is left and leads again.
func (r *rig) restart(clean bool, least int64) {
	out := r.recover(clean)
	require.Equal(r.t, seam.OK, out.Fault, out.Reason)
	l := log.Restore(out, seam.Path{Name: "t-0"}, r.config, log.Numbers{Owner: 7, Files: &r.files})
	require.GreaterOrEqual(r.t, l.End().Offset, least, "nothing that was safe is lost")
	r.learn(out, least)
	l.RewriteIndexes(&r.fx)
	if l.Empty() {
		l.Create(r.now, &r.fx)
	}
	r.lead(l, out.Producers)
	r.rest()
	r.check()
}

func (r *rig) recover(clean bool) *log.Recovered {
	request := &log.RecoveryRequest{
		Topic: "t", Folder: seam.Path{Name: "t-0"}, Files: r.disk.entries(), First: r.files + 1,
		Clean: clean, RecoveryPoint: r.point, LogStart: r.start, Config: r.config,
	}
	r.files += 10_000
	out := runRecovery(r.t, r.disk, request, 0)
	if out == nil {
		r.t.Fatal("the recovery did not answer")
	}
	return out
}

// runRecovery drives a Recovery to its answer, or through so many completions and no further.
func runRecovery(t *rapid.T, d *disk, request *log.RecoveryRequest, most int) *log.Recovered {
	machine, fx := log.NewRecovery(), seam.Effects{}
	var out *log.Recovered
	step := func(in seam.Input) {
		machine.Step(seam.Now{Mono: 5, Wall: 5}, in, &fx)
		for _, s := range fx.Sends {
			require.Nil(t, out, "one answer")
			out = s.Body.(*log.Recovered)
		}
		if l, ok := in.(*seam.Loaded); ok {
			for i := range l.Data {
				l.Data[i] = 0xa5 // lent for one Step
			}
		}
		d.queue(&fx)
		fx.Reset()
	}
	step(&seam.Mail{Body: request})
	for n := 1; d.busy() && n != most; n++ {
		if d.carryOut(); len(d.inbox) > 0 {
			in := d.inbox[0]
			d.inbox = d.inbox[1:]
			step(in)
		}
	}
	if most == 0 {
		for _, h := range d.files {
			require.Failf(t, "file left open", "%s", h.path)
		}
	}
	return out
}

// learn compares what was recovered with what was ever written, and takes it as the twin.
func (r *rig) learn(out *log.Recovered, least int64) {
	require.GreaterOrEqual(r.t, out.Start, r.start, "the start never goes back")
	found := r.scan()
	for i, b := range found {
		want := slices.IndexFunc(r.twin, func(w twinBatch) bool { return w.base == b.base })
		if b.base < least {
			require.GreaterOrEqual(r.t, want, 0)
			require.Equal(r.t, r.twin[want].data, b.data, "what was safe is there, byte for byte")
		}
		require.True(r.t, slices.ContainsFunc(r.ever[b.base], func(d []byte) bool { return bytes.Equal(d, b.data) }), "nothing that was never written")
		if i > 0 {
			require.Equal(r.t, found[i-1].last+1, b.base, "dense")
		}
	}
	if len(found) > 0 {
		require.Equal(r.t, found[len(found)-1].last+1, out.End.Offset)
	} else {
		require.Equal(r.t, r.start, out.End.Offset)
	}
	r.twin = found
	dumb := producer.New()
	epochs := log.Epochs{}
	for _, b := range found {
		dumb.Replay(1, b.data)
		epochs.Assign(batch.View(b.data).LeaderEpoch(), b.base)
	}
	if r.start > 0 {
		r.remembered(dumb, out)
		return
	}
	require.Equal(r.t, dumb.Digest(false), out.Producers.Digest(false), "producers: %s\nwant: %s", out.Producers, dumb)
	require.Equal(r.t, len(epochs.List), len(out.Epochs.List), "%v %v", epochs, out.Epochs)
	for i := range epochs.List {
		require.Equal(r.t, epochs.List[i], out.Epochs.List[i])
	}
}

// remembered: in durable mode a producer is known though his records were deleted, by his newest batch that is left.
func (r *rig) remembered(dumb *producer.State, out *log.Recovered) {
	if r.flush > 1 {
		return
	}
	want, got := map[int64]int32{}, map[int64]int32{}
	for pid, v := range r.deleted {
		want[pid] = v.LastSequence()
	}
	dumb.Each(func(a producer.Active) { want[a.ID] = a.LastSequence })
	out.Producers.Each(func(a producer.Active) { got[a.ID] = a.LastSequence })
	require.Equal(r.t, want, got, "start %d, deleted %v", r.start, r.deleted)
	r.counts["remembered"] += len(r.deleted)
}

// scan reads every batch of the folder's .log files, as a dumb reader would.
func (r *rig) scan() (out []twinBatch) {
	for _, name := range r.disk.logs() {
		data := r.disk.names[name].data
		for len(data) >= batch.HeaderSize {
			size := 12 + int(int32(binary.BigEndian.Uint32(data[8:])))
			if size < batch.HeaderSize || size > len(data) ||
				crc32.Checksum(data[21:size], crc32.MakeTable(crc32.Castagnoli)) != binary.BigEndian.Uint32(data[17:]) {
				break
			}
			base := int64(binary.BigEndian.Uint64(data))
			out = append(out, twinBatch{data: slices.Clone(data[:size]), base: base, last: base + int64(binary.BigEndian.Uint32(data[23:]))})
			data = data[size:]
		}
		require.Empty(r.t, data, name)
	}
	return out
}

func (d *disk) logs() (out []string) {
	for _, e := range d.entries() {
		if strings.HasSuffix(e.Path.Name, ".log") {
			out = append(out, e.Path.Name)
		}
	}
	return out
}

// dumbIndexes is Kafka's LogSegment.recover, in the fewest words.
func dumbIndexes(base int64, data []byte, interval int32) (offsets, times []byte) {
	since, lastTime, maxTime, maxLast := 0, int64(-1), int64(-1), base
	entry := func() {
		if maxTime > lastTime {
			times = binary.BigEndian.AppendUint64(times, uint64(maxTime))
			times = binary.BigEndian.AppendUint32(times, uint32(maxLast-base))
			lastTime = maxTime
		}
	}
	for at := 0; at < len(data); {
		v := batch.View(data[at:])
		if v.MaxTimestamp() > maxTime {
			maxTime, maxLast = v.MaxTimestamp(), v.LastOffset()
		}
		if since > int(interval) {
			offsets = binary.BigEndian.AppendUint32(offsets, uint32(v.LastOffset()-base))
			offsets = binary.BigEndian.AppendUint32(offsets, uint32(at))
			entry()
			since = 0
		}
		since += int(v.Size())
		at += int(v.Size())
	}
	entry()
	return offsets, times
}

// check compares a log at rest with a full scan: content, indexes in memory and on the disk, every lookup.
func (r *rig) check() {
	l := r.replica.Log
	found := r.scan()
	r.twin = slices.DeleteFunc(r.twin, func(b twinBatch) bool { return len(l.Segments()) > 0 && b.base < l.Segments()[0].Base })
	require.Equal(r.t, len(r.twin), len(found))
	for i := range found {
		require.Equal(r.t, r.twin[i].data, found[i].data)
	}
	for _, s := range l.Segments() {
		name := fmt.Sprintf("t-0/%020d", s.Base)
		data := r.disk.names[name+".log"].data
		offsets, times := dumbIndexes(s.Base, data, r.config.IndexIntervalBytes)
		if s.OnDisk && r.epoch > 1 {
			continue // written in another life, perhaps in part, and never synced: the lookups below find out
		}
		if s.OnDisk {
			require.Equal(r.t, offsets, append([]byte(nil), r.disk.names[name+".index"].data...), name)
			if s.Timed {
				require.Equal(r.t, times, append([]byte(nil), r.disk.names[name+".timeindex"].data...), name)
			}
			r.counts["index on disk"]++
		} else if s.Closed {
			require.Greater(r.t, r.epoch, int32(1), "what this life has closed, and there was room for since, can be read back")
			require.Equal(r.t, offsets, append([]byte(nil), s.Offsets...), name)
			require.Equal(r.t, times, append([]byte(nil), s.Times...), name)
		}
	}
	r.lookups()
	r.searches()
	l.Forget()
	r.lookups()
	r.searches()
}

func (r *rig) lookups() {
	for _, b := range r.twin {
		for offset := max(b.base, r.replica.Log.Start()); offset <= b.last; offset++ {
			r.lookup(offset, b)
		}
	}
	_, next, _ := r.replica.Log.Find(r.end())
	require.Equal(r.t, log.AtEnd, next)
}

// find drives one search to its end.
func (r *rig) find(offset int64) (log.Cursor, log.Next) {
	l := r.replica.Log
	c, next, want := l.Find(offset)
	for n := 0; next == log.NeedIndex || next == log.NeedBytes; n++ {
		require.Less(r.t, n, 10_000, "a search ends")
		data := r.disk.files[want.File].node.data
		in := &seam.Loaded{Data: data[min(int(want.At), len(data)):min(len(data), int(want.At)+int(want.Len))]}
		c, next, want = l.Loaded(c, next, in)
	}
	return c, next
}

func (r *rig) lookup(offset int64, b twinBatch) {
	c, next := r.find(offset)
	require.Equal(r.t, log.Found, next, "offset %d of %d", offset, r.end())
	l := r.replica.Log
	limit := l.End()
	span, ok := l.Plan(c, limit, 1, true)
	require.True(r.t, ok)
	data := r.disk.files[span.File].node.data
	require.Equal(r.t, b.data, data[span.At:span.At+int64(span.Len)], "the first batch goes out whole, and nothing more")
	_, ok = l.Plan(c, limit, int64(len(b.data))-1, false)
	require.False(r.t, ok)
	span, ok = l.Plan(c, limit, 1<<40, false)
	require.True(r.t, ok)
	require.True(r.t, bytes.HasPrefix(data[span.At:span.At+int64(span.Len)], b.data))
	_, ok = l.Plan(c, log.Mark{Offset: b.base, Segment: limit.Segment, Position: 0}, 1<<40, true)
	require.False(r.t, ok && b.base >= limit.Segment)
}

func (r *rig) act() {
	switch rapid.IntRange(0, 13).Draw(r.t, "act") {
	case 0, 1, 2, 3:
		r.produce()
		r.drain()
	case 4, 5, 6:
		r.disk.carryOut()
	case 7, 8:
		r.deliver()
	case 9:
		r.sync()
	case 10:
		r.now.Mono += 10 * seam.Second
		r.now.Wall += 20
		r.disk.faults = rapid.SampledFrom([]int{0, 0, 0, 4, 20}).Draw(r.t, "faults")
		r.disk.full = rapid.IntRange(0, 9).Draw(r.t, "full") == 0
	case 11:
		r.checkpoint()
	case 12:
		r.moveStart(rapid.Int64Range(r.replica.Log.Start(), r.high).Draw(r.t, "start"))
	case 13:
		r.expire()
	}
}

// checkpoint takes the recovery point, which never goes back.
func (r *rig) checkpoint() {
	point := r.replica.Log.Point()
	require.LessOrEqual(r.t, point, max(r.replica.Log.Durable().Offset, r.point))
	require.GreaterOrEqual(r.t, point, r.point)
	r.point = point
}

// moveStart: the checkpoint comes first, and a power cut may come between.
func (r *rig) moveStart(start int64) {
	if start < r.start || !r.replica.Remember(start, &r.fx) {
		r.counts["not remembered yet"]++
		r.drain()
		return
	}
	for _, b := range r.twin {
		if v := batch.View(b.data); b.last < start && v.HasProducer() {
			r.deleted[v.ProducerID()] = v
		}
	}
	if r.start = start; rapid.IntRange(0, 9).Draw(r.t, "dies before") == 0 {
		return
	}
	r.replica.MoveStart(start, &r.fx)
	r.counts["start moved"]++
	r.drain()
}

// expire holds retention against the dumb twin: what goes is old enough or too much, whole segments, and the next one
// would be neither.
func (r *rig) expire() {
	l := r.replica.Log
	keep := log.Retention{Delete: true, Millis: rapid.Int64Range(-1, 60).Draw(r.t, "retention ms"), Bytes: rapid.Int64Range(-1, 2000).Draw(r.t, "retention bytes")}
	now := seam.Now{Mono: r.now.Mono, Wall: 70}
	before := l.Segments()
	if l.Broken() || len(before) == 0 || before[0].Size > 0 && before[0].Next <= l.Start() {
		return
	}
	start, pending := r.replica.Expire(now, keep, &r.fx)
	r.drain()
	if pending {
		r.counts["age asked"]++
		if request := l.Age(0, &r.fx); request != nil {
			base := l.AgeBase()
			i := slices.IndexFunc(before, func(s log.SegmentFacts) bool { return s.Base == base })
			l.Aged(base, &log.Searched{Found: true, Timestamp: r.maxTime(before[i]), Offset: before[i].Base})
		}
		r.drain()
		return
	}
	size := l.Size()
	for i, s := range before {
		whole := s.Done == s.Size && s.Size > 0 && s.Next <= r.high
		large := keep.Bytes >= 0 && size-s.Size >= keep.Bytes
		old := keep.Millis >= 0 && 70-r.maxTime(s) > keep.Millis
		if start > l.Start() && s.Next <= start && s.Base < start {
			require.True(r.t, whole && (large || old), "segment %d of %d: %+v", i, len(before), s)
			size -= s.Size
		} else {
			require.False(r.t, whole && (large || old), "segment %d of %d stays: %+v", i, len(before), s)
			break
		}
	}
	if start > l.Start() {
		r.counts["expired"]++
		r.moveStart(start)
	}
}

func (r *rig) maxTime(s log.SegmentFacts) (most int64) {
	most = -1
	for _, b := range r.twin {
		if b.base >= s.Base && b.base < s.Next {
			most = max(most, batch.View(b.data).MaxTimestamp())
		}
	}
	if most < 0 {
		most = s.Created
	}
	return most
}

func (r *rig) crash() {
	l := r.replica.Log
	least := l.Durable().Offset
	if r.replica.Durable() {
		require.LessOrEqual(r.t, r.acked, least, "what was acknowledged by acks=all is durable")
	}
	if rapid.Bool().Draw(r.t, "power") {
		r.disk.cut()
		r.counts["power cut"]++
	} else {
		least = l.End().Offset
		r.disk.kill()
		r.counts["killed"]++
	}
	if rapid.IntRange(0, 3).Draw(r.t, "again") == 0 { // and the recovery dies too
		request := &log.RecoveryRequest{Topic: "t", Folder: seam.Path{Name: "t-0"}, Files: r.disk.entries(), First: 1, RecoveryPoint: r.point, LogStart: r.start, Config: r.config}
		runRecovery(r.t, r.disk, request, rapid.IntRange(1, 30).Draw(r.t, "dies after"))
		if rapid.Bool().Draw(r.t, "power again") {
			least = min(least, l.Durable().Offset)
			r.disk.cut()
		} else {
			r.disk.kill()
		}
		r.counts["recovery died"]++
	}
	r.restart(false, least)
}

// stop is a clean one: all durable, the derived files written.
func (r *rig) stop() {
	r.rest()
	l := r.replica.Log
	for l.Durable().Offset != l.End().Offset || l.SyncWanted() {
		l.EmitSyncs(false, &r.fx)
		r.drain()
		for r.disk.busy() {
			r.disk.carryOut()
			r.deliver()
		}
	}
	l.Close(&r.fx, r.replica.Snapshot()...)
	r.disk.queue(&r.fx)
	epochs := l.Epochs.Encode()
	r.disk.names["t-0/leader-epoch-checkpoint"] = &inode{data: epochs, disk: epochs, dirty: map[int]bool{}}
	for r.disk.busy() || l.SyncWanted() {
		l.EmitSyncs(false, &r.fx)
		r.disk.queue(&r.fx)
		r.disk.carryOut()
		r.deliver()
	}
	r.checkpoint()
	clean := r.point == l.End().Offset // an index whose write failed long ago: no marker
	least := l.End().Offset
	if r.disk.kill(); rapid.Bool().Draw(r.t, "power after stop") {
		r.disk.cut()
	}
	r.counts[fmt.Sprintf("clean stop %t", clean)]++
	r.restart(clean, least)
}

// TestLog: appends, failed writes, syncs, rolls, crashes, recoveries and clean stops in any order, against the twin.
func TestLog(t *testing.T) {
	totals := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		r := newRig(t)
		for n := rapid.IntRange(1, 120).Draw(t, "steps"); n > 0; n-- {
			r.act()
		}
		switch rapid.IntRange(0, 3).Draw(t, "end") {
		case 0:
			r.rest()
			r.check()
		case 1:
			r.stop()
		default:
			r.crash()
		}
		for n := rapid.IntRange(0, 40).Draw(t, "steps after"); n > 0; n-- {
			r.act()
		}
		if rapid.Bool().Draw(t, "end again") {
			r.crash()
		} else {
			r.stop()
		}
		for k, v := range r.counts {
			totals[k] += v
		}
	})
	t.Log(totals)
}

// A name that a power cut brought back: the only segment begins where no log does, and is opened before that is known.
func TestARecoveryClosesWhatItRemoves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDisk(t)
		d.names["t-0/00000000000000000007.log"] = &inode{dirty: map[int]bool{}}
		out := runRecovery(t, d, &log.RecoveryRequest{Topic: "t", Folder: seam.Path{Name: "t-0"}, Files: d.entries(), First: 1, Clean: true}, 0)
		require.Equal(t, seam.OK, out.Fault)
		require.Zero(t, out.End)
		require.Empty(t, d.logs())
	})
}

// Retention on a disk that is full: whoever wrote what has gone is remembered over a stop at any time.
func TestAFullDiskKeepsWhoWrote(t *testing.T) {
	moved := 0
	rapid.Check(t, func(t *rapid.T) {
		r := newRig(t)
		if r.flush > 1 {
			return
		}
		for range 10 {
			r.produce()
			r.drain()
		}
		r.rest()
		r.disk.full = true
		start, _ := r.replica.Expire(r.now, log.Retention{Delete: true, Millis: -1, Bytes: 0}, &r.fx)
		r.drain()
		for n := rapid.IntRange(0, 60).Draw(t, "steps"); n > 0; n-- {
			r.disk.carryOut()
			r.deliver()
			if r.replica.Log.Start() < start {
				r.moveStart(start)
			}
		}
		moved += r.counts["start moved"]
		r.crash()
	})
	require.NotZero(t, moved)
}

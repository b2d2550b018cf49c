package client

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"rookery/core/batch"
	"rookery/core/seam"
	"rookery/core/wire"
)

// drawn is a configuration small enough that everything in it happens.
func drawn(t *rapid.T) Config {
	config := DefaultConfig()
	config.Seed[0] = byte(rapid.IntRange(0, 255).Draw(t, "seed of the client"))
	config.Linger = seam.Mono(rapid.IntRange(0, 3).Draw(t, "linger")) * 3 * seam.Millisecond
	config.BatchBytes = rapid.IntRange(1, 400).Draw(t, "batch bytes")
	config.RequestBytesMax = rapid.IntRange(500, 2000).Draw(t, "request bytes")
	config.InFlightMax = rapid.IntRange(1, 7).Draw(t, "in flight")
	config.RequestTimeout = seam.Mono(rapid.IntRange(300, 3000).Draw(t, "request timeout")) * seam.Millisecond
	config.DeliveryTimeout = seam.Mono(rapid.IntRange(1, 60).Draw(t, "delivery timeout")) * seam.Second
	config.RetryBackoff = 20 * seam.Millisecond
	config.MetadataAgeMax = 5 * seam.Second
	config.FetchMaxBytes = int32(rapid.IntRange(1, 2000).Draw(t, "fetch bytes"))
	config.PartitionFetchBytes = int32(rapid.IntRange(1, 1000).Draw(t, "partition fetch bytes"))
	config.OffsetReset = ResetEarliest
	config.Codec = batch.Codec(rapid.SampledFrom([]int{0, 0, 3}).Draw(t, "codec"))
	if rapid.Bool().Draw(t, "old versions") {
		config.Ceilings = []Ceiling{{wire.KeyProduce, 7}, {wire.KeyFetch, 11}, {wire.KeyMetadata, 4}, {wire.KeyApiVersions, 0}}
	}
	return config
}

func drawnFaults(t *rapid.T) faults {
	one := func(name string) int {
		return rapid.SampledFrom([]int{0, 0, 4, 15, 60}).Draw(t, name)
	}
	return faults{loseRequest: one("lose requests"), loseAnswer: one("lose answers"), refuse: one("refuse"),
		refuseWritten: one("refuse what is written"), delay: one("delay"), moveLeader: one("move leaders"), silence: one("silence"), forget: one("forget")}
}

// produced is what the application asked for.
type produced struct {
	value     string
	partition int32 // -1: the client's choice
	key       string
	at        seam.Mono
}

// load is an application that produces values that are all different: those of one partition rise.
type load struct {
	w      *world
	made   []produced
	healed int // of made, how many there were when all faults had been over for a while
}

func (l *load) produce(t *rapid.T) {
	p := &Produce{Tag: uint64(len(l.made)), Topic: "t", Partition: int32(rapid.IntRange(-1, 2).Draw(t, "partition"))}
	for range rapid.IntRange(1, 6).Draw(t, "records") {
		value := fmt.Sprintf("%06d%s", len(l.made), string(make([]byte, rapid.IntRange(0, 60).Draw(t, "size"))))
		one := produced{value: value, partition: p.Partition, at: l.w.now}
		r := Record{Value: []byte(value)}
		if rapid.Bool().Draw(t, "keyed") {
			one.key = fmt.Sprint(rapid.IntRange(0, 5).Draw(t, "key"))
			r.Key = []byte(one.key)
		}
		l.made = append(l.made, one)
		p.Records = append(p.Records, r)
	}
	l.w.tell(p)
}

// drive produces through the faults, then lets everything heal and waits until it is quiet.
func drive(t *rapid.T, config Config, f faults) *load {
	w := newWorld(rapid.Uint64().Draw(t, "seed of the world"), config, f)
	w.tooBig = rapid.SampledFrom([]int{0, 0, 200}).Draw(t, "too big")
	w.bad = rapid.SampledFrom([]int{0, 0, 20}).Draw(t, "bad")
	w.refusal = rapid.SampledFrom([]wire.Code{wire.None, wire.None, wire.TopicAuthorizationFailed}).Draw(t, "refusal")
	l := &load{w: w}
	for range rapid.IntRange(1, 60).Draw(t, "produces") {
		l.produce(t)
		w.run(w.now + seam.Mono(rapid.SampledFrom([]int{0, 0, 1, 5, 100, 700}).Draw(t, "pause"))*seam.Millisecond)
	}
	w.tell(&Flush{Tag: 1})
	w.run(w.now + seam.Mono(rapid.IntRange(0, 10).Draw(t, "faults go on"))*seam.Second)
	w.faults = faults{}
	w.run(w.now + 15*seam.Second)
	l.healed = len(l.made)
	for range 3 {
		l.produce(t)
	}
	w.run(w.now + 900*seam.Millisecond)
	return l
}

// checkTold holds that each record is told of once and by its deadline, that what is produced when all is well is
// written at once, and that nothing is left over.
func (l *load) checkTold(t *rapid.T, config Config) map[string]Delivered {
	fates := map[string]Delivered{}
	for i, d := range l.w.deliveries {
		for n := range d.Count {
			one := l.made[d.Tag+uint64(d.Index)+uint64(n)]
			fate := d
			if fate.Offset >= 0 {
				fate.Offset += int64(n)
			}
			_, again := fates[one.value]
			require.False(t, again, "%q was told of twice", one.value)
			fates[one.value] = fate
			l.checkReason(t, d, one.value, d.Index+n)
			require.LessOrEqual(t, l.w.at[i]-one.at, config.DeliveryTimeout+seam.Millisecond)
			if one.partition >= 0 && d.Partition >= 0 {
				require.Equal(t, one.partition, d.Partition)
			}
		}
	}
	require.Len(t, fates, len(l.made))
	for _, one := range l.made[l.healed:] {
		d := fates[one.value]
		require.False(t, d.Failed() && (l.w.bad == 0 || d.Code != wire.InvalidRecord), "%q failed in good weather: %v %v", one.value, d.Code, d.Fault)
	}
	require.Equal(t, []uint64{1}, l.w.flushed)
	require.Zero(t, l.w.client.buffered)
	require.Empty(t, l.w.client.active)
	return fates
}

// checkReason holds what the broker said against the records that it is about: of a batch that it refused each bad record
// is named, by its place in its Produce, and no other.
func (l *load) checkReason(t *rapid.T, d Delivered, value string, index int32) {
	if d.Code != wire.InvalidRecord || l.w.client.config.Ceilings != nil {
		return
	}
	require.Equal(t, "bad", d.Reason.Message)
	require.True(t, d.Reason.Others || len(d.Reason.Records) > 0)
	n, err := strconv.Atoi(value[:6])
	require.NoError(t, err)
	if n%l.w.bad == 1 {
		require.Contains(t, d.Reason.Records, Refused{index, value[:6]})
	} else {
		require.False(t, slices.ContainsFunc(d.Reason.Records, func(r Refused) bool { return r.Index == index }))
	}
}

// checkPlaced holds what was acknowledged against the log.
func (l *load) checkPlaced(t *rapid.T, fates map[string]Delivered) {
	written := map[string]int{}
	for _, p := range l.w.topics["t"].parts {
		for _, value := range p.values() {
			written[value]++
		}
	}
	keys := map[string]int32{}
	for _, one := range l.made {
		d := fates[one.value]
		if d.Failed() {
			require.True(t, d.Unknown || written[one.value] == 0, "%q is written and said not to be", one.value)
			continue
		}
		require.Equal(t, one.value, l.w.topics["t"].parts[d.Partition].value(d.Offset))
		if one.key != "" && one.partition < 0 {
			if p, ok := keys[one.key]; ok {
				require.Equal(t, p, d.Partition, "one key, two partitions")
			}
			keys[one.key] = d.Partition
		}
	}
}

func (l *load) checkOnceInOrder(t *rapid.T) {
	for i, p := range l.w.topics["t"].parts {
		values := p.values()
		require.True(t, slices.IsSorted(values), "partition %d is out of order: %q", i, values)
		require.Len(t, slices.Compact(slices.Clone(values)), len(values), "partition %d has a value twice", i)
	}
}

func TestIdempotentIsExactlyOnceInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config := drawn(t)
		l := drive(t, config, drawnFaults(t))
		l.checkPlaced(t, l.checkTold(t, config))
		l.checkOnceInOrder(t)
	})
}

// A leader that loses what it has acknowledged (acks=1 and a power cut) answers 45: the epoch is bumped and work goes on.
func TestIdempotentOverALogThatLosesItsTail(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config, f := drawn(t), drawnFaults(t)
		config.Acks, f.loseTail = AcksLeader, rapid.SampledFrom([]int{3, 10}).Draw(t, "lose the tail")
		l := drive(t, config, f)
		l.checkTold(t, config)
		l.checkOnceInOrder(t)
	})
}

// Four batches are written and nobody is told so; the broker is restarted, knows the newest only, and loses its tail after
// so many refusals. A batch that was refused while one behind it was there is there still, and is not written again.
func TestARefusalProvesNothingWhileALaterBatchMayBeThere(t *testing.T) {
	for after := range 6 {
		for keep := 1; keep <= 5; keep++ {
			config := DefaultConfig()
			config.Acks, config.BatchBytes, config.RetryBackoff = AcksLeader, 1, 300*seam.Millisecond
			w := newWorld(1, config, faults{})
			p := w.topic("t", 1).parts[0]
			produce := func(tag uint64) {
				w.tell(&Produce{Tag: tag, Topic: "t", Records: []Record{{Value: fmt.Append(nil, tag)}}})
			}
			produce(0)
			w.run(w.now + seam.Second)
			require.Len(t, w.deliveries, 1)
			w.faults.refuseWritten = 1
			for tag := range uint64(4) {
				produce(1 + tag)
			}
			w.run(w.now + 100*seam.Millisecond)
			w.faults.refuseWritten = 0
			require.Len(t, p.batches, 5)
			require.Len(t, w.deliveries, 1)
			p.known = 5
			for end := w.now + 10*seam.Second; w.refused < after && w.now < end; {
				w.run(w.now + 100*seam.Microsecond)
			}
			p.keep(min(keep, len(p.batches)))
			w.run(w.now + 20*seam.Second)
			require.Len(t, w.deliveries, 5, "%d batches are kept after %d refusals", keep, after)
			values := p.values()
			require.IsIncreasing(t, values, "%d batches are kept after %d refusals", keep, after)
			for _, d := range w.deliveries[1:] {
				require.True(t, !d.Failed() || d.Unknown)
			}
		}
	}
}

// Two batches are under way over a link that is lost. The first is given up, because its time is over or because it is
// refused for good, the second refused as there is a gap; then the two requests arrive after all.
func TestRequestsThatOutliveTheirLink(t *testing.T) {
	for _, refusal := range []wire.Code{wire.None, wire.TopicAuthorizationFailed, wire.UnknownServerError} {
		late := 0
		for seed := range uint64(20) {
			config := DefaultConfig()
			config.BatchBytes, config.Linger, config.DeliveryTimeout = 1, 0, 2*seam.Second
			config.RetryBackoff, config.RetryBackoffMax = 20*seam.Millisecond, 20*seam.Millisecond
			if refusal.Failed() {
				config.DeliveryTimeout = 20 * seam.Second
			}
			w := newWorld(seed, config, faults{})
			w.refusal = refusal
			p := w.topic("t", 1).parts[0]
			var held []event
			produce := func(tag uint64, hold bool) {
				before := len(w.events)
				w.tell(&Produce{Tag: tag, Topic: "t", Records: []Record{{Value: fmt.Append(nil, tag)}}})
				if hold {
					w.run(w.now)
					held = append(held, w.events[before:]...)
					w.events = w.events[:before]
				}
				w.run(w.now + seam.Second)
			}
			produce(0, false)
			require.Len(t, w.deliveries, 1)
			produce(1, true)
			produce(2, true)
			require.Len(t, held, 2)
			require.Len(t, p.batches, 1)
			w.faults.refuse = 1
			w.cut(w.links[w.brokers[p.leader]])
			for end := w.now + 500*seam.Millisecond; len(w.deliveries) < 2 && w.now < end; {
				w.run(w.now + 100*seam.Microsecond)
			}
			w.faults.refuse = 0
			require.Equal(t, []any{refusal.Failed(), true}, []any{w.deliveries[1].Fault == NoFault, w.deliveries[1].Unknown})
			for end := w.now + seam.Second; w.refused == 0 && w.now < end; {
				w.run(w.now + 100*seam.Microsecond)
			}
			for _, request := range held {
				request.do()
			}
			produce(3, false)
			w.run(w.now + 5*seam.Second)
			require.Len(t, w.deliveries, 4)
			require.IsIncreasing(t, p.values(), "after %v", refusal)
			require.Equal(t, "3", p.value(w.deliveries[3].Offset))
			if len(p.values()) == 4 {
				late++
			}
		}
		require.NotZero(t, late)
	}
}

// A time-out tells why the batch was not taken: by the last refusal, also if its link was lost after that. Of a batch that no
// broker refused there is nothing to tell.
func TestATimeOutTellsTheLastRefusal(t *testing.T) {
	config := DefaultConfig()
	config.Linger, config.DeliveryTimeout = 0, 2*seam.Second
	for _, refused := range []bool{true, false} {
		w := newWorld(1, config, faults{})
		p := w.topic("t", 1).parts[0]
		produce := func(tag uint64) {
			w.tell(&Produce{Tag: tag, Topic: "t", Records: []Record{{Value: fmt.Append(nil, tag)}}})
			w.run(w.now + seam.Second)
		}
		produce(0)
		require.Len(t, w.deliveries, 1)
		if refused {
			w.faults.refuse = 1
		}
		w.faults.loseAnswer = map[bool]int{false: 1}[refused]
		produce(1)
		require.Len(t, w.deliveries, 1)
		if refused { // else each answer is lost with its link
			w.cut(w.links[w.brokers[p.leader]])
		}
		w.run(w.now + 2*seam.Second)
		require.Len(t, w.deliveries, 2)
		require.Equal(t, TimedOut, w.deliveries[1].Fault)
		if refused {
			require.Contains(t, []wire.Code{wire.NotEnoughReplicas, wire.CorruptMessage, wire.UnknownTopicOrPartition}, w.deliveries[1].Code)
		} else {
			require.Equal(t, wire.None, w.deliveries[1].Code)
		}
	}
}

func TestPlainIsAtLeastOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config := drawn(t)
		config.Idempotent, config.Acks = false, rapid.SampledFrom([]int16{AcksLeader, AcksAll}).Draw(t, "acks")
		l := drive(t, config, drawnFaults(t))
		fates := l.checkTold(t, config)
		l.checkPlaced(t, fates)
		if config.InFlightMax == 1 && !anyUnknown(fates) {
			for _, p := range l.w.topics["t"].parts {
				require.True(t, slices.IsSorted(firsts(p.values())))
			}
		}
	})
}

func anyUnknown(fates map[string]Delivered) bool {
	for _, d := range fates {
		if d.Unknown {
			return true
		}
	}
	return false
}

// firsts drops all but the first of equal values.
func firsts(values []string) (kept []string) {
	seen := map[string]bool{}
	for _, v := range values {
		if !seen[v] {
			kept = append(kept, v)
		}
		seen[v] = true
	}
	return kept
}

// TestAcksNoneIsBounded: what a broker has not read is under way still. It takes room, and a Flush waits for it; where the
// link ends nobody knows what became of it.
func TestAcksNoneIsBounded(t *testing.T) {
	config := DefaultConfig()
	config.Acks, config.BufferBytes, config.RequestTimeout = AcksNone, 1000, 5*seam.Second
	w := newWorld(1, config, faults{})
	produce := func(tag uint64) {
		w.tell(&Produce{Tag: tag, Topic: "t", Partition: 1, Records: []Record{{Value: make([]byte, 700)}}})
	}
	produce(1)
	w.run(2 * seam.Second)
	require.Len(t, w.deliveries, 1)
	require.False(t, w.deliveries[0].Failed())
	w.faults.silence = 1 // as if the socket took nothing
	produce(2)
	w.tell(&Flush{Tag: 9})
	w.run(3 * seam.Second)
	require.Len(t, w.deliveries, 1)
	produce(3)
	require.Equal(t, BufferFull, w.deliveries[1].Fault)
	require.Empty(t, w.flushed)
	w.run(8 * seam.Second)
	require.Len(t, w.deliveries, 3)
	require.Equal(t, []any{uint64(2), Lost, true}, []any{w.deliveries[2].Tag, w.deliveries[2].Fault, w.deliveries[2].Unknown})
	require.Equal(t, []uint64{9}, w.flushed)
}

func TestAcksNoneHasNoOffset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config := drawn(t)
		config.Acks = AcksNone
		l := drive(t, config, drawnFaults(t))
		for value, d := range l.checkTold(t, config) {
			require.EqualValues(t, -1, d.Offset, value)
		}
	})
}

// A reader sees the log, from where it was told to begin, without a gap and nothing twice, whatever breaks meanwhile.
func TestReaderSeesTheLog(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config := drawn(t)
		f := drawnFaults(t)
		w := newWorld(rapid.Uint64().Draw(t, "seed of the world"), config, faults{})
		topic := w.topic("t", 3)
		l := &load{w: w}
		for range rapid.IntRange(1, 20).Draw(t, "produces") {
			l.produce(t)
		}
		w.run(w.now + 5*seam.Second)
		w.faults = f
		from := map[int32]int64{}
		for number, p := range topic.parts {
			p.start = 0
			offset := rapid.SampledFrom([]int64{Earliest, Latest, 0, 1, 5}).Draw(t, "from")
			switch offset {
			case Earliest:
				from[int32(number)] = 0
			case Latest:
				from[int32(number)] = p.end()
			default:
				offset = min(offset, p.end())
				from[int32(number)] = offset
			}
			w.tell(&Assign{Topic: "t", Partition: int32(number), Offset: offset})
		}
		for range 200 {
			w.tell(&Poll{Bytes: 500})
			w.run(w.now + 100*seam.Millisecond)
		}
		w.faults = faults{}
		w.tell(&Poll{Bytes: 1 << 30})
		w.run(w.now + 20*seam.Second)
		read, ends := map[int32][]string{}, map[int32]bool{}
		for _, got := range w.fetched {
			for _, r := range got.Records {
				require.EqualValues(t, from[got.Partition]+int64(len(read[got.Partition])), r.Offset)
				read[got.Partition] = append(read[got.Partition], string(r.Value))
			}
			ends[got.Partition] = ends[got.Partition] || got.End
		}
		for number, p := range topic.parts {
			require.Equal(t, append([]string(nil), p.values()[from[int32(number)]:]...), read[int32(number)])
			require.True(t, ends[int32(number)], "partition %d has no end", number)
		}
	})
}

// A position by time is the first record that is no older, or the end.
func TestPositionByTimestamp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config := DefaultConfig()
		config.BatchBytes = rapid.IntRange(1, 300).Draw(t, "batch bytes")
		w := newWorld(1, config, faults{loseAnswer: rapid.SampledFrom([]int{0, 3}).Draw(t, "lose answers")})
		w.topic("t", 1)
		stamps := rapid.SliceOfN(rapid.Int64Range(10, 30), 1, 20).Draw(t, "timestamps")
		var records []Record
		for _, stamp := range stamps {
			records = append(records, Record{Timestamp: stamp})
		}
		w.tell(&Produce{Topic: "t", Records: records})
		w.run(w.now + 5*seam.Second)
		asked := rapid.Int64Range(-3, 35).Draw(t, "asked for")
		want := slices.IndexFunc(stamps, func(stamp int64) bool { return stamp >= asked })
		if want < 0 {
			want = len(stamps)
		}
		w.tell(&Assign{Tag: 7, Topic: "t", Offset: AtTimestamp, Timestamp: asked})
		w.tell(&Poll{Bytes: 1 << 20})
		w.run(w.now + 30*seam.Second)
		require.NotEmpty(t, w.fetched)
		at := int64(want)
		for _, got := range w.fetched {
			require.Equal(t, Fetched{Tag: 7, From: at, Position: at + int64(len(got.Records))}, Fetched{Tag: got.Tag, From: got.From, Position: got.Position})
			at = got.Position
		}
		require.EqualValues(t, len(stamps), at)
	})
}

// What is paused finds its position, and is fetched no more until it is told to go on; the others are.
func TestPaused(t *testing.T) {
	w := newWorld(1, DefaultConfig(), faults{})
	w.topic("t", 2)
	w.tell(&Poll{Bytes: 1 << 20})
	w.tell(&Assign{Topic: "t", Partition: 0, Offset: Latest, Paused: true})
	w.tell(&Assign{Topic: "t", Partition: 1, Offset: Earliest})
	w.run(w.now + 2*seam.Second)
	produce := func() {
		for partition := range int32(2) {
			w.tell(&Produce{Topic: "t", Partition: partition, Records: []Record{{}}})
		}
		w.run(w.now + 2*seam.Second)
	}
	records := func() (of [2]int) {
		for _, got := range w.fetched {
			of[got.Partition] += len(got.Records)
		}
		return of
	}
	produce()
	require.Equal(t, [2]int{0, 1}, records())
	w.tell(&Pause{Topic: "t", Partition: 0})
	w.tell(&Pause{Topic: "t", Partition: 9})
	w.run(w.now + 2*seam.Second)
	require.Equal(t, [2]int{1, 1}, records(), "its position was looked up while it was paused")
	w.tell(&Pause{Topic: "t", Partition: 1, On: true})
	w.run(w.now + 2*seam.Second)
	produce()
	require.Equal(t, [2]int{2, 1}, records())
	w.tell(&Pause{Topic: "t", Partition: 1})
	w.run(w.now + 2*seam.Second)
	require.Equal(t, [2]int{2, 2}, records())
}

func TestPositionOutOfRange(t *testing.T) {
	for reset, first := range map[Reset]int64{ResetEarliest: 3, ResetLatest: -1, ResetNone: -1} {
		config := DefaultConfig()
		config.OffsetReset = reset
		w := newWorld(1, config, faults{})
		w.topic("t", 1).parts[0].start = 3
		w.tell(&Produce{Topic: "t", Records: []Record{{Value: []byte("x")}}})
		w.run(w.now + seam.Second)
		w.tell(&Assign{Topic: "t", Offset: 1})
		w.tell(&Poll{Bytes: 1000})
		w.run(w.now + 5*seam.Second)
		require.Len(t, w.fetched, 1)
		got := w.fetched[0]
		switch {
		case reset == ResetNone:
			require.Equal(t, wire.OffsetOutOfRange, got.Code)
			require.True(t, got.Stopped)
		case first < 0:
			require.Empty(t, got.Records)
			require.EqualValues(t, 4, got.Position)
		default:
			require.EqualValues(t, first, got.Records[0].Offset)
		}
	}
}

// TestForEver: as long as a time can be is for ever, and not over already.
func TestForEver(t *testing.T) {
	config := DefaultConfig()
	for _, d := range []*seam.Mono{&config.RequestTimeout, &config.DeliveryTimeout, &config.MetadataAgeMax, &config.FetchWaitMax,
		&config.RetryBackoffMax, &config.ReconnectBackoffMax} {
		*d = 1<<63 - 1
	}
	w := newWorld(1, config, faults{})
	millis := map[int16]int32{}
	w.sent = func(frame []byte) {
		var h wire.Header
		body, _ := wire.ReadHeader(frame[4:], &h)
		ask := kmsg.RequestForKey(h.Key)
		ask.SetVersion(h.Version)
		require.NoError(t, ask.ReadFrom(body))
		switch ask := ask.(type) {
		case *kmsg.ProduceRequest:
			millis[h.Key] = ask.TimeoutMillis
		case *kmsg.FetchRequest:
			millis[h.Key] = ask.MaxWaitMillis
		case *kmsg.ListOffsetsRequest:
			millis[h.Key] = ask.TimeoutMillis
		}
	}
	w.topic("t", 1)
	w.tell(&Produce{Tag: 1, Topic: "t", Records: []Record{{Value: []byte("x")}}})
	w.tell(&Assign{Topic: "t", Offset: Earliest})
	w.tell(&Poll{Bytes: 1 << 20})
	w.tell(&Call{Tag: 1, Request: kmsg.NewPtrDescribeClusterRequest(), To: AnyBroker, Timeout: 1<<63 - 1})
	w.run(w.now + 5*seam.Second)
	require.Len(t, w.deliveries, 1)
	require.False(t, w.deliveries[0].Failed(), w.deliveries[0])
	require.NotEmpty(t, w.fetched)
	require.Len(t, w.answers, 1)
	require.Equal(t, NoFault, w.answers[0].Fault)
	require.Equal(t, map[int16]int32{wire.KeyProduce: 1<<31 - 1, wire.KeyFetch: 1<<31 - 1, wire.KeyListOffsets: 1<<31 - 1}, millis)
}

// TestNoProducerID: who may not have one is told why, at once and not when its time is up.
func TestNoProducerID(t *testing.T) {
	w := newWorld(1, DefaultConfig(), faults{})
	w.barred = true
	w.tell(&Produce{Tag: 1, Topic: "t", Records: []Record{{Value: []byte("x")}}})
	w.tell(&Produce{Tag: 2, Topic: "t", Partition: 1, Records: []Record{{Value: []byte("y")}, {}}})
	w.tell(&Flush{Tag: 3})
	w.run(w.now + 2*seam.Second)
	require.Len(t, w.deliveries, 2)
	for _, d := range w.deliveries {
		require.Equal(t, []any{wire.ClusterAuthorizationFailed, NoFault, false}, []any{d.Code, d.Fault, d.Unknown})
	}
	require.Equal(t, []uint64{3}, w.flushed)
	require.Zero(t, w.client.buffered)
	w.barred = false
	w.tell(&Produce{Tag: 4, Topic: "t", Records: []Record{{Value: []byte("z")}}})
	w.run(w.now + 5*seam.Second)
	require.Len(t, w.deliveries, 3)
	require.False(t, w.deliveries[2].Failed())
}

// TestTopicMadeAnewWithoutID: the leader epochs of a topic that was deleted and made anew begin anew. A cluster of before Kafka
// 2.8 says by nothing but its absence that it is another one.
func TestTopicMadeAnewWithoutID(t *testing.T) {
	config := DefaultConfig()
	config.AutoCreate, config.OffsetReset = false, ResetEarliest
	config.Ceilings = []Ceiling{{wire.KeyMetadata, 9}, {wire.KeyProduce, 9}, {wire.KeyFetch, 12}}
	w := newWorld(1, config, faults{})
	w.topic("t", 1).parts[0] = &testPartition{epoch: 5}
	w.tell(&Produce{Tag: 1, Topic: "t", Records: []Record{{Value: []byte("x")}}})
	w.tell(&Assign{Topic: "t", Offset: Earliest})
	w.tell(&Poll{Bytes: 1 << 20})
	w.run(w.now + 2*seam.Second)
	require.False(t, w.deliveries[0].Failed())
	delete(w.topics, "t")
	w.run(w.now + 5*seam.Second)
	w.topic("t", 1).parts[0] = &testPartition{epoch: 1, leader: 1}
	w.tell(&Produce{Tag: 2, Topic: "t", Records: []Record{{Value: []byte("y")}, {Value: []byte("z")}}})
	w.run(w.now + 5*seam.Second)
	require.Len(t, w.deliveries, 2)
	require.False(t, w.deliveries[1].Failed())
	require.Equal(t, "z", string(w.fetched[len(w.fetched)-1].Records[0].Value))
}

// TestUnknownServerErrorPasses: what a broker did not foresee need not happen again. It is told once, and tried again.
func TestUnknownServerErrorPasses(t *testing.T) {
	w := newWorld(1, DefaultConfig(), faults{})
	w.topic("t", 1)
	w.tell(&Produce{Topic: "t", Records: []Record{{Value: []byte("x")}}})
	w.run(w.now + seam.Second)
	for _, offset := range []int64{Earliest, 0} {
		w.fetched, w.strange = nil, 2
		w.tell(&Assign{Topic: "t", Offset: offset})
		w.tell(&Poll{Bytes: 1 << 20})
		w.run(w.now + 5*seam.Second)
		require.Zero(t, w.strange)
		require.Len(t, w.fetched, 2)
		require.Equal(t, []any{wire.UnknownServerError, false}, []any{w.fetched[0].Code, w.fetched[0].Stopped})
		require.Len(t, w.fetched[1].Records, 1)
	}
}

// TestNoWholeBatch: what a log of an old format has is no batch that we know. It is told once, and asked for again after
// pauses: an answer that brings nobody on must not be asked for at once, for ever.
func TestNoWholeBatch(t *testing.T) {
	w := newWorld(1, DefaultConfig(), faults{})
	topic := w.topic("t", 1)
	for range 2 {
		w.tell(&Produce{Topic: "t", Records: []Record{{Value: []byte("x")}}})
		w.run(w.now + seam.Second)
	}
	const magicAt = 16
	topic.parts[0].batches[1].bytes[magicAt] = 1
	w.tell(&Assign{Topic: "t", Offset: Earliest})
	w.tell(&Poll{Bytes: 1 << 20})
	w.run(w.now + 10*seam.Second)
	require.Less(t, w.keys[wire.KeyFetch], 30)
	require.Len(t, w.fetched, 2)
	require.Len(t, w.fetched[0].Records, 1)
	require.True(t, w.fetched[1].Damaged())
	require.Equal(t, []int64{1, 1}, []int64{w.fetched[1].From, w.fetched[1].Position})
}

func TestNothingIsFetchedWithoutCredit(t *testing.T) {
	w := newWorld(1, DefaultConfig(), faults{})
	w.topic("t", 1)
	w.tell(&Assign{Topic: "t", Offset: Earliest})
	w.run(w.now + 5*seam.Second)
	require.Zero(t, w.keys[wire.KeyFetch])
	require.Equal(t, 1, w.keys[wire.KeyListOffsets])
	w.tell(&Poll{Bytes: 1})
	w.run(w.now + seam.Second)
	require.NotZero(t, w.keys[wire.KeyFetch])
}

// Where there are no sessions the client sees to it that partitions take turns: each answer has room for one.
func TestPartitionsTakeTurns(t *testing.T) {
	config := DefaultConfig()
	config.Ceilings, config.FetchMaxBytes = []Ceiling{{wire.KeyFetch, 6}}, 1
	w := newWorld(1, config, faults{})
	of := w.topic("t", 3)
	for _, p := range of.parts {
		p.leader = 0
	}
	for i := range int32(60) {
		w.tell(&Produce{Topic: "t", Partition: i % 3, Records: []Record{{Value: []byte("0")}}})
		w.run(w.now + 100*seam.Millisecond)
	}
	for i := range int32(3) {
		w.tell(&Assign{Topic: "t", Partition: i, Offset: 0})
	}
	w.tell(&Poll{Bytes: 1 << 20})
	w.run(w.now + 10*seam.Second)
	require.Len(t, w.fetched, 60)
	var of3 [3]int
	for _, f := range w.fetched[:9] {
		of3[f.Partition]++
	}
	require.Equal(t, [3]int{3, 3, 3}, of3)
}

// Nor does it help a partition forward to be assigned anew, or keep another back.
func TestTurnsOutliveAnAssign(t *testing.T) {
	config := DefaultConfig()
	config.Ceilings, config.FetchMaxBytes = []Ceiling{{wire.KeyFetch, 6}}, 1
	for begin := range int32(2) {
		w := newWorld(1, config, faults{})
		of := w.topic("t", 2)
		for i := range int32(2) {
			of.parts[i].leader = 0
			w.tell(&Produce{Topic: "t", Partition: i, Records: []Record{{Value: []byte("0")}}})
			w.tell(&Assign{Topic: "t", Partition: i, Offset: 0})
		}
		w.run(w.now + seam.Second)
		w.tell(&Poll{Bytes: 1})
		for i := range int32(8) {
			w.run(w.now + seam.Second)
			require.Len(t, w.fetched, int(i)+1)
			w.tell(&Assign{Topic: "t", Partition: (begin + i) % 2, Offset: 0})
			w.tell(&Poll{Bytes: w.fetched[i].Bytes})
		}
		for i := range 7 {
			require.NotEqual(t, w.fetched[i].Partition, w.fetched[i+1].Partition, "answers %d and %d", i, i+1)
		}
	}
}

// An answer to what was asked before the partition was assigned anew says nothing about where it is read now.
func TestAssignedAnewWhileFetching(t *testing.T) {
	w := newWorld(1, DefaultConfig(), faults{})
	w.topic("t", 1)
	w.tell(&Produce{Topic: "t", Records: []Record{{Value: []byte("0")}, {Value: []byte("1")}}})
	w.run(w.now + seam.Second)
	w.tell(&Assign{Topic: "t", Offset: 0})
	w.tell(&Poll{Bytes: 1000})
	for before := w.keys[wire.KeyFetch]; w.keys[wire.KeyFetch] == before; {
		w.run(w.now + 100*seam.Microsecond)
	}
	w.tell(&Assign{Topic: "t", Offset: 1})
	w.run(w.now + seam.Second)
	require.Len(t, w.fetched, 1)
	require.Len(t, w.fetched[0].Records, 1)
	require.EqualValues(t, 1, w.fetched[0].Records[0].Offset)
}

func TestLingerEndsByItself(t *testing.T) {
	config := DefaultConfig()
	config.Linger = 200 * seam.Millisecond
	w := newWorld(1, config, faults{})
	w.tell(&Produce{Topic: "t", Records: []Record{{Value: []byte("0")}}})
	w.run(w.now + 500*seam.Millisecond)
	require.Len(t, w.deliveries, 1)
	for i := range 3 {
		w.tell(&Produce{Tag: uint64(i), Topic: "t", Records: []Record{{Value: []byte("0")}}})
		w.run(w.now + 50*seam.Millisecond)
	}
	require.Len(t, w.deliveries, 1)
	w.run(w.now + 100*seam.Millisecond)
	require.Len(t, w.deliveries, 4)
	require.EqualValues(t, 2, w.deliveries[3].Offset-w.deliveries[1].Offset)
}

func TestCalls(t *testing.T) {
	w := newWorld(1, DefaultConfig(), faults{})
	w.topic("t", 1)
	w.tell(&Call{Tag: 1, Request: kmsg.NewPtrDescribeClusterRequest(), To: AnyBroker})
	w.tell(&Call{Tag: 2, Request: kmsg.NewPtrCreateTopicsRequest(), To: Controller})
	w.tell(&Call{Tag: 3, Request: kmsg.NewPtrListOffsetsRequest(), To: Leader, Topic: "t"})
	w.tell(&Call{Tag: 4, Request: kmsg.NewPtrControlledShutdownRequest(), To: 1})
	w.tell(&Call{Tag: 5, Request: kmsg.NewPtrMetadataRequest(), To: 77, Timeout: 500})
	w.run(w.now + 5*seam.Second)
	require.Len(t, w.answers, 5)
	for _, a := range w.answers {
		switch a.Tag {
		case 4:
			require.Equal(t, Unsupported, a.Fault)
		case 5:
			require.Equal(t, TimedOut, a.Fault)
			require.False(t, a.Unknown)
		default:
			require.Equal(t, NoFault, a.Fault)
			require.NotNil(t, a.Response)
		}
	}
	w.faults.loseAnswer = 1
	w.tell(&Call{Tag: 6, Request: kmsg.NewPtrDescribeClusterRequest(), To: AnyBroker})
	w.run(w.now + 5*seam.Second)
	require.Equal(t, Answer{Tag: 6, Fault: Lost, Unknown: true}, *w.answers[5])
}

// A broker that keeps silent loses a call its time, whether the call's patience is shorter than the link's, the same, or longer.
func TestSilenceIsNoLostLink(t *testing.T) {
	for _, timeout := range []int64{1000, 0, 30_000, 40_000} {
		w := newWorld(1, DefaultConfig(), faults{})
		w.tell(&Call{Tag: 1, Request: kmsg.NewPtrDescribeClusterRequest(), To: AnyBroker})
		w.run(w.now + seam.Second)
		require.Equal(t, NoFault, w.answers[0].Fault)
		w.faults.silence = 1
		w.tell(&Call{Tag: 2, Request: kmsg.NewPtrDescribeClusterRequest(), To: AnyBroker, Timeout: timeout})
		w.run(w.now + 60*seam.Second)
		require.Len(t, w.answers, 2)
		require.Equal(t, Answer{Tag: 2, Fault: TimedOut, Unknown: true}, *w.answers[1], "timeout %d", timeout)
	}
}

func TestRefusals(t *testing.T) {
	config := DefaultConfig()
	config.BufferBytes, config.RequestBytesMax = 1000, 600
	w := newWorld(1, config, faults{})
	w.tell(&Produce{Tag: 1, Topic: "t", Records: []Record{{Value: make([]byte, 700)}}})
	w.tell(&Produce{Tag: 2, Topic: "t", Records: []Record{{Value: make([]byte, 400)}}})
	w.tell(&Produce{Tag: 3, Topic: "t", Records: []Record{{Value: make([]byte, 400)}, {Value: make([]byte, 400)}}})
	require.Len(t, w.deliveries, 2)
	require.Equal(t, Delivered{Tag: 1, Count: 1, Topic: "t", Offset: -1, Fault: TooLarge}, w.deliveries[0])
	require.Equal(t, Delivered{Tag: 3, Count: 2, Topic: "t", Offset: -1, Fault: BufferFull}, w.deliveries[1])
	w.tell(&Close{Tag: 1})
	w.tell(&Produce{Tag: 4, Topic: "t", Records: []Record{{}}})
	require.Equal(t, ShutDown, w.deliveries[2].Fault)
	w.run(w.now + 5*seam.Second)
	require.Len(t, w.deliveries, 4)
	require.False(t, w.deliveries[3].Failed())
	require.Equal(t, []uint64{1}, w.closed)
}

// A client that has nothing to do sleeps.
func TestQuietClientSleeps(t *testing.T) {
	w := newWorld(1, DefaultConfig(), faults{})
	w.tell(&Produce{Topic: "t", Records: []Record{{Value: []byte("x")}}})
	w.run(w.now + 10*seam.Second)
	before := w.steps
	w.run(w.now + 290*seam.Second)
	require.Less(t, w.steps-before, 10)
}

func TestTwoRunsAreAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config, f, seed := drawn(t), drawnFaults(t), rapid.Uint64().Draw(t, "seed")
		run := func() []Delivered {
			w := newWorld(seed, config, f)
			for i := range 20 {
				w.tell(&Produce{Tag: uint64(i), Topic: "t", Partition: -1, Records: []Record{{Value: []byte{byte(i)}}}})
				w.run(w.now + 10*seam.Millisecond)
			}
			w.run(w.now + 70*seam.Second)
			return w.deliveries
		}
		require.Equal(t, run(), run())
	})
}

// An answer about leaders is believed no further than its numbers are those of its partitions.
func TestLeaders(t *testing.T) {
	w := newWorld(1, DefaultConfig(), faults{})
	w.topic("t", 3).parts[1].leader = 1
	call := NewLeadersCall("t", false)
	w.tell(&call)
	w.run(w.now + 5*seam.Second)
	leaders, code := w.answers[0].Leaders()
	require.Equal(t, wire.None, code)
	require.Len(t, leaders, 3)
	require.NotEqual(t, leaders[0], leaders[1])
	topic := &w.answers[0].Response.(*kmsg.MetadataResponse).Topics[0]
	topic.Partitions[2].ErrorCode = int16(wire.LeaderNotAvailable)
	leaders, _ = w.answers[0].Leaders()
	require.EqualValues(t, -1, leaders[2])
	for _, wrong := range []int32{-1, 3, 1 << 30} {
		topic.Partitions[0].Partition = wrong
		leaders, code = w.answers[0].Leaders()
		require.Empty(t, leaders)
		require.Equal(t, wire.UnknownServerError, code)
	}
	_, code = (&Answer{}).Leaders()
	require.Equal(t, wire.UnknownServerError, code)
}

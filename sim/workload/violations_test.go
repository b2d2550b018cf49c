package workload

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/client"
	"rookery/core/seam"
	"rookery/core/wire"
	"rookery/sim/check"
	"rookery/sim/world"
)

// violation is what a law rejects, and what is nearly the same and is accepted; nil: another row has that.
type violation struct {
	law    string
	breaks func(r *Run)
	near   func(r *Run)
}

func TestViolations(t *testing.T) {
	for i, v := range violations {
		r := newRun()
		v.breaks(r)
		err := r.World.Failure()
		require.Error(t, err, "row %d: %s", i, v.law)
		require.True(t, strings.HasPrefix(err.Error(), v.law+" "), "row %d: %s: %v", i, v.law, err)
		if v.near == nil {
			continue
		}
		r = newRun()
		v.near(r)
		require.NoError(t, r.World.Failure(), "row %d: %s", i, v.law)
		law := slices.IndexFunc(check.LawNames(), func(line string) bool { return strings.HasPrefix(line, v.law+" ") })
		require.NotZero(t, r.World.Laws[law], "row %d: %s was not asked", i, v.law)
	}
}

var violations = []violation{
	{"V9", func(r *Run) { owe(r, seam.Never) }, func(r *Run) { owe(r, 10*seam.Millisecond) }},
	{"V9", func(r *Run) { owe(r, 60*seam.Second) }, func(r *Run) { newDeputyOf(r, seam.Never).Step(seam.Now{}, &seam.Alarm{}, &seam.Effects{}); owe(r, 0) }},

	{"S6", func(r *Run) { looked(r, 700, at("/disk0", 0, 600)) }, func(r *Run) { looked(r, 700, at("/disk0", 0, 700)) }},
	{"S6", func(r *Run) { looked(r, 0, at("/disk0", 0, 1), at("/disk1", 0, 1)) }, func(r *Run) { looked(r, 0, at("/disk0", 0, 1), at("/disk1", 1, 1)) }},
	{"S6", func(r *Run) { looked(r, 0, future("/disk1", 5)) }, func(r *Run) { looked(r, 0, at("/disk0", 0, 1), future("/disk1", 5)) }},
	{"S6", func(r *Run) { looked(r, 0, at("/disk0", 0, 1), future("/disk0", 5)) }, nil},
	{"S6", func(r *Run) { looked(r, 0, at("/disk0", 0, 1), future("/disk1", -5)) }, nil},
	{"S6", func(r *Run) { looked(r, 0, at("/disk0", 0, 1), future("/disk1", 1), future("/disk2", 1)) }, nil},

	{"H14", func(r *Run) { lastWord(r, 2) }, func(r *Run) { lastWord(r, 3) }},
	{"H14", func(r *Run) { *r = *asleep(false) }, func(r *Run) { *r = *asleep(true) }},
	{"H15", func(r *Run) { answers(r, 2, 1) }, func(r *Run) { answers(r, 1, 2) }},
	{"H15", func(r *Run) { answers(r, 1, 1) }, nil},
	{"H15", func(r *Run) { answers(r, 1, 2, 3) }, nil},
	{"H15", func(r *Run) { askedFor(r, true) }, func(r *Run) { askedFor(r, false) }},
	{"S3", func(r *Run) { beyond(r, none) }, func(r *Run) { beyond(r, offsetOutOfRange) }},
	{"H20", func(r *Run) { beyond(r, unknownTopic) }, nil},
	{"H16", func(r *Run) { refused(r, func(l *lane, b *parcel) {}) }, func(r *Run) { refused(r, func(l *lane, b *parcel) { b.life-- }) }},
	{"H16", func(r *Run) { refused(r, func(l *lane, b *parcel) {}) }, func(r *Run) { refused(r, func(l *lane, b *parcel) { b.early = true }) }},
	{"H16", func(r *Run) { cached(r); refused(r, func(l *lane, b *parcel) {}) }, func(r *Run) { cached(r); refused(r, func(l *lane, b *parcel) { l.lives[0]-- }) }},
	{"H16", func(r *Run) {
		cached(r)
		refused(r, func(l *lane, b *parcel) { l.lives = []int{0, 1, 0}; b.number = 3 })
	}, func(r *Run) {
		cached(r)
		refused(r, func(l *lane, b *parcel) { l.lives = []int{1, 0, 0}; b.number = 3 }) // the one just before was lost, and one before that came again
	}},
	{"H17", func(r *Run) { fetched(r, part(5)) }, func(r *Run) { fetched(r, part(3)) }},
	{"H17", func(r *Run) { fetched(r, part(3), part(4)) }, func(r *Run) { fetched(r, part(4, record(3)...), part(4)) }},
	{"H18", func(r *Run) {
		delivered(r, client.Delivered{Tag: 1, Count: 2}, client.Delivered{Tag: 1, Index: 1, Count: 1})
	},
		func(r *Run) {
			delivered(r, client.Delivered{Tag: 1, Count: 1}, client.Delivered{Tag: 1, Index: 1, Count: 1})
		}},
	{"H18", func(r *Run) { delivered(r, client.Delivered{Tag: 2, Count: 1}) }, func(r *Run) { delivered(r, client.Delivered{Tag: 1, Count: 1}) }},
	{"H18", func(r *Run) { delivered(r, client.Delivered{Tag: 1, Count: 3}) }, nil},
	{"H18", func(r *Run) {
		delivered(r, client.Delivered{Tag: 1, Count: 2, Partition: -1, Unknown: true, Code: wire.RequestTimedOut})
	}, func(r *Run) {
		delivered(r, client.Delivered{Tag: 1, Count: 2, Partition: -1, Code: wire.RequestTimedOut})
	}},
	{"H18", func(r *Run) { refusedForRoom(r, 100) }, func(r *Run) { refusedForRoom(r, 101) }},
	{"H18", func(r *Run) { awaited(r, 1021*seam.Millisecond) }, func(r *Run) { awaited(r, 1020*seam.Millisecond) }},
	{"H18", func(r *Run) { fenced(r, 2, 1) }, func(r *Run) { fenced(r, 1, 2) }},
	{"H19", func(r *Run) { handedOn(r, 5, 0, 2) }, func(r *Run) { handedOn(r, 5, 0, 1) }},
	{"H19", func(r *Run) { handedOn(r, 5, 0, 0) }, nil},
	{"H19", func(r *Run) { handedOn(r, 5, 1) }, func(r *Run) { // records that were deleted are left out: S laws see to that
		r.plan.Pruning.On = true
		handedOn(r, 5, 1)
	}},
	{"H20", func(r *Run) { told(r, wire.KeyProduce, "firm", notLeader, 0) }, func(r *Run) { told(r, wire.KeyProduce, "firm", notLeader, -1) }},
	{"H20", func(r *Run) { told(r, wire.KeyFetch, "firm", outOfOrderSequence, -1) }, func(r *Run) { told(r, wire.KeyFetch, "firm", none, 7); told(r, wire.KeyFetch, "firm", notLeader, -1) }},
	{"H20", func(r *Run) { told(r, wire.KeyFetch, "firm", unknownTopic, -1) }, func(r *Run) { told(r, wire.KeyFetch, "brief", unknownTopic, -1) }},
	{"H20", func(r *Run) { told(r, wire.KeyProduce, "firm", storageError, -1) }, func(r *Run) {
		r.World.Counts[world.WriteFailed]++
		told(r, wire.KeyProduce, "firm", storageError, -1)
	}},
	{"H20", func(r *Run) { r.diskInTheWay(5, storageError) }, func(r *Run) { r.diskInTheWay(6, storageError); r.diskInTheWay(5, notLeader) }},
	{"H20", func(r *Run) { r.told(question{wire.KeyProduce, "firm", 10, 1000}, timedOut, 1009) }, func(r *Run) { r.told(question{wire.KeyProduce, "firm", 10, 1000}, timedOut, 1010) }},
	{"H20", func(r *Run) {
		r.partitionIs("firm", &kmsg.MetadataResponseTopicPartition{Leader: 1, Replicas: []int32{1}}, 10)
	}, func(r *Run) { one := ledBy(1); r.partitionIs("firm", &one, 10) }},
	{"H20", func(r *Run) { offline(r) }, func(r *Run) { r.World.Counts[world.WriteFailed]++; offline(r) }},
	{"H20", func(r *Run) { told(r, wire.KeyListOffsets, "firm", offsetNotAvailable, -1) }, func(r *Run) {
		r.World.Node.Life = 2
		told(r, wire.KeyListOffsets, "firm", offsetNotAvailable, -1)
	}},
	{"H20", func(r *Run) { told(r, wire.KeyFetch, "loose", offsetOutOfRange, -1) }, func(r *Run) {
		r.facts.Losses = []seam.Mono{1}
		told(r, wire.KeyFetch, "loose", offsetOutOfRange, -1)
	}},
	{"H17", func(r *Run) { passed(r, false, part(3)) }, func(r *Run) { passed(r, true, part(3)) }},
	{"H17", func(r *Run) { passed(r, false, part(3, keyed(2)[:70]...)) }, func(r *Run) { passed(r, false, part(3, keyed(2)...)) }},
	{"K3", func(r *Run) { passed(r, false, part(3, turned(keyed(2))...)) }, func(r *Run) { passed(r, true, part(3, turned(keyed(2))...)) }},
	{"K6", func(r *Run) { r.awaitCleaning(compacted(5, 5)) }, func(r *Run) { r.awaitCleaning(compacted(5, 6, 9)) }},
	{"K6", func(r *Run) { r.awaitCleaning(compacted(5, 6, 6)) }, nil},
	{"K6", func(r *Run) {
		r.plan.Tidying.Threads, r.plan.Tidying.BytesPerSecond = 1, 3000
		r.awaitCleaning(compacted(5, 5))
	}, nil},
	{"S10", func(r *Run) { r.await(check.DeletedIsGone, func() string { return "a folder" }) }, func(r *Run) { r.await(check.DeletedIsGone, until(r, dueWithin, "a folder")) }},
	{"S12", func(r *Run) { r.await(check.MoveResumed, func() string { return "a move" }) }, func(r *Run) { r.await(check.MoveResumed, until(r, dueWithin, "a move")) }},
	{"S8", func(r *Run) { r.await(check.FlushGetsOn, func() string { return "a record" }) }, func(r *Run) { r.await(check.FlushGetsOn, until(r, dueWithin, "a record")) }},
	{"S7", func(r *Run) { r.await(check.RetentionGetsOn, func() string { return "a segment" }) }, func(r *Run) { r.await(check.RetentionGetsOn, until(r, dueWithin, "a segment")) }},
	{"H23", func(r *Run) { leftOut(r, heldPart{told: true, code: notLeader, high: -1}, 7) }, func(r *Run) { leftOut(r, heldPart{told: true, high: 3}, 7) }},
	{"H29", func(r *Run) { resumed(r, 7, 6) }, func(r *Run) { resumed(r, 7, 7) }},
	{"H35", func(r *Run) { fetched(r, part(3), partedAt(3, 2)) }, func(r *Run) { fetched(r, part(3), partedAt(2, 2)) }},
	{"H35", func(r *Run) { fetched(r, partedAt(2, 2)) }, nil}, // it has not said what it has read
	{"H35", func(r *Run) { fetched(r, part(3), partedAt(2, 2, record(2)...)) }, nil},
	{"H35", func(r *Run) { believed(r, -1, fencedEpochOfLeader) }, func(r *Run) { believed(r, -1, none) }},
	{"H35", func(r *Run) { believed(r, 4, none) }, func(r *Run) { believed(r, 4, fencedEpochOfLeader) }},
	{"H35", func(r *Run) { believed(r, 4, unknownEpochOfLeader) }, func(r *Run) { believed(r, 4, notLeader) }},
	{"H35", func(r *Run) { believed(r, 1005, none) }, func(r *Run) { believed(r, 1005, unknownEpochOfLeader) }},
	{"H35", func(r *Run) { believed(r, 1005, fencedEpochOfLeader) }, nil},
	{"H36", func(r *Run) { summoned(r, "sticky", "a", rolled("a", "range")) }, func(r *Run) { summoned(r, "range", "a", rolled("a", "range"), rolled("b", "range")) }},
	{"H36", func(r *Run) { summoned(r, "range", "a", rolled("a", "range"), rolled("b", "roundrobin")) }, func(r *Run) { summoned(r, "range", "b") }},
	{"H36", func(r *Run) { summoned(r, "range", "a", rolled("b", "range")) }, nil},
	{"H36", func(r *Run) { summoned(r, "range", "b", rolled("a", "range")) }, nil},
	{"H36", func(r *Run) { enrolled(r, "b", "a", 0) }, func(r *Run) { enrolled(r, "a", "a", 0) }},
	{"H36", func(r *Run) { enrolled(r, "b", "a", 0) }, func(r *Run) { enrolled(r, "b", "a", 1); summoned(r, "range", "b") }}, // the generation came again
	{"H36", func(r *Run) { enrolled(r, "b", "a", 0) }, func(r *Run) { enrolled(r, "b", "c", 0) }},                            // the group was gone meanwhile
	{"H46", func(r *Run) { joinedAgain(r, "a", 3) }, func(r *Run) { joinedAgain(r, "b", 3); joinedAgain(r, "a", 4) }},
	{"H47", func(r *Run) { lettingGo(r, 6, 10*seam.Millisecond) }, func(r *Run) { lettingGo(r, 7, 10*seam.Millisecond); lettingGo(r, 6, 5*seam.Second) }},
	{"H48", func(r *Run) { passedOver(r, 4) }, func(r *Run) { passedOver(r, 3) }},
	{"H48", func(r *Run) { fetchedInOrder(r, 0, 0, 0, 0) }, func(r *Run) { fetchedInOrder(r, 0, 0, 0, 1, 1, 1) }},
	{"H43", func(r *Run) { leads(r, 2, 11) }, func(r *Run) { leads(r, 3, 11); leads(r, 2, 10); leads(r, 1, 5) }},
	{"H45", func(r *Run) { grazed(r, grazesWithin, 0, 1) }, func(r *Run) { grazed(r, grazesWithin-1, 0, 1); grazed(r, grazesWithin, 0, 1, 2) }},
	{"H44", func(r *Run) { waitedFor(r, 209, part(3)) }, func(r *Run) {
		waitedFor(r, 210, part(3))
		waitedFor(r, 20, part(4, record(3)...))
		waitedFor(r, 20, partedAt(2, 2))
	}},
	{"H44", func(r *Run) { keptWaiting(r, 1, 4) }, func(r *Run) { keptWaiting(r, 1000, 4); keptWaiting(r, 1, 3) }}, // that came while it waited
	{"H44", func(r *Run) { keptWaiting(r, 1000, 5) }, nil},
	{"H37", func(r *Run) { wanted(r, subscribed{names: []string{"loose"}, expression: "fir"}) }, func(r *Run) { wanted(r, subscribed{}, subscribed{expression: "f.*"}) }},
	{"H25", func(r *Run) { noted(r, "at 8", 1) }, func(r *Run) { noted(r, "at 9", 2) }},
	{"H25", func(r *Run) { noted(r, "at 9", 3) }, nil},
	{"H25", func(r *Run) { readAll(r, "firm", 3) }, func(r *Run) { readAll(r, "firm", 2); readAll(r, "loose", 1) }},
	{"P4", func(r *Run) { beaten(r, 19, 500) }, func(r *Run) { beaten(r, 19, 200); beaten(r, 19, 700) }},
	{"P4", func(r *Run) { beaten(r, 9, 700) }, func(r *Run) { beaten(r, 9, 500); beaten(r, 5, 200) }},
	{"H38", func(r *Run) { (&heir{session: newSession(r, 1, "heir")}).inherits(7) }, func(r *Run) { (&heir{session: newSession(r, 1, "heir")}).inherits(-1) }},
	{"H39", func(r *Run) { sized(r, 0, 90, 90, 1) }, func(r *Run) { sized(r, 0, 90, 90, 0) }},
	{"H39", func(r *Run) { sized(r, 0, 60, 60, 0) }, func(r *Run) { sized(r, 0, 60, 90, 0) }}, // the first batch of all comes whatever its size
	{"H39", func(r *Run) { sized(r, 151, 90, 90, 0) }, func(r *Run) { sized(r, 152, 90, 90, 0) }},
	{"H39", func(r *Run) { sized(r, 0, 90, 151, 2) }, func(r *Run) { sized(r, 0, 90, 152, 2) }},
	{"H40", func(r *Run) { waited(r, 40, 149) }, func(r *Run) { waited(r, 40, 150); waited(r, 29, 31) }}, // it was sent before the other was answered
	{"H40", func(r *Run) { waited(r, 40, 149) }, func(r *Run) { waited(r, 40, 150); r.World.Node.Stopped = true; waited(r, 40, 41) }},
	{"H40", func(r *Run) { charged(r, "client-id", 1500, 30_001, 0) }, func(r *Run) { charged(r, "client-id", 1500, 30_000, 0); charged(r, "client-id", 1500, 30_001, 1) }},
	{"H40", func(r *Run) { charged(r, "client-id client", 1500, 30_001, 0) }, func(r *Run) {
		charged(r, "client-id other", 1500, 30_001, 0)
		charged(r, "client-id client", 1500, 30_000, 0)
	}},
	{"H40", func(r *Run) { charged(r, "client-id", 1500, 30_001, 0) }, func(r *Run) { // what was used before another quota was taken back was paid by that
		charged(r, "client-id", 1500, 30_000, 0)
		r.certainly(2500*seam.Millisecond, quotaOf("user", "producer_byte_rate"), unset)
		r.charge(3*seam.Second, "client", "producer_byte_rate", 115_000, 2600*seam.Millisecond, 0)
	}},
	{"H40", func(r *Run) { charged(r, "user", 1500, 30_001, 0) }, func(r *Run) { charged(r, "user", 999, 30_001, 0) }}, // the other may have been charged behind this
	{"H40", func(r *Run) { overcharged(r, 2012) }, func(r *Run) { overcharged(r, 2011) }},
	{"H41", func(r *Run) { strayed(r, none) }, func(r *Run) { strayed(r, invalidProducerEpoch) }},
	{"H41", func(r *Run) { strayed(r, outOfOrderSequence) }, func(r *Run) { strayed(r, notLeader) }}, // he may ask again
	{"H20", func(r *Run) { strayed(r, unknownTopic) }, nil},
	{"H41", func(r *Run) { begun(r, none) }, func(r *Run) { begun(r, outOfOrderSequence) }},
	{"H41", func(r *Run) { begun(r, invalidProducerEpoch) }, nil},
	{"H42", func(r *Run) { chosen(r, 1) }, func(r *Run) { chosen(r, 0) }},
	{"H30", func(r *Run) { put(r, 299*seam.Millisecond) }, func(r *Run) { put(r, 300*seam.Millisecond) }},
	{"H30", func(r *Run) { putBehindCommit(r, 100, 399) }, func(r *Run) { putBehindCommit(r, 100, 400); putBehindCommit(r, 250, 500) }}, // for a rebalance it has to join again
	{"H30", func(r *Run) { deletedUnder(r, 299, none) }, func(r *Run) { deletedUnder(r, 300, none); deletedUnder(r, 1, subscribedToTopic) }},
	{"H30", func(r *Run) { replaced(r, 499) }, func(r *Run) { replaced(r, 500) }},
	{"H31", func(r *Run) { named(r, "a", "a") }, func(r *Run) { named(r, "a", "b") }},
	{"H33", func(r *Run) { called(r, 3) }, func(r *Run) { called(r, 2) }},
	{"H23", func(r *Run) { leftOut(r, heldPart{}, 7) }, nil},
	{"H23", func(r *Run) { leftOut(r, heldPart{told: true, high: 3}, 8) }, nil},
	{"H17", func(r *Run) { leftOut(r, heldPart{told: true, high: 4}, 7) }, nil},
	{"P4", func(r *Run) { compared(r, "1", unset) }, func(r *Run) { compared(r, "1", "1") }},
	{"P4", func(r *Run) { compared(r, "1", "3") }, func(r *Run) { compared(r, "1", "2") }}, // that is in doubt
	{"P4", func(r *Run) { learnt(r, 3, 2) }, func(r *Run) { learnt(r, 3, 3) }},
	{"P4", func(r *Run) { counted(r, 4, 3) }, func(r *Run) { counted(r, 3, 4) }},
}

// newRun is a run that nobody runs: a world in which nothing is under way, and the topics are there.
func newRun() *Run {
	tape := world.Recorded(nil)
	r := &Run{tape: tape, History: &check.History{}, result: &Result{Codes: map[int16]int{}}, topicIDs: map[string][16]byte{}, memberIDs: map[string]string{}, made: map[[16]byte]int{}, used: map[account][]used{}, notes: map[int64]int32{}, leaders: map[check.Partition]leading{}, rolls: map[generation]*roll{}, beats: map[string][]beat{}, knobs: map[knob][]possible{}, crewTold: map[int32]int64{}, there: map[string]seam.Mono{"firm": 1, "loose": 1}, turnedAway: map[string]int{}, herdSession: consumerSession * seam.Millisecond}
	r.plan = drawPlan(tape, false, false)
	r.World = world.New(tape, r.plan.Rates, world.Parts{}, 1)
	r.World.Node.Life = 1
	r.facts = &check.Facts{Durable: map[string]bool{"firm": true}, Deleted: map[string]bool{}}
	return r
}

// looked is a DescribeLogDirs about firm, of whose first partition /disk0 had so many bytes.
func looked(r *Run, had int64, dirs ...kmsg.DescribeLogDirsResponseDir) {
	r.World.Node.Ready = true
	r.judgeWhereabouts("somebody", whereabouts{life: 1, quiet: true, bytes: map[string]int64{"/disk0/firm-0": had}}, dirs)
}

func at(dir string, number int32, size int64) kmsg.DescribeLogDirsResponseDir {
	part := kmsg.DescribeLogDirsResponseDirTopicPartition{Partition: number, Size: size}
	return kmsg.DescribeLogDirsResponseDir{Dir: dir, Topics: []kmsg.DescribeLogDirsResponseDirTopic{{Topic: "firm", Partitions: []kmsg.DescribeLogDirsResponseDirTopicPartition{part}}}}
}

func future(dir string, lag int64) kmsg.DescribeLogDirsResponseDir {
	d := at(dir, 0, 1)
	d.Topics[0].Partitions[0].IsFuture, d.Topics[0].Partitions[0].OffsetLag = true, lag
	return d
}

// sleeper is a machine that does nothing, and wishes to be woken at some time.
type sleeper struct{ alarm seam.Mono }

func (s *sleeper) Step(_ seam.Now, _ seam.Input, fx *seam.Effects) { fx.Wake(s.alarm) }

func newDeputyOf(r *Run, alarm seam.Mono) *deputy {
	d := newDeputy(r, "program", client.DefaultConfig(brokerAddress))
	d.Machine = &sleeper{alarm}
	return d
}

// owe hands a record to a machine that awaits nothing and wishes to be woken at some time.
func owe(r *Run, alarm seam.Mono) {
	mail := &seam.Mail{From: seam.Address{Kind: seam.ToOperator}, Body: &client.Produce{Records: make([]client.Record, 1)}}
	var fx seam.Effects
	fx.Reset()
	newDeputyOf(r, alarm).Step(seam.Now{}, mail, &fx)
}

// passedOver is a reader of three partitions that was told of records in all of them, and given those of the first so many times.
func passedOver(r *Run, times int) {
	rd := r.enterReader("reader", false, r.plan.partitionsOf("firm")...)
	rd.held = &incremental{id: 7, epoch: 3, parts: []heldPart{{in: true}, {in: true}, {in: true}}}
	for i := range rd.partitions {
		rd.high(10, i, 9)
	}
	hungry := rd.hungry([]int64{3, 3, 9})
	for range times {
		rd.held.inTurn(rd, 3, hungry, &kmsg.FetchResponse{Topics: []kmsg.FetchResponseTopic{{Topic: "firm", Partitions: []kmsg.FetchResponseTopicPartition{part(9, record(3)...)}}}})
	}
}

// fetchedInOrder is a machine that fetches two partitions without a session, beginning with one or the other.
func fetchedInOrder(r *Run, first ...int32) {
	q := queue{}
	for _, n := range first {
		q.asks(r, "program", &kmsg.FetchRequest{Topics: []kmsg.FetchRequestTopic{{Topic: "firm", Partitions: []kmsg.FetchRequestTopicPartition{{Partition: n}, {Partition: 1 - n}}}}})
	}
}

// lettingGo is a machine that joins its group anew so long after it has let a partition go of which it had come up to 7, and has
// told its group of another offset.
func lettingGo(r *Run, told int64, after seam.Mono) {
	config := client.DefaultConfig(brokerAddress)
	config.RequestTimeout = 5 * seam.Second
	w := newWitness(r, "worker", config)
	w.lots[0] = &lot{known: true, from: 5, said: 7, told: 5}
	w.onLetter(&client.Revoked{Tag: 1, Partitions: []client.Partition{{Topic: crewTopic}}})
	w.onTold(0, &client.Released{Tag: 1})
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: crewTopic, Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: told}}}}
	commit.Version = 9
	format := kmsg.NewRequestFormatter(kmsg.FormatterClientID("worker"))
	w.onFrame(0, format.AppendRequest(nil, commit, 1))
	w.onFrame(after, format.AppendRequest(nil, &kmsg.JoinGroupRequest{Version: 5}, 2))
}

// asleep is a whole run, with the broker of the house or with one that sleeps.
func asleep(awake bool) *Run {
	broker := Core()
	if !awake {
		broker = Broker{Parts: func(*Plan, *world.Tape) world.Parts {
			return world.Parts{Broker: func(int) seam.Machine { return &sleeper{seam.Never} }}
		}}
	}
	result := Do(world.NewTape(1), broker, Options{Quiet: true, Brief: true})
	r := newRun()
	r.World.Laws = &result.Laws
	r.World.Fail(result.Failure)
	return r
}

// compacted is a log that is found compacted up to the next of these offsets each time, then always to the last. It ends at 9.
func compacted(upTo ...int64) func() (int64, bool) {
	return func() (int64, bool) {
		now := upTo[0]
		upTo = upTo[min(1, len(upTo)-1):]
		return now, now < 9
	}
}

// until is something that is to be seen for so long.
func until(r *Run, length seam.Mono, what string) func() string {
	return func() string {
		if r.World.Now() < length {
			return what
		}
		return ""
	}
}

// answers hands two requests' answers to a session in some order.
func answers(r *Run, correlations ...byte) {
	s := newSession(r, 1, "client")
	s.agent = &operator{session: s}
	var fx seam.Effects
	for range 2 {
		s.ask(0, metadataOf(9), &fx, &call{done: func(seam.Mono, kmsg.Response, *seam.Effects) {}})
	}
	for _, c := range correlations {
		answer := kmsg.NewPtrMetadataResponse()
		answer.Version = 9
		s.onFrame(0, answer.AppendTo([]byte{0, 0, 0, c, 0}), &fx)
	}
}

// refused is the first batch without an answer, refused for its number after another was taken.
func refused(r *Run, but func(l *lane, b *parcel)) {
	s := newSession(r, 1, "producer")
	p := &producer{session: s, idempotent: true, acks: -1, version: 3}
	l := &lane{partition: check.Partition{Topic: "firm"}, known: true, lives: make([]int, 2)}
	p.lanes = []*lane{l}
	answer := kmsg.NewProduceResponseTopicPartition()
	for i, code := range []int16{none, outOfOrderSequence} {
		b := &parcel{number: i + 1, append: &check.Append{Partition: l.partition, Count: 1, Attempts: 1}, life: 1, sentIn: 1}
		l.queue = []*parcel{b}
		if answer.ErrorCode = code; code != none {
			answer.BaseOffset = -1
			but(l, b)
		}
		p.onResult(100, l, b, &answer)
	}
}

// cached: what is acknowledged waits in the page cache.
func cached(r *Run) { delete(r.facts.Durable, "firm") }

// part is a partition's part in the answer to a fetch.
func part(high int64, records ...byte) kmsg.FetchResponseTopicPartition {
	p := kmsg.NewFetchResponseTopicPartition()
	p.HighWatermark, p.LastStableOffset, p.LogStartOffset, p.RecordBatches = high, high, 0, records
	return p
}

// partedAt says that the reader's log has parted, where an epoch ends.
func partedAt(end int64, epoch int32, records ...byte) kmsg.FetchResponseTopicPartition {
	p := part(3, records...)
	p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = epoch, end
	return p
}

// believed is an answer to one who believes in a leader epoch, when epoch 5 had begun.
func believed(r *Run, in int32, code int16) {
	r.judgeBelief("reader", check.Partition{Topic: "firm"}, in, 5, code)
}

// record is a batch of one record at an offset.
func record(offset byte) []byte {
	b := (&batchSpec{first: 7, count: 1, producer: -1, epoch: -1, sequence: -1}).encode()
	b[7] = offset
	return b
}

// keyed is a batch of a compacted log, of one record at an offset.
func keyed(offset byte) []byte {
	b := encodePuts([]check.Put{{Kept: check.Kept{Key: "key", Value: 1}}}, 0, 0, false)
	b[7] = offset
	return b
}

// turned is a batch of which a bit has turned.
func turned(b []byte) []byte {
	b[len(b)-1] ^= 1
	return b
}

// fetched is an answer to a fetch from 3 of one partition after the other.
func fetched(r *Run, parts ...kmsg.FetchResponseTopicPartition) {
	rd := r.enterReader("reader", false, r.plan.partitionsOf("firm")...)
	answer := kmsg.NewPtrFetchResponse()
	topic := kmsg.NewFetchResponseTopic()
	topic.Topic = "firm"
	for i := range parts {
		parts[i].Partition = int32(i)
		topic.Partitions = append(topic.Partitions, parts[i])
	}
	answer.Topics = append(answer.Topics, topic)
	rd.onFetched(10, 20, []int64{3, 3, 3}, []int32{-1, 2, 2}, make([]bool, 3), -1, answer)
}

// leftOut is an answer of a session that names nothing of a partition which is fetched from 3, and was told of so.
func leftOut(r *Run, as heldPart, session int32) {
	rd := r.enterReader("reader", false, r.plan.partitionsOf("ledger")...)
	as.in, as.from = true, 3
	rd.held = &incremental{id: 7, epoch: 3, parts: []heldPart{as}}
	answer := kmsg.NewPtrFetchResponse()
	answer.SessionID = session
	rd.onFetched(10, 20, []int64{3}, []int32{-1}, make([]bool, 1), 2, answer)
}

func newProgram(r *Run) *program {
	p := &program{run: r, name: "program", handed: map[uint64]*handed{}, asked: map[uint64]*inquiry{}, tell: func(any) {}}
	p.machine = newDeputyOf(r, seam.Never)
	return p
}

// delivered tells a program what became of the two records that it has handed over as number 1.
func delivered(r *Run, letters ...client.Delivered) {
	p := newProgram(r)
	p.handed[1] = &handed{topic: "firm", first: 7, told: make([]bool, 2), left: 2}
	for i := range letters {
		letters[i].Topic = "firm"
		p.onDelivered(10, &letters[i])
	}
}

// refusedForRoom is a last record for which a buffer of 100 bytes has no room, of a program that had so many under way with it.
func refusedForRoom(r *Run, beside int) {
	p := newProgram(r)
	p.config.BufferBytes = 100
	p.handed[1] = &handed{topic: "firm", first: 7, told: make([]bool, 1), left: 1, last: true, size: 60, beside: beside}
	p.onDelivered(10, &client.Delivered{Tag: 1, Count: 1, Topic: "firm", Partition: -1, Offset: -1, Fault: client.BufferFull})
}

// lastWord is a record whose time was up, of a program that was turned away so often meanwhile.
func lastWord(r *Run, knocks int) {
	p := newProgram(r)
	p.run.turnedAway[p.name] = 5 + knocks
	p.handed[1] = &handed{topic: "firm", first: 7, told: make([]bool, 1), left: 1, last: true, knocks: 5}
	p.onDelivered(10, &client.Delivered{Tag: 1, Count: 1, Topic: "firm", Partition: 0, Code: wire.RequestTimedOut})
}

// awaited is an answer that comes after some time to who waits for a second, with what a letter takes.
func awaited(r *Run, after seam.Mono) {
	p := newProgram(r)
	p.await(1, "Flush", seam.Second, nil)
	p.answers(after, 1, nil)
}

// handedOn is what a machine hands on of a partition that is read from 5 on: records, so far from there.
func handedOn(r *Run, next int64, deltas ...int64) {
	p := newProgram(r)
	rd := &reading{partition: check.Partition{Topic: "firm"}, next: next}
	in := &client.Fetched{Topic: "firm", HighWatermark: 100}
	for _, delta := range deltas {
		in.Records = append(in.Records, client.FetchedRecord{Offset: next + delta, Value: make([]byte, 8)})
		in.Position = next + delta + 1
	}
	p.onFetched(10, in, &letter{in, 5, rd})
}

// told is an error for who asked when all topics were there, with a number beside it.
func told(r *Run, key int16, topic string, code int16, beside int64) {
	r.told(question{key: key, topic: topic, sent: 10}, code, 20, beside)
}

// compared is a description of a topic whose flush.messages was left at a value, or at 2, of which nobody heard.
func compared(r *Run, left, found string) {
	s := &tuner{session: newSession(r, 1, "tuner"), known: map[knob]setting{{"firm", "flush.messages"}: {value: left, maybe: []string{"2"}}}}
	described := map[string]string{}
	if found != unset {
		described["flush.messages"] = found
	}
	s.compare("firm", described)
}

// counted is a topic that had so many partitions, and has so many.
func counted(r *Run, had, has int) {
	s := &tuner{session: newSession(r, 1, "tuner"), least: map[string]int{"firm": had}}
	var fx seam.Effects
	s.count(0, "firm", &fx)
	topic := kmsg.NewMetadataResponseTopic()
	topic.Partitions = make([]kmsg.MetadataResponseTopicPartition, has)
	s.inflight[0].done(10, &kmsg.MetadataResponse{Topics: []kmsg.MetadataResponseTopic{topic}}, &fx)
}

// resumed is a worker that reads a partition from an offset, of which a commit was told to have come so far.
func resumed(r *Run, told, from int64) {
	k := &worker{run: r, holds: map[int32]*holding{}}
	k.onCommitted(&client.Committed{Places: []client.CommittedPlace{{Place: client.Place{Offset: told}}}})
	k.resumed(check.Partition{Topic: crewTopic}, &holding{told: r.crewTold[0]}, from)
}

// fenced is a worker, hired at some time, that another one is said to have taken the place of. Its coordinator was folded last
// at another.
func fenced(r *Run, hired, folded seam.Mono) {
	r.crewFolded = folded
	(&worker{run: r, hired: hired}).read(3, &client.GroupTrouble{Code: wire.FencedInstanceID, Stopped: true})
}

// passed is an answer to who reads a compacted log from its start, of which a bit may have turned.
func passed(r *Run, rotten bool, part kmsg.FetchResponseTopicPartition) {
	p := &passer{session: newSession(r, 1, "passer"), rotten: rotten}
	p.onPart(10, &part)
}

// put is a member with a session of 300 ms that is put out of its group so long after it was heard of.
func put(r *Run, after seam.Mono) {
	m := &member{session: newSession(r, 1, "member"), millis: [2]int32{300, 500}, round: shortestRound, heard: seam.Second}
	m.expelled(seam.Second + after)
}

// putBehindCommit is a member of 300 ms that was heard of, then committed, and is put out, so many milliseconds after that.
func putBehindCommit(r *Run, commit, out seam.Mono) {
	const heard = seam.Second
	m := &member{session: newSession(r, 1, "member"), id: "a", generation: 1, shares: []int32{0}, millis: [2]int32{300, 500}, round: shortestRound, heard: heard}
	fx := &seam.Effects{}
	m.commit(heard+commit*seam.Millisecond, identity{m.id, m.generation}, fx)
	answer := m.inflight[0].request.ResponseKind().(*kmsg.OffsetCommitResponse)
	answer.Topics = []kmsg.OffsetCommitResponseTopic{{Partitions: []kmsg.OffsetCommitResponseTopicPartition{{}}}}
	m.inflight[0].done(heard+(commit+1)*seam.Millisecond, answer, fx)
	m.expelled(heard + out*seam.Millisecond)
}

// deletedUnder is an answer to a member of 300 ms, so many milliseconds after it was heard of, that wants an offset of its group
// deleted.
func deletedUnder(r *Run, after seam.Mono, code int16) {
	const heard = seam.Second
	name := "member"
	m := &member{session: newSession(r, 1, name), deletes: r.tape.Stream(name), id: "a", group: "pack", millis: [2]int32{300, 500}, round: shortestRound, heard: heard}
	fx := &seam.Effects{}
	m.delete(heard, fx)
	answer := m.inflight[0].request.ResponseKind().(*kmsg.OffsetDeleteResponse)
	answer.Topics = []kmsg.OffsetDeleteResponseTopic{{Partitions: []kmsg.OffsetDeleteResponseTopicPartition{{ErrorCode: code}}}}
	m.inflight[0].done(heard+after*seam.Millisecond, answer, fx)
}

// replaced is an instance of the herd that has its place under another id, so many milliseconds after it was heard of under the
// one before. It may take 500 for a rebalance.
func replaced(r *Run, after seam.Mono) {
	g := &grazer{session: newSession(r, 1, "grazer"), instance: "grazer", timeout: 500, died: seam.Second}
	g.replaced(seam.Second + after*seam.Millisecond)
}

// joinedAgain is the leader of generation 3, a, that has joined again under an id.
func joinedAgain(r *Run, id string, number int32) {
	m := &member{session: newSession(r, 1, "a"), group: "pack", id: id, led: identity{"a", 3}}
	m.again(&kmsg.JoinGroupRequest{MemberID: id}, &kmsg.JoinGroupResponse{Generation: number})
}

// named are two members with ids that they were given.
func named(r *Run, ids ...string) {
	for _, id := range ids {
		(&member{session: newSession(r, 1, "member")}).named(id)
	}
}

// called is a generation of a group for two.
func called(r *Run, members int) {
	r.plan.Limits.Classic = 2
	r.called(members)
}

// TestHeartbeatsAreBelievedOnceACommitWasTaken: one that came after the commit was asked for may be another coordinator's answer.
func TestHeartbeatsAreBelievedOnceACommitWasTaken(t *testing.T) {
	r := newRun()
	r.beats["pack"] = []beat{{member: "a", sent: 5, answered: 6}, {member: "b", sent: 8, answered: 12}}
	r.beats["pride"] = []beat{{member: "c", sent: 5, answered: 6}}
	r.believe("pack", 10)
	require.Equal(t, map[string]seam.Mono{"a": 5}, r.History.Heard)
	require.Len(t, r.beats["pack"], 1)
	r.believe("pack", 13)
	require.Equal(t, map[string]seam.Mono{"a": 5, "b": 8}, r.History.Heard)
}

// rolled is what a leader is told of a member, of which everything is named alike.
func rolled(name, protocol string) kmsg.JoinGroupResponseMember {
	return kmsg.JoinGroupResponseMember{MemberID: name, ProtocolMetadata: offers("pack", name, protocol)}
}

// summoned is an answer to the member a, which has joined for range or roundrobin.
func summoned(r *Run, protocol, leader string, members ...kmsg.JoinGroupResponseMember) {
	r.memberIDs["a"], r.memberIDs["b"] = "a", "b"
	asked := &kmsg.JoinGroupRequest{Protocols: []kmsg.JoinGroupRequestProtocol{{Name: "range"}, {Name: "roundrobin"}}}
	m := &member{session: newSession(r, 1, "a"), group: "pack", id: "a"}
	m.summoned(r.loaded, asked, &kmsg.JoinGroupResponse{Generation: 3, Protocol: &protocol, LeaderID: leader, MemberID: "a", Members: members})
}

// enrolled is somebody who has a place in a generation that has a leader; one, which a leads, was told of nobody else. Coordinators
// have folded their logs so long after that.
func enrolled(r *Run, id, leader string, folded seam.Mono) {
	summoned(r, "range", "a", rolled("a", "range"))
	r.loaded += folded
	(&member{session: newSession(r, 1, id), group: "pack", id: id}).enrolled(r.loaded, leader, 3)
}

// wanted is a partition of firm, given to who has subscribed so.
func wanted(r *Run, asked ...subscribed) {
	r.ids = []knownID{{"firm", [16]byte{1}}}
	(&grazer{session: newSession(r, 1, "grazer"), asked: asked}).wanted(check.Share{Topic: [16]byte{1}})
}

// noted is what goes with the offset 9, with which epoch 2 was committed.
func noted(r *Run, text string, epoch int32) {
	r.place(0, 9, 6)
	r.noted("member", 9, epoch, &text, 5)
}

// beaten is an interval told at 20 to who asked at some time. It was altered to 200 at 10, and perhaps to 700 at 15.
func beaten(r *Run, sent seam.Mono, millis int32) {
	k := knob{herdGroup, heartbeatKey}
	r.maybe(6, k, "200")
	r.certainly(10, k, "200")
	r.maybe(15, k, "700")
	r.beaten("grazer", sent, min(sent+1, 20), millis)
}

// sized is an answer with a batch of two partitions each, of 76 bytes, of which so many bytes may come; of one of them, counted
// from 1, there are two. The broker gives most at a time.
func sized(r *Run, most, first, second int32, twice int) {
	rd := r.enterReader("reader", false, r.plan.partitionsOf("firm")...)
	r.plan.FetchBytesMax = most
	topic := kmsg.NewFetchResponseTopic()
	topic.Topic = "firm"
	for i := range 2 {
		p := part(5, record(3)...)
		if p.Partition = int32(i); i == twice-1 {
			p.RecordBatches = append(p.RecordBatches, record(4)...)
		}
		topic.Partitions = append(topic.Partitions, p)
	}
	rd.bounded(&kmsg.FetchResponse{Topics: []kmsg.FetchResponseTopic{topic}}, 1<<20, []int32{first, second, 0})
}

// waited is an answer at some time in ms to what was sent at another, of a client that was told at 30 to wait for 141 ms, when it
// had asked at 10.
func waited(r *Run, sent, at seam.Mono) {
	r.World.Node.Up = true
	s := newSession(r, 1, "client")
	ask := func(sent, at seam.Mono, told int32) {
		s.throttled(at*seam.Millisecond, &call{request: kmsg.NewPtrProduceRequest(), sent: sent * seam.Millisecond}, &kmsg.ProduceResponse{ThrottleMillis: told})
	}
	ask(10, 30, 141)
	r.World.Laws[check.QuotaKept]++
	ask(sent, at, 0)
}

// charged is who has used 100,000 bytes by 1,000 ms, of 10,000 a second, and uses more, sent then, by 2,000 ms.
func charged(r *Run, kind string, sent, bytes int64, told int32) {
	r.knobs, r.used = map[knob][]possible{}, map[account][]used{}
	r.certainly(0, quotaOf(kind, "producer_byte_rate"), "10000")
	r.charge(seam.Second, "client", "producer_byte_rate", 100_000, 0, 0)
	r.charge(2*seam.Second, "client", "producer_byte_rate", bytes, seam.Mono(sent)*seam.Millisecond, told)
}

// overcharged is who has used 12 seconds' worth of a quota, of which 10 were left, by 20 ms, and was to wait so many milliseconds then.
func overcharged(r *Run, told int32) {
	r.plan.Limits.Rate = 0
	s := &spender{session: newSession(r, 1, "spender"), bytes: map[string]int64{"producer_byte_rate": 1000}, paid: map[string]seam.Mono{}}
	s.uses(1, 10*seam.Millisecond, 20*seam.Millisecond, "producer_byte_rate", 12_000, told)
}

// strayed is an answer to a batch of an epoch that is over.
func strayed(r *Run, code int16) {
	p := &producer{session: newSession(r, 1, "producer")}
	p.strayed(10, 20, &check.Append{Partition: check.Partition{Topic: "firm"}}, 1, code)
}

// begun is an answer to the first batch of an epoch that does not begin at 0.
func begun(r *Run, code int16) {
	p := &producer{session: newSession(r, 1, "producer")}
	p.strayed(10, 20, &check.Append{Partition: check.Partition{Topic: "firm"}, Epoch: 2}, 1, code)
}

// chosen is a record with the key of its value, 7, that a machine has sent to a partition of its choice: so far from the right one.
func chosen(r *Run, astray uint32) {
	partition := (murmur2([]byte{0, 0, 0, 7})&0x7fffffff + astray) % 3
	p := newProgram(r)
	h := &handed{topic: "firm", partition: client.AnyPartition, keyed: true, first: 7, told: make([]bool, 1), left: 1}
	p.note(10, h, &client.Delivered{Topic: "firm", Partition: int32(partition), Count: 1})
}

// askedFor is an answer about one of two partitions, of which the other was asked for or not.
func askedFor(r *Run, both bool) {
	rd := r.enterReader("reader", false, r.plan.partitionsOf("firm")...)
	topic := kmsg.NewFetchResponseTopic()
	topic.Topic, topic.Partitions = "firm", []kmsg.FetchResponseTopicPartition{part(3)}
	r.World.Laws[check.AnswersInOrder]++
	rd.onFetched(10, 20, []int64{3, 3, 3}, []int32{-1, -1, -1}, []bool{true, both, false}, -1, &kmsg.FetchResponse{Topics: []kmsg.FetchResponseTopic{topic}})
}

// beyond is an answer to who reads from behind the end.
func beyond(r *Run, code int16) {
	p := part(3)
	if p.ErrorCode = code; code != none {
		p.HighWatermark, p.LastStableOffset, p.LogStartOffset = -1, -1, -1
	}
	r.beyond("reader", question{key: wire.KeyFetch, topic: "firm", sent: 10}, &p, 20)
}

// learnt is a topic that was made with so many partitions, and is found with so many.
func learnt(r *Run, made, found int) {
	name, topic := "brief", kmsg.NewMetadataResponseTopic()
	topic.Topic, topic.TopicID, topic.Partitions = &name, [16]byte{1}, slices.Repeat([]kmsg.MetadataResponseTopicPartition{ledBy(1)}, found)
	r.made[topic.TopicID] = made
	r.learn(&kmsg.MetadataResponse{Topics: []kmsg.MetadataResponseTopic{topic}}, 10, 20)
}

// leads is an answer to who asked at some time who leads a partition, of which epoch 2 was told at 5 and epoch 3 at 10.
func leads(r *Run, epoch int32, sent seam.Mono) {
	p := check.Partition{Topic: "firm"}
	r.led(p, 2, 5)
	r.led(p, 3, 10)
	r.leads(p, epoch, sent, 20)
}

// waitedFor is an answer at some millisecond to a fetch that was sent at 10 and was to wait for 200.
func waitedFor(r *Run, at seam.Mono, p kmsg.FetchResponseTopicPartition) {
	r.World.Node.Up = true
	rd := r.enterReader("reader", false, r.plan.partitionsOf("firm")...)
	rd.patient(10*seam.Millisecond, at*seam.Millisecond, 200, &kmsg.FetchResponse{Topics: []kmsg.FetchResponseTopic{{Topic: "firm", Partitions: []kmsg.FetchResponseTopicPartition{p}}}})
}

// keptWaiting is a fetch for so many bytes at least that is answered with the record at 3 when its time is up. When it was sent,
// there was so much.
func keptWaiting(r *Run, least int32, there int64) {
	r.World.Node.Up = true
	rd := r.enterReader("auditor", false, r.plan.partitionsOf("firm")...)
	rd.audit = true
	rd.high(10, 0, there)
	p := part(4, record(3)...)
	rd.prompt(0, 200*seam.Millisecond, &kmsg.FetchRequest{MaxWaitMillis: 200, MinBytes: least}, rd.there(0), &kmsg.FetchResponse{Topics: []kmsg.FetchResponseTopic{{Topic: "firm", Partitions: []kmsg.FetchResponseTopicPartition{p}}}})
}

// readAll is an answer about all that the loners have committed, which is nothing.
func readAll(r *Run, topic string, number int32) {
	l := &loner{session: newSession(r, 1, "loner")}
	nothing := kmsg.NewOffsetFetchResponseTopicPartition()
	nothing.Partition, nothing.Offset = number, -1
	l.readAll(10, 20, &kmsg.OffsetFetchResponse{Version: 7, Topics: []kmsg.OffsetFetchResponseTopic{{Topic: topic, Partitions: []kmsg.OffsetFetchResponseTopicPartition{nothing}}}})
}

// ledBy is a partition that a node leads and alone has.
func ledBy(node int32) kmsg.MetadataResponseTopicPartition {
	return kmsg.MetadataResponseTopicPartition{Leader: node, Replicas: []int32{node}, ISR: []int32{node}}
}

// offline is a partition that nobody leads.
func offline(r *Run) {
	one := ledBy(1)
	one.Leader, one.ErrorCode, one.OfflineReplicas = -1, leaderNotAvailable, one.Replicas
	r.partitionIs("firm", &one, 10)
}

// grazed is a member that subscribes to firm and has some of its partitions, and that was to go so long ago.
func grazed(r *Run, ago seam.Mono, numbers ...int32) {
	r.topicIDs["firm"], r.pasture = [16]byte{1}, pasture{since: 1}
	g := &grazer{session: newSession(r, 1, "grazer"), stage: grazerGrazes, told: subscribed{names: []string{"firm"}}, has: map[check.Share]*check.Hold{}}
	for _, n := range numbers {
		g.has[check.Share{Topic: [16]byte{1}, Number: n}] = &check.Hold{}
	}
	r.others = []party{g}
	r.mayGo(1 + ago)
}

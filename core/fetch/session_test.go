package fetch_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/fetch"
	"rookery/core/log"
	"rookery/core/rng"
	"rookery/core/seam"
	"rookery/core/wire"
)

// dumb is a session as KIP-227 tells of it, kept in the plainest way.
type dumb struct {
	id, epoch     int32
	byID, replica bool
	created, used seam.Mono
	parts         []dumbPart // in the order in which they are served
	size          int        // when it was last used
	forAll        bool
	forReplicas   bool
}

type dumbPart struct {
	topic            int
	index            int32
	asked            [4]int64 // offset, bytes, epoch, last epoch
	toldHigh, toldAt int64
}

func (d *dumb) find(topic int, index int32) int {
	return slices.IndexFunc(d.parts, func(p dumbPart) bool { return p.topic == topic && p.index == index })
}

// bureau is Sessions and its twin, a few fetches under way, and what their clients believe.
type bureau struct {
	sessions  *fetch.Sessions
	twins     []*dumb
	now       seam.Now
	slots     int
	evictions int64
	running   []*running
	names     []string
	cases     map[string]int
}

type running struct {
	f     *fetch.Fetch
	twin  *dumb // nil: of no session
	epoch int32
	fresh bool
	named []dumbPart // of a full fetch
	byID  bool
}

const evictAfter = 100

func (b *bureau) twin(id int32) *dumb {
	for _, d := range b.twins {
		if d.id == id {
			return d
		}
	}
	return nil
}

func (b *bureau) drop(d *dumb) {
	b.twins = slices.DeleteFunc(b.twins, func(x *dumb) bool { return x == d })
}

func (b *bureau) touch(d *dumb) {
	d.used, d.size = b.now.Mono, len(d.parts)
	d.forAll = b.now.Mono-d.created > evictAfter
	d.forReplicas = !d.replica || d.forAll
}

// makeRoom is Kafka's tryEvict, told over its sorted lists.
func (b *bureau) makeRoom(replica bool, size int) bool {
	if len(b.twins) < b.slots {
		return true
	}
	byUse := slices.Clone(b.twins)
	slices.SortStableFunc(byUse, func(x, y *dumb) int {
		if x.used != y.used {
			return int(x.used - y.used)
		}
		return int(int64(x.id) - int64(y.id))
	})
	if len(byUse) == 0 {
		return false
	}
	if b.now.Mono-byUse[0].used > evictAfter {
		b.cases["a stale one goes"]++
		b.drop(byUse[0])
		b.evictions++
		return true
	}
	worth := func(replica bool, size int, id int32) []int64 {
		if replica {
			return []int64{1, int64(size), int64(id)}
		}
		return []int64{0, int64(size), int64(id)}
	}
	var candidates []*dumb
	for _, d := range b.twins {
		if d.forAll || replica && d.forReplicas {
			candidates = append(candidates, d)
		}
	}
	slices.SortStableFunc(candidates, func(x, y *dumb) int {
		return slices.Compare(worth(x.replica, x.size, x.id), worth(y.replica, y.size, y.id))
	})
	if len(candidates) == 0 || slices.Compare(worth(replica, size, 0), worth(candidates[0].replica, candidates[0].size, candidates[0].id)) < 0 {
		b.cases["no room"]++
		return false
	}
	b.cases[fmt.Sprintf("the least goes, for a replica %t", replica)]++
	b.drop(candidates[0])
	b.evictions++
	return true
}

func (b *bureau) drawPart(t *rapid.T) (int, wire.FetchPartition) {
	topic := rapid.IntRange(0, len(b.names)-1).Draw(t, "topic")
	small := rapid.Int32Range(0, 3)
	return topic, wire.FetchPartition{Index: small.Draw(t, "index"), FetchOffset: int64(small.Draw(t, "offset")),
		PartitionMaxBytes: small.Draw(t, "bytes"), CurrentLeaderEpoch: small.Draw(t, "epoch"), LastFetchedEpoch: small.Draw(t, "last")}
}

func (b *bureau) nameIt(topic int, byID bool, name *[]byte, id *[16]byte) {
	if byID {
		*id = [16]byte{byte(topic + 1)}
	} else {
		*name = []byte(b.names[topic])
	}
}

// request draws a request, mostly one that makes sense, and holds what becomes of it against the twin.
func (b *bureau) request(t *rapid.T) {
	r := &wire.FetchRequest{ReplicaID: rapid.SampledFrom([]int32{-1, -1, -1, 2}).Draw(t, "replica"), MaxBytes: 1000, MinBytes: 1}
	byID := rapid.SampledFrom([]bool{false, false, true}).Draw(t, "by id")
	var twin *dumb
	if len(b.twins) > 0 && rapid.IntRange(0, 3).Draw(t, "known") > 0 {
		twin = rapid.SampledFrom(b.twins).Draw(t, "session")
		r.SessionID = twin.id
		if rapid.IntRange(0, 9).Draw(t, "other kind") > 0 {
			byID = twin.byID
		}
	}
	switch rapid.IntRange(0, 9).Draw(t, "epoch") {
	case 0, 1:
		r.SessionEpoch = 0
	case 2:
		r.SessionEpoch = -1
	case 3:
		r.SessionEpoch = rapid.Int32Range(-3, 5).Draw(t, "other epoch")
	default:
		if twin != nil {
			r.SessionEpoch = twin.epoch
		}
	}
	x := &running{f: &fetch.Fetch{}, byID: byID}
	named := map[[2]int]bool{}
	for range rapid.IntRange(0, 4).Draw(t, "partitions") {
		topic, p := b.drawPart(t)
		full := r.SessionEpoch == 0 || r.SessionEpoch == -1
		if full && named[[2]int{topic, int(p.Index)}] {
			continue // the Broker has dropped it
		}
		named[[2]int{topic, int(p.Index)}] = true
		p.Group = int32(topic)
		b.nameIt(topic, byID, &p.Topic, &p.TopicID)
		r.Partitions = append(r.Partitions, p)
		x.named = append(x.named, dumbPart{topic: topic, index: p.Index,
			asked: [4]int64{p.FetchOffset, int64(p.PartitionMaxBytes), int64(p.CurrentLeaderEpoch), int64(p.LastFetchedEpoch)}})
	}
	var forgotten []dumbPart
	for range rapid.IntRange(0, 2).Draw(t, "forgotten") {
		topic, p := b.drawPart(t)
		f := wire.ForgottenPartition{Index: p.Index}
		b.nameIt(topic, byID, &f.Topic, &f.TopicID)
		r.Forgotten, forgotten = append(r.Forgotten, f), append(forgotten, dumbPart{topic: topic, index: p.Index})
	}
	version := int16(12)
	if byID {
		version = 13
	}
	want := b.expect(twin, x, r, forgotten)
	x.f.Begin(b.now, 1, version, 1, r, 1000)
	got := b.sessions.Join(b.now, x.f, r)
	for i := range r.Partitions { // the frame is free
		clear(r.Partitions[i].Topic)
	}
	b.cases[got.String()]++
	require.Equal(t, want, got)
	if got == wire.None {
		b.running = append(b.running, x)
	}
}

// expect is what the twin makes of a request.
func (b *bureau) expect(twin *dumb, x *running, r *wire.FetchRequest, forgotten []dumbPart) wire.Code {
	switch {
	case r.SessionEpoch == 0 || r.SessionEpoch == -1:
		b.drop(twin)
		x.fresh = r.SessionEpoch == 0
		return wire.None
	case twin == nil:
		return wire.FetchSessionIDNotFound
	case r.SessionEpoch != twin.epoch:
		return wire.InvalidFetchSessionEpoch
	case twin.byID != x.byID:
		return wire.FetchSessionTopicIDError
	}
	for _, p := range x.named {
		if i := twin.find(p.topic, p.index); i >= 0 {
			twin.parts[i].asked = p.asked
		} else {
			p.toldHigh, p.toldAt = -1, -1
			twin.parts = append(twin.parts, p)
		}
	}
	for _, p := range forgotten {
		if i := twin.find(p.topic, p.index); i >= 0 {
			twin.parts = slices.Delete(twin.parts, i, i+1)
		}
	}
	twin.epoch++
	b.touch(twin)
	if len(twin.parts) == 0 {
		b.cases["emptied"]++
		b.drop(twin)
		return wire.None
	}
	x.twin, x.epoch = twin, twin.epoch
	return wire.None
}

// answer ends one of the fetches under way with drawn news.
func (b *bureau) answer(t *rapid.T) {
	if len(b.running) == 0 {
		return
	}
	n := rapid.IntRange(0, len(b.running)-1).Draw(t, "fetch")
	x := b.running[n]
	b.running = slices.Delete(b.running, n, n+1)
	require.Equal(t, x.twin != nil && x.twin.epoch != x.epoch, x.f.Overtaken())
	if x.f.Overtaken() {
		b.cases["overtaken"]++
		x.f.Refuse(wire.InvalidFetchSessionEpoch, false)
		require.Equal(t, x.twin.id, b.sessions.Told(b.now, x.f))
		require.Empty(t, x.f.Parts)
		return
	}
	served := x.named
	if x.twin != nil {
		served = x.twin.parts
	}
	require.Equal(t, len(served), x.f.Len())
	var news, quiet, moved []dumbPart
	for i, p := range served {
		if x.twin != nil {
			x.f.Load(i)
			i = len(x.f.Parts) - 1
		}
		part := &x.f.Parts[i]
		require.Equal(t, p.asked, [4]int64{part.Offset, int64(part.MaxBytes), int64(part.Epoch), int64(part.LastEpoch)})
		require.Equal(t, p.index, part.Index)
		if x.byID {
			require.Equal(t, [16]byte{byte(p.topic + 1)}, part.TopicID)
		} else {
			require.Equal(t, b.names[p.topic], string(part.Topic))
		}
		part.High, part.Start = rapid.Int64Range(0, 2).Draw(t, "high"), rapid.Int64Range(0, 1).Draw(t, "start")
		told := true
		switch rapid.IntRange(0, 5).Draw(t, "what is there") {
		case 0:
			part.Code = wire.NotLeaderOrFollower
			p.toldHigh, p.toldAt = -1, -1
		case 1:
			part.Range.Len = 5
			p.toldHigh, p.toldAt = part.High, part.Start
		default:
			told = p.toldHigh != part.High || p.toldAt != part.Start
			p.toldHigh, p.toldAt = part.High, part.Start
		}
		if told || x.twin == nil {
			news = append(news, p)
		}
		ranged := part.Range.Len > 0
		part.Next = log.AtEnd
		if ranged {
			part.Next = log.Found
		}
		if x.twin != nil && rapid.Bool().Draw(t, "unload") {
			require.Equal(t, !told, x.f.MaybeUnload())
		}
		if ranged && x.twin != nil {
			moved = append(moved, p)
		} else {
			quiet = append(quiet, p)
		}
	}
	fresh := (*dumb)(nil)
	if x.fresh && b.makeRoom(x.f.Replica >= 0, len(served)) {
		fresh = &dumb{epoch: 1, byID: x.byID, replica: x.f.Replica >= 0, created: b.now.Mono, parts: quiet}
	}
	id := b.sessions.Told(b.now, x.f)
	switch {
	case x.twin != nil:
		require.Equal(t, x.twin.id, id)
		x.twin.parts = append(quiet, moved...)
	case fresh != nil:
		require.Positive(t, id)
		require.Nil(t, b.twin(id))
		fresh.id = id
		b.touch(fresh)
		b.twins = append(b.twins, fresh)
	default:
		require.Zero(t, id)
	}
	require.Len(t, x.f.Parts, len(news))
	for i, p := range news {
		require.Equal(t, p.index, x.f.Parts[i].Index)
		if !x.byID {
			require.Equal(t, b.names[p.topic], string(x.f.Parts[i].Topic))
		}
	}
	b.cases[fmt.Sprintf("answered, %t of a session, all %t", x.twin != nil, len(news) == len(served))]++
}

// TestSessionsAgreeWithTheTwin: requests in any order, right and wrong, from anybody, answered when it pleases: Sessions and
// a plain list of plain sessions say the same of each.
func TestSessionsAgreeWithTheTwin(t *testing.T) {
	cases := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		b := &bureau{slots: rapid.IntRange(0, 4).Draw(t, "slots"), names: []string{"a", "bb", "ccc"}, cases: cases, now: seam.Now{Mono: 1}}
		b.sessions = fetch.NewSessions(b.slots, evictAfter, 1<<40, rng.FromInt(1))
		for range rapid.IntRange(1, 60).Draw(t, "operations") {
			b.now.Mono += seam.Mono(rapid.SampledFrom([]int{0, 1, 30, evictAfter, evictAfter + 1}).Draw(t, "time"))
			if rapid.Bool().Draw(t, "ask") {
				b.request(t)
			} else {
				b.answer(t)
			}
			held := 0
			for _, d := range b.twins {
				held += d.size
			}
			require.Equal(t, []any{len(b.twins), int64(held), b.evictions}, []any{b.sessions.Len(), b.sessions.Partitions(), b.sessions.Evictions()})
		}
	})
	t.Log(cases)
}

func fullFetch(partitions int) *wire.FetchRequest {
	r := &wire.FetchRequest{ReplicaID: -1, MaxBytes: 1 << 20}
	for i := range partitions {
		r.Partitions = append(r.Partitions, wire.FetchPartition{Topic: []byte("topic"), Index: int32(i), PartitionMaxBytes: 1 << 20, CurrentLeaderEpoch: -1, LastFetchedEpoch: -1})
	}
	return r
}

func begin(sessions *fetch.Sessions, f *fetch.Fetch, r *wire.FetchRequest) wire.Code {
	f.Begin(seam.Now{Mono: 1}, 1, 12, 1, r, 1<<20)
	code := sessions.Join(seam.Now{Mono: 1}, f, r)
	if code == wire.None && f.InSession() {
		for i := range f.Len() {
			f.Load(i)
			f.Parts[len(f.Parts)-1].Next = log.AtEnd
			f.MaybeUnload()
		}
	}
	return code
}

// A topic that is gone is missed by its name only where it was found once: a partition of its id that comes when it is gone
// is of an unknown id (KIP-516).
func TestNamedWhereFound(t *testing.T) {
	sessions := fetch.NewSessions(10, 1000, 100_000, rng.FromInt(1))
	var f fetch.Fetch
	now := seam.Now{Mono: 1}
	id := [16]byte{1}
	names := func(session, epoch int32, partition int32, found bool) (names []string, of int32) {
		r := &wire.FetchRequest{ReplicaID: -1, MaxBytes: 1 << 20, SessionID: session, SessionEpoch: epoch}
		r.Partitions = []wire.FetchPartition{{TopicID: id, Index: partition, PartitionMaxBytes: 1 << 20, CurrentLeaderEpoch: -1, LastFetchedEpoch: -1}}
		f.Begin(now, 1, 13, 1, r, 1<<20)
		require.Equal(t, wire.None, sessions.Join(now, &f, r))
		if f.InSession() {
			for i := range f.Len() {
				f.Load(i)
			}
		}
		for i := range f.Parts {
			p := &f.Parts[i]
			names = append(names, fmt.Sprintf("%d %s", p.Index, p.Topic))
			if p.Code = wire.UnknownTopicID; found {
				p.Code = wire.None
				f.Name(p, []byte("t"))
			}
		}
		return names, sessions.Told(now, &f)
	}
	_, session := names(0, 0, 0, true)
	got, _ := names(session, 1, 1, false)
	require.Equal(t, []string{"0 t", "1 "}, got)
	got, _ = names(session, 2, 1, true)
	require.Equal(t, []string{"0 t", "1 "}, got)
	got, _ = names(session, 3, 1, false)
	require.Equal(t, []string{"0 t", "1 t"}, got)
}

// What sessions remember is bounded, in partitions that come at once, that come one by one, and that go again.
func TestSessionsAreBounded(t *testing.T) {
	sessions := fetch.NewSessions(1000, 1000, 100_000, rng.FromInt(1))
	var f fetch.Fetch
	begin(sessions, &f, fullFetch(2000))
	require.Zero(t, sessions.Told(seam.Now{Mono: 1}, &f), "it would be too large")
	begin(sessions, &f, fullFetch(1))
	id := sessions.Told(seam.Now{Mono: 1}, &f)
	require.NotZero(t, id)
	epoch, code := int32(1), wire.None
	for i := int32(0); code == wire.None; i++ {
		require.Less(t, i, int32(2000))
		r := &wire.FetchRequest{ReplicaID: -1, SessionID: id, SessionEpoch: epoch}
		for j := i * 10; j < i*10+10; j++ {
			r.Partitions = append(r.Partitions, wire.FetchPartition{Topic: fmt.Appendf(nil, "topic-%d", j), Index: j})
			r.Forgotten = append(r.Forgotten, wire.ForgottenPartition{Topic: fmt.Appendf(nil, "topic-%d", j-i%2*j), Index: j})
		}
		if code = begin(sessions, &f, r); code == wire.None {
			require.Equal(t, id, sessions.Told(seam.Now{Mono: 1}, &f))
		}
		epoch++
	}
	require.Equal(t, wire.FetchSessionIDNotFound, code)
	require.Zero(t, sessions.Len())
	require.Zero(t, sessions.Partitions())
	require.EqualValues(t, 1, sessions.Evictions())
	begin(sessions, &f, fullFetch(900))
	require.NotZero(t, sessions.Told(seam.Now{Mono: 1}, &f), "what it took was given back")
}

// BenchmarkSession is a fetch of a session of 10,000 partitions of which nothing is new: its own part of it.
func BenchmarkSession(b *testing.B) {
	sessions := fetch.NewSessions(1000, 1000, 1<<30, rng.FromInt(1))
	var f fetch.Fetch
	begin(sessions, &f, fullFetch(10_000))
	r := &wire.FetchRequest{ReplicaID: -1, SessionID: sessions.Told(seam.Now{Mono: 1}, &f)}
	once := func() {
		if r.SessionEpoch++; begin(sessions, &f, r) != wire.None {
			b.Fatal("no session")
		}
		if sessions.Told(seam.Now{Mono: 1}, &f); r.SessionEpoch > 1 && len(f.Parts) > 0 {
			b.Fatal("there is news")
		}
	}
	once()
	if n := testing.AllocsPerRun(10, once); n != 0 {
		b.Fatalf("%v allocations a fetch", n)
	}
	b.ReportAllocs()
	for b.Loop() {
		once()
	}
}

// Sessions whose clients are gone make room for others when there is no memory, as they do when there are no slots.
func TestStaleSessionsGiveTheirMemoryBack(t *testing.T) {
	s := fetch.NewSessions(1000, 120*seam.Second, 1<<20, rng.New([32]byte{}))
	begin := func(at seam.Mono, n int) int32 {
		var f fetch.Fetch
		r := wire.FetchRequest{ReplicaID: -1}
		for i := range n {
			r.Partitions = append(r.Partitions, wire.FetchPartition{Topic: []byte("t"), Index: int32(i)})
		}
		f.Begin(seam.Now{Mono: at}, 1, 11, 1, &r, 1<<20)
		require.Equal(t, wire.None, s.Join(seam.Now{Mono: at}, &f, &r))
		return s.Told(seam.Now{Mono: at}, &f)
	}
	require.NotZero(t, begin(seam.Second, 9_000))
	require.Zero(t, begin(100*seam.Second, 3_000), "it may be alive")
	require.NotZero(t, begin(200*seam.Second, 3_000))
	require.EqualValues(t, 1, s.Evictions())
	require.Zero(t, begin(400*seam.Second, 20_000), "there is not so much")
}

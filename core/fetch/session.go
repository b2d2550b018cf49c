package fetch

import (
	"cmp"
	"slices"

	"rookery/core/log"
	"rookery/core/must"
	"rookery/core/rng"
	"rookery/core/seam"
	"rookery/core/wire"
)

// Sessions are the fetch sessions of a broker (KIP-227): which partitions a client fetches, and what it was told of them
// last, so that a request need not name those that are as they were, nor an answer those of which nothing is new.
//
// Rules:
//   - a session belongs to no connection. Its id and the epoch of its next request are all that a client needs.
//   - epoch 0 asks for a new session, -1 for none; both close the one that they name. Whether there is room for a new one
//     is decided when the answer goes out, by Kafka's rules (evict); without room it says session 0.
//   - a request of an epoch makes those of earlier epochs INVALID_FETCH_SESSION_EPOCH, whatever became of them.
//   - what is remembered is what an answer says, when it goes out. After an error nothing is, so that the partition is named
//     when the error is gone.
//   - partitions whose records went out go to the end (KIP-74), so that those behind them are not starved.
type Sessions struct {
	SlotsMax   int       // max.incremental.fetch.session.cache.slots
	EvictAfter seam.Mono // unused for longer, any other session may take a session's place
	BytesMax   int64     // of all of them: a client that would need more gets no session

	random    *rng.Source
	slots     []slot
	places    map[int32]int // in slots, by id
	moved     []uint32      // memory of told
	held      int64
	bytes     int64
	evictions int64
}

// slot is a session and what decides whether another one may take its place.
type slot struct {
	*Session
	created, used seam.Mono
	partitions    int // when it was last used
	bytes         int64
	byReplicas    bool // may be evicted for a replica's session
	byAll         bool
}

// NewSessions makes room for sessions. Their ids are drawn from random.
func NewSessions(slots int, evictAfter seam.Mono, bytesMax int64, random *rng.Source) *Sessions {
	return &Sessions{SlotsMax: slots, EvictAfter: evictAfter, BytesMax: bytesMax, random: random, places: map[int32]int{}}
}

// Len is how many sessions there are.
func (s *Sessions) Len() int { return len(s.slots) }

// Partitions is how many partitions all of them hold.
func (s *Sessions) Partitions() int64 { return s.held }

// Evictions is how many sessions have made room for others.
func (s *Sessions) Evictions() int64 { return s.evictions }

// Session is one client's.
type Session struct {
	id         int32
	epoch      int32 // of its next request
	byID       bool  // topics are named by their ids: from version 13
	privileged bool  // a replica's

	topics  []heldTopic
	numbers map[string]uint32 // of topics, by name or by the bytes of the id
	parts   []held
	places  map[place]uint32 // in parts
	order   []uint32         // in which partitions are served
	spare   []uint32         // places of partitions that were forgotten
	unused  []uint32         // numbers of topics of which no partition is left
	bytes   int64
}

// held is one partition of a session.
type held struct {
	offset    int64
	high      int64 // told last, as start; -1: an error, or nothing yet
	start     int64
	topic     uint32
	index     int32
	maxBytes  int32
	epoch     int32
	lastEpoch int32
	gone      bool // forgotten
	named     bool // its topic was there once: it is missed by its name
}

// heldTopic is a topic of a session. name is empty for an id that was never known.
type heldTopic struct {
	name       []byte
	id         [16]byte
	partitions int
}

type place struct {
	topic uint32
	index int32
}

// What a partition and a topic of a session are reckoned as, beside names, in bytes. Of those that were forgotten the
// memory is kept, and counted.
const (
	heldBytes      = 100
	heldTopicBytes = 150
)

// Join finds out which session a request belongs to, and brings that up to date. A fetch of a session has no Parts yet:
// they are added one by one, with Load, and stay as long as there is news of them.
func (s *Sessions) Join(now seam.Now, f *Fetch, r *wire.FetchRequest) wire.Code {
	if r.SessionEpoch == 0 || r.SessionEpoch == -1 {
		s.close(r.SessionID)
		f.fresh = r.SessionEpoch == 0
		return wire.None
	}
	at, there := s.places[r.SessionID]
	if !there {
		return wire.FetchSessionIDNotFound
	}
	session := s.slots[at].Session
	switch {
	case session.epoch != r.SessionEpoch:
		return wire.InvalidFetchSessionEpoch
	case session.byID != (f.Version >= 13):
		return wire.FetchSessionTopicIDError
	}
	for i := range r.Partitions {
		session.put(&r.Partitions[i])
	}
	session.forget(r.Forgotten)
	session.epoch = nextEpoch(session.epoch) // whatever becomes of this one: earlier ones know the places of before
	switch s.touch(now, at); {
	case len(session.order) == 0: // what the request names and forgets at once is served without a session
		s.remove(at)
		return wire.None
	case !s.roomFor(now.Mono, 0):
		s.close(r.SessionID)
		s.evictions++
		return wire.FetchSessionIDNotFound
	}
	f.session, f.epoch, f.Parts = session, session.epoch, f.Parts[:0]
	return wire.None
}

func nextEpoch(epoch int32) int32 {
	if epoch == 1<<31-1 {
		return 1
	}
	return epoch + 1
}

func (s *Sessions) close(id int32) {
	if at, there := s.places[id]; there {
		s.remove(at)
	}
}

// Told notes what an answer is about to say, makes the session that it is to begin, takes out what a session's client
// knows already, and returns the id that the answer names.
func (s *Sessions) Told(now seam.Now, f *Fetch) (id int32) {
	switch {
	case f.session != nil:
		if f.Code == wire.None {
			s.moved = f.session.told(f, s.moved)
		}
		return f.session.id
	case f.fresh && f.Code == wire.None:
		return s.create(now, f)
	}
	return 0
}

// create begins a session with what its first answer says, if there is room.
func (s *Sessions) create(now seam.Now, f *Fetch) (id int32) {
	session := newSession(f)
	privileged := f.Replica >= 0
	if !s.roomFor(now.Mono, session.bytes) || len(s.slots) >= s.SlotsMax && !s.evict(now, privileged, len(session.order)) {
		return 0
	}
	for taken := true; taken; _, taken = s.places[session.id] {
		session.id = 1 + int32(s.random.Intn(1<<31-1))
	}
	session.privileged, session.epoch = privileged, 1
	s.places[session.id] = len(s.slots)
	s.slots = append(s.slots, slot{Session: session, created: now.Mono})
	must.Be(len(s.slots) <= s.SlotsMax, "F1: no more fetch sessions are kept than there are slots")
	s.touch(now, len(s.slots)-1)
	return session.id
}

// touch notes that a session is used, and of what size it is now. What may be evicted for whom is decided now, and stays
// so until it is used again.
func (s *Sessions) touch(now seam.Now, at int) {
	x := &s.slots[at]
	s.held += int64(len(x.order) - x.partitions)
	s.bytes += x.Session.bytes - x.bytes
	x.used, x.partitions, x.bytes = now.Mono, len(x.order), x.Session.bytes
	x.byAll = now.Mono-x.created > s.EvictAfter
	x.byReplicas = x.byAll || !x.privileged
}

func (s *Sessions) remove(at int) {
	x := s.slots[at]
	s.held -= int64(x.partitions)
	s.bytes -= x.bytes
	delete(s.places, x.id)
	last := len(s.slots) - 1
	if at != last {
		s.slots[at] = s.slots[last]
		s.places[s.slots[at].id] = at
	}
	s.slots[last] = slot{}
	s.slots = s.slots[:last]
}

// roomFor says whether there is memory for so much more, if need be in the place of those that were unused for long.
func (s *Sessions) roomFor(now seam.Mono, bytes int64) bool {
	for s.bytes+bytes > s.BytesMax {
		stale := s.stalest()
		if stale < 0 || now-s.slots[stale].used <= s.EvictAfter {
			return false
		}
		s.remove(stale)
		s.evictions++
	}
	return true
}

// stalest is the one that was unused longest, -1 if there is none.
func (s *Sessions) stalest() int {
	stale := -1
	for i := range s.slots {
		x := &s.slots[i]
		if stale < 0 || cmp.Or(cmp.Compare(x.used, s.slots[stale].used), cmp.Compare(x.id, s.slots[stale].id)) < 0 {
			stale = i
		}
	}
	return stale
}

// evict makes room for a session of so many partitions, as FetchSessionCache does: in the place of the one that was
// unused longest, if that is long; else of the least of those that may be evicted, if that is less than the new one. A
// replica's session is more than any client's; of two alike the larger is more, and of two of one size neither is.
func (s *Sessions) evict(now seam.Now, privileged bool, partitions int) bool {
	stale, least := s.stalest(), -1
	for i := range s.slots {
		x := &s.slots[i]
		if (x.byAll || privileged && x.byReplicas) && (least < 0 || x.less(&s.slots[least])) {
			least = i
		}
	}
	switch {
	case stale < 0:
		return false
	case now.Mono-s.slots[stale].used > s.EvictAfter:
		s.remove(stale)
	case least >= 0 && s.slots[least].weigh(privileged, partitions) < 0:
		s.remove(least)
	default:
		return false
	}
	s.evictions++
	return true
}

func (x *slot) less(y *slot) bool {
	return cmp.Or(x.weigh(y.privileged, y.partitions), cmp.Compare(x.id, y.id)) < 0
}

// weigh compares a session with one of so many partitions, a replica's or a client's.
func (x *slot) weigh(privileged bool, partitions int) int {
	switch {
	case x.privileged && !privileged:
		return 1
	case !x.privileged && privileged:
		return -1
	}
	return cmp.Compare(x.partitions, partitions)
}

// newSession holds what a full fetch asked for, and what its answer says.
func newSession(f *Fetch) *Session {
	n := len(f.Parts)
	x := &Session{byID: f.Version >= 13, numbers: map[string]uint32{}, parts: make([]held, 0, n), places: make(map[place]uint32, n), order: make([]uint32, 0, n)}
	for i := range f.Parts {
		p := &f.Parts[i]
		number := x.topic(p.Topic, p.TopicID)
		h := x.add(place{number, p.Index})
		h.offset, h.maxBytes, h.epoch, h.lastEpoch, h.named = p.Offset, p.MaxBytes, p.Epoch, p.LastEpoch, len(p.Topic) > 0
		h.news(p)
	}
	return x
}

// put takes what a request says of a partition, which may be new to the session.
func (x *Session) put(p *wire.FetchPartition) {
	key := place{x.topic(p.Topic, p.TopicID), p.Index}
	at, there := x.places[key]
	var h *held
	if there {
		h = &x.parts[at]
	} else {
		h = x.add(key)
	}
	h.offset, h.maxBytes, h.epoch, h.lastEpoch = p.FetchOffset, p.PartitionMaxBytes, p.CurrentLeaderEpoch, p.LastFetchedEpoch
}

// topic is the number of a topic, a new one if need be.
func (x *Session) topic(name []byte, id [16]byte) uint32 {
	key := name
	if x.byID {
		key = id[:]
	}
	if n, there := x.numbers[string(key)]; there {
		return n
	}
	t := heldTopic{id: id}
	if !x.byID || len(name) > 0 {
		t.name = slices.Clone(name)
	}
	n := uint32(len(x.topics))
	if last := len(x.unused) - 1; last >= 0 {
		n = x.unused[last]
		x.unused, x.topics[n] = x.unused[:last], t
	} else {
		x.topics = append(x.topics, t)
		x.bytes += heldTopicBytes
	}
	x.numbers[string(key)] = n
	x.bytes += 2 * int64(len(key))
	return n
}

// add makes a partition the last one to be served.
func (x *Session) add(key place) *held {
	at := uint32(len(x.parts))
	if last := len(x.spare) - 1; last >= 0 {
		at, x.spare = x.spare[last], x.spare[:last]
	} else {
		x.parts = append(x.parts, held{})
		x.bytes += heldBytes
	}
	h := &x.parts[at]
	*h = held{topic: key.topic, index: key.index, high: -1, start: -1}
	x.places[key] = at
	x.order = append(x.order, at)
	x.topics[key.topic].partitions++
	return h
}

// forget takes partitions out. One that is not there is passed over.
func (x *Session) forget(all []wire.ForgottenPartition) {
	before := len(x.places)
	for i := range all {
		key := all[i].Topic
		if x.byID {
			key = all[i].TopicID[:]
		}
		n, there := x.numbers[string(key)]
		if !there {
			continue
		}
		at, there := x.places[place{n, all[i].Index}]
		if !there {
			continue
		}
		delete(x.places, place{n, all[i].Index})
		x.parts[at].gone = true
		if t := &x.topics[n]; t.partitions == 1 {
			delete(x.numbers, string(key))
			x.bytes -= 2 * int64(len(key))
			*t = heldTopic{}
			x.unused = append(x.unused, n)
		} else {
			t.partitions--
		}
	}
	if len(x.places) == before {
		return
	}
	kept := x.order[:0]
	for _, at := range x.order {
		if x.parts[at].gone {
			x.spare = append(x.spare, at)
		} else {
			kept = append(kept, at)
		}
	}
	x.order = kept
}

// told compares what was found with what the client knows. Partitions of which nothing is new are left out of the answer.
func (x *Session) told(f *Fetch, moved []uint32) []uint32 {
	named := 0
	moved = moved[:0]
	for i := range f.Parts {
		p := &f.Parts[i]
		h := &x.parts[x.order[p.place]]
		must.Be(h.topic == uint32(p.Group) && h.index == p.Index, "F2: what a fetch of a session names is what the session holds")
		if p.Range.Len > 0 {
			moved = append(moved, uint32(p.place))
		}
		if h.news(p) {
			if named != i {
				f.Parts[named] = *p
			}
			named++
		}
	}
	f.Parts = f.Parts[:named]
	x.toEnd(moved)
	return moved
}

// toEnd moves what stands at some places of the order, which rise, to its end.
func (x *Session) toEnd(places []uint32) {
	if len(places) == 0 {
		return
	}
	to := places[0]
	for i, from := range places {
		places[i] = x.order[from]
		end := uint32(len(x.order))
		if i+1 < len(places) {
			end = places[i+1]
		}
		to += uint32(copy(x.order[to:], x.order[from+1:end]))
	}
	copy(x.order[to:], places)
}

// news says whether an answer has to name a partition, and notes what it says then.
func (h *held) news(p *Part) bool {
	if p.Code != wire.None {
		h.high, h.start = -1, -1
		return true
	}
	news := p.Range.Len > 0 || p.Diverging.Known || p.High != h.high || p.Start != h.start
	h.high, h.start = p.High, p.Start
	return news
}

// Load adds the Part of a session's fetch that is served in this place.
func (f *Fetch) Load(place int) {
	x := f.session
	h := &x.parts[x.order[place]]
	t := &x.topics[h.topic]
	name := t.name
	if x.byID && !h.named {
		name = nil
	}
	f.Parts = append(f.Parts, Part{
		Topic: name, TopicID: t.id, Group: int32(h.topic), Index: h.index, place: int32(place),
		Offset: h.offset, MaxBytes: h.maxBytes, Epoch: h.epoch, LastEpoch: h.lastEpoch,
	})
}

// MaybeUnload takes the last Part out again if nothing is new of it: an answer would not name it, and to wait for it needs
// no Part.
func (f *Fetch) MaybeUnload() bool {
	last := len(f.Parts) - 1
	p := &f.Parts[last]
	h := &f.session.parts[f.session.order[p.place]]
	if p.Code != wire.None || p.Diverging.Known || p.Next != log.AtEnd || p.High != h.high || p.Start != h.start {
		return false
	}
	f.Parts = f.Parts[:last]
	return true
}

// Name notes under which name the topic of a Part was found by its id: it is missed by that name when it is gone.
func (f *Fetch) Name(p *Part, name []byte) {
	if p.Topic = name; f.session != nil {
		f.session.topics[p.Group].name = name
		f.session.parts[f.session.order[p.place]].named = true
	}
}

// InSession says whether the fetch is one of a session: its Parts are loaded one by one.
func (f *Fetch) InSession() bool { return f.session != nil }

// Len is how many partitions the fetch has, those included of which there is no Part.
func (f *Fetch) Len() int {
	if f.session != nil {
		return len(f.session.order)
	}
	return len(f.Parts)
}

// Overtaken says whether the client has sent its session's next request, from wherever: nobody can say what it knows if
// this one is answered too, so that is answered INVALID_FETCH_SESSION_EPOCH.
func (f *Fetch) Overtaken() bool { return f.session != nil && f.session.epoch != f.epoch }

// End lets go of the session.
func (f *Fetch) End() { f.session = nil }

package check

import (
	"fmt"
	"maps"
	"slices"

	"rookery/core/seam"
)

// View is a broker's state as plain values: what the V laws look at. It is made by the broker's own view and used for
// nothing else.
type View struct {
	Ready      bool
	Now        seam.Mono // by the broker's clock
	Partitions []PartitionView
	Rebalances []Rebalance
	Sleepers   Sleepers
	Waits      int // partitions that parked fetches are to be woken by
	Making     int // partitions that are still to be made

	Frames int64 // bytes of frames that it counts
	Asked  int   // fetches that it has not answered, and files that answers name which it has not given out
}

// Sleepers are requests that wait, by what they wait for. With nothing under way only two kinds may: a fetch for records
// that are not there, and a join or a sync for a member.
//
//	kind       waits for                                            lost when quiet if           law
//	produce    its batches: written, on the disk, visible           any                          V5
//	fetch      records below the high watermark, or its time        there are some; or nobody    V5
//	                                                                 will look at it again
//	proposal   metadata to be committed                             any                          V5
//	search     a machine that looks for a time, or room for one     any                          V5
//	deletion   a log's start that is on the disk                    any                          V5
//	measuring  how large the volumes are                            any                          V5
//	id         a block of producer ids                              any                          V5
//	unsafe     what a group's answer tells of to be committed       any                          V5
//	ticket     of a join or a sync: who has yet to join, or the     nobody is awaited, no time   V5
//	           leader's assignment, or a time                        is set, or no group knows
//	frozen     the request before it on its connection, or a Rewrite any                         V5
//	muted      a quota; what of a client waits, to be read          no alarm is set for it       V7
//	unread     room in its own budget or in that of all frames      there is room                V7
//	gone       the last of its answers                              anything of it is counted    V8
//	a client's what it asked                                        it sleeps past its pause     V9
type Sleepers struct {
	Produces, Fetches, Proposals, Searches, Deletions, Measures, Frozen, IDs, Unsafe int

	Running int // fetches that are not answered, those that wait among them
	Tickets int // joins and syncs that are not answered
}

// Rebalance is a group in which joins or syncs wait, and what for.
type Rebalance struct {
	Joins, Syncs int
	Absent       int  // who has yet to join
	Delayed      bool // a group that was empty waits for others to come
	Unassigned   bool // the leader has yet to assign
	Timed        bool // it goes on in time, whoever comes or does not
}

// lost says whether somebody waits for nobody, or for ever.
func (r *Rebalance) lost() bool {
	return !r.Timed || r.Joins > 0 && r.Absent == 0 && !r.Delayed || r.Syncs > 0 && !r.Unassigned
}

// PartitionView is one partition.
type PartitionView struct {
	Topic         string
	Number        int32
	Dir           int32 // the log directory that it lies in
	LogStart      int64
	Durable       int64
	HighWatermark int64
	End           int64
	Next          int64
	LeaderEpoch   int32
	Producers     uint64 // a digest of what is known of its producers; 0: not asked for
	Newest        uint64 // a digest of the newest batch of each of them; 0: not asked for
	Folded        uint64 // a digest of what a coordinator has made of it; 0: there is none
	Parked        int    // batches that somebody waits for
	Fetches       []ParkedFetch
}

// ParkedFetch waits for bytes below the high watermark.
type ParkedFetch struct {
	From     int64
	MinBytes int32
	Alone    bool // it looks at no other partition
	Deadline seam.Mono
}

// Watch evaluates the V laws after Steps.
type Watch struct {
	laws      *Counts
	durable   map[string]bool
	deleted   map[string]bool // topics that come and go: a partition may be a new one under an old name
	compacted map[string]bool // topics of which offsets may be missing
	life      int
	skip      int
	view      View
	known     map[Partition]*known
	places    []*known // those of the last view, by their place in it: it is nearly always the same
}

// known is what has been seen of a partition.
type known struct {
	Partition
	durable, deleted bool  // its topic
	here             bool  // it was seen in this life
	led              bool  // it was in an earlier one
	mark             mark  // of this life
	epoch            int32 // of earlier ones
	begins           int64 // the farthest that it was seen to begin, in any
}

type mark struct {
	start         int64
	durable       int64
	highWatermark int64
	epoch         int32
	dir           int32
}

// NewWatch makes a Watch that has seen nothing.
func NewWatch(laws *Counts, f *Facts) *Watch {
	return &Watch{laws: laws, durable: f.Durable, deleted: f.Deleted, compacted: f.Compacted, known: map[Partition]*known{}}
}

// every is how many Steps go by between two looks, but for the quiet ones: a look costs as much as several Steps.
const every = 8

// After looks at the broker after a Step. quiet: nothing is under way that could still wake a parked request.
func (w *Watch) After(life int, quiet bool, look func(v *View)) error {
	if w.skip++; w.skip < every && (!quiet || w.skip < 3) {
		return nil
	}
	w.skip = 0
	v := &w.view
	look(v)
	if !v.Ready {
		return nil
	}
	if life != w.life {
		w.newLife(life)
	}
	waits := 0
	for i := range v.Partitions {
		p := &v.Partitions[i]
		waits += len(p.Fetches)
		k := w.at(i, p)
		if err := w.one(k, p); err != nil {
			return err
		}
		if quiet {
			if err := w.nobodySleepsOn(k, p, v.Now); err != nil {
				return err
			}
		}
	}
	if s := v.Sleepers; quiet && (s.Running > s.Fetches || s.Produces+s.Proposals+s.Searches+s.Deletions+s.Measures+s.Frozen+s.IDs+s.Unsafe > 0) {
		return Fail(NoLostWakeup, "%+v", s)
	}
	w.laws[NoLostWakeup]++
	if waits != v.Waits {
		return Fail(NoLostWakeup, "parked fetches are to be woken by %d partitions, and %d know of them", v.Waits, waits)
	}
	return w.groups(v, quiet)
}

// groups: whoever waits in a group waits for somebody.
func (w *Watch) groups(v *View, quiet bool) error {
	parked := 0
	for i := range v.Rebalances {
		r := &v.Rebalances[i]
		parked += r.Joins + r.Syncs
		if quiet && r.lost() {
			return Fail(NoLostWakeup, "%+v", *r)
		}
	}
	if parked != v.Sleepers.Tickets {
		return Fail(NoLostWakeup, "%d joins and syncs wait, and groups know of %d", v.Sleepers.Tickets, parked)
	}
	return nil
}

// Left says what must be nothing when nothing is under way: frames while none is lent, fetches while nobody is connected.
func (w *Watch) Left(frames, conns int, look func(v *View)) error {
	w.laws[NothingLeft]++
	v := &w.view
	look(v)
	if frames == 0 && v.Frames != 0 || conns == 0 && v.Asked != 0 {
		return Fail(NothingLeft, "%d bytes of frames counted, %d lent; %d fetches and files of answers, %d connections", v.Frames, frames, v.Asked, conns)
	}
	return nil
}

// Lost says whether what was durable is there after the power has failed. left is what the disk has of a partition's
// folder, of which it was last seen to lie in log directory dir; begins is where its logs begin.
func (w *Watch) Lost(begins map[Partition]int64, rotted func(p Partition) bool, left func(p Partition, dir int32) []File) error {
	for _, p := range slices.SortedFunc(maps.Keys(w.known), byName) {
		k := w.known[p]
		if !k.here || k.deleted || rotted(p) {
			continue
		}
		w.laws[DurableIsDurable]++
		if end := Held(left(p, k.mark.dir), max(k.mark.start, begins[p]), w.compacted[p.Topic]); end < k.mark.durable {
			return Fail(DurableIsDurable, "%s-%d was durable up to %d, and the power has left it up to %d", p.Topic, p.Number, k.mark.durable, end)
		}
	}
	return nil
}

func (w *Watch) newLife(life int) {
	w.life = life
	for _, k := range w.known { //tidy:unordered each by itself
		if k.here {
			k.here, k.led, k.epoch = false, true, max(k.epoch, k.mark.epoch)
		}
	}
}

// at is what is known of the partition at a place of the view.
func (w *Watch) at(place int, p *PartitionView) *known {
	if place < len(w.places) {
		if k := w.places[place]; k.Number == p.Number && k.Topic == p.Topic {
			return k
		}
		w.places = w.places[:place]
	}
	name := Partition{p.Topic, p.Number}
	k := w.known[name]
	if k == nil {
		k = &known{Partition: name, durable: w.durable[p.Topic], deleted: w.deleted[p.Topic]}
		w.known[name] = k
	}
	w.places = append(w.places, k)
	return k
}

func (w *Watch) require(holds bool, law Law, p *PartitionView) error {
	w.laws[law]++
	if holds {
		return nil
	}
	return Fail(law, "%+v", *p)
}

func (w *Watch) one(k *known, p *PartitionView) error {
	if err := w.require(p.LogStart <= p.Durable && p.Durable <= p.End && p.End <= p.Next && p.LogStart <= p.HighWatermark && p.HighWatermark <= p.End, OffsetsInOrder, p); err != nil {
		return err
	}
	if k.here && !k.deleted {
		if err := w.require(p.HighWatermark >= k.mark.highWatermark && p.LeaderEpoch >= k.mark.epoch, HighWatermarkKept, p); err != nil {
			return err
		}
	}
	if !k.deleted {
		if err := w.require(p.LogStart >= k.begins, StartNeverBack, p); err != nil {
			return err
		}
		k.begins = p.LogStart
	}
	if k.durable {
		if err := w.require(p.HighWatermark <= p.Durable, DurableIsDurable, p); err != nil {
			return err
		}
	}
	if k.led && !k.here && !k.deleted {
		if err := w.require(p.LeaderEpoch > k.epoch, EpochKept, p); err != nil {
			return err
		}
	}
	k.here, k.mark = true, mark{p.LogStart, p.Durable, p.HighWatermark, p.LeaderEpoch, p.Dir}
	return nil
}

// nobodySleepsOn is the lost wake-up: with nothing under way, a parked request that could be answered.
func (w *Watch) nobodySleepsOn(k *known, p *PartitionView, now seam.Mono) error {
	if k.durable {
		if err := w.require(p.Durable == p.Next, NoLostWakeup, p); err != nil {
			return err // bytes that nobody syncs or writes any more
		}
	}
	if err := w.require(p.Parked == 0, NoLostWakeup, p); err != nil {
		return err
	}
	for _, f := range p.Fetches {
		if err := w.require(f.Deadline >= now, NoLostWakeup, p); err != nil {
			return err // its time is up
		}
		if f.MinBytes <= 1 {
			if err := w.require(f.From >= p.HighWatermark, NoLostWakeup, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// SameState compares what there was with what was rebuilt from the bytes. Leader epochs rise with each life. Of producers the
// newest batches are known again for certain, and all that was known if no life ever ended but in order, and said so on the
// disk (clean).
func SameState(before, after *View, clean bool) error {
	order := func(a, b PartitionView) int {
		return byName(Partition{a.Topic, a.Number}, Partition{b.Topic, b.Number})
	}
	slices.SortFunc(before.Partitions, order)
	slices.SortFunc(after.Partitions, order)
	if len(before.Partitions) != len(after.Partitions) {
		return Fail(StateRebuilt, "%d partitions before, %d after: %s; %s", len(before.Partitions), len(after.Partitions), names(before), names(after))
	}
	for i := range before.Partitions {
		b, a := before.Partitions[i], after.Partitions[i]
		if b.Topic == metadataTopic {
			continue // each start writes to it
		}
		same := b.Topic == a.Topic && b.Number == a.Number && b.LogStart <= a.LogStart && b.End == a.End && a.Next == a.End && b.Newest == a.Newest && b.Folded == a.Folded && (!clean || b.Producers == a.Producers)
		if !same {
			return Fail(StateRebuilt, "before %s, after %s", brief(&b), brief(&a))
		}
	}
	return nil
}

func names(v *View) string {
	text := ""
	for i := range v.Partitions {
		text += fmt.Sprintf(" %s-%d", v.Partitions[i].Topic, v.Partitions[i].Number)
	}
	return text
}

const metadataTopic = "__cluster_metadata"

func brief(p *PartitionView) string {
	return fmt.Sprintf("%s-%d %d..%d (durable %d, hw %d) producers %x newest %x folded %x", p.Topic, p.Number, p.LogStart, p.End, p.Durable, p.HighWatermark, p.Producers, p.Newest, p.Folded)
}

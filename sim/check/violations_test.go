package check

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/seam"
)

// violation is what a law rejects, and what is nearly the same and is accepted; nil: another row has that.
type violation struct {
	law    string
	breaks trial
	near   trial
}

// trial holds something against the laws.
type trial func(laws *Counts) error

func TestViolations(t *testing.T) {
	for i, v := range violations {
		err := v.breaks(&Counts{})
		require.Error(t, err, "row %d: %s", i, v.law)
		require.True(t, strings.HasPrefix(err.Error(), v.law+" "), "row %d: %s: %v", i, v.law, err)
		if v.near == nil {
			continue
		}
		counts := &Counts{}
		require.NoError(t, v.near(counts), "row %d: %s", i, v.law)
		require.NotZero(t, counts[slices.IndexFunc(LawNames(), func(line string) bool { return strings.HasPrefix(line, v.law+" ") })],
			"row %d: %s was not asked", i, v.law)
	}
}

// What nothing spoils breaks no law.
func TestTheHistoryThatTheRowsSpoil(t *testing.T) {
	require.NoError(t, judged(func(*History, *Facts) {})(&Counts{}))
}

var violations = []violation{
	// Compacted logs.
	{"K1", compacted(func(c *Compacted) { c.Passes[0].Kept = c.Passes[0].Kept[:3] }), compacted(func(c *Compacted) { c.Passes[0].Kept[2], c.Passes[0].End = Kept{2, "b", 2, 0}, 3 })},
	{"K1", compacted(func(c *Compacted) { c.Left[2].Kept = c.Left[2].Kept[1:] }), compacted(func(c *Compacted) { c.Left[1].Kept = []Kept{{2, "b", 2, 0}} })},
	{"K2", compacted(func(c *Compacted) { c.Passes[0].Kept = slices.Delete(c.Passes[0].Kept, 1, 2) }), compacted(func(c *Compacted) { c.Passes[0].Kept, c.Passes[0].Short = slices.Delete(c.Passes[0].Kept, 1, 2), false })},
	{"K2", compacted(func(c *Compacted) { c.Left[0].Kept = []Kept{{0, "c", 1, 0}} }), compacted(func(c *Compacted) { c.Left[0].Kept = nil })},
	{"K2", swept(99, 2, 0), swept(100, 2, 0)},
	{"K2", swept(99, 2, 0), swept(99, 1, 0)}, // it did not come so far
	{"K2", swept(99, 2, 0), swept(99, 2, 1)}, // the first record has a value
	{"K3", compacted(func(c *Compacted) { c.Passes[0].Kept[0].Value = 7 }), compacted(func(*Compacted) {})},
	{"K3", compacted(func(c *Compacted) { k := c.Passes[0].Kept; k[0], k[1] = k[1], k[0] }), nil},
	{"K3", compacted(func(c *Compacted) { c.Puts, c.Left[0].Kept = c.Puts[1:], []Kept{{0, "c", 8, 0}, {1, "c", 0, 0}} }), compacted(func(c *Compacted) { c.Puts, c.Left[0].Kept = c.Puts[1:], []Kept{{0, "c", 1, 0}, {1, "c", 0, 0}} })},
	{"K4", compacted(func(c *Compacted) { c.Active = 2 }), compacted(func(c *Compacted) { c.Active = 3 })},
	{"K5", compacted(func(c *Compacted) { c.Left = slices.Delete(c.Left, 1, 2) }), compacted(func(c *Compacted) { c.Left = slices.Delete(c.Left, 0, 1) })},
	{"K5", compacted(func(c *Compacted) { c.Left[2].Newest = 0 }), nil},

	{"H21", trialOfStored(func(_ *History, _ *Facts, s []Stamp) { s[3].Stored.Codec = 0 }), trialOfStored(func(_ *History, f *Facts, s []Stamp) { s[3].Stored.Codec, f.Stored["t"] = 0, Stored{AsSent, true} })},
	{"H21", trialOfStored(func(_ *History, f *Facts, s []Stamp) { pressed(f, s, 300, 0) }), trialOfStored(func(_ *History, f *Facts, s []Stamp) { pressed(f, s, 300, 4) })},
	{"H21", trialOfStored(func(_ *History, f *Facts, s []Stamp) { pressed(f, s, 200, 0) }), trialOfStored(func(h *History, f *Facts, s []Stamp) { pressed(f, s, 200, 0); h.Appends[3].Call = 199 })}, // what was sent before that lies as it may
	{"S9", trialOfStored(func(_ *History, f *Facts, s []Stamp) { sized(f, 0, 299) }), trialOfStored(func(_ *History, f *Facts, s []Stamp) { sized(f, 0, 300) })},
	{"S9", trialOfStored(func(_ *History, f *Facts, s []Stamp) { sized(f, 500, 199) }), trialOfStored(func(_ *History, f *Facts, s []Stamp) { sized(f, 900, 99) })}, // the first batch of a segment may have any size
	{"S9", trialOfStored(func(_ *History, f *Facts, s []Stamp) { aged(f, 0, 1) }), trialOfStored(func(_ *History, f *Facts, s []Stamp) { aged(f, 0, 2) })},
	{"S9", trialOfStored(func(_ *History, f *Facts, s []Stamp) { aged(f, 0, 1) }), trialOfStored(func(_ *History, f *Facts, s []Stamp) { aged(f, 0, 1); unbegun(s); sized(f, 0, 300) })},
	{"H22", trialOfStored(func(h *History, f *Facts, s []Stamp) { h.Appends[4].Time, s[4].Time, f.SetBack = 98, 98, 4 }), trialOfStored(func(h *History, f *Facts, s []Stamp) { h.Appends[4].Time, s[4].Time, f.SetBack = 98, 98, 5 })},

	// Each Step.
	{"V1", watched(look{p: PartitionView{Durable: 5, HighWatermark: 5, End: 4, Next: 5}}), watched(look{p: at(5)})},
	{"V1", watched(look{p: PartitionView{Durable: 5, HighWatermark: 6, End: 5, Next: 6}}), watched(look{p: PartitionView{Durable: 5, HighWatermark: 5, End: 6, Next: 7}})},
	{"V1", watched(look{p: PartitionView{LogStart: 6, Durable: 7, HighWatermark: 5, End: 7, Next: 7}}), watched(look{p: PartitionView{LogStart: 5, Durable: 7, HighWatermark: 5, End: 7, Next: 7}})},
	{"V1", watched(look{p: PartitionView{LogStart: 6, Durable: 5, HighWatermark: 7, End: 7, Next: 7}}), nil},
	{"V1", watched(look{p: PartitionView{Durable: 5, HighWatermark: 5, End: 6, Next: 5}}), nil},
	{"V2", watched(look{p: at(5)}, look{p: at(4)}), watched(look{p: at(5)}, look{p: at(5)})},
	{"V2", watched(look{p: led(at(5), 3)}, look{p: led(at(5), 2)}), watched(look{p: led(at(5), 3)}, look{p: led(at(4), 4), life: 1}, look{p: led(at(4), 4), life: 1})},
	{"V3", watched(look{p: PartitionView{Durable: 4, HighWatermark: 5, End: 5, Next: 5}}), watched(look{p: PartitionView{Durable: 4, HighWatermark: 4, End: 5, Next: 5}})},
	{"V3", watched(look{p: PartitionView{Durable: 4, HighWatermark: 5, End: 5, Next: 5}}), func(laws *Counts) error {
		return watch(laws, &Facts{Durable: map[string]bool{"u": true}}, look{p: PartitionView{Durable: 4, HighWatermark: 5, End: 5, Next: 5}}, look{p: PartitionView{Topic: "u"}})
	}},
	{"V3", powerLost(9), powerLost(10)},
	{"V3", powerLost(9, 6), powerLost(10, 5)},      // its second segment begins behind a gap
	{"V3", powerLostIn(0, 10), powerLostIn(1, 10)}, // a copy in another directory does not count
	{"V4", watched(look{p: led(at(5), 3)}, look{p: led(at(5), 3), life: 1}), watched(look{p: led(at(5), 3)}, look{p: led(at(5), 4), life: 1})},
	{"V5", watched(look{p: PartitionView{Durable: 4, HighWatermark: 4, End: 5, Next: 5}, quiet: true}), watched(look{p: at(5), quiet: true})},
	{"V5", watched(look{p: waiting(at(5), 1), quiet: true}), watched(look{p: waiting(at(5), 1)}, look{p: at(5), quiet: true})},
	{"V5", watched(look{p: cached(waiting(at(5), 1)), quiet: true}), watched(look{p: cached(waiting(at(5), 1))})},
	{"V5", watched(look{p: fetching(at(5), 4, 1), quiet: true}), watched(look{p: fetching(at(5), 5, 1), quiet: true})},
	{"V5", watched(look{p: fetching(at(5), 0, 0), quiet: true}), watched(look{p: fetching(at(5), 4, 100), quiet: true})},
	{"V5", watched(look{p: fetching(at(5), 5, 1), now: 1, quiet: true}), watched(look{p: fetching(at(5), 5, 1), now: 1})},
	{"V5", watched(look{p: fetching(at(5), 5, 1), unknown: 1, quiet: true}), nil},
	{"V5", watched(look{p: at(5), s: Sleepers{Produces: 1}, quiet: true}), watched(look{p: waiting(at(5), 1), s: Sleepers{Produces: 1}})},
	{"V5", watched(look{p: at(5), s: Sleepers{Running: 2, Fetches: 1}, quiet: true}), watched(look{p: at(5), s: Sleepers{Running: 2, Fetches: 2}, quiet: true})},
	{"V5", watched(look{p: at(5), s: Sleepers{Proposals: 1}, quiet: true}), watched(look{p: at(5), s: Sleepers{Proposals: 1}})},
	{"V5", watched(look{p: at(5), s: Sleepers{Searches: 1}, quiet: true}), watched(look{p: at(5), s: Sleepers{Searches: 1}})},
	{"V5", watched(look{p: at(5), s: Sleepers{Deletions: 1}, quiet: true}), watched(look{p: at(5), s: Sleepers{Deletions: 1}})},
	{"V5", watched(look{p: at(5), s: Sleepers{Measures: 1}, quiet: true}), watched(look{p: at(5), s: Sleepers{Measures: 1}})},
	{"V5", watched(look{p: at(5), s: Sleepers{Frozen: 1}, quiet: true}), watched(look{p: at(5), s: Sleepers{Frozen: 1}})},
	{"V5", watched(look{p: at(5), s: Sleepers{IDs: 1}, quiet: true}), watched(look{p: at(5), s: Sleepers{IDs: 1}})},
	{"V5", watched(look{p: at(5), s: Sleepers{Unsafe: 1}, quiet: true}), watched(look{p: at(5), s: Sleepers{Unsafe: 1}})},
	{"V5", parked(Rebalance{Joins: 2, Timed: true}, 2, true), parked(Rebalance{Joins: 2, Absent: 1, Timed: true}, 2, true)},
	{"V5", parked(Rebalance{Joins: 2, Absent: 1}, 2, true), parked(Rebalance{Joins: 2, Delayed: true, Timed: true}, 2, true)},
	{"V5", parked(Rebalance{Syncs: 1, Timed: true}, 1, true), parked(Rebalance{Syncs: 1, Unassigned: true, Timed: true}, 1, true)},
	{"V5", parked(Rebalance{Syncs: 1, Unassigned: true, Timed: true}, 2, false), parked(Rebalance{Syncs: 1}, 1, false)},
	{"V6", rebuilt(true, at(5), at(4)), rebuilt(true, at(5), led(at(5), 1))},
	{"V6", rebuilt(true, at(5)), nil},
	{"V6", rebuilt(true, at(5), PartitionView{Durable: 5, HighWatermark: 5, End: 5, Next: 6}), nil},
	{"V6", rebuilt(true, PartitionView{LogStart: 3, End: 5, Next: 5}, PartitionView{LogStart: 2, End: 5, Next: 5}), rebuilt(true, at(5), PartitionView{LogStart: 2, End: 5, Next: 5})},
	{"V6", rebuilt(false, PartitionView{Newest: 7}, PartitionView{Newest: 8}), rebuilt(false, PartitionView{Topic: metadataTopic}, PartitionView{Topic: metadataTopic, End: 9})},
	{"V6", rebuilt(true, PartitionView{Producers: 7}, PartitionView{Producers: 8}), rebuilt(false, PartitionView{Producers: 7}, PartitionView{Producers: 8})},
	{"V6", rebuilt(false, PartitionView{Folded: 7}, PartitionView{Folded: 8}), rebuilt(false, PartitionView{Folded: 7}, PartitionView{Folded: 7})},
	{"V8", left(0, 1, View{Frames: 100}), left(1, 1, View{Frames: 100})},
	{"V8", left(1, 0, View{Asked: 1}), left(1, 1, View{Asked: 1})},
	{"S2", watched(look{p: PartitionView{LogStart: 3, Durable: 5, HighWatermark: 5, End: 5, Next: 5}}, look{p: at(5), life: 1}),
		watched(look{p: at(5)}, look{p: PartitionView{LogStart: 3, Durable: 5, HighWatermark: 5, End: 5, Next: 5, LeaderEpoch: 1}, life: 1})},

	// Members of a group.
	{"H24", grouped(func(h *History) { h.Claims[1].Shares = []int32{1} }), grouped(func(h *History) { h.Claims[1].Shares = []int32{2} })},
	{"H24", grouped(func(h *History) { h.Claims[1].Owner, h.Claims[1].Shares = "c", []int32{0} }), grouped(func(h *History) { h.Claims[1].Owner, h.Claims[1].Member, h.Claims[1].Shares = "a", "a", []int32{0} })},
	{"H25", grouped(func(h *History) { h.Committed[0].Offset = 10 }), grouped(func(h *History) { h.Committed[0].Offset, h.Committed[0].Call = 10, 250 })},
	{"H25", grouped(func(h *History) { h.Committed[0].Offset = -1 }), grouped(func(h *History) { h.Committed[0].Offset, h.Committed[0].Call = -1, 105 })},
	{"H25", grouped(func(h *History) { h.Committed[0].Offset = 99 }), nil},
	{"H25", grouped(func(h *History) { h.Commits[1].Outcome, h.Commits[1].Return = Refused, Unfinished }), grouped(func(h *History) { h.Commits[1].Outcome, h.Commits[1].Return = Unknown, Unfinished })},
	{"H25", grouped(func(h *History) { takenBack(h, 120); h.Committed[0].Offset = -1 }), grouped(func(h *History) { takenBack(h, 310); h.Committed[0].Offset = -1 })},
	{"H25", grouped(func(h *History) { takenBack(h, 310) }), grouped(func(h *History) { takenBack(h, 120) })},
	{"H25", grouped(func(h *History) { h.Committed[0].Offset, h.Expiry = -1, 211 }), grouped(func(h *History) { h.Committed[0].Offset, h.Expiry = -1, 210 })},
	{"H25", grouped(func(h *History) { h.Committed[0].Offset, h.Expiry = -1, 61; h.Hear("a", 350) }), grouped(func(h *History) { h.Committed[0].Offset, h.Expiry = -1, 60; h.Hear("a", 350) })},
	{"H25", grouped(func(h *History) { h.Committed[0].Offset, h.Expiry, h.Jumped = -1, 61, true; h.Hear("a", 410) }), grouped(func(h *History) { h.Committed[0].Offset, h.Expiry, h.Jumped = -1, 61, true; h.Hear("a", 409) })},
	{"H26", grouped(func(h *History) { h.Commits[1].Generation = 0 }), grouped(func(h *History) { h.Commits[1].Generation, h.Commits[1].Call = 0, 90 })},
	{"H26", grouped(func(h *History) { h.Commits[1].Member = "a0" }), grouped(func(h *History) { h.Commits[1].Member, h.Commits[1].Call = "a0", 89 })},

	{"H34", judged(func(h *History, f *Facts) { f.Logs[here].Entries[3].Altered = true }), judged(func(h *History, f *Facts) {
		f.Logs[here].Entries[3].Keyed, h.Appends[3].Keyed = true, true
		h.Reads = nil
	})},
	{"H34", judged(func(h *History, f *Facts) { f.Logs[here].Entries[3].Keyed = true }), nil},
	{"H34", judged(func(h *History, f *Facts) { born(h, f, 31) }), judged(func(h *History, f *Facts) { born(h, f, 30) })},
	{"H34", judged(func(h *History, f *Facts) { readAs(h, func(e *Entry) { e.Time++ }) }), judged(func(h *History, f *Facts) { readAs(h, func(e *Entry) { e.Time = 0 }) })},
	{"H34", judged(func(h *History, f *Facts) { readAs(h, func(e *Entry) { e.Altered = true }) }), nil},
	{"H34", judged(func(h *History, f *Facts) { readAs(h, func(e *Entry) { e.Keyed = true }) }), nil},

	{"H35", ended(3, 1, 4), ended(3, 2, 5)}, // epoch 1 is that of 0 to 3, epoch 2 that of 4
	{"H35", ended(3, 2, 4), ended(2, 2, 5)},
	{"H35", ended(2, 2, 6), ended(9, 4, 10)},
	{"H35", ended(1, 1, 3), ended(1, 1, 4)},
	{"H35", ended(1, 2, 5), nil},
	{"H35", ended(4, -1, -1), ended(5, -1, -1)},
	{"H35", ended(5, -1, 0), ended(0, 0, 0)},
	{"H35", endedBelow(3, 2, 5), endedBelow(3, 3, 5)},
	{"H35", ended(0, 0, 1), nil},
	{"H32", grouped(func(h *History) { h.Holds[1].From = 19 }), grouped(func(h *History) { h.Holds[1].From = 20 })},
	{"H32", grouped(func(h *History) { h.Holds[0].To = 21 }), grouped(func(h *History) { h.Holds[0].To, h.Holds[1].Member = 21, "a" })},
	{"H27", worked(func(h *History) { h.Works[2].From = 4 }), worked(func(h *History) { h.Works[2].From = 0 })},
	{"H27", worked(func(h *History) { h.Works[1].From = 1 }), nil},
	{"H28", worked(func(h *History) { h.Works[3].Count = 6 }), worked(func(h *History) { h.Works[3].Count = 8 })},
	{"H28", worked(func(h *History) { h.Works = nil }), nil},

	// At the end: what clients were told.
	{"H1", judged(func(h *History, f *Facts) { h.Appends[9].Acks = 1; cut(f, 9) }), judged(func(h *History, f *Facts) {
		h.Appends[8].Acks, h.Appends[9].Acks = 1, 0
		h.Reads[0].HighWatermark = 9
		cut(f, 9)
	})},
	{"H1", judged(func(h *History, f *Facts) { lost(h, f, 0) }), judged(func(h *History, f *Facts) { lost(h, f, 1) })},
	{"H2", judged(func(h *History, f *Facts) { cut(f, 9) }), judged(func(h *History, f *Facts) {
		h.Appends[9].Outcome, h.Appends[9].Return = Unknown, Unfinished
		h.Reads[0].HighWatermark = 9
		cut(f, 9)
	})},
	{"H2", judged(func(h *History, f *Facts) {
		deleted(h, f, 4)
		l := f.Logs[here]
		l.Entries, l.End = l.Entries[:5], 9
		f.Logs[here] = l
	}), judged(func(h *History, f *Facts) { deleted(h, f, 4) })},
	{"H2", judged(func(h *History, f *Facts) { promised(h, f, 0) }), judged(func(h *History, f *Facts) { promised(h, f, 1) })},
	{"H2", judged(func(h *History, f *Facts) { // what was sent before that is in no such promise
		promised(h, f, 1)
		f.Promised["t"][0].From = 300
	}), judged(func(h *History, f *Facts) {
		promised(h, f, 1)
		f.Promised["t"][0].From = 901
	})},
	{"H3", judged(func(h *History, f *Facts) { add(f, 4) }), judged(func(h *History, f *Facts) { // sent twice, by one who does not number
		h.Appends[4].Producer, h.Appends[4].Attempts = -1, 2
		add(f, 4)
	})},
	{"H4", judged(func(h *History, f *Facts) { exchange(h, f) }), judged(func(h *History, f *Facts) {
		exchange(h, f)
		h.Appends[3].Unordered = true
	})},
	{"H5", judged(func(h *History, f *Facts) {
		l := f.Logs[here]
		l.End = 12
		f.Logs[here] = l
	}), judged(func(h *History, f *Facts) { deleted(h, f, 4) })},
	{"H5", judged(func(h *History, f *Facts) {
		l := f.Logs[here]
		l.Entries, l.Start = l.Entries[4:], 4
		f.Logs[here] = l
	}), nil},
	{"H6", judged(func(h *History, f *Facts) { h.Reads[0].Entries = []Entry{{Offset: 2, Value: 2}, {Offset: 4, Value: 4}} }),
		judged(func(h *History, f *Facts) { h.Reads[0].Entries = []Entry{{Offset: 2, Value: 2}, {Offset: 3, Value: 3}} })},
	{"H6", judged(func(h *History, f *Facts) { h.Reads[0].Entries = f.Logs[here].Entries; h.Reads[0].HighWatermark = 9 }), nil},
	{"H6", judged(func(h *History, f *Facts) { h.Reads[0].Entries = []Entry{{Offset: 2, Value: 3}} }), nil},
	{"H7", judged(func(h *History, f *Facts) {
		h.Reads = []*Read{{Partition: here, Call: 3000, Return: 3001, Entries: []Entry{{Offset: 3, Value: 3}}, HighWatermark: 10},
			{Partition: here, Call: 3000, Return: 3001, Entries: []Entry{{Offset: 3, Value: 9}}, HighWatermark: 10}}
	}), judged(func(h *History, f *Facts) { // the first of them is of before the page cache was lost
		f.Durable["t"], f.Losses = false, []seam.Mono{3500}
		h.Reads = []*Read{{Partition: here, Call: 3000, Return: 3001, Entries: []Entry{{Offset: 3, Value: 9}}, HighWatermark: 10},
			{Partition: here, Call: 4000, Return: 4001, Entries: []Entry{{Offset: 3, Value: 3}}, HighWatermark: 10}}
	})},
	{"H8", judged(func(h *History, f *Facts) { h.Appends[2].Call, h.Appends[2].Return = 5000, 6000 }),
		judged(func(h *History, f *Facts) { h.Appends[2].Call, h.Appends[2].Return = 350, 6000 })},
	{"H9", judged(func(h *History, f *Facts) { h.Reads[0].HighWatermark = 9 }), judged(func(h *History, f *Facts) { h.Reads[0].Call, h.Reads[0].HighWatermark = 950, 9 })},
	{"H10", judged(func(h *History, f *Facts) { shownAgain(h, 8, false) }), judged(func(h *History, f *Facts) { // another life, and a Fetch
		shownAgain(h, 8, false)
		f.Starts = []seam.Mono{0, 2500}
	})},
	{"H10", judged(func(h *History, f *Facts) {
		shownAgain(h, 8, true)
		f.Starts = []seam.Mono{0, 2500}
	}), judged(func(h *History, f *Facts) { shownAgain(h, 10, true) })},
	{"H11", judged(func(h *History, f *Facts) {
		h.Reads[0].HighWatermark = 12
		h.Reads[0].Entries = append(slices.Clone(f.Logs[here].Entries[5:]), Entry{Offset: 10, Value: 99})
	}), judged(func(h *History, f *Facts) { h.Reads[0].Entries = f.Logs[here].Entries[5:] })},
	{"H11", judged(func(h *History, f *Facts) { h.Reads[0].HighWatermark = 11 }), judged(func(h *History, f *Facts) {
		f.Durable["t"], f.Losses = false, []seam.Mono{9000}
		h.Reads[0].HighWatermark = 11
		h.Reads = append(h.Reads, &Read{Partition: here, Call: 9500, Return: 9501, HighWatermark: 10})
	})},
	{"H11", judged(func(h *History, f *Facts) { h.Searches[0].Offset = 10 }), nil},
	{"H12", judged(func(h *History, f *Facts) { f.Logs[here].Entries[3].Value = 77 }), judged(func(h *History, f *Facts) {
		h.Appends = append(h.Appends, &Append{Partition: here, Producer: -1, First: 77, Count: 1, Attempts: 1, Call: 1, Return: Unfinished, Base: -1})
		add(f, 77)
	})},
	{"H13", judged(func(h *History, f *Facts) { h.Appends[3].Outcome = Refused }), judged(func(h *History, f *Facts) {
		h.Appends = append(h.Appends, &Append{Partition: here, Producer: -1, First: 77, Count: 1, Attempts: 1, Outcome: Refused})
	})},
	{"H13", judged(func(h *History, f *Facts) { topicDeleted(h, f, 5000) }), judged(func(h *History, f *Facts) {
		topicDeleted(h, f, 45) // before anything was acknowledged
		h.Appends = append(h.Appends, &Append{Partition: here, Outcome: Refused, First: 77, Count: 1, Attempts: 1})
	})},
	{"H19", judged(func(h *History, f *Facts) { h.Skips = append(h.Skips, &Skip{here, 6000, 2, 5}); deleted(h, f, 4) }),
		judged(func(h *History, f *Facts) { h.Skips = append(h.Skips, &Skip{here, 6000, 2, 4}); deleted(h, f, 4) })},

	// Where logs begin, and searches.
	{"S1", judged(func(h *History, f *Facts) { h.Begins = append(h.Begins, &Begin{here, 1, 2, 4, 3}) }), judged(func(h *History, f *Facts) {
		deleted(h, f, 4)
		h.Begins[0].HighWatermark = 4
	})},
	{"S1", judged(func(h *History, f *Facts) {
		f.Begins = map[Partition]int64{here: 11}
		h.Appends, h.Reads = nil, nil
		empty(f)
	}), nil},
	{"S2", judged(func(h *History, f *Facts) {
		deleted(h, f, 4)
		h.Begins = append(h.Begins, &Begin{here, 6000, 6001, 3, -1})
	}), judged(func(h *History, f *Facts) {
		deleted(h, f, 4)
		h.Begins = append(h.Begins, &Begin{here, 4999, 6001, 3, -1})
	})},
	{"S2", judged(func(h *History, f *Facts) {
		deleted(h, f, 4)
		h.Begins[0].Offset = 5
	}), nil},
	{"S3", judged(func(h *History, f *Facts) {
		deleted(h, f, 4)
		h.Reads = append(h.Reads, &Read{Partition: here, Call: 6000, Return: 6001, From: 3, HighWatermark: 10})
	}), judged(func(h *History, f *Facts) {
		deleted(h, f, 4)
		h.Reads = append(h.Reads, &Read{Partition: here, Call: 6000, Return: 6001, From: 4, HighWatermark: 10})
	})},
	{"S3", judged(func(h *History, f *Facts) { h.Outs = append(h.Outs, &OutOfRange{here, 3000, 3001, 2}) }), judged(func(h *History, f *Facts) {
		deleted(h, f, 4)
		h.Outs = append(h.Outs, &OutOfRange{here, 3000, 3001, 3})
	})},
	{"S4", judged(func(h *History, f *Facts) {
		deleted(h, f, 4)
		h.Deletions[0].Offset = 3
	}), judged(func(h *History, f *Facts) {
		deleted(h, f, 4)
		h.Deletions[0].Offset, h.Deletions[0].Outcome = -1, Unknown
	})},
	{"S4", judged(func(h *History, f *Facts) {
		deleted(h, f, 4)
		h.Deletions[0].Outcome = Refused
	}), nil},
	{"S4", judged(func(h *History, f *Facts) {
		deleted(h, f, 4)
		h.Deletions, f.Keeps = nil, map[string]Keep{"t": {Bytes: 700, Millis: -1}}
	}), judged(func(h *History, f *Facts) {
		deleted(h, f, 4)
		h.Deletions, f.Keeps = nil, map[string]Keep{"t": {Bytes: 600, Millis: -1}}
	})},
	{"S4", judged(func(h *History, f *Facts) {
		deleted(h, f, 4)
		h.Deletions, f.Heads = nil, map[Partition]int64{here: 3}
	}), judged(func(h *History, f *Facts) {
		deleted(h, f, 4)
		h.Deletions, f.Heads = nil, map[Partition]int64{here: 4}
	})},
	{"S4", agedAt(150, 100, -1), agedAt(151, 100, -1)},
	{"S4", agedAt(149, 100, -1), agedAt(149, 100, 4)}, // or somebody asked for it
	{"S4", agedAt(149, 100, -1), judged(func(h *History, f *Facts) {
		aging(h, f, 149, 100)
		f.ClockOrigin = 0
	})},
	{"S7", overdue(Keep{100, -1}, 0, 60, 100), overdue(Keep{101, -1}, 0, 60, 100)},
	{"S7", overdue(Keep{0, -1}, 0, 60), overdue(Keep{0, -1}, 0, 0)},
	{"S7", overdue(Keep{-1, 99}, 0, 60), overdue(Keep{-1, 100}, 0, 60)},
	{"S7", overdue(Keep{-1, -1}, 5, 60, 100), overdue(Keep{-1, -1}, 4, 60, 100)},
	{"S11", indexed(5, 61), indexed(4, 0, 9, 61)},
	{"S11", indexed(9, 60), indexed()},
	{"S11", indexed(0, 0, 9, 61), indexed(0, 0, 0, 0)},                           // zeroes are none
	{"S11", dated([]int64{30, 20}, 30, 9), dated([]int64{30, 20}, 30, 4)},        // another has that time
	{"S11", dated([]int64{30, 20}, 30, 4, 20, 9), dated([]int64{20, 30}, 30, 9)}, // an earlier one is newer
	{"S11", dated([]int64{20, 30}, 20, 4), dated([]int64{20, 30}, 20, 4, 30, 9)}, // the newest is not told of
	{"S11", dated([]int64{20, 20}, 20, 9), dated([]int64{20, 20}, 20, 4)},        // it is not the first that has it
	{"S11", dated([]int64{20}, 20, 4, 30, 9), dated([]int64{-1, 20, 10}, 20, 9)}, // of a batch that is not there
	{"S5", judged(func(h *History, f *Facts) { h.Searches[0].Epoch = 1 }), judged(func(h *History, f *Facts) { h.Searches[0].Epoch, f.Logs[here].Entries[1].Epoch = 1, 1 })},
	{"S5", searched(0, 35, 5, 50), searched(0, 35, 4, 40)},
	{"S5", searched(0, 35, 4, 41), searched(4, 35, 4, 40)},
	{"S5", searched(0, 45, 4, 40), searched(4, 15, 2, 20)}, // what it found was deleted since
	{"S5", searched(0, 80, -1, -1), searched(0, 81, -1, -1)},
	{"S5", searched(4, 5, -1, -1), nil},
	{"S5", searched(0, LargestTime, 9, 80), searched(0, LargestTime, 8, 80)}, // the last one has it too, and is not the first
	{"S5", searched(0, LargestTime, 7, 70), nil},
	{"S5", searched(0, LargestTime, -1, -1), judged(func(h *History, f *Facts) { // nobody knew that there was anything
		h.Searches = []*Search{{here, 40, 41, LargestTime, -1, -1, -1}}
	})},
	{"S5", searched(9, LargestTime, -1, -1), searched(10, LargestTime, -1, -1)},

	{"H23", judged(func(h *History, f *Facts) { implied(h, 1500, 9) }), judged(func(h *History, f *Facts) { implied(h, 1500, 10) })},                     // more was acknowledged
	{"H23", judged(func(h *History, f *Facts) { implied(h, 3000, 8); plain(h) }), judged(func(h *History, f *Facts) { implied(h, 3000, 10); plain(h) })}, // more was shown

	// The small models.
	{"P1", administered(admin(CreateTopic, 1, Done, 0, 10), admin(DeleteTopic, 0, Done, 11, 20), admin(LookupTopic, 1, Done, 21, 22)), // it was deleted, and is found again
		administered(admin(CreateTopic, 1, Done, 0, 10), admin(LookupTopic, 1, Done, 11, 12), admin(DeleteTopic, 0, Done, 13, 20),
			admin(LookupTopic, 0, Done, 21, 22), admin(CreateTopic, 2, Done, 23, 30), admin(CreateTopic, 0, Refused, 31, 32))},
	{"P1", administered(admin(CreateTopic, 1, Done, 0, 10), admin(CreateTopic, 2, Done, 5, 15)), // two creates succeed, and nobody deleted
		administered(admin(CreateTopic, 0, Unknown, 0, Unfinished), admin(LookupTopic, 0, Done, 11, 12), admin(LookupTopic, 3, Done, 13, 14))},
	{"P2", handedOut(&ProducerID{0, 10, 2}, &ProducerID{11, 12, 2}), handedOut(&ProducerID{0, 10, 2}, &ProducerID{5, 12, 1}, &ProducerID{13, 14, 7})},
	{"P2", handedOut(&ProducerID{0, 10, 2}, &ProducerID{11, 12, 1}), nil},
	{"P3", small(0, 12, 13), small(0, 5, 13)}, // it shows the log empty, after the first append was acknowledged or before
	{"P3", small(1, 31, 40), nil},
}

// implied is a look at a partition that its session's answer left out.
func implied(h *History, at seam.Mono, high int64) {
	h.Reads = append(h.Reads, &Read{Partition: here, Call: at, Return: at + 1, From: high, HighWatermark: high, Implied: true})
}

// plain takes acks=all from all that was sent.
func plain(h *History) {
	for _, a := range h.Appends {
		a.Acks = 1
	}
}

// here is the partition that all rows are about.
var here = Partition{"t", 0}

// look is one look at a broker with one partition.
type look struct {
	life    int
	quiet   bool
	now     seam.Mono
	unknown int // fetches that are parked at the partition, which does not know of them
	p       PartitionView
	s       Sleepers
	r       []Rebalance
}

func watched(looks ...look) trial {
	return func(laws *Counts) error { return watch(laws, &Facts{Durable: map[string]bool{"t": true}}, looks...) }
}

// parked is a group in which somebody waits, of so many joins and syncs that are not answered.
func parked(r Rebalance, tickets int, quiet bool) trial {
	return watched(look{p: at(5), s: Sleepers{Tickets: tickets}, r: []Rebalance{r}, quiet: quiet})
}

func watch(laws *Counts, f *Facts, looks ...look) error {
	w := NewWatch(laws, f)
	for _, l := range looks {
		for range every { // it looks at one of so many
			err := w.After(l.life, l.quiet, func(v *View) {
				if l.p.Topic == "" {
					l.p.Topic = "t"
				}
				*v = View{Ready: true, Now: l.now, Waits: len(l.p.Fetches) + l.unknown, Sleepers: l.s, Rebalances: l.r, Partitions: []PartitionView{l.p}}
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// powerLost is a partition that was durable up to 10, and what is left of it: segments that begin there, each with a
// record up to the next one's beginning, and bytes of no batch behind the last.
func powerLost(end int64, bases ...int64) trial { return powerLostIn(1, end, bases...) }

// powerLostIn: what is left of it lies in directory dir, and it was seen in directory 1.
func powerLostIn(dir int32, end int64, bases ...int64) trial {
	return func(laws *Counts) error {
		w := NewWatch(laws, &Facts{})
		for range every {
			if err := w.After(0, false, func(v *View) {
				p := at(10)
				p.Topic, p.LogStart, p.Dir = "t", 2, 1
				*v = View{Ready: true, Partitions: []PartitionView{p}}
			}); err != nil {
				return err
			}
		}
		var files []File
		from := int64(3) // of the first record that is not deleted
		for _, base := range append([]int64{0}, bases...) {
			f := File{Name: fmt.Sprintf("%020d.log", base)}
			to := end
			if base == 0 && len(bases) > 0 {
				to = 5
			}
			for o := max(from, base); o < to; o++ {
				f.Data = append(f.Data, bare(o)...)
			}
			f.Data = append(f.Data, make([]byte, 100)...)
			files = append(files, f)
		}
		return w.Lost(map[Partition]int64{here: 3}, func(Partition) bool { return false }, func(_ Partition, seen int32) []File {
			if seen != dir {
				return nil
			}
			return files
		})
	}
}

// bare is a batch at an offset of which only the header is right.
func bare(offset int64) []byte {
	b := make([]byte, 61)
	binary.BigEndian.PutUint64(b, uint64(offset))
	binary.BigEndian.PutUint32(b[8:], 61-12)
	b[16] = 2
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// at is a partition that has so many records, all of them on the disk.
func at(end int64) PartitionView {
	return PartitionView{Durable: end, HighWatermark: end, End: end, Next: end}
}

func led(p PartitionView, epoch int32) PartitionView { p.LeaderEpoch = epoch; return p }

// cached is the same of a topic without a promise, where the high watermark has still to come.
func cached(p PartitionView) PartitionView {
	p.Topic, p.End, p.Next = "u", p.End+1, p.Next+1
	return p
}

func waiting(p PartitionView, batches int) PartitionView { p.Parked = batches; return p }

func fetching(p PartitionView, from int64, min int32) PartitionView {
	p.Fetches = []ParkedFetch{{From: from, MinBytes: min}}
	return p
}

func rebuilt(clean bool, before PartitionView, after ...PartitionView) trial {
	return func(laws *Counts) error {
		laws[StateRebuilt]++
		return SameState(&View{Partitions: []PartitionView{before}}, &View{Partitions: after}, clean)
	}
}

func left(frames, conns int, v View) trial {
	return func(laws *Counts) error {
		return NewWatch(laws, &Facts{}).Left(frames, conns, func(into *View) { *into = v })
	}
}

func judged(spoil func(h *History, f *Facts)) trial {
	return func(laws *Counts) error {
		h, f := history()
		spoil(h, f)
		return Judge(h, f, laws)
	}
}

// history is a legal one that the rows spoil.
func history() (*History, *Facts) {
	h, f := &History{}, &Facts{Durable: map[string]bool{"t": true}, Deleted: map[string]bool{}, Logs: map[Partition]Log{}}
	log := Log{}
	for i := range 10 {
		at := seam.Mono(i * 100)
		h.Appends = append(h.Appends, &Append{Partition: here, Producer: 5, First: Value(i), Count: 1, Acks: -1, Attempts: 1,
			Call: at, LastCall: at, Return: at + 50, Outcome: Done, Base: int64(i)})
		log.Entries = append(log.Entries, Entry{Offset: int64(i), Value: Value(i), Producer: 5, Sequence: int32(i), Time: int64(10 * min(i, 8))})
	}
	log.End = 10
	f.Logs[here] = log
	h.Reads = append(h.Reads, &Read{Partition: here, Call: 2000, Return: 2001, Entries: log.Entries[2:5:5], From: 2, HighWatermark: 10})
	h.Searches = append(h.Searches, &Search{here, 2100, 2101, 5, 1, 10, 0})
	return h, f
}

// grouped judges a legal history of two members, spoilt.
func grouped(spoil func(h *History)) trial {
	h := &History{
		Claims:    []*Claim{{"g", 1, "a", "a", []int32{0, 1}, 90}, {"g", 1, "b", "b", []int32{2}, 95}},
		Commits:   []*Commit{{"g", 0, 10, 1, "a", "a", 100, 110, Done, false}, {"g", 0, 11, 1, "a", "a", 200, 300, Done, false}},
		Committed: []*Committed{{"g", 0, 11, 400, 410}},
		Holds:     []*Hold{{"g", Share{Number: 1}, "a", 10, 20}, {"g", Share{Number: 1}, "b", 20, 30}, {"g", Share{Number: 2}, "c", 10, 30}},
	}
	spoil(h)
	return func(laws *Counts) error { return Groups(h, laws) }
}

// takenBack has what was committed deleted at a time, which is told 10 later.
func takenBack(h *History, at seam.Mono) {
	h.Commits = append(h.Commits, &Commit{"g", 0, -1, -1, "", "", at, at + 10, Done, false})
}

// worked judges a legal history of applications in a group, spoilt.
func worked(spoil func(h *History)) trial {
	h := &History{Works: []*Work{{"g", here, 10, 0, 0}, {"g", here, 20, 0, 3}, {"g", here, 30, 3, 0}, {"g", here, 40, 3, 7}}}
	f := &Facts{Worked: []Partition{here}, Crews: []string{"g"}, Logs: map[Partition]Log{here: {End: 10}}}
	spoil(h)
	return func(laws *Counts) error { return Works(h, f, laws) }
}

// cut leaves so many records.
func cut(f *Facts, end int64) {
	l := f.Logs[here]
	l.Entries, l.End = l.Entries[:end], end
	f.Logs[here] = l
}

func add(f *Facts, v Value) {
	l := f.Logs[here]
	l.Entries, l.End = append(l.Entries, Entry{Offset: l.End, Value: v, Producer: 5}), l.End+1
	f.Logs[here] = l
}

// lost is what is left when power failed at time 9000 under a topic without a promise, and one batch was sent then.
func lost(h *History, f *Facts, base int64) {
	f.Durable["t"], f.Losses = false, []seam.Mono{9000}
	h.Appends = append(h.Appends, &Append{Partition: here, Producer: -1, First: 77, Count: 1, Attempts: 1, Acks: 1,
		Call: 9100, LastCall: 9100, Return: 9101, Outcome: Done, Base: base})
	cut(f, 1)
	add(f, 77)
}

// promised is the same where there was a promise while the batch was sent.
func promised(h *History, f *Facts, base int64) {
	lost(h, f, base)
	h.Appends[10].Acks, f.Promised = -1, map[string][]Span{"t": {{9050, 9101}}}
}

// born has one record bear its own time, and two more of a batch before and behind it.
func born(h *History, f *Facts, time int64) {
	h.Appends[3].Born, h.Appends[3].Step, h.Appends[3].First = 20, 10, 2
	f.Logs[here].Entries[3].Born, h.Appends[3].Count, h.Appends[3].Base = time, 2, 2
	h.Appends = slices.Delete(h.Appends, 2, 3)
	f.Logs[here].Entries[2].Born = 20
}

// readAs has a reader see one record differently.
func readAs(h *History, spoil func(e *Entry)) {
	r := h.Reads[0]
	r.Entries = slices.Clone(r.Entries)
	spoil(&r.Entries[1])
}

// ended is an answer to who asked where an epoch ends: the records are of the epochs 1, 2 and 4.
func ended(asked, epoch int32, offset int64) trial {
	return judged(func(h *History, f *Facts) {
		for i := range f.Logs[here].Entries {
			f.Logs[here].Entries[i].Epoch = []int32{1, 1, 1, 1, 2, 4, 4, 4, 4, 4}[i]
		}
		h.EpochEnds, h.Searches = []*EpochEnd{{here, 3000, 3001, asked, epoch, offset}}, nil
	})
}

// endedBelow is the same of a log that was cut up to where epoch 4 begins, and said to begin there before that.
func endedBelow(asked, epoch int32, offset int64) trial {
	return judged(func(h *History, f *Facts) {
		deleted(h, f, 5)
		for i := range f.Logs[here].Entries {
			f.Logs[here].Entries[i].Epoch = 4
		}
		h.EpochEnds, h.Searches = []*EpochEnd{{here, 6000, 6001, asked, epoch, offset}}, nil
	})
}

func empty(f *Facts) { f.Logs[here] = Log{Start: 10, End: 10} }

// exchange puts two batches into the wrong order, of which nobody was told.
func exchange(h *History, f *Facts) {
	for _, a := range h.Appends {
		a.Call, a.Return, a.Base = 0, 5000, -1
	}
	h.Reads = nil
	e := f.Logs[here].Entries
	e[3].Value, e[4].Value = e[4].Value, e[3].Value
}

// deleted is what it looks like when somebody has deleted records at time 5000.
func deleted(h *History, f *Facts, upTo int64) {
	l := f.Logs[here]
	l.Entries, l.Start, l.Bytes = l.Entries[upTo:], upTo, 100*(10-upTo)
	f.Logs[here], f.Begins = l, map[Partition]int64{here: upTo}
	h.Deletions = append(h.Deletions, &Deletion{here, upTo, 5000, Done})
	h.Begins = append(h.Begins, &Begin{here, 5000, 5001, upTo, 10})
}

// agedAt is a log of which nobody asked to have more deleted than up to an offset, and which began at 4 at some millisecond.
// Record i was written at millisecond 10 times i.
func agedAt(millis, keep, asked int64) trial {
	return judged(func(h *History, f *Facts) {
		if aging(h, f, millis, keep); asked >= 0 {
			h.Deletions = []*Deletion{{here, asked, 100, Done}}
		}
	})
}

func aging(h *History, f *Facts, millis, keep int64) {
	deleted(h, f, 4)
	h.Deletions, h.Begins[0].Call, h.Begins[0].Return = nil, seam.Mono(millis)*seam.Millisecond, seam.Mono(millis)*seam.Millisecond
	f.Keeps, f.ClockOrigin = map[string]Keep{"t": {Bytes: -1, Millis: keep}}, 1000
	for i, a := range h.Appends {
		a.Born = int64(1020 + 10*i)
		if i >= 4 {
			f.Logs[here].Entries[i-4].Born = a.Born
		}
	}
	h.Searches = nil
}

// overdue is a log with segments of so many bytes each, five offsets apart, of which the first is 100 ms old.
func overdue(keep Keep, begins int64, sizes ...int) trial {
	return func(laws *Counts) error {
		var files []File
		for i, size := range sizes {
			f := File{Name: fmt.Sprintf("%020d.log", 5*i)}
			if size > 0 {
				f.Data = make([]byte, max(size, 61))
				copy(f.Data, bare(int64(5*i)))
			}
			files = append(files, f)
		}
		laws[RetentionGetsOn]++
		if what := Overdue(files, begins, keep, 100); what != "" {
			return Fail(RetentionGetsOn, "%s", what)
		}
		return nil
	}
}

// indexed is a segment with two batches of five records, and an index with these last offsets and positions.
func indexed(entries ...int64) trial {
	var index []byte
	for ; len(entries) > 0; entries = entries[2:] {
		index = binary.BigEndian.AppendUint32(index, uint32(entries[0]))
		index = binary.BigEndian.AppendUint32(index, uint32(entries[1]))
	}
	return misled("00000000000000000000.index", index, make([]int64, 2))
}

// dated is one with batches of these times, and a time index with these times and last offsets.
func dated(times []int64, entries ...int64) trial {
	var index []byte
	for ; len(entries) > 0; entries = entries[2:] {
		index = binary.BigEndian.AppendUint64(index, uint64(entries[0]))
		index = binary.BigEndian.AppendUint32(index, uint32(entries[1]))
	}
	return misled("00000000000000000000.timeindex", index, times)
}

func misled(name string, index []byte, times []int64) trial {
	return func(laws *Counts) error {
		log := File{Name: "00000000000000000000.log"}
		for i, time := range times {
			b := bare(int64(5 * i))
			binary.BigEndian.PutUint32(b[23:], 4)
			binary.BigEndian.PutUint64(b[35:], uint64(time))
			log.Data = append(log.Data, b...)
		}
		laws[IndexIsTrue]++
		if what := Misled([]File{log, {Name: name, Data: index}}); what != "" {
			return Fail(IndexIsTrue, "%s", what)
		}
		return nil
	}
}

// pressed is a topic that asked for zstd from some time until 350; the batch that was sent at 300 lies by a codec.
func pressed(f *Facts, s []Stamp, from seam.Mono, codec uint16) {
	delete(f.Stored, "t")
	f.Pressed = map[string][]Pressing{"t": {{Span{from, 350}, 4}}}
	s[3].Stored.Codec = codec
}

// sized is a topic that had segments of so many bytes from some time on. They have three batches of 100 bytes each.
func sized(f *Facts, from seam.Mono, bytes int64) {
	f.Segments = map[string][]Certain{"t": {{Span{from, Unfinished}, bytes}}}
}

// aged is a topic with segments of so many milliseconds.
func aged(f *Facts, from seam.Mono, millis int64) {
	f.Ages = map[string][]Certain{"t": {{Span{from, Unfinished}, millis}}}
}

// unbegun: nobody knows of when the first batch of a segment is.
func unbegun(s []Stamp) {
	for i := range s {
		s[i].Began = -1
	}
}

// swept is a log that was compacted at 100 up to an offset, of which the first batch had a horizon; it has a record, or a tombstone.
func swept(horizon, upTo int64, value Value) trial {
	return compacted(func(c *Compacted) {
		c.Swept, c.UpTo, c.Left[0].Horizon = 100, upTo, horizon
		if value != 0 {
			c.Puts, c.Left[0].Kept, c.Passes = c.Puts[2:], []Kept{{1, "d", value, 0}}, nil
		}
	})
}

func topicDeleted(h *History, f *Facts, call seam.Mono) {
	f.Deleted["t"] = true
	h.Admins = append(h.Admins, &Admin{Topic: "t", Deed: DeleteTopic, Outcome: Done, Call: call, Return: call + 1})
}

// shownAgain shows another high watermark later on, where nobody was promised anything.
func shownAgain(h *History, hw int64, listed bool) {
	for _, a := range h.Appends {
		a.Acks = 1
	}
	h.Reads = append(h.Reads, &Read{Partition: here, Call: 3000, Return: 3001, HighWatermark: hw, Listed: listed})
}

// searched is one search, of a log of which so many records were deleted later.
func searched(upTo, time, offset, found int64) trial {
	return judged(func(h *History, f *Facts) {
		if upTo > 0 {
			deleted(h, f, upTo)
		}
		h.Searches = []*Search{{here, 3000, 3001, time, offset, found, 0}}
	})
}

func id(b byte) (id [16]byte) { id[0] = b; return id }

func admin(deed AdminDeed, name byte, outcome Outcome, call, ret seam.Mono) *Admin {
	return &Admin{Topic: "t", Deed: deed, ID: id(name), Outcome: outcome, Call: call, Return: ret}
}

func administered(admins ...*Admin) trial {
	return func(laws *Counts) error { return Models(&History{Admins: admins}, &Facts{}, laws) }
}

func handedOut(ids ...*ProducerID) trial {
	return func(laws *Counts) error { return Models(&History{IDs: ids}, &Facts{}, laws) }
}

// small is a partition with two appends, two looks that are right and one more.
func small(hw int64, call, ret seam.Mono) trial {
	appended := func(first Value, base int64, call, ret seam.Mono) *Append {
		return &Append{Partition: here, Producer: 1, First: first, Count: 1, Acks: -1, Attempts: 1, Call: call, LastCall: call, Return: ret, Outcome: Done, Base: base}
	}
	look := func(hw int64, call, ret seam.Mono) *Read {
		return &Read{Partition: here, HighWatermark: hw, Call: call, Return: ret}
	}
	h := &History{Appends: []*Append{appended(7, 0, 0, 10), appended(8, 1, 20, 30)}, Reads: []*Read{look(1, 11, 12), look(2, 31, 32), look(hw, call, ret)}}
	f := &Facts{Durable: map[string]bool{"t": true}, Logs: map[Partition]Log{here: {End: 2, Entries: []Entry{{Offset: 0, Value: 7}, {Offset: 1, Value: 8}}}}}
	return func(laws *Counts) error { return Models(h, f, laws) }
}

// compacted is a log of which c is deleted and b written twice, by two producers, and what is left of it.
func compacted(spoil func(c *Compacted)) trial {
	return func(laws *Counts) error {
		c1, gone, b2, a3, b4 := Kept{0, "c", 1, 0}, Kept{1, "c", 0, 0}, Kept{2, "b", 2, 0}, Kept{3, "a", 3, 0}, Kept{4, "b", 4, 0}
		c := &Compacted{
			Puts:   []Put{{c1, 5, 0}, {gone, 5, 1}, {b2, 5, 2}, {a3, 6, 0}, {b4, 6, 1}},
			Passes: []Pass{{End: 5, Short: true, Kept: []Kept{c1, gone, a3, b4}}},
			Left: []KeptBatch{{Base: 0, Last: 1, Producer: 5, Newest: 1, Kept: []Kept{gone}}, {Base: 2, Last: 2, Producer: 5, Newest: 2},
				{Base: 3, Last: 4, Producer: 6, Newest: 1, Kept: []Kept{a3, b4}}},
			Active: 3, End: 5,
		}
		spoil(c)
		return JudgeCompacted(c, laws)
	}
}

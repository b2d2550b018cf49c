package check

import (
	"strings"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"rookery/core/seam"
)

func TestEveryLawHasALineAndANumber(t *testing.T) {
	names := LawNames()
	require.Len(t, names, int(laws))
	numbers := map[string]bool{}
	for law := range laws {
		number := law.Number()
		require.False(t, numbers[number], number)
		require.Greater(t, len(names[law]), len(number)+10)
		numbers[number] = true
	}
	require.Equal(t, "H3", NoDuplicates.Number())
	require.Equal(t, "H17", FetchProgress.Number())
	require.Equal(t, "P1", TopicRegister.Number())
}

func id(b byte) (id [16]byte) { id[0] = b; return id }

func admin(deed AdminDeed, name byte, outcome Outcome, call, ret seam.Mono) *Admin {
	return &Admin{Topic: "t", Deed: deed, ID: id(name), Outcome: outcome, Call: call, Return: ret}
}

func TestTopicRegister(t *testing.T) {
	judge := func(admins ...*Admin) error {
		return Models(&History{Admins: admins}, &Facts{}, &Counts{})
	}
	require.NoError(t, judge(
		admin(CreateTopic, 1, Done, 0, 10), admin(LookupTopic, 1, Done, 11, 12), admin(DeleteTopic, 0, Done, 13, 20),
		admin(LookupTopic, 0, Done, 21, 22), admin(CreateTopic, 2, Done, 23, 30), admin(CreateTopic, 0, Refused, 31, 32)))
	require.NoError(t, judge(
		admin(CreateTopic, 0, Unknown, 0, Unfinished), admin(LookupTopic, 0, Done, 11, 12), admin(LookupTopic, 3, Done, 13, 14)))
	// It was deleted, and is found again.
	require.ErrorContains(t, judge(
		admin(CreateTopic, 1, Done, 0, 10), admin(DeleteTopic, 0, Done, 11, 20), admin(LookupTopic, 1, Done, 21, 22)), "P1")
	// Two creates of one name succeed, and nobody deleted it.
	require.ErrorContains(t, judge(admin(CreateTopic, 1, Done, 0, 10), admin(CreateTopic, 2, Done, 5, 15)), "P1")
}

func TestProducerIDs(t *testing.T) {
	judge := func(ids ...*ProducerID) error { return Models(&History{IDs: ids}, &Facts{}, &Counts{}) }
	require.NoError(t, judge(&ProducerID{0, 10, 2}, &ProducerID{5, 12, 1}, &ProducerID{13, 14, 7}))
	require.ErrorContains(t, judge(&ProducerID{0, 10, 2}, &ProducerID{11, 12, 2}), "P2")
	require.ErrorContains(t, judge(&ProducerID{0, 10, 2}, &ProducerID{11, 12, 1}), "P2")
}

func TestSmallLog(t *testing.T) {
	p := Partition{"t", 0}
	appended := func(first Value, base int64, call, ret seam.Mono) *Append {
		return &Append{Partition: p, Producer: 1, First: first, Count: 1, Acks: -1, Attempts: 1, Call: call, LastCall: call, Return: ret, Outcome: Done, Base: base}
	}
	facts := &Facts{Durable: map[string]bool{"t": true}, Logs: map[Partition]Log{p: {End: 2, Entries: []Entry{{Offset: 0, Value: 7}, {Offset: 1, Value: 8}}}}}
	look := func(hw int64, call, ret seam.Mono) *Read {
		return &Read{Partition: p, HighWatermark: hw, Call: call, Return: ret}
	}
	h := &History{Appends: []*Append{appended(7, 0, 0, 10), appended(8, 1, 11, 20)}, Reads: []*Read{look(1, 11, 12), look(2, 21, 22)}}
	require.NoError(t, Models(h, facts, &Counts{}))
	require.NoError(t, Judge(h, facts, &Counts{}))
	// A look shows the log empty after the first append was acknowledged.
	h.Reads = append(h.Reads, look(0, 12, 13))
	require.ErrorContains(t, Models(h, facts, &Counts{}), "P3")
	require.ErrorContains(t, Judge(h, facts, &Counts{}), "H9")
}

// history is a legal one that the tests below spoil, one law each.
func history() (*History, *Facts) {
	p := Partition{"t", 0}
	h, f := &History{}, &Facts{Durable: map[string]bool{"t": true}, Logs: map[Partition]Log{}}
	log := Log{}
	for i := range 10 {
		at := seam.Mono(i * 100)
		h.Appends = append(h.Appends, &Append{Partition: p, Producer: 5, First: Value(i), Count: 1, Acks: -1, Attempts: 1,
			Call: at, LastCall: at, Return: at + 50, Outcome: Done, Base: int64(i)})
		log.Entries = append(log.Entries, Entry{Offset: int64(i), Value: Value(i), Producer: 5, Sequence: int32(i), Time: int64(10 * min(i, 8))})
	}
	log.End = 10
	f.Logs[p] = log
	h.Reads = append(h.Reads, &Read{Partition: p, Call: 2000, Return: 2001, Entries: log.Entries[2:5:5], From: 2, HighWatermark: 10})
	h.Finds = append(h.Finds, &Find{Partition: p, Call: 2100, Return: 2101, Asked: 35, Offset: 4, Time: 40},
		&Find{Partition: p, Call: 2100, Return: 2101, Asked: -3, Offset: 8, Time: 80}, // the ninth has it too
		&Find{Partition: p, Call: 2100, Return: 2101, Asked: 81, Offset: -1, Time: -1})
	return h, f
}

// deleted is what it looks like when somebody has deleted records at time 5000.
func deleted(h *History, f *Facts, p Partition, upTo int64) {
	l := f.Logs[p]
	l.Entries, l.Start, l.Bytes = l.Entries[upTo:], upTo, 100*(10-upTo)
	f.Logs[p], f.Begins = l, map[Partition]int64{p: upTo}
	h.Deletions = append(h.Deletions, &Deletion{p, upTo, 5000, Done})
	h.Begins = append(h.Begins, &Begin{p, 5000, 5001, upTo, 10})
}

func TestJudge(t *testing.T) {
	p := Partition{"t", 0}
	for _, c := range []struct {
		law   string
		spoil func(h *History, f *Facts)
	}{
		{"", func(h *History, f *Facts) {}},
		{"H2", func(h *History, f *Facts) {
			l := f.Logs[p]
			l.Entries, l.End = l.Entries[:9], 9
			f.Logs[p] = l
		}},
		{"H1", func(h *History, f *Facts) {
			h.Appends[9].Acks = 1
			l := f.Logs[p]
			l.Entries, l.End = l.Entries[:9], 9
			f.Logs[p] = l
		}},
		{"H3", func(h *History, f *Facts) {
			l := f.Logs[p]
			l.Entries, l.End = append(l.Entries, Entry{Offset: 10, Value: 4, Producer: 5}), 11
			f.Logs[p] = l
		}},
		{"H4", func(h *History, f *Facts) {
			for _, a := range h.Appends {
				a.Call, a.Return, a.Base = 0, 5000, -1
			}
			e := f.Logs[p].Entries
			e[3].Value, e[4].Value = e[4].Value, e[3].Value
		}},
		{"H5", func(h *History, f *Facts) {
			l := f.Logs[p]
			l.End = 12
			f.Logs[p] = l
		}},
		{"H6", func(h *History, f *Facts) { h.Reads[0].Entries = []Entry{{Offset: 2, Value: 2}, {Offset: 4, Value: 4}} }},
		{"H6", func(h *History, f *Facts) { h.Finds[0].Offset, h.Finds[0].Time = 5, 50 }}, // not the first
		{"H6", func(h *History, f *Facts) { h.Finds[0].Time = 41 }},
		{"H6", func(h *History, f *Facts) { h.Finds[0].Asked = 50 }},
		{"H6", func(h *History, f *Facts) { h.Finds[0].Offset = -1 }}, // it is there
		{"H6", func(h *History, f *Facts) { h.Finds[1].Offset, h.Finds[1].Time = 9, 80 }},
		{"H11", func(h *History, f *Facts) { h.Finds[0].Offset = 10 }},
		{"H7", func(h *History, f *Facts) {
			h.Reads = append([]*Read{{Partition: p, Call: 3000, Return: 3001, Entries: []Entry{{Offset: 3, Value: 3}, {Offset: 4, Value: 4}}, HighWatermark: 10},
				{Partition: p, Call: 3000, Return: 3001, Entries: []Entry{{Offset: 3, Value: 9}}, HighWatermark: 10}}, h.Reads...)
		}},
		{"H8", func(h *History, f *Facts) { h.Appends[2].Call, h.Appends[2].Return = 5000, 6000 }},
		{"H9", func(h *History, f *Facts) { h.Reads[0].HighWatermark = 9 }},
		{"H10", func(h *History, f *Facts) {
			for _, a := range h.Appends {
				a.Acks = 1
			}
			h.Reads = append(h.Reads, &Read{Partition: p, Call: 3000, Return: 3001, HighWatermark: 8})
		}},
		{"H11", func(h *History, f *Facts) {
			h.Reads[0].HighWatermark = 12
			h.Reads[0].Entries = append(h.Reads[0].Entries, f.Logs[p].Entries[5:]...)
			h.Reads[0].Entries = append(h.Reads[0].Entries, Entry{Offset: 10, Value: 99})
		}},
		{"H12", func(h *History, f *Facts) { f.Logs[p].Entries[3].Value = 77 }},
		{"H13", func(h *History, f *Facts) { h.Appends[3].Outcome = Refused }},
		{"", func(h *History, f *Facts) { deleted(h, f, p, 4) }},
		{"H2", func(h *History, f *Facts) {
			deleted(h, f, p, 4)
			l := f.Logs[p]
			l.Entries, l.End = l.Entries[:5], 9
			f.Logs[p] = l
		}},
		{"H5", func(h *History, f *Facts) {
			l := f.Logs[p]
			l.Entries, l.Start = l.Entries[4:], 4
			f.Logs[p] = l
		}},
		{"S1", func(h *History, f *Facts) { h.Begins = append(h.Begins, &Begin{p, 1, 2, 4, 3}) }},
		{"S2", func(h *History, f *Facts) {
			deleted(h, f, p, 4)
			h.Begins = append(h.Begins, &Begin{p, 6000, 6001, 3, -1})
		}},
		{"S2", func(h *History, f *Facts) {
			deleted(h, f, p, 4)
			h.Begins[0].Offset = 5
		}},
		{"S3", func(h *History, f *Facts) {
			deleted(h, f, p, 4)
			h.Reads = append(h.Reads, &Read{Partition: p, Call: 6000, Return: 6001, From: 3, HighWatermark: 10})
		}},
		{"S3", func(h *History, f *Facts) { h.Outs = append(h.Outs, &OutOfRange{p, 3000, 3001, 2}) }},
		{"S4", func(h *History, f *Facts) {
			deleted(h, f, p, 4)
			h.Deletions[0].Offset = 3
		}},
		{"", func(h *History, f *Facts) {
			deleted(h, f, p, 4)
			h.Deletions, f.Keeps = nil, map[string]Keep{"t": {Bytes: 500, Millis: -1}}
		}},
		{"S4", func(h *History, f *Facts) {
			deleted(h, f, p, 4)
			h.Deletions, f.Keeps = nil, map[string]Keep{"t": {Bytes: 700, Millis: -1}}
		}},
		{"", func(h *History, f *Facts) { h.Searches = append(h.Searches, &Search{p, 3000, 3001, 35, 4, 40}) }},
		{"S5", func(h *History, f *Facts) { h.Searches = append(h.Searches, &Search{p, 3000, 3001, 35, 5, 50}) }},
		{"S5", func(h *History, f *Facts) { h.Searches = append(h.Searches, &Search{p, 3000, 3001, 45, 4, 40}) }},
		{"S5", func(h *History, f *Facts) { h.Searches = append(h.Searches, &Search{p, 3000, 3001, 80, -1, -1}) }},
		{"S5", func(h *History, f *Facts) {
			h.Searches = append(h.Searches, &Search{p, 3000, 3001, LargestTime, 9, 80})
		}},
	} {
		h, f := history()
		c.spoil(h, f)
		counts := &Counts{}
		err := Judge(h, f, counts)
		if c.law == "" {
			require.NoError(t, err)
			continue
		}
		require.Error(t, err, c.law)
		require.True(t, strings.HasPrefix(err.Error(), c.law+" "), "%s: %v", c.law, err)
	}
}

func TestLossEndsWeakPromises(t *testing.T) {
	p := Partition{"t", 0}
	h, f := history()
	f.Durable["t"] = false
	f.Losses = []seam.Mono{9000}
	l := f.Logs[p]
	l.Entries, l.End = l.Entries[:1], 1
	f.Logs[p] = l
	require.NoError(t, Judge(h, f, &Counts{}))
}

func TestSearchThatEndsIsNoFailure(t *testing.T) {
	require.NoError(t, search(producerIDModel(), []porcupine.Operation{}, ProducerIDs, "nothing"))
}

package check

import (
	"cmp"

	"rookery/core/seam"
)

// Partition names one partition of a topic.
type Partition struct {
	Topic  string
	Number int32
}

func byName(a, b Partition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Number, b.Number))
}

// Outcome is what a client knows of an operation.
type Outcome uint8

const (
	Unknown Outcome = iota // no answer, or one that leaves it open
	Done
	Refused // for good: it did not happen and will not
)

// Unfinished is the time of return of what never returned.
const Unfinished seam.Mono = 1<<62 - 1

// Append is one batch that a client sent, however often.
type Append struct {
	Client     int
	Partition  Partition
	Producer   int64 // -1: plain
	Epoch      int16
	First      Value
	Count      int32
	Acks       int16
	Attempts   int
	Call       seam.Mono // the first attempt
	LastCall   seam.Mono // the last one
	Return     seam.Mono
	Outcome    Outcome
	Base       int64 // of what is Done; -1: the answer did not say
	Time       int64 // that the answer said; -1: none, 0: nobody has looked
	Born, Step int64 // the time of the first record, and to the next one; 0: nobody knows
	Keyed      bool
	Unattended bool // acks=0: nobody waits
	Unordered  bool // its producer's order is not promised
}

// Read is an answer to a Fetch, or to a ListOffsets (then without entries).
type Read struct {
	Client        int
	Partition     Partition
	Call, Return  seam.Mono
	From          int64
	Entries       []Entry
	HighWatermark int64
	Listed        bool // a ListOffsets
	Implied       bool // a fetch session's answer left it out: it is as it was told last
}

// Admin is a create, a delete or a lookup of a topic.
type Admin struct {
	Client       int
	Topic        string
	Deed         AdminDeed
	ID           [16]byte // what it created, deleted or found; zero: nothing
	Call, Return seam.Mono
	Outcome      Outcome
}

// AdminDeed is what an Admin does.
type AdminDeed uint8

const (
	CreateTopic AdminDeed = iota
	DeleteTopic
	LookupTopic
)

// ProducerID is an answer to InitProducerId.
type ProducerID struct {
	Call, Return seam.Mono
	ID           int64
}

// History is what all clients did and were told.
type History struct {
	Appends []*Append
	Reads   []*Read
	Admins  []*Admin
	IDs     []*ProducerID

	Begins    []*Begin
	Skips     []*Skip
	Deletions []*Deletion
	Outs      []*OutOfRange
	Claims    []*Claim
	Commits   []*Commit
	Committed []*Committed
	Holds     []*Hold
	Expiry    seam.Mono            // for how long offsets are kept; 0: for ever
	Jumped    bool                 // but by a clock that has jumped
	Heard     map[string]seam.Mono // members of classic groups, and when each was one for sure the last time
	Works     []*Work
	Searches  []*Search
	EpochEnds []*EpochEnd
}

// Hear notes that somebody was a member when what it asked for came.
func (h *History) Hear(member string, sent seam.Mono) {
	if h.Heard == nil {
		h.Heard = map[string]seam.Mono{}
	}
	h.Heard[member] = max(h.Heard[member], sent)
}

// Facts are what the simulator knows and no client does.
type Facts struct {
	Durable map[string]bool // topics of which acks=all survives everything; absent: of no promise at all
	Deleted map[string]bool // topics that somebody tried to delete
	// Promised are the times in which a topic without a promise had one: what is sent after From, and answered to acks=all
	// before To, survives everything.
	Promised    map[string][]Span
	Starts      []seam.Mono // when each life of the broker began, ascending
	Losses      []seam.Mono // when a page cache was lost, ascending
	Rotted      map[Partition]bool
	Logs        map[Partition]Log
	Begins      map[Partition]int64   // where logs begin, as the disk has it
	Origins     map[Partition]int64   // where logs began that were brought over from elsewhere
	Heads       map[Partition]int64   // where the first segment began of one that an operator carried after a page cache was lost
	Keeps       map[string]Keep       // topics with a retention
	Stored      map[string]Stored     // how a topic's batches have to lie, where that was never altered
	Pressed     map[string][]Pressing // how they have to since that was altered
	Segments    map[string][]Certain  // segment.bytes
	Ages        map[string][]Certain  // segment.ms
	Compacted   map[string]bool       // topics of which offsets may be missing
	Worked      []Partition           // that the crews had to process whole
	Crews       []string              // the groups that had to
	ClockOrigin int64                 // what the node's clock showed when it all began; 0: it has jumped
	End         seam.Mono             // when the logs were read
	SetBack     int64                 // milliseconds that the node's clock was set back, all told
}

// Pressing is a codec that a topic asked for in some time, for certain.
type Pressing struct {
	Span
	Codec uint16
}

// pressedBetween is the codec of a topic in all that time; AsSent: that is not known, or as the client chose.
func (f *Facts) pressedBetween(topic string, from, to seam.Mono) uint16 {
	for _, p := range f.Pressed[topic] {
		if p.From <= from && to <= p.To {
			return p.Codec
		}
	}
	return AsSent
}

// Certain is a number that something was in some time.
type Certain struct {
	Span
	Value int64
}

// between is what it was in all that time; -1: that is not known.
func between(all []Certain, from, to seam.Mono) int64 {
	for _, x := range all {
		if x.From <= from && to <= x.To {
			return x.Value
		}
	}
	return -1
}

// Span is a time.
type Span struct{ From, To seam.Mono }

// promisedBetween says whether a topic had its promise all that time.
func (f *Facts) promisedBetween(topic string, from, to seam.Mono) bool {
	for _, span := range f.Promised[topic] {
		if span.From <= from && to <= span.To {
			return true
		}
	}
	return false
}

// lossesBetween says whether a page cache was lost in that time.
func (f *Facts) lossesBetween(from, to seam.Mono) bool {
	for _, at := range f.Losses {
		if at >= from && at <= to {
			return true
		}
	}
	return false
}

// lifeBegan is when the life began that answered at that time. What a broker shows in a Fetch may for a moment lie
// behind what its last life showed, as after an election; ListOffsets may not (KIP-207).
func (f *Facts) lifeBegan(at seam.Mono) seam.Mono {
	began := seam.Mono(-1)
	for _, start := range f.Starts {
		if start <= at {
			began = start
		}
	}
	return began
}

// lastLoss is when a page cache was lost for the last time; before the beginning if never.
func (f *Facts) lastLoss() seam.Mono {
	if len(f.Losses) == 0 {
		return -1
	}
	return f.Losses[len(f.Losses)-1]
}

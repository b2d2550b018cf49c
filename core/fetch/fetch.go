// Package fetch is one Fetch over many partitions: what it may return, when it has enough, and that it gets on.
//
//	request ─▶ find where each partition's batch begins ─▶ (reads) ─▶ plan ranges ─▶ enough? ─▶ answer
//	                                                                        └ no ─▶ park until a high watermark moves or time is up
//
// Rules:
//   - partitions are served in the order asked, under the request's and their own limits; the first batch of the first
//     partition that has any goes out whole whatever the limits say (KIP-74), so that a consumer always gets on.
//   - min bytes counts what lies below the high watermark. An error anywhere answers at once, and so does a log that has
//     parted from its reader's (KIP-595).
//   - a parked fetch keeps no frame: what it needs of the request is copied.
//   - what a client need not say again, and need not be told again, is kept in its session (Sessions).
package fetch

import (
	"slices"

	"rookery/core/log"
	"rookery/core/seam"
	"rookery/core/wire"
)

// Part is one partition of a fetch.
type Part struct {
	Topic     []byte // as long-lived as the Fetch
	TopicID   [16]byte
	Group     int32
	Index     int32
	Partition uint32 // the broker's number of it, 0: none
	Offset    int64
	MaxBytes  int32
	Epoch     int32 // current leader epoch the client knows, -1: none
	LastEpoch int32 // epoch of the last batch fetched, -1: none
	place     int32 // in its session's order

	Code   wire.Code
	Cursor log.Cursor
	Next   log.Next
	Range  seam.Range
	High   int64
	Start  int64

	Diverging wire.EpochEnd // where the log has parted from the reader's, who has to cut back before he reads on
	Leader    wire.Leader
}

// Fetch is one request under way. It is reused.
type Fetch struct {
	Conn        seam.Conn
	Version     int16
	Correlation int32
	Throttle    int32 // milliseconds that the client is told to wait
	MinBytes    int32
	MaxBytes    int32
	Committed   bool      // read_committed
	Code        wire.Code // of the whole answer
	Replica     int32     // the broker that asks; below zero: a consumer
	Deadline    seam.Mono
	Parts       []Part
	Reads       int  // under way
	Parked      bool // waits for a high watermark or the deadline
	session     *Session
	epoch       int32       // of the session, from when the fetch joined it on
	fresh       bool        // its answer may begin a session
	full        bool        // there is more to be read than the ranges hold
	Nodes       []wire.Node // where the parts' leaders are
	names       []byte
}

// Begin takes what is needed of a request. Its wait is counted from now; bytesMax is the broker's own limit. For more than there may be
// nobody waits.
func (f *Fetch) Begin(now seam.Now, conn seam.Conn, version int16, correlation int32, r *wire.FetchRequest, bytesMax int32) {
	parts, names := f.Parts[:0], f.names
	*f = Fetch{
		Conn: conn, Version: version, Correlation: correlation,
		MinBytes: min(r.MinBytes, r.MaxBytes, bytesMax), MaxBytes: min(r.MaxBytes, bytesMax), Committed: r.IsolationLevel == 1, Replica: r.ReplicaID,
		Deadline: now.Mono + seam.Mono(max(0, r.MaxWaitMillis))*seam.Millisecond,
	}
	for i := range r.Partitions {
		p := &r.Partitions[i]
		parts = append(parts, Part{
			Topic: p.Topic, TopicID: p.TopicID, Group: p.Group, Index: p.Index,
			Offset: p.FetchOffset, MaxBytes: p.PartitionMaxBytes, Epoch: p.CurrentLeaderEpoch, LastEpoch: p.LastFetchedEpoch,
		})
	}
	f.Parts, f.names = parts, names
	f.copyNames()
}

// copyNames makes the names of topics the fetch's own, each once, however many partitions it has.
func (f *Fetch) copyNames() {
	size := 0
	for i := range f.Parts {
		if i == 0 || f.Parts[i].Group != f.Parts[i-1].Group {
			size += len(f.Parts[i].Topic)
		}
	}
	f.names = slices.Grow(f.names[:0], size)
	var name []byte
	for i := range f.Parts {
		p := &f.Parts[i]
		if i == 0 || p.Group != f.Parts[i-1].Group {
			at := len(f.names)
			f.names = append(f.names, p.Topic...)
			name = f.names[at:len(f.names):len(f.names)]
		}
		p.Topic = name
	}
}

// Drop takes out those Parts that are not to be served. Where they were most, their memory is given back.
func (f *Fetch) Drop(dropped []bool) {
	kept := f.Parts[:0]
	for i := range f.Parts {
		if !dropped[i] {
			kept = append(kept, f.Parts[i])
		}
	}
	if f.Parts = kept; cap(kept) > 2*len(kept) {
		f.shrink()
	}
}

// shrink takes no more memory than is needed.
func (f *Fetch) shrink() {
	if f.Parts, f.names = slices.Clone(f.Parts), nil; f.session == nil {
		f.copyNames()
	}
}

// Trim gives back memory that an earlier fetch has left and this one, which is about to wait, does not need, if it is much.
func (f *Fetch) Trim() {
	if f.Bytes()-f.Needs() > trimmedBytes {
		f.shrink()
	}
}

// trimmedBytes is what 270 Parts take.
const trimmedBytes = 64 << 10

// partBytes is what a Part takes.
const partBytes = 248

// Bytes is what the fetch takes, or keeps for the next, beside itself.
func (f *Fetch) Bytes() int64 { return int64(cap(f.Parts))*partBytes + int64(cap(f.names)) }

// Needs is what of that holds something.
func (f *Fetch) Needs() int64 { return int64(len(f.Parts))*partBytes + int64(len(f.names)) }

// Forget gives that back.
func (f *Fetch) Forget() { f.Parts, f.names = nil, nil }

// Refuse makes the answer an error, of each partition too or of none.
func (f *Fetch) Refuse(code wire.Code, partitions bool) {
	f.Code = code
	if !partitions {
		f.Parts = f.Parts[:0]
	}
	for i := range f.Parts {
		f.Parts[i].Code = code
	}
}

// Source is the log of a part and how far it may be read.
type Source interface {
	Readable(partition uint32) (l *log.Log, limit log.Mark)
}

// Plan gives each part its Range under the limits and returns how many bytes that is. Parts with an error get none.
func (f *Fetch) Plan(source Source) (total int64, failed bool) {
	left, whole := int64(max(0, f.MaxBytes)), true
	f.full = false
	for i := range f.Parts {
		p := &f.Parts[i]
		p.Range = seam.Range{}
		failed = failed || p.Code != wire.None || p.Diverging.Known
		if p.Code != wire.None || p.Next != log.Found {
			continue
		}
		l, limit := source.Readable(p.Partition)
		span, ok := l.Plan(p.Cursor, limit, min(left, int64(max(0, p.MaxBytes))), whole)
		if !ok { // a batch that is there and that the limits keep out
			f.full = true
			continue
		}
		p.Range, whole = span, false
		f.full = f.full || !l.Reaches(span, limit)
		total += int64(span.Len)
		left = max(0, left-int64(span.Len))
	}
	return total, failed
}

// Enough says whether the fetch is to be answered now. Ranges that cannot grow are never waited for: a limit was reached,
// or the rest lies in the next segment (Kafka's DelayedFetch completes at once there too).
func (f *Fetch) Enough(now seam.Now, total int64, failed bool) bool {
	return failed || f.full || total >= int64(f.MinBytes) || now.Mono >= f.Deadline || f.Len() == 0
}

// Head writes the answer's head, and the ranges with their places in it.
func (f *Fetch) Head(dst []byte, head *wire.FetchHead, session int32, body []seam.Range) ([]byte, []seam.Range) {
	head.Begin(dst, f.Version, f.Correlation, f.Throttle, f.Code, session, f.groups())
	for i := range f.Parts {
		p := &f.Parts[i]
		if i == 0 || p.Group != f.Parts[i-1].Group {
			head.Topic(p.Topic, p.TopicID, f.groupSize(i))
		}
		answer := f.answer(p)
		before := head.Partition(&answer)
		if p.Range.Len > 0 {
			span := p.Range
			span.Before = before
			body = append(body, span)
		}
	}
	return head.End(f.Nodes...), body
}

// storageErrorSince is the version from which a client knows KAFKA_STORAGE_ERROR (KIP-112). To an older one it is an unknown
// error, which ends it; another that makes it ask again says so.
const storageErrorSince = 6

// answer: AbortedTransactions is null under read_uncommitted. On errors it is null too, but empty for those that Kafka
// finds before it looks into a log: no such partition, a bad request.
func (f *Fetch) answer(p *Part) wire.FetchedPartition {
	out := wire.FetchedPartition{Index: p.Index, Code: p.Code, HighWatermark: -1, LastStableOffset: -1, LogStartOffset: -1, Diverging: p.Diverging, Leader: p.Leader}
	if f.Version < storageErrorSince && p.Code == wire.KafkaStorageError {
		out.Code = wire.NotLeaderOrFollower
	}
	switch p.Code {
	case wire.None:
		out.HighWatermark, out.LastStableOffset, out.LogStartOffset = p.High, p.High, p.Start
		out.AbortedNull, out.RecordsSize = !f.Committed || p.Diverging.Known, p.Range.Len
	case wire.UnknownTopicOrPartition, wire.UnknownTopicID, wire.InvalidRequest:
	default:
		out.AbortedNull = true
	}
	return out
}

func (f *Fetch) groups() (n int) {
	for i := range f.Parts {
		if i == 0 || f.Parts[i].Group != f.Parts[i-1].Group {
			n++
		}
	}
	return n
}

func (f *Fetch) groupSize(from int) (n int) {
	for i := from; i < len(f.Parts) && f.Parts[i].Group == f.Parts[from].Group; i++ {
		n++
	}
	return n
}

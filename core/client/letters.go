package client

import (
	"strconv"

	"rookery/core/batch"
	"rookery/core/client/assignor"
	"rookery/core/wire"
)

// What the application writes to a client, as Body of a Mail from ToOperator: pointers to the types of this group.
// Slices in them belong to the client from then on.
type (
	// Produce asks for records to be written. Each of them is told of exactly once, in Deliveries.
	Produce struct {
		Tag       uint64
		Topic     string
		Partition int32 // AnyPartition: by the key's hash, or where records without a key go now
		Records   []Record
	}

	// Assign has the client read a partition from Offset, which may be Earliest, Latest or AtTimestamp. Of a partition
	// that is read already it moves the position.
	Assign struct {
		Tag       uint64 // of each Fetched that comes of it
		Topic     string
		Partition int32
		Offset    int64
		Timestamp int64 // milliseconds; of AtTimestamp
		Paused    bool
	}

	// Pause has the client find the position of a partition that is read, but fetch nothing of it, until it is told
	// again without On. What is under way still comes.
	Pause struct {
		Topic     string
		Partition int32
		On        bool
	}

	// Unassign ends that.
	Unassign struct {
		Topic     string
		Partition int32
	}

	// Poll lets the client fetch so many bytes of batches more. It begins with none.
	Poll struct{ Bytes int64 }

	// Subscribe has the client be a member of Config.GroupID, and share what it subscribes to with the others: some topics,
	// or all whose whole names match a pattern (Go's regexp; with Config.Modern the broker's RE2). Neither: it leaves. What
	// it gets is told in Assigned.
	Subscribe struct {
		Topics  []string
		Pattern string
	}

	// Polled tells that the application has come back for more: it has processed everything before these places, and if
	// Idle it waits. A member whose application is busy for longer than PollIntervalMax is out of its group.
	Polled struct {
		Processed []Place
		Idle      bool
	}

	// Released answers a Revoked: the application has let go.
	Released struct{ Tag uint64 }

	// Commit puts down where the group has come to; nil: where this member has, by what was Polled. It is answered by
	// Committed, and tried again until then. Of a partition that was Assigned, and that the application has not answered by an
	// Assign yet, it is what the application had of it before, and has lost (ILLEGAL_GENERATION); so are Polled's places.
	Commit struct {
		Tag     uint64
		Places  []Place
		Timeout int64 // milliseconds; 0: RequestTimeout
	}

	// Call asks one request, once. Its version is the newest that both sides speak, unless Pinned.
	Call struct {
		Tag       uint64
		Request   wire.Message
		Pinned    bool
		To        int32 // a broker's id, or AnyBroker, Controller, Leader
		Topic     string
		Partition int32 // of which Leader is the leader
		Timeout   int64 // milliseconds until an answer is not waited for any more; 0: RequestTimeout
	}

	// Flush sends what has gathered without waiting for company, and is answered when everything that was produced
	// before it has been delivered or has failed.
	Flush struct{ Tag uint64 }

	// Close is Flush, and nothing is taken or fetched after it.
	Close struct{ Tag uint64 }
)

// What the client writes back, as Body of a Send to ToOperator. It belongs to the application from then on.
type (
	// Deliveries is what became of the records of one batch, in order.
	Deliveries []Delivered

	// Delivered is what became of some records that stood side by side in one Produce.
	Delivered struct {
		Tag       uint64
		Index     int32 // of the first of them in the Produce
		Count     int32
		Topic     string
		Partition int32 // -1: none was chosen
		Offset    int64 // of the first of them; -1 where nobody knows (AcksNone, a failure)
		Code      wire.Code
		Fault     Fault
		Unknown   bool    // failed, and yet they may have been written
		Reason    *Reason // what the broker says beside Code; nil: nothing
	}

	// Reason is what a broker says of a batch that it refuses (KIP-467).
	Reason struct {
		Message string
		Records []Refused // which it is about, of those that this is told of
		Others  bool      // it is about others too that are in the same batch, and told of beside these
	}

	// Refused is one record that a batch was refused for.
	Refused struct {
		Index   int32 // in the Produce
		Message string
	}

	// Fetched is what one answer brought of one partition.
	Fetched struct {
		Tag           uint64 // of the Assign
		Topic         string
		Partition     int32
		Records       []FetchedRecord
		Bytes         int64 // of the batches they came in: what was taken from Poll
		From          int64 // the offset that was read from; -1: not found yet
		Position      int64 // the offset that is read next
		HighWatermark int64
		LastStable    int64 // the offset below which every transaction has ended; -1: not told
		LogStart      int64
		End           bool      // Position has reached HighWatermark
		Code          wire.Code // what is wrong; it is tried again unless Stopped
		Stopped       bool      // nothing more comes until the partition is assigned anew
	}

	// Assigned is what the group has given this member beside what it has. None of it is read before it is Assigned by the
	// application: AsCommitted, where the group has come to, or elsewhere.
	Assigned struct {
		Partitions []Partition
		Generation int32
	}

	// Revoked is what this member has to let go: nothing more of it is fetched. The application says when it has let go
	// (Released), and may commit before. Lost: somebody else may have it already; no answer is waited for.
	Revoked struct {
		Tag        uint64
		Partitions []Partition
		Lost       bool
	}

	// Committed answers a Commit. Code is the first failure, and each place has its own.
	Committed struct {
		Tag    uint64
		Places []CommittedPlace
		Code   wire.Code
		Fault  Fault // not all of Places, of which some may have been put down
	}

	// GroupTrouble is what keeps this member from its place in the group. It is tried again unless Stopped: then it is a
	// member no more until it subscribes anew.
	GroupTrouble struct {
		Code    wire.Code
		Stopped bool
	}

	// Answer is what became of a Call.
	Answer struct {
		Tag      uint64
		Response wire.Answer // nil on a Fault, and of a Produce with acks 0
		Fault    Fault
		Unknown  bool // it was sent, and nobody knows what became of it
	}

	// Flushed answers Flush.
	Flushed struct{ Tag uint64 }

	// Closed answers Close.
	Closed struct {
		Tag         uint64
		Uncommitted *Committed // the last of what the client was to commit by itself and could not while it closed; nil: nothing
	}
)

const (
	AnyPartition int32 = -1

	Earliest int64 = -2 // of Assign: the log's start, as ListOffsets has it
	Latest   int64 = -1 // its end

	// AtTimestamp of Assign: the first record that is no older than Timestamp; the end, if there is none.
	AtTimestamp int64 = -100

	// AsCommitted of Assign: where the group has come to; if it has not come to anywhere, as OffsetReset says.
	AsCommitted int64 = -1000

	AnyBroker  int32 = -1
	Controller int32 = -2
	Leader     int32 = -3
)

// Partition is one partition of a topic.
type Partition = assignor.Partition

// Place is a position in a partition: of the record that is next.
type Place struct {
	Partition
	Offset      int64
	LeaderEpoch int32  // of the record before it; 0: unknown
	Metadata    string // whatever the application wants to put down with it
}

// CommittedPlace is what became of one place.
type CommittedPlace struct {
	Place
	Code wire.Code
}

// Codec is how batches are compressed.
type Codec = batch.Codec

// The codecs.
const (
	None   = batch.None
	Gzip   = batch.Gzip
	Snappy = batch.Snappy
	LZ4    = batch.LZ4
	Zstd   = batch.Zstd
)

// Header is one key and value beside a record.
type Header = batch.Header

// Record is one record to be written.
type Record struct {
	Key       []byte // nil is null
	Value     []byte
	Headers   []Header
	Timestamp int64 // 0: when the client takes it
}

// FetchedRecord is one record that was read.
type FetchedRecord struct {
	Offset        int64
	Timestamp     int64
	LeaderEpoch   int32
	Attributes    int16 // of its batch: codec, kind of timestamp, transactional
	ProducerEpoch int16
	ProducerID    int64 // -1: of no idempotent producer
	Key           []byte
	Value         []byte
	Headers       []Header
}

// Code is an error code in an answer.
type Code = wire.Code

// Fault is what the client itself finds wrong.
type Fault uint8

const (
	NoFault     Fault = iota
	TimedOut          // the time was up
	BufferFull        // as much as BufferBytes waits already
	TooLarge          // one record is larger than a request may be
	ShutDown          // the client was closed
	Lost              // the link was lost before the answer came
	Unsupported       // the broker does not speak the API in a version that we know
	Malformed         // the answer could not be read
	Misplaced         // the Partitioner named a partition that the topic does not have
)

func (f Fault) String() string {
	switch f {
	case NoFault:
		return "none"
	case TimedOut:
		return "the time was up"
	case BufferFull:
		return "the buffer is full"
	case TooLarge:
		return "a record is too large"
	case ShutDown:
		return "the client is closed"
	case Lost:
		return "the link was lost before the answer"
	case Unsupported:
		return "the broker does not speak this API in a known version"
	case Malformed:
		return "the answer cannot be read"
	case Misplaced:
		return "the partitioner named a partition that the topic does not have"
	}
	return "fault " + strconv.Itoa(int(f))
}

// Damaged says that the next batch cannot be read. It is fetched again, in vain unless it was damaged on the way.
func (f *Fetched) Damaged() bool { return f.Code == wire.CorruptMessage }

// Failed says whether the records were not, or not surely, written.
func (d *Delivered) Failed() bool { return d.Code.Failed() || d.Fault != NoFault }

// String says what is wrong, and of what is known to be at fault.
func (t *GroupTrouble) String() string {
	text := t.Code.String()
	switch t.Code {
	case wire.FencedInstanceID:
		return text + ": another consumer with the same instance id has taken its place"
	case wire.UnreleasedInstanceID:
		return text + ": a consumer with the same instance id is still a member, until it is closed or its session ends"
	case wire.InconsistentGroupProtocol:
		return text + ": the other members have none of this one's assignors, or are of the other group protocol"
	case wire.GroupMaxSizeReached:
		return text + ": the group has as many members as it may have"
	case wire.InvalidSessionTimeout:
		return text + ": the broker's group.min.session.timeout.ms and group.max.session.timeout.ms do not allow this session timeout"
	case wire.UnsupportedVersion:
		return text + ": the broker does not speak this group protocol"
	case wire.UnsupportedAssignor:
		return text + ": the broker has no assignor of that name"
	case wire.InvalidRegularExpression:
		return text + ": the pattern cannot be read"
	case wire.InvalidGroupID:
		return text + ": a group's name is not empty"
	}
	return text
}

// Failed says whether not all places were put down.
func (c *Committed) Failed() bool { return c.Code.Failed() || c.Fault != NoFault }

// String tells of the first place that was not put down.
func (c *Committed) String() string {
	for i := range c.Places {
		p := &c.Places[i]
		if !p.Code.Failed() {
			continue
		}
		text := p.Topic + "-" + strconv.Itoa(int(p.Number)) + " at " + strconv.FormatInt(p.Offset, 10) + ": " + p.Code.String()
		if p.Code == wire.IllegalGeneration || p.Code == wire.UnknownMemberID {
			text += ": the partition is this member's no more"
		}
		return text
	}
	if c.Fault != NoFault {
		return c.Fault.String()
	}
	return c.Code.String()
}

// Package seam is the one doorway between a machine that thinks and the world that acts.
//
//	          Input                     Effects
//	world ───────────────▶ Step ───────────────▶ world
//	        what happened           what to do
//
// A machine is a pure value with one method. It is handed what happened, and it answers with what is to be done;
// each thing done comes back as another Input. The production drivers (io/loop, io/disk, net/server) and the
// simulator (sim/world) stand on the same side of this page and are held to the same laws.
//
// Laws:
//
//  1. Step reads nothing but its arguments and its own state: no clock, goroutine, lock, channel, map order, float,
//     global random, file or socket.
//  2. An effect may run the moment it is emitted. What must wait for a write or a sync is held back by the machine
//     until that has come back. The driver owes no order but these two: Creates, Opens, Writes, Truncates and Reads
//     of one File run in the order emitted (Syncs run beside them; what one Step emits for a File runs Files before
//     Writes before Reads), and Replies of one Conn go out in the order emitted. Renames, Unlinks and Removes are
//     emitted only when nothing on that File is outstanding.
//  3. Every Op comes back exactly once, errors included. After a failed or partial Write (or a failed Create or Open)
//     every later Write of that File fails too (Fault Planned) until a Truncate of it succeeds. After a Hangup is
//     noticed, every outstanding Reply of that Conn still comes back as Sent, and every Rewrite as Rewritten, then Hangup
//     comes last.
//     Conn and File ids are never used twice in one run.
//  4. The process may die between any two effects, and inside each.
//  5. The Broker sees a client batch's 61-byte header and its batch.Facts, never the payload. Whoever wants other bytes
//     asks for a Rewrite.
//  6. A Step is bounded: at most about 1 MiB or 1,000 items, then the machine asks to be called again (Alarm <= now).
//
// The slices in Effects belong to the caller, who resets and reuses them; the bytes they point to belong to the
// machine until the Op has come back, and the driver must not keep them longer. Inputs belong to the driver and are
// valid for one Step only.
package seam

// Mono counts nanoseconds since an origin of no meaning and never goes back within one run. All timeouts are Mono.
type Mono int64

// Wall counts milliseconds since 1970 in UTC. It jumps; it stamps records and ages them, nothing else.
type Wall int64

// Now is both clocks at the start of a Step.
type Now struct {
	Mono Mono
	Wall Wall
}

// Never is an Alarm that does not ring.
const Never Mono = 1<<63 - 1

const (
	Microsecond Mono = 1000
	Millisecond Mono = 1000 * Microsecond
	Second      Mono = 1000 * Millisecond
)

type (
	// Op names one effect of one machine until it comes back. Zero is never used.
	Op uint64
	// File is an id that the machine chose for a file; the path appears only in FileOp. Zero is never used.
	File uint64
	// Conn is an id that the driver chose for a connection.
	Conn uint64
	// Lease is a frame's buffer, lent by the driver until the machine frees it.
	Lease uint64
)

// Fault is what the world answered instead of success.
type Fault uint8

const (
	OK       Fault = iota
	IOError        // EIO and whatever has no name of its own
	NoSpace        // ENOSPC, EDQUOT
	NotFound       // the path does not exist
	Exists         // the path exists already
	Planned        // an earlier write of the same file failed: this one was not tried
	Gone           // the connection or the peer is not there any more
	Late           // no answer within the driver's patience
)

func (f Fault) String() string {
	return [...]string{"ok", "input/output error", "no space left", "not found", "exists", "not tried: an earlier write failed", "gone", "late"}[f]
}

// Path names a file or a folder below one log directory.
type Path struct {
	Dir  int32  // position in the list of log directories
	Name string // slash separated, "" is the log directory itself
}

// Entry is one name that the driver found.
type Entry struct {
	Path   Path
	Size   int64
	Folder bool
}

// AddressKind says what sort of machine an Address names.
type AddressKind uint8

const (
	ToBroker   AddressKind = iota // the Broker of this process
	ToRecovery                    // a Recovery: a new ID makes a new machine
	ToCleaner                     // a Cleaner: likewise
	ToSearch                      // a Search by time: likewise
	ToPeer                        // another process, over the network
	ToOperator                    // whoever runs this process: signals, the command line
	ToCopier                      // a Copier of a partition that moves: a new ID makes a new machine
)

// Address names a mailbox.
type Address struct {
	Kind AddressKind
	ID   uint64 // which Recovery or Cleaner
	Host string // of a peer
	Port int32
}

// Input is what happened. The set is closed; a machine's switch over it lists every kind.
type Input interface{ input() }

type (
	// Started comes first, once: what the log directories hold. Folders come before what is in them, names ascend.
	Started struct {
		Files []Entry
		Dirs  []Fault // one per log directory; not OK: it could not be listed
	}

	// Opened: a client connected.
	Opened struct {
		Conn     Conn
		Listener int32  // position in the list of listeners
		Host     string // the local address the client reached us at
		Port     int32
		Remote   string
	}

	// Request: one whole frame arrived. Body is what conn.Intake made of it on the connection's goroutine (a
	// *conn.Request for the Broker; a client's machine reads Frame). Both are lent until Lease is freed.
	Request struct {
		Conn  Conn
		Lease Lease
		Frame []byte // without the four bytes of length
		Body  any
	}

	// Wanting: a frame has begun that is longer than FrameFree, and its connection lacks so many bytes of credit for it. It
	// is said once a frame.
	Wanting struct {
		Conn  Conn
		Bytes int64
	}

	// Hangup: the connection is gone and nothing of it is outstanding.
	Hangup struct{ Conn Conn }

	// Wrote answers a Write (Bytes done: they are in the page cache) and a FileOp.
	Wrote struct {
		Op      Op
		Bytes   int64 // of a Write: how many were written. Of an Open: the file's size
		Fault   Fault
		Entries []Entry // of a List
	}

	// Synced answers a Sync: all that had come back for it before the Sync was emitted is on the disk.
	Synced struct {
		Op    Op
		Fault Fault
	}

	// Loaded answers a Read. Data is shorter than asked only at the end of the file.
	Loaded struct {
		Op    Op
		Data  []byte
		Fault Fault
	}

	// Sent answers a Reply: Head and Ranges are not needed any more.
	Sent struct {
		Op    Op
		Conn  Conn
		Fault Fault
	}

	// Rewritten answers a Rewrite. Data is lent until Lease is freed.
	Rewritten struct {
		Op    Op
		Lease Lease
		Data  []byte
	}

	// Mail comes from another machine: Body from one of this process, Frame from a peer (lent, see Lease), neither
	// when the link to a peer was lost (Fault) or made (Fault OK).
	Mail struct {
		From  Address
		Link  uint64 // of a peer: which link, counted from 1 over all peers
		Lease Lease
		Frame []byte
		Body  any
		Fault Fault
	}

	// Alarm: the time asked for has come.
	Alarm struct{}

	// Stop: finish what is under way, mark the end clean, and say so (Event Stopped).
	Stop struct{}
)

func (*Started) input()   {}
func (*Opened) input()    {}
func (*Request) input()   {}
func (*Wanting) input()   {}
func (*Hangup) input()    {}
func (*Wrote) input()     {}
func (*Synced) input()    {}
func (*Loaded) input()    {}
func (*Sent) input()      {}
func (*Rewritten) input() {}
func (*Mail) input()      {}
func (*Alarm) input()     {}
func (*Stop) input()      {}

// Write puts Data at At. Wrote answers.
type Write struct {
	Op   Op
	File File
	At   int64
	Data []byte
}

// Sync makes a file (File not zero) or a folder's entries (Folder) durable. Synced answers.
type Sync struct {
	Op     Op
	File   File
	Folder Path
}

// Deed is what a FileOp does.
type Deed uint8

const (
	Create   Deed = iota // a new empty file; a missing parent folder is made first; Exists is a fault
	Open                 // an existing file
	Truncate             // to Size
	Close                // forget the id; the file stays
	Unlink               // by File: remove the name and forget the id once nothing reads it any more
	Rename               // by Path: a file, which may replace a file, or a folder, to To in the same log directory; anything else there is Exists; open ids follow
	Remove               // by Path: a file, or a folder with the plain files in it; with a folder in it is Exists
	List                 // a folder
	Measure              // the file system that a folder lies in: Wrote's Bytes are left on it, its one Entry's Size is all of it
)

func (d Deed) String() string {
	return [...]string{"create", "open", "truncate", "close", "unlink", "rename", "remove", "list", "measure"}[d]
}

// FileOp changes names and lengths. Wrote answers.
type FileOp struct {
	Op   Op
	Deed Deed
	File File // Create, Open, Truncate, Close, Unlink
	Path Path // Create, Open, Rename, Remove, List, Measure
	To   Path // Rename
	Size int64
}

// Read asks for Len bytes at At. Loaded answers.
type Read struct {
	Op   Op
	File File
	At   int64
	Len  int32
}

// Range is a promise of bytes of a file; where they come from is the driver's business.
type Range struct {
	Before int32 // this many bytes of Head go out before it (counted from Head's start; ascending)
	File   File
	At     int64
	Len    int32
}

// Then is what follows a Reply.
type Then uint8

const (
	Nothing  Then = iota
	CloseNow      // close the connection once this is out
)

// Reply sends one frame: Head, with the Ranges at their places. Head begins with the four bytes of length.
// An empty Head sends nothing (with CloseNow: it only closes). Sent answers.
type Reply struct {
	Op   Op
	Conn Conn
	Head []byte
	Body []Range
	Then Then
}

// Rewrite asks for a batch to be compressed anew: a pure function of its bytes, the codec and the level, which lasts too
// long for a Step and runs on a goroutine of the connection's. It takes nothing from the frame that Data lies in, which
// stays as it is, and lent, until Rewritten answers. There is no fault: only what was found in order is asked for.
type Rewrite struct {
	Op    Op
	Conn  Conn
	Data  []byte
	Codec uint8
	Level int32
}

// Send is a letter to another machine: Body within this process, Data (a frame with its length) to a peer.
//
// To a peer leads one link at a time, made by the first Send. Mail says once that it was made (or never does), brings
// its frames in order, and says once, last, that it is gone. What is sent before the machine has stepped that, and
// before it has cut the link itself, is lost with it; what is sent after goes to another link, with a higher number.
type Send struct {
	To   Address
	Data []byte
	Body any
}

// FrameCost is what a frame counts beside its bytes: small ones take more memory for what is known of them, and for their
// answers, than for what they are.
const FrameCost = 1 << 10

// FrameFree is the longest frame that may overdraw a credit. Beyond it memory is a matter of those who ask for it: a
// hundred connections that each begin a frame of a hundred MiB would have ten GiB.
const FrameFree = 4 << 10

// Credit says how many bytes more a connection may be read: frames are counted with their four bytes and FrameCost, the
// latter as soon as the frame is whole. A connection
// begins with none. A frame is begun only while there is credit. One of at most FrameFree bytes, its length counted, is
// then read to its end whatever that overdraws; of a longer one nothing but the length is read beyond the credit, and
// what it lacks is said once: Wanting. Grants add up. Cut closes it at once, after what was already replied.
// Of a machine that has no connections (a Client) Conn with Cut is the number of a link: it is cut, and may still bring
// what was on its way before it says that it is gone.
type Credit struct {
	Conn  Conn
	Bytes int64
	Cut   bool
}

// Event is something worth a log line or a counter. It changes nothing.
type Event struct {
	Kind      EventKind
	Topic     string
	Partition int32
	A, B      int64
	Text      string
}

// EventKind says which fields of an Event mean what.
type EventKind uint8

const (
	Ready             EventKind = iota // the broker serves; A: partitions, B: milliseconds since Started
	Stopped                            // after Stop: nothing is outstanding, the directory is marked clean
	TopicCreated                       // Topic, A: partitions
	TopicDeleted                       // Topic
	PartitionOpened                    // Topic, Partition, A: log start offset, B: end offset
	Truncated                          // Topic, Partition, A: new end offset, B: bytes cut; Text: why
	SegmentRolled                      // Topic, Partition, A: base offset of the new segment
	WriteRefused                       // Topic, Partition; Text: why. Once, until WritesResumed
	DirFailed                          // A: number of the directory; Text: why. The broker ends
	ConnRefused                        // A: connection; Text: why it is closed
	IndexRebuilt                       // Topic, Partition, A: base offset of the segment
	SegmentUnreadable                  // Topic, Partition, A: offset; Text: file and fault
	EpochStarted                       // Topic, Partition, A: leader epoch, B: start offset
	ProducersExpired                   // Topic, Partition, A: how many
	SegmentsDeleted                    // Topic, Partition, A: how many, B: log start offset
	PartitionAdded                     // Topic, Partition
	ConfigAltered                      // Topic: the resource's name, A: its type; Text: the key
	CoordinatorLoaded                  // Topic, Partition, A: records folded, B: milliseconds it took
	CoordinatorFailed                  // Topic, Partition, A: offset of what cannot be read; Text: why
	DirFenced                          // A: number of the directory, B: partitions in it; Text: why. The others go on
	ReplicaMoved                       // Topic, Partition, A: number of the directory that it has left, B: of the one where it is
	CompactionBegun                    // Topic, Partition, A: offset from which it is not compacted, B: bytes
	SegmentsCompacted                  // Topic, Partition, A: base offset of the new segment, B: bytes that it saves
	Compacted                          // Topic, Partition, A: offset up to which it is compacted, B: records that were dropped
	CompactionFailed                   // Topic, Partition; Text: why
	WritesResumed                      // Topic, Partition, A: how many writes had failed
	StrayFolder                        // Topic: a folder's name, A: number of its directory; Text: what becomes of it at this start
	TelemetryPushed                    // Topic: the client's software, A: bytes; Text: its instance id
	QuotasAltered                      // A: how many; Text: a key among those set that has no effect
	MoveFailed                         // Topic, Partition, A: number of the directory that it was to be moved to; Text: why. It stays where it is
)

// Effects is what is to be done. The caller owns it, resets it and reuses it; a Step only appends.
type Effects struct {
	Writes   []Write
	Syncs    []Sync
	Files    []FileOp
	Reads    []Read
	Replies  []Reply
	Rewrites []Rewrite
	Sends    []Send
	Frees    []Lease
	Reading  []Credit
	Events   []Event
	Alarm    Mono // the earliest wish to be woken; Never is the reset value, a time that is past means again at once
}

// Reset empties fx and keeps its memory.
func (fx *Effects) Reset() {
	clear(fx.Sends)
	clear(fx.Events)
	fx.Writes, fx.Syncs, fx.Files, fx.Reads = fx.Writes[:0], fx.Syncs[:0], fx.Files[:0], fx.Reads[:0]
	fx.Replies, fx.Rewrites, fx.Sends, fx.Frees = fx.Replies[:0], fx.Rewrites[:0], fx.Sends[:0], fx.Frees[:0]
	fx.Reading, fx.Events = fx.Reading[:0], fx.Events[:0]
	fx.Alarm = Never
}

// Wake asks to be stepped at t at the latest.
func (fx *Effects) Wake(t Mono) {
	if t < fx.Alarm {
		fx.Alarm = t
	}
}

// Machine is whatever lives behind the doorway. Step never blocks and never fails; a broken law ends the process.
type Machine interface {
	Step(now Now, in Input, fx *Effects)
}

// Package tape is the format of a recorded run: every input of every machine of one process, in an order in which a
// letter comes after the Step that wrote it, each with a digest of what the machine answered. Replaying the inputs
// through the same machines must give the same digests.
//
//	tape   = Magic config entry*
//	config = length:u32, and what the machines were made of: whoever records and whoever replays agree on its form
//	entry  = length:u32 to:address mono:varint wall:varint kind:byte fields digest:u64
//	fields = numbers as varints, texts and bytes behind their length
//
// Rules:
//   - A Request carries its frame, never its Body: whoever replays makes the Body of the frame as the driver did.
//   - A Rewritten carries its bytes: what a codec makes of a batch may differ from build to build.
//   - A letter between machines of the process carries no Body: whoever replays keeps what each machine Sends, in
//     order, for each pair of addresses, and hands it over when the Mail comes.
//   - Nothing here reads or writes a file: entries are appended to and taken from bytes.
package tape

import (
	"encoding/binary"

	"rookery/core/seam"
)

// Magic begins a tape.
const Magic = "rookery tape 4\n"

// ErrShort: read more, or the process died while it wrote the last entry.
const (
	ErrShort = fault("the tape ends inside an entry")
	ErrWrong = fault("the tape holds bytes that no recording writes")
)

type fault string

func (f fault) Error() string { return string(f) }

// Entry is one Step.
type Entry struct {
	To     seam.Address // the machine that was stepped
	Now    seam.Now
	Input  seam.Input  // its Body is to be put in: see the rules
	Digest seam.Digest // of the effects
	Body   bool        // the input is a Mail that had a Body
}

const (
	kindStarted = iota + 1
	kindOpened
	kindRequest
	kindHangup
	kindWrote
	kindSynced
	kindLoaded
	kindSent
	kindMail
	kindAlarm
	kindStop
	kindRewritten
	kindWanting
)

const lengthSize = 4

// AppendBegin begins a tape.
func AppendBegin(b, config []byte) []byte {
	b = append(b, Magic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(config)))
	return append(b, config...)
}

// AppendInput begins an entry; AppendDigest ends it.
func AppendInput(b []byte, to seam.Address, now seam.Now, in seam.Input) []byte {
	b = append(b, 0, 0, 0, 0)
	b = appendAddress(b, to)
	b = binary.AppendVarint(b, int64(now.Mono))
	b = binary.AppendVarint(b, int64(now.Wall))
	switch in := in.(type) {
	case *seam.Started:
		b = append(b, kindStarted)
		b = appendEntries(b, in.Files)
		b = binary.AppendUvarint(b, uint64(len(in.Dirs)))
		for _, fault := range in.Dirs {
			b = append(b, byte(fault))
		}
	case *seam.Opened:
		b = appendNumbers(append(b, kindOpened), uint64(in.Conn), uint64(uint32(in.Listener)), uint64(uint32(in.Port)))
		b = appendText(appendText(b, in.Host), in.Remote)
	case *seam.Request:
		b = appendNumbers(append(b, kindRequest), uint64(in.Conn), uint64(in.Lease))
		b = appendBytes(b, in.Frame)
	case *seam.Wanting:
		b = appendNumbers(append(b, kindWanting), uint64(in.Conn), uint64(in.Bytes))
	case *seam.Hangup:
		b = appendNumbers(append(b, kindHangup), uint64(in.Conn))
	case *seam.Wrote:
		b = appendNumbers(append(b, kindWrote), uint64(in.Op), uint64(in.Bytes), uint64(in.Fault))
		b = appendEntries(b, in.Entries)
	case *seam.Synced:
		b = appendNumbers(append(b, kindSynced), uint64(in.Op), uint64(in.Fault))
	case *seam.Loaded:
		b = appendNumbers(append(b, kindLoaded), uint64(in.Op), uint64(in.Fault))
		b = appendBytes(b, in.Data)
	case *seam.Sent:
		b = appendNumbers(append(b, kindSent), uint64(in.Op), uint64(in.Conn), uint64(in.Fault))
	case *seam.Rewritten:
		b = appendNumbers(append(b, kindRewritten), uint64(in.Op), uint64(in.Lease))
		b = appendBytes(b, in.Data)
	case *seam.Mail:
		b = appendAddress(append(b, kindMail), in.From)
		b = appendNumbers(b, in.Link, uint64(in.Lease), uint64(in.Fault))
		b = append(b, flag(in.Body != nil), flag(in.Frame != nil))
		b = appendBytes(b, in.Frame)
	case *seam.Alarm:
		b = append(b, kindAlarm)
	case *seam.Stop:
		b = append(b, kindStop)
	}
	return b
}

// AppendDigest ends the entry that b holds.
func AppendDigest(b []byte, digest seam.Digest) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(digest))
	binary.LittleEndian.PutUint32(b, uint32(len(b)-lengthSize))
	return b
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

func appendNumbers(b []byte, numbers ...uint64) []byte {
	for _, n := range numbers {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendBytes(b []byte, data []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(data))), data...)
}

func appendAddress(b []byte, a seam.Address) []byte {
	b = appendNumbers(append(b, byte(a.Kind)), a.ID, uint64(uint32(a.Port)))
	return appendText(b, a.Host)
}

func appendEntries(b []byte, entries []seam.Entry) []byte {
	b = binary.AppendUvarint(b, uint64(len(entries)))
	for i := range entries {
		e := &entries[i]
		b = appendNumbers(b, uint64(uint32(e.Path.Dir)), uint64(e.Size))
		b = append(appendText(b, e.Path.Name), flag(e.Folder))
	}
	return b
}

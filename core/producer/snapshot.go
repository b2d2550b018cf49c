package producer

import (
	"encoding/binary"
	"hash/crc32"

	"rookery/core/must"
	"rookery/core/seam"
)

// Two files hold a State. The first is Kafka's own, `%020d.snapshot`, named by the offset it was taken at; one batch a
// producer (ProducerSnapshot.json, version 1):
//
//	int16 version = 1 | uint32 CRC-32C of what follows | int32 count | count entries of 46 bytes:
//	int64 producerId, int16 epoch, int32 lastSequence, int64 lastOffset, int32 offsetDelta, int64 timestamp,
//	int32 coordinatorEpoch, int64 currentTxnFirstOffset
//
// The second is ours and advisory: the whole windows, so that a restart forgets no duplicate. Without it, or where it
// differs from the first, Kafka's rules are what is left.
//
//	"RKPW" | int16 version = 1 | uint32 CRC-32C of what follows | int64 offset of the snapshot it belongs to | int32 count |
//	count entries: int64 producerId, int16 epoch, uint8 batches, and oldest first for each
//	int32 lastSequence, int32 offsetDelta, int64 lastOffset, int64 timestamp
const (
	snapshotVersion    = 1
	snapshotHeaderSize = 10
	snapshotEntrySize  = 46

	windowsMagic      = "RKPW"
	windowsVersion    = 1
	windowsHeaderSize = 22
	windowsEntryMin   = 11
	windowsBatchSize  = 24
)

// FileError says why a file cannot be loaded.
type FileError string

func (e FileError) Error() string { return string(e) }

const (
	// ErrShort: there is no whole header.
	ErrShort FileError = "producer file is too short"
	// ErrVersion: a version, or a kind of file, that is not known.
	ErrVersion FileError = "producer file has an unknown version"
	// ErrChecksum: the CRC is wrong.
	ErrChecksum FileError = "producer file has a wrong checksum"
	// ErrSize: the entries do not fill the file.
	ErrSize FileError = "producer file has a wrong size"
	// ErrPast: a batch, or a transaction, at or past the offset that the snapshot was taken at.
	ErrPast FileError = "producer file knows of offsets past its own"
	// ErrOther: windows that belong to another snapshot.
	ErrOther FileError = "producer windows belong to another snapshot"
)

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// everywhere is an offset that no batch reaches.
const everywhere = 1<<63 - 1

// AppendSnapshot appends the bytes of a .snapshot file. Kafka's tools and brokers read it.
func (s *State) AppendSnapshot(dst []byte) []byte { return s.appendSnapshot(dst, everywhere) }

// AppendWindows appends the bytes of the advisory file beside the snapshot taken at offset.
func (s *State) AppendWindows(dst []byte, offset int64) []byte {
	return s.appendWindows(dst, offset, everywhere)
}

// AppendBelow appends both files as they would have been at offset, as far as that is remembered. A producer of whom
// no batch below offset is remembered is left out: a replay of the log from there on finds him. whole is false if it might
// not, because all that is remembered of him lies at or above kept, and could still be lost.
func (s *State) AppendBelow(snapshot, windows []byte, offset, kept int64) (_, _ []byte, whole bool) {
	whole = true
	s.committed(func(e *entry) {
		whole = whole && (e.count == 0 || e.window[0].LastOffset < max(offset, kept))
	})
	if !whole {
		return snapshot, windows, false
	}
	return s.appendSnapshot(snapshot, offset), s.appendWindows(windows, offset, offset), whole
}

// below is how many batches of the window lie below offset. ok is false if none does, but others do not.
func (e *entry) below(offset int64) (n int, ok bool) {
	for n = int(e.count); n > 0 && e.window[n-1].LastOffset >= offset; {
		n--
	}
	return n, n > 0 || e.count == 0
}

func (s *State) appendSnapshot(dst []byte, below int64) []byte {
	start := len(dst)
	dst = append(dst, 0, snapshotVersion, 0, 0, 0, 0, 0, 0, 0, 0)
	count := uint32(0)
	s.committed(func(e *entry) {
		if n, ok := e.below(below); ok {
			dst = e.appendSnapshot(dst, n, below)
			count++
		}
	})
	binary.BigEndian.PutUint32(dst[start+6:], count)
	binary.BigEndian.PutUint32(dst[start+2:], checksum(dst[start+6:]))
	return dst
}

// appendSnapshot writes the entry as it was after n batches of its window, all below an offset.
func (e *entry) appendSnapshot(dst []byte, n int, below int64) []byte {
	last, timestamp, txnFirstOffset := Batch{LastSequence: none, LastOffset: none, Timestamp: none}, e.timestamp, e.txnFirstOffset
	if n > 0 {
		last = e.window[n-1]
	}
	if n < int(e.count) {
		timestamp = last.Timestamp
	}
	if txnFirstOffset >= below {
		txnFirstOffset = none
	}
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.id))
	dst = binary.BigEndian.AppendUint16(dst, uint16(e.epoch))
	dst = binary.BigEndian.AppendUint32(dst, uint32(last.LastSequence))
	dst = binary.BigEndian.AppendUint64(dst, uint64(last.LastOffset))
	dst = binary.BigEndian.AppendUint32(dst, uint32(last.OffsetDelta))
	dst = binary.BigEndian.AppendUint64(dst, uint64(timestamp))
	dst = binary.BigEndian.AppendUint32(dst, uint32(e.coordinatorEpoch))
	return binary.BigEndian.AppendUint64(dst, uint64(txnFirstOffset))
}

// Load fills an empty State from the bytes of the snapshot taken at offset. After an error the State is empty still.
func (s *State) Load(now seam.Mono, offset int64, b []byte) error {
	must.Be(len(s.entries) == 0 && s.end == 0, "P4: a snapshot is loaded into an empty state")
	switch {
	case len(b) < snapshotHeaderSize:
		return ErrShort
	case binary.BigEndian.Uint16(b) != snapshotVersion:
		return ErrVersion
	case binary.BigEndian.Uint32(b[2:]) != checksum(b[6:]):
		return ErrChecksum
	case int64(int32(binary.BigEndian.Uint32(b[6:])))*snapshotEntrySize != int64(len(b)-snapshotHeaderSize):
		return ErrSize
	}
	entries := b[snapshotHeaderSize:]
	for b = entries; len(b) > 0; b = b[snapshotEntrySize:] {
		if max(int64(binary.BigEndian.Uint64(b[14:])), int64(binary.BigEndian.Uint64(b[38:]))) >= offset {
			return ErrPast
		}
	}
	for b = entries; len(b) > 0; b = b[snapshotEntrySize:] {
		s.touch(now, int64(binary.BigEndian.Uint64(b))).load(b)
	}
	s.end, s.top = offset, offset-1
	return nil
}

func (e *entry) load(b []byte) {
	e.epoch = int16(binary.BigEndian.Uint16(b[8:]))
	last := Batch{
		LastSequence: int32(binary.BigEndian.Uint32(b[10:])),
		LastOffset:   int64(binary.BigEndian.Uint64(b[14:])),
		OffsetDelta:  int32(binary.BigEndian.Uint32(b[22:])),
		Timestamp:    int64(binary.BigEndian.Uint64(b[26:])),
	}
	e.timestamp = last.Timestamp
	e.coordinatorEpoch = int32(binary.BigEndian.Uint32(b[34:]))
	e.txnFirstOffset = max(int64(binary.BigEndian.Uint64(b[38:])), none)
	if e.count = 0; last.LastOffset >= 0 {
		e.window[0], e.count = last, 1
	}
}

func (s *State) appendWindows(dst []byte, offset, below int64) []byte {
	start := len(dst)
	dst = append(dst, windowsMagic...)
	dst = append(dst, 0, windowsVersion, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint64(dst, uint64(offset))
	dst = append(dst, 0, 0, 0, 0)
	count := uint32(0)
	s.committed(func(e *entry) {
		if n, ok := e.below(below); ok {
			dst = e.appendWindow(dst, n)
			count++
		}
	})
	binary.BigEndian.PutUint32(dst[start+18:], count)
	binary.BigEndian.PutUint32(dst[start+6:], checksum(dst[start+10:]))
	return dst
}

func (e *entry) appendWindow(dst []byte, n int) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.id))
	dst = binary.BigEndian.AppendUint16(dst, uint16(e.epoch))
	dst = append(dst, byte(n))
	for _, b := range e.window[:n] {
		dst = binary.BigEndian.AppendUint32(dst, uint32(b.LastSequence))
		dst = binary.BigEndian.AppendUint32(dst, uint32(b.OffsetDelta))
		dst = binary.BigEndian.AppendUint64(dst, uint64(b.LastOffset))
		dst = binary.BigEndian.AppendUint64(dst, uint64(b.Timestamp))
	}
	return dst
}

// LoadWindows widens what Load has just loaded from the snapshot taken at offset: a window is taken where epoch and newest
// batch are the snapshot's, and left alone elsewhere. An error leaves the State as it was.
func (s *State) LoadWindows(offset int64, b []byte) error {
	switch {
	case len(b) < windowsHeaderSize:
		return ErrShort
	case string(b[:4]) != windowsMagic || binary.BigEndian.Uint16(b[4:]) != windowsVersion:
		return ErrVersion
	case binary.BigEndian.Uint32(b[6:]) != checksum(b[10:]):
		return ErrChecksum
	case int64(binary.BigEndian.Uint64(b[10:])) != offset:
		return ErrOther
	}
	count := int64(int32(binary.BigEndian.Uint32(b[18:])))
	b = b[windowsHeaderSize:]
	if !windowsFill(b, count) {
		return ErrSize
	}
	for len(b) > 0 {
		size := windowsEntryMin + int(b[10])*windowsBatchSize
		if e := s.byID[int64(binary.BigEndian.Uint64(b))]; e != nil {
			e.widen(int16(binary.BigEndian.Uint16(b[8:])), b[windowsEntryMin:size])
		}
		b = b[size:]
	}
	return nil
}

// windowsFill says whether count entries fill b.
func windowsFill(b []byte, count int64) bool {
	for ; count > 0; count-- {
		if len(b) < windowsEntryMin || b[10] > WindowSize {
			return false
		}
		size := windowsEntryMin + int(b[10])*windowsBatchSize
		if len(b) < size {
			return false
		}
		b = b[size:]
	}
	return count == 0 && len(b) == 0
}

func (e *entry) widen(epoch int16, b []byte) {
	var window [WindowSize]Batch
	count := len(b) / windowsBatchSize
	for i := range count {
		c := b[i*windowsBatchSize:]
		window[i] = Batch{
			LastSequence: int32(binary.BigEndian.Uint32(c)),
			OffsetDelta:  int32(binary.BigEndian.Uint32(c[4:])),
			LastOffset:   int64(binary.BigEndian.Uint64(c[8:])),
			Timestamp:    int64(binary.BigEndian.Uint64(c[16:])),
		}
	}
	if count == 0 || e.count != 1 || e.epoch != epoch {
		return
	}
	newest := window[count-1]
	newest.Timestamp = e.window[0].Timestamp // where a marker came after the batch, the snapshot has the marker's
	if newest == e.window[0] {
		e.window, e.count = window, uint8(count)
	}
}

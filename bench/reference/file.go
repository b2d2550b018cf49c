package main

import (
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// partition is one log. The lock is held over the pwritev, so readers below `end` always find the bytes.
type partition struct {
	sync.Mutex
	dir        string
	segments   []*segment
	first, end int64
	vector     []unix.Iovec // batches staged, not yet written
	staged     int64
}

type segment struct {
	file  *os.File
	view  []byte // the whole segment, mapped for reading; only bytes below size may be touched
	first int64
	size  int64
	index []entry
}

type entry struct{ offset, at int64 }

func newPartition(topic string, number int32) *partition {
	p := &partition{dir: filepath.Join(*dataDir, fmt.Sprintf("%s-%d", topic, number))}
	check(os.MkdirAll(p.dir, 0o755))
	p.roll()
	return p
}

// roll starts a new segment; a ring has only one, written full, and starts it over, forgetting what it held.
func (p *partition) roll() {
	if *files == "ring" && len(p.segments) == 1 {
		s := p.segments[0]
		s.first, s.size, s.index, p.first = p.end, 0, s.index[:0], p.end
		return
	}
	file, err := os.Create(filepath.Join(p.dir, fmt.Sprintf("%020d.log", p.end)))
	check(err)
	if *files == "ring" {
		_, err = file.Write(make([]byte, *segmentBytes))
		check(err)
	}
	view, err := unix.Mmap(int(file.Fd()), 0, int(*segmentBytes), unix.PROT_READ, unix.MAP_SHARED)
	check(err)
	p.segments = append(p.segments, &segment{file: file, view: view, first: p.end})
}

// stage gives a batch its offset and keeps it for the next write. The caller holds the lock until write.
func (p *partition) stage(batch []byte, records int64) int64 {
	s := p.segments[len(p.segments)-1]
	if full := s.size+p.staged+int64(len(batch)) > *segmentBytes; full || len(p.vector) == 1024 {
		if p.write(); full {
			p.roll()
		}
		s = p.segments[len(p.segments)-1]
	}
	at := s.size + p.staged
	if n := len(s.index); n == 0 || at-s.index[n-1].at >= 4096 { // index.interval.bytes
		s.index = append(s.index, entry{p.end, at})
	}
	binary.BigEndian.PutUint64(batch, uint64(p.end)) // what the leader owns, both outside the CRC: base offset
	binary.BigEndian.PutUint32(batch[12:], 0)        // and leader epoch
	p.vector = append(p.vector, unix.Iovec{Base: &batch[0], Len: uint64(len(batch))})
	p.staged += int64(len(batch))
	p.end += records
	return p.end - records
}

// write puts all staged batches into the page cache with one pwritev.
func (p *partition) write() {
	if p.staged == 0 {
		return
	}
	s := p.segments[len(p.segments)-1]
	n, _, errno := unix.Syscall6(unix.SYS_PWRITEV, s.file.Fd(), uintptr(unsafe.Pointer(&p.vector[0])), uintptr(len(p.vector)), uintptr(s.size), 0, 0)
	if errno != 0 || int64(n) != p.staged {
		log.Fatalf("pwritev wrote %d of %d bytes: %v", n, p.staged, errno)
	}
	s.size += p.staged
	p.vector, p.staged = p.vector[:0], 0
}

// find returns the batches from offset on, in place: whole ones of one segment, at most maxBytes but one at least
// (KIP-74), or none if there are none yet.
func (p *partition) find(offset, maxBytes int64) (bytes []byte, first, end int64) {
	p.Lock()
	defer p.Unlock()
	if offset >= p.end || offset < p.first {
		return nil, p.first, p.end
	}
	s := p.segments[sort.Search(len(p.segments), func(i int) bool { return p.segments[i].first > offset })-1]
	start := sort.Search(len(s.index), func(i int) bool { return s.index[i].offset > offset }) - 1
	from, to := s.index[start].at, s.size
	if to-from > maxBytes {
		stop := sort.Search(len(s.index), func(i int) bool { return s.index[i].at > from+maxBytes }) - 1
		if stop = max(stop, start+1); stop < len(s.index) {
			to = s.index[stop].at
		}
	}
	return s.view[from:to], p.first, p.end
}

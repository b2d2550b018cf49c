package main

import (
	"encoding/binary"
	"errors"
	"log"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	slabBytes = 4 << 20   // holds the largest frame taken
	hotBytes  = 768 << 10 // of the slab are used while frames are small, so that it stays in the second level cache
	lowWater  = 512 << 10 // largest SO_RCVLOWAT
)

var errBadRequest = errors.New("bad request")

type broker struct {
	port        int32
	producerIDs atomic.Int64
	mu          sync.RWMutex
	topics      map[string][]*partition
}

func (b *broker) partition(topic []byte, number int32) *partition {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if ps := b.topics[string(topic)]; number >= 0 && int(number) < len(ps) {
		return ps[number]
	}
	return nil
}

// conn is one client: a slab that is read into and parsed in place, and the answers to all frames found in it.
type conn struct {
	*broker
	net      *net.TCPConn
	fd       int
	lowWater int
	slab     []byte
	answers  []byte
	staging  *partition // locked, with batches that wait for write
}

func (b *broker) serve(tcp *net.TCPConn) {
	defer tcp.Close()
	slab, err := unix.Mmap(-1, 0, slabBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE) // outside Go's heap
	check(err)
	defer unix.Munmap(slab)
	c := &conn{broker: b, net: tcp, lowWater: 1, slab: slab}
	if raw, err := tcp.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { c.fd = int(fd) })
	}
	if c.loop() == errBadRequest {
		log.Print(errBadRequest, " from ", tcp.RemoteAddr())
	}
	c.settle()
}

func (c *conn) loop() error {
	from, to := 0, 0 // unparsed bytes
	for {
		missing := 4 - (to - from)
		for to-from >= 4 {
			size := int(be32(c.slab[from:]))
			if size < 8 || size > slabBytes-4 {
				return errBadRequest
			}
			if missing = 4 + size - (to - from); missing > 0 {
				break
			}
			if err := c.handle(c.slab[from+4 : from+4+size]); err != nil {
				return err
			}
			from += 4 + size
			missing = 4 - (to - from)
		}
		if err := c.answer(); err != nil {
			return err
		}
		if from == to || to+missing > hotBytes { // move the half-read frame to the front
			from, to = 0, copy(c.slab, c.slab[from:to])
		}
		// SO_RCVLOWAT: not to be woken before most of a big frame is there; never more than is missing.
		if want := max(1, min(missing, lowWater)); c.lowWater > missing || c.lowWater < want/2 {
			c.lowWater = want
			unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, want)
		}
		n, err := c.net.Read(c.slab[to:max(hotBytes, to+missing)])
		if err != nil {
			return err
		}
		to += n
	}
}

// settle writes what is staged and lets the partition go.
func (c *conn) settle() {
	if c.staging != nil {
		c.staging.write()
		c.staging.Unlock()
		c.staging = nil
	}
}

// answer sends all answers with one write, after the bytes they speak of are written.
func (c *conn) answer() (err error) {
	if c.settle(); len(c.answers) > 0 {
		_, err = c.net.Write(c.answers)
	}
	c.answers = c.answers[:0]
	return err
}

func (c *conn) handle(frame []byte) error {
	key, version, correlation := be16(frame), be16(frame[2:]), be32(frame[4:])
	r := reader{b: frame[8:]}
	r.string() // client id
	start := len(c.answers)
	c.answers = put32(append(c.answers, 0, 0, 0, 0), correlation)
	if key == 1 && version == 11 {
		c.answers = c.answers[:start]
		return c.fetch(&r, correlation)
	}
	if key == 0 && version == 7 {
		c.produce(&r)
	} else {
		r.bad = !c.cold(&r, key, version)
	}
	if r.bad {
		return errBadRequest
	}
	binary.BigEndian.PutUint32(c.answers[start:], uint32(len(c.answers)-start-4))
	return nil
}

// produce answers a Produce request of version 7, whatever its acks.
func (c *conn) produce(r *reader) {
	r.string() // transactional id
	r.take(6)  // acks, timeout
	topics := r.int32()
	out := put32(c.answers, topics)
	for ; topics > 0 && !r.bad; topics-- {
		topic, partitions := r.string(), r.int32()
		out = put32(putString(out, topic), partitions)
		for ; partitions > 0 && !r.bad; partitions-- {
			number := r.int32()
			offset, code := c.append(topic, number, r.take(int(r.int32())))
			out = put64(put16(put32(out, number), code), offset)
			out = put64(put64(out, -1), 0) // log append time, log start offset
		}
	}
	c.answers = put32(out, 0) // throttle
}

// append checks a batch and stages it with its neighbours: the partition stays locked until settle.
func (c *conn) append(topic []byte, number int32, batch []byte) (offset int64, code int16) {
	records, code := inspect(batch)
	p := c.partition(topic, number)
	if p == nil {
		code = 3
	}
	if code != 0 {
		return -1, code
	}
	if c.staging != p {
		c.settle()
		p.Lock()
		c.staging = p
	}
	return p.stage(batch, records), 0
}

// fetch answers a Fetch request of version 11 with one writev of heads and mapped page cache: no copy in user space, and
// a page fault stays inside the kernel. It measured 0 to 20 % faster than sendfile. A long poll looks every millisecond.
func (c *conn) fetch(r *reader, correlation int32) error {
	if err := c.answer(); err != nil { // earlier answers go first, and nothing stays locked while we wait
		return err
	}
	r.take(4) // replica id
	deadline := time.Now().Add(time.Duration(r.int32()) * time.Millisecond)
	minBytes, maxBytes := int64(r.int32()), int64(r.int32())
	r.take(9) // isolation, session id and epoch: answered with 0, which means no session (KIP-227)
	for again := *r; ; time.Sleep(time.Millisecond) {
		pieces, bytes, wait := c.encodeFetch(&again, correlation, maxBytes)
		if again.bad {
			return errBadRequest
		}
		if !wait || bytes >= minBytes || time.Now().After(deadline) {
			_, err := pieces.WriteTo(c.net)
			return err
		}
		again = *r
	}
}

func (c *conn) encodeFetch(r *reader, correlation int32, maxBytes int64) (pieces net.Buffers, bytes int64, wait bool) {
	length, done, topics := make([]byte, 4), 0, r.int32()
	head := put32(put32(put16(put32(put32(c.answers, correlation), 0), 0), 0), topics) // throttle, error, session id
	for wait, pieces = true, append(pieces, length); topics > 0 && !r.bad; topics-- {
		topic, partitions := r.string(), r.int32()
		head = put32(putString(head, topic), partitions)
		for ; partitions > 0 && !r.bad; partitions-- {
			number := r.int32()
			r.take(4) // current leader epoch
			offset := r.int64()
			r.take(8) // log start offset of a follower
			limit := min(int64(r.int32()), max(maxBytes-bytes, 0))
			records, code, first, end := []byte(nil), int16(3), int64(-1), int64(-1)
			if p := c.partition(topic, number); p != nil {
				records, first, end = p.find(offset, limit)
				if code = 0; offset < first || offset > end {
					code = 1
				}
			}
			wait = wait && code == 0
			head = put64(put64(put16(put32(head, number), code), end), end) // high watermark, last stable offset
			head = put32(put32(put64(head, first), -1), -1)                 // log start; no aborted transactions, no other replica
			head = put32(head, int32(len(records)))
			pieces = append(pieces, head[done:], records)
			done = len(head)
			bytes += int64(len(records))
		}
	}
	pieces = append(pieces, head[done:])
	binary.BigEndian.PutUint32(length, uint32(int64(len(head))+bytes))
	return pieces, bytes, wait
}

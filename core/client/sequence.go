package client

import (
	"encoding/binary"
	"hash/crc32"
	"slices"

	"rookery/core/batch"
	"rookery/core/seam"
	"rookery/core/wire"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// identity is the producer id that the cluster gave (KIP-98).
type identity struct {
	id       int64
	epoch    int16
	asking   bool
	retryAt  seam.Mono
	failures int
}

// line is where an idempotent producer stands with one partition. The epoch is each partition's own: a broker compares
// epochs of one producer id a partition at a time.
//
//	parcels   [ sequenced, under way or to be sent again | no sequence yet ... ]
//	             first: lastAcked+1 ...        nextSequence ─┘
type line struct {
	id        int64
	epoch     int16
	next      int32 // of the next batch that is sent for the first time
	sent      int64 // batches that were given a sequence
	lastAcked int32 // batch.NoSequence: none of this epoch

	// A batch that may have been written was given up: whether there is a gap is not known. Nothing new is sent until it
	// is (TransactionManager.markSequenceUnresolved).
	unresolved bool

	// There is a gap: the epoch is to be bumped and all that waits renumbered from 0 (KIP-360). Java renumbers at once;
	// a batch whose answer was lost could then be written twice, so it is asked for again first, with its old sequence,
	// the last before the first (doubtful).
	bump bool

	// Batches of this epoch before the passed-th have one behind them that is written, or may be, and is not asked about
	// any more. Of those a refusal says nothing (isProof), ever. Java renumbers them, and has them written twice.
	passed int64

	// A batch was given up that a request may carry still which outlived its link, and nothing behind it is written: it may
	// come to be written, and then what was sent behind it. Those that were refused and may be under way are not renumbered.
	astray bool
}

func newLine() line {
	return line{id: batch.NoProducerID, epoch: batch.NoProducerEpoch, lastAcked: batch.NoSequence}
}

// begin starts a line from sequence 0.
func (l *line) begin(id int64, epoch int16) {
	*l = line{id: id, epoch: epoch, lastAcked: batch.NoSequence}
}

// isNext says whether sequence follows what was acknowledged last.
func (l *line) isNext(sequence int32) bool {
	if l.lastAcked == batch.NoSequence {
		return sequence == 0
	}
	return sequence == batch.AddSequence(l.lastAcked, 1)
}

// acknowledge notes that a batch is written. What was refused behind it may be written now, by a request that was given up
// for lost: it is asked for again.
func (p *partition) acknowledge(k *parcel) {
	l, last := &p.line, batch.AddSequence(k.sequence, k.count-1)
	l.astray = l.astray && k.nth < l.passed
	l.passed = max(l.passed, k.nth)
	if l.lastAcked == batch.NoSequence || uint32(last-l.lastAcked)&0x7fffffff < 1<<30 {
		l.lastAcked = last
	}
	for _, other := range p.parcels {
		if other.nth > k.nth {
			other.refused = false
		}
	}
}

// leave notes that a batch is not asked about any more.
func (l *line) leave(k *parcel) {
	if k.sequenced && k.unknown {
		l.passed = max(l.passed, k.nth)
	}
}

// split makes room among the batches for a second half of the first of some.
func (l *line) split(parcels []*parcel) {
	for _, behind := range parcels[1:] {
		behind.nth++
	}
	if l.sent++; l.passed > parcels[0].nth {
		l.passed++
	}
}

// refuse judges OUT_OF_ORDER_SEQUENCE_NUMBER and UNKNOWN_PRODUCER_ID: the batch is sent again. If all before it are done
// or given up, nobody will close the gap before it. Java compares the sequence with the last that was acknowledged
// (TransactionManager.canRetry), and waits in vain where a later batch was acknowledged and both lost.
func (p *partition) refuse(k *parcel, code wire.Code) {
	k.refused = k.nth < p.line.passed || p.isProof(k)
	p.line.bump = p.line.bump || code == wire.UnknownProducerID || p.parcels[0] == k
}

// isProof says whether a refusal of k proves that it is not in the log. A broker that was restarted may know a producer's
// newest batch only, and refuse an older one that it has; so nothing behind k may be in the log when k is refused. That a
// batch behind k is refused later is too late: it may have been there until a leader lost its tail (acks=1).
func (p *partition) isProof(k *parcel) bool {
	if !k.unknown {
		return true
	}
	for _, other := range p.parcels[slices.Index(p.parcels, k)+1:] {
		if other.sequenced && (other.flying || other.unknown && !other.refused) {
			return false
		}
	}
	return true
}

// doubtful is the batch that is asked for next before the epoch is bumped, if any: the last that may be in the log, so
// that a refusal proves that it is not. None while an answer is awaited.
func (p *partition) doubtful() (last *parcel) {
	for _, k := range p.parcels {
		if k.flying {
			return nil
		}
		if k.sequenced && !k.refused {
			last = k
		}
	}
	return last
}

// maybeSettle ends what is unresolved once nothing of it is under way, and bumps the epoch where that is needed and
// safe: every batch that has a sequence is refused, and none is under way.
func (c *Client) maybeSettle(p *partition, fx *seam.Effects) {
	l := &p.line
	sequenced := 0
	for _, k := range p.parcels {
		if !k.sequenced {
			break
		}
		if sequenced++; k.flying || !k.refused {
			return
		}
	}
	if l.unresolved && sequenced == 0 {
		l.unresolved = false
		l.bump = l.bump || !l.isNext(l.next)
	}
	if l.bump {
		c.bump(p, fx)
	}
}

func (c *Client) bump(p *partition, fx *seam.Effects) {
	for _, k := range slices.Clone(p.parcels) {
		if k.refused && k.unknown && (p.line.astray || k.nth < p.line.passed) {
			p.remove(k)
			c.fail(k, wire.OutOfOrderSequenceNumber, NoFault, fx)
		}
	}
	for _, k := range p.parcels {
		k.sequenced, k.refused = false, false
	}
	if p.line.epoch == 1<<15-1 {
		p.line = newLine()
		c.identity.id = batch.NoProducerID // another one is asked for
		return
	}
	p.line.begin(p.line.id, p.line.epoch+1)
}

// maybeIdentify asks for a producer id when records wait for one.
func (c *Client) maybeIdentify(now seam.Now, fx *seam.Effects) {
	i := &c.identity
	if !c.config.Idempotent || i.id != batch.NoProducerID || i.asking || len(c.active) == 0 {
		return
	}
	if now.Mono < i.retryAt {
		fx.Wake(i.retryAt)
		return
	}
	n := c.maybeAny(now, fx)
	if n == nil {
		return
	}
	ask := kmsg.NewPtrInitProducerIDRequest()
	version, ok := c.version(n, ask)
	if !ok {
		i.retryAt = now.Mono + c.config.RetryBackoffMax
		fx.Wake(i.retryAt)
		return
	}
	ask.Version = version
	i.asking = true
	c.send(now, n, ask, c.config.RequestTimeout, fx, c.onIdentity)
}

func (c *Client) onIdentity(now seam.Now, answer wire.Answer, _ Fault, fx *seam.Effects) {
	i := &c.identity
	i.asking = false
	r, _ := answer.(*kmsg.InitProducerIDResponse)
	if r == nil || wire.Code(r.ErrorCode).Failed() || r.ProducerID < 0 {
		i.retryAt = now.Mono + c.pause(c.config.RetryBackoff, c.config.RetryBackoffMax, i.failures)
		i.failures++
		if r != nil && wire.Code(r.ErrorCode) == wire.ClusterAuthorizationFailed {
			c.bar(wire.ClusterAuthorizationFailed, fx)
		}
		return
	}
	i.id, i.epoch, i.failures = r.ProducerID, r.ProducerEpoch, 0
}

// bar fails everything that waits for a producer id.
func (c *Client) bar(code wire.Code, fx *seam.Effects) {
	for _, p := range c.active {
		if p.line.id != batch.NoProducerID {
			continue
		}
		if p.open {
			p.close()
			p.unstick()
		}
		for _, k := range p.parcels {
			c.fail(k, code, NoFault, fx)
		}
		p.parcels = nil
	}
}

// stamp writes producer and sequence into a batch that was built without, and renews its CRC.
func stamp(b []byte, id int64, epoch int16, sequence int32) {
	const crcAt, idAt, epochAt, sequenceAt = 17, 43, 51, 53
	binary.BigEndian.PutUint64(b[idAt:], uint64(id))
	binary.BigEndian.PutUint16(b[epochAt:], uint16(epoch))
	binary.BigEndian.PutUint32(b[sequenceAt:], uint32(sequence))
	binary.BigEndian.PutUint32(b[crcAt:], checksum(b))
}

// checksum is the CRC-32C of a batch: of everything from its attributes on.
func checksum(b []byte) uint32 {
	const attributesAt = 21
	return crc32.Checksum(b[attributesAt:], crc32.MakeTable(crc32.Castagnoli))
}

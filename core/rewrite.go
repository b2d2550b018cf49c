package core

import (
	"rookery/core/batch"
	"rookery/core/conn"
	"rookery/core/meta"
	"rookery/core/ordered"
	"rookery/core/replica"
	"rookery/core/seam"
	"rookery/core/wire"
)

// A topic with a codec of its own (compression.type) stores what producers send compressed by that. The work lasts too long
// for a Step:
//
//	judged ─▶ Rewrite ─▶ the connection's goroutine ─▶ Rewritten ─▶ judged again, all of it ─▶ the log
//	   its connection is frozen meanwhile: what comes behind is not started
//
// A few bytes may become very many, so that not all that is asked for is under way at once: what was rewritten, and waits to
// be written, takes a bounded share of the memory for frames.
//
// Time passes in between: the topic may be gone or altered, the clock has moved, and other connections have written, under
// the same producer id perhaps. Nothing that was found at first is believed later. Only which topic a name meant is kept: what
// was sent to one that is gone does not belong to the next of that name.

// rewriting is one batch under way.
type rewriting struct {
	ticket  replica.Ticket
	request *conn.Request // good while the produce's frame is held
	entry   int32         // of the request
	topic   meta.UUID     // that it is for
	codec   batch.Codec
	level   int32
	room    int64 // that it may come to take
}

// rewrites are all that are asked for.
type rewrites struct {
	underWay map[seam.Op]rewriting
	waiting  ordered.Ring[rewriting]
	last     uint32 // number
	bytes    int64  // of those under way, as far as they may come, and of those that are not written yet
}

// rewriteShare of the memory for frames is what rewritten batches may take, or a single one of any size.
const rewriteShare = 4

// lent is the frame of a batch that came back.
type lent struct {
	part  int32
	lease seam.Lease
	size  int64
}

// rewrite has a batch compressed as its topic wants it.
func (b *Broker) rewrite(ticket replica.Ticket, t *topic, r *conn.Request, i int32, p *produce, result *wire.ProduceResult, fx *seam.Effects) (waits bool) {
	facts := &r.Facts[i]
	codec, level := t.config.Codec()
	switch {
	case codec == batch.None && facts.InflatedSize+batch.HeaderSize > int64(t.config.MaxMessageBytes):
		result.Code, result.ErrorMessage = wire.MessageTooLarge, "the batch is larger than max.message.bytes, uncompressed"
		return false
	case p.owner.gone || b.phase >= phaseStopping:
		result.Code = wire.NotLeaderOrFollower // there is nobody who could do it
		return false
	}
	p.owner.rewriting++
	p.writes++
	b.rewrites.waiting.Push(rewriting{ticket, r, i, t.id, codec, level, facts.InflatedSize + batch.HeaderSize})
	b.startRewrites(fx)
	return true
}

// startRewrites asks for what there is room for. Whoever waits waits for one that is under way, or is being written.
func (b *Broker) startRewrites(fx *seam.Effects) {
	for w := &b.rewrites; w.waiting.Len() > 0; {
		x := w.waiting.Front()
		p := &b.produces[x.ticket.Request]
		if w.bytes > 0 && w.bytes+x.room > b.config.FrameBytes/rewriteShare {
			return
		}
		if !b.turns.take() {
			b.turns.put(func(_ seam.Now, fx *seam.Effects) bool {
				b.startRewrites(fx)
				return true
			})
			return
		}
		if p.owner.gone || b.phase >= phaseStopping {
			b.turns.put(b.notRewritten(w.waiting.Pop()))
			continue
		}
		w.bytes += x.room
		w.last++
		op := seam.Op(uint64(ownerPart)<<32 | uint64(w.last))
		facts := &x.request.Facts[x.entry]
		fx.Rewrites = append(fx.Rewrites, seam.Rewrite{
			Op: op, Conn: p.owner.id, Data: x.request.Produce.Partitions[x.entry].Records[:facts.Size], Codec: uint8(x.codec), Level: x.level,
		})
		w.underWay[op] = w.waiting.Pop()
	}
}

// notRewritten ends one that waited until there was nobody who could do it.
func (b *Broker) notRewritten(x rewriting) turn {
	return func(now seam.Now, fx *seam.Effects) bool {
		if !b.turns.take() {
			return false
		}
		b.produces[x.ticket.Request].results[x.ticket.Part].Code = wire.NotLeaderOrFollower
		b.rewriteEnded(now, x, false, fx)
		return true
	}
}

// onRewritten judges a batch anew that was rewritten, and takes it into the log, unless it is to be rewritten once more.
func (b *Broker) onRewritten(now seam.Now, in *seam.Rewritten, fx *seam.Effects) {
	x := b.rewrites.underWay[in.Op]
	delete(b.rewrites.underWay, in.Op)
	p := &b.produces[x.ticket.Request]
	size := int64(len(in.Data))
	b.frames += size
	b.rewrites.bytes += size - x.room
	waits, writes := b.takeRewritten(now, x, p, in.Data, fx)
	if writes {
		p.rewritten = append(p.rewritten, lent{x.ticket.Part, in.Lease, size})
	} else {
		b.freeFrame(in.Lease, size, fx)
	}
	b.rewriteEnded(now, x, waits, fx)
	b.startRewrites(fx)
}

func (b *Broker) rewriteEnded(now seam.Now, x rewriting, waits bool, fx *seam.Effects) {
	id := x.ticket.Request
	p := &b.produces[id]
	if !waits {
		p.decided[x.ticket.Part] = true
		p.open--
	}
	c := p.owner
	b.freed(replica.Ticket{Request: id, Part: intake}, fx)
	b.maybeAnswer(now, id, fx)
	if c.rewriting--; !c.frozen() {
		b.putQueued(c)
	}
}

func (b *Broker) takeRewritten(now seam.Now, x rewriting, p *produce, data []byte, fx *seam.Effects) (waits, writes bool) {
	asked, result := &x.request.Produce.Partitions[x.entry], &p.results[x.ticket.Part]
	if b.phase >= phaseStopping {
		result.Code = wire.NotLeaderOrFollower
		return false, false
	}
	facts := x.request.Facts[x.entry].Rewritten(data)
	t, target, code := b.find(asked.Topic, asked.TopicID, asked.Index, x.request.Version >= 13)
	if code == wire.None && t.id != x.topic {
		code = wire.UnknownTopicOrPartition
	}
	if code != wire.None {
		result.Code = code
		return false, false
	}
	again := p.owner.rewriting
	waits, writes = b.takePart(now, x.ticket, t, target, x.request, x.entry, data, &facts, p, result, fx)
	if p.owner.rewriting == again { // else it was altered meanwhile
		b.countProduce(target, facts.Count, facts.Size, result.Code)
	}
	return waits, writes
}

// freeRewritten frees the frame of a part that was rewritten; false: it was not.
func (b *Broker) freeRewritten(p *produce, part int32, fx *seam.Effects) bool {
	for i, l := range p.rewritten {
		if l.part == part {
			last := len(p.rewritten) - 1
			p.rewritten[i] = p.rewritten[last]
			p.rewritten = p.rewritten[:last]
			b.freeFrame(l.lease, l.size, fx)
			return true
		}
	}
	return false
}

// freeFrame gives the frame of a rewritten batch back.
func (b *Broker) freeFrame(lease seam.Lease, size int64, fx *seam.Effects) {
	fx.Frees = append(fx.Frees, lease)
	b.frames -= size
	b.rewrites.bytes -= size
	b.feed(fx)
	b.startRewrites(fx)
}

package kafka

import (
	"cmp"
	"context"
	"sync"

	"rookery/core/client"
	"rookery/net/courier"
)

// Producer writes records. It gathers those of one partition into batches, and has several requests under way.
type Producer struct {
	courier     *courier.Courier
	bufferBytes int

	mu      sync.Mutex
	parcels map[uint64]*parcel
	tag     uint64
	used    int           // bytes of the buffer
	room    chan struct{} // closed when there is more of it
}

// parcel is one Send that is not delivered yet.
type parcel struct {
	records []Record
	left    int
	then    func(Delivered, error)
}

// NewProducer makes a Producer. It connects when there is something to send. The error is of the Config.
func NewProducer(config Config) (*Producer, error) {
	p := &Producer{bufferBytes: config.BufferBytes, parcels: map[uint64]*parcel{}, room: make(chan struct{})}
	var err error
	if p.courier, err = config.dial(courier.Config{Delivered: p.onDelivered}); err != nil {
		return nil, err
	}
	return p, nil
}

// Send hands records over and returns as soon as there is room for them. partition may be AnyPartition. then hears what
// became of each record, perhaps in several calls; nil: nobody does. It must not wait for another answer. Until then the
// records, and the bytes in them, belong to the Producer. The error says that none of them was handed over.
func (p *Producer) Send(ctx context.Context, topic string, partition int32, records []Record, then func(Delivered, error)) error {
	if len(records) == 0 {
		return nil
	}
	tag, err := p.reserve(ctx, &parcel{records: records, left: len(records), then: then})
	if err != nil {
		return err
	}
	p.courier.Tell(&client.Produce{Tag: tag, Topic: topic, Partition: partition, Records: records})
	p.courier.Run()
	return nil
}

// reserve waits for room. A Send that is larger than the whole buffer waits until it is alone, and the machine refuses it.
func (p *Producer) reserve(ctx context.Context, one *parcel) (tag uint64, err error) {
	size := 0
	for i := range one.records {
		size += one.records[i].Size()
	}
	for {
		select {
		case <-p.courier.Done():
			return 0, ErrClosed
		default:
		}
		p.mu.Lock()
		if p.used == 0 || p.used+size <= p.bufferBytes {
			p.used += size
			p.tag++
			p.parcels[p.tag] = one
			defer p.mu.Unlock()
			return p.tag, nil
		}
		room := p.room
		p.mu.Unlock()
		select {
		case <-room:
		case <-p.courier.Done():
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

func (p *Producer) onDelivered(d Delivered) {
	p.mu.Lock()
	one := p.parcels[d.Tag]
	for i := d.Index; i < d.Index+d.Count; i++ {
		p.used -= one.records[i].Size()
	}
	if one.left -= int(d.Count); one.left == 0 {
		delete(p.parcels, d.Tag)
	}
	close(p.room)
	p.room = make(chan struct{})
	p.mu.Unlock()
	if one.then == nil {
		return
	}
	if d.Failed() {
		one.then(d, &ProduceError{d})
		return
	}
	one.then(d, nil)
}

// SendSync writes records and waits until each is acknowledged, or has failed: what became of them, in the order in which
// it was heard, and a ProduceError of the first that failed.
func (p *Producer) SendSync(ctx context.Context, topic string, partition int32, records ...Record) ([]Delivered, error) {
	type word struct {
		Delivered
		err error
	}
	told := make(chan word, len(records))
	if err := p.Send(ctx, topic, partition, records, func(d Delivered, err error) { told <- word{d, err} }); err != nil {
		return nil, err
	}
	var all []Delivered
	var failure error
	left := len(records)
	hear := func(w word) {
		all = append(all, w.Delivered)
		left -= int(w.Count)
		failure = cmp.Or(failure, w.err)
	}
	for left > 0 {
		select {
		case w := <-told:
			hear(w)
		case <-p.courier.Done():
			for len(told) > 0 { // before the client was closed
				hear(<-told)
			}
			if left > 0 {
				return all, ErrClosed
			}
		case <-ctx.Done():
			return all, context.Cause(ctx)
		}
	}
	return all, failure
}

// Flush sends what has gathered, and waits until everything that was sent before is delivered or has failed.
func (p *Producer) Flush(ctx context.Context) error { return p.courier.Flush(ctx) }

// Close flushes for as long as ctx lets it, and ends the links. What is not delivered by then is never told of.
func (p *Producer) Close(ctx context.Context) error { return p.courier.Close(ctx) }

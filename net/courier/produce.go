package courier

import (
	"context"
	"fmt"

	"rookery/core/client"
)

// Send hands records over and returns as soon as there is room for them. then is told what became of each, perhaps in
// several calls; nil: nobody is. The records belong to the Courier until then.
func (c *Courier) Send(ctx context.Context, topic string, partition int32, records []client.Record, then func(client.Delivered)) error {
	if len(records) == 0 {
		return nil
	}
	size := 0
	for i := range records {
		size += records[i].Size()
	}
	if err := c.reserve(ctx, size); err != nil {
		return err
	}
	c.mu.Lock()
	c.tag++
	tag := c.tag
	c.parcels[tag] = &parcel{records: records, left: len(records), then: then}
	c.mu.Unlock()
	c.tell(&client.Produce{Tag: tag, Topic: topic, Partition: partition, Records: records})
	return nil
}

// reserve waits for room. A Send that is larger than the whole buffer waits until it is alone, and the machine refuses it.
func (c *Courier) reserve(ctx context.Context, size int) error {
	for {
		c.mu.Lock()
		if c.shut {
			c.mu.Unlock()
			return ErrClosed
		}
		if c.used == 0 || c.used+size <= c.config.Client.BufferBytes {
			c.used += size
			c.mu.Unlock()
			return nil
		}
		room := c.room
		c.mu.Unlock()
		select {
		case <-room:
		case <-c.finished:
			return ErrClosed
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (c *Courier) onDelivered(d client.Delivered) {
	c.mu.Lock()
	p := c.parcels[d.Tag]
	for i := d.Index; i < d.Index+d.Count; i++ {
		c.used -= p.records[i].Size()
	}
	if p.left -= int(d.Count); p.left == 0 {
		delete(c.parcels, d.Tag)
	}
	close(c.room)
	c.room = make(chan struct{})
	c.mu.Unlock()
	if p.then != nil {
		p.then(d)
	}
}

// Produce writes records and waits until each is acknowledged, or has failed. The error is of the first that failed.
func (c *Courier) Produce(ctx context.Context, topic string, partition int32, records ...client.Record) ([]client.Delivered, error) {
	told := make(chan client.Delivered, len(records))
	if err := c.Send(ctx, topic, partition, records, func(d client.Delivered) { told <- d }); err != nil {
		return nil, err
	}
	var all []client.Delivered
	var failure error
	for left := len(records); left > 0; {
		select {
		case d := <-told:
			all = append(all, d)
			left -= int(d.Count)
			if d.Failed() && failure == nil {
				failure = &ProduceError{Delivered: d}
			}
		case <-c.finished:
			return all, ErrClosed
		case <-ctx.Done():
			return all, context.Cause(ctx)
		}
	}
	return all, failure
}

// ProduceError says why records were not, or not surely, written.
type ProduceError struct{ Delivered client.Delivered }

func (e *ProduceError) Error() string {
	d := &e.Delivered
	why := d.Fault.String()
	switch {
	case d.Fault == client.NoFault:
		why = d.Code.String()
	case d.Code.Failed():
		why += " (" + d.Code.String() + ")"
	}
	if d.Unknown {
		why += "; they may have been written"
	}
	if d.Partition < 0 {
		return fmt.Sprintf("%d records to topic %s: %s", d.Count, d.Topic, why)
	}
	return fmt.Sprintf("%d records to topic %s partition %d: %s", d.Count, d.Topic, d.Partition, why)
}

package courier

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"rookery/core/client"
)

// reader is one loop over Consume.
type reader struct {
	mu      sync.Mutex
	queue   []*client.Fetched
	ended   bool
	arrived chan struct{} // holds one if something is in queue
}

// push hands one over, unless the loop has ended.
func (r *reader) push(f *client.Fetched) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return false
	}
	r.queue = append(r.queue, f)
	select {
	case r.arrived <- struct{}{}:
	default:
	}
	return true
}

// close ends it, and says how many bytes were not taken.
func (r *reader) close() (bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	for _, f := range r.queue {
		bytes += f.Bytes
	}
	return bytes
}

func (r *reader) pop() *client.Fetched {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		return nil
	}
	f := r.queue[0]
	r.queue = r.queue[1:]
	return f
}

func (c *Courier) onFetched(f *client.Fetched) {
	c.mu.Lock()
	r := c.readers[place{f.Topic, f.Partition}]
	c.mu.Unlock()
	if (r == nil || !r.push(f)) && f.Bytes > 0 {
		c.tell(&client.Poll{Bytes: f.Bytes})
	}
}

// window is how many bytes a reader lets the machine fetch ahead.
func (c *Courier) window() int64 { return max(int64(c.config.Client.FetchMaxBytes), 1) }

// Consume reads partitions until the loop ends, ctx ends, or one of them stops for good. What it yields is of one
// partition each, in order; an error that may pass comes with the partition's Fetched and the reading goes on. A
// partition is read by one loop at a time.
func (c *Courier) Consume(ctx context.Context, from ...client.Assign) iter.Seq2[*client.Fetched, error] {
	return func(yield func(*client.Fetched, error) bool) {
		r := &reader{arrived: make(chan struct{}, 1)}
		if err := c.begin(r, from); err != nil {
			yield(nil, err)
			return
		}
		credit := c.window()
		defer func() { c.end(r, from, credit) }()
		for i := range from {
			c.tell(&from[i])
		}
		c.tell(&client.Poll{Bytes: credit})
		for {
			f, err := c.next(ctx, r)
			if err != nil {
				yield(nil, err)
				return
			}
			if f.Code.Failed() {
				err = &FetchError{Fetched: *f}
			}
			credit -= f.Bytes
			if !yield(f, err) || f.Stopped {
				return
			}
			if f.Bytes > 0 {
				credit += f.Bytes
				c.tell(&client.Poll{Bytes: f.Bytes})
			}
		}
	}
}

func (c *Courier) begin(r *reader, from []client.Assign) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shut {
		return ErrClosed
	}
	for _, a := range from {
		if c.readers[place{a.Topic, a.Partition}] != nil {
			return fmt.Errorf("topic %s partition %d is being read already", a.Topic, a.Partition)
		}
	}
	for _, a := range from {
		c.readers[place{a.Topic, a.Partition}] = r
	}
	return nil
}

// end takes back what the reader had asked for and did not get.
func (c *Courier) end(r *reader, from []client.Assign, credit int64) {
	for i := range from {
		c.tell(&client.Unassign{Topic: from[i].Topic, Partition: from[i].Partition})
	}
	c.mu.Lock()
	for _, a := range from {
		delete(c.readers, place{a.Topic, a.Partition})
	}
	c.mu.Unlock()
	c.tell(&client.Poll{Bytes: r.close() - credit})
}

func (c *Courier) next(ctx context.Context, r *reader) (*client.Fetched, error) {
	for {
		if f := r.pop(); f != nil {
			return f, nil
		}
		select {
		case <-r.arrived:
		case <-c.finished:
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// FetchError is a partition's error.
type FetchError struct{ Fetched client.Fetched }

func (e *FetchError) Error() string {
	return fmt.Sprintf("topic %s partition %d: %s", e.Fetched.Topic, e.Fetched.Partition, e.Fetched.Code)
}

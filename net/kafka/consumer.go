package kafka

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"rookery/core/client"
	"rookery/net/courier"
)

// Consumer reads partitions, each from where it was told. It fetches ahead: FetchMaxBytes, of all partitions together.
type Consumer struct {
	courier *courier.Courier

	mu       sync.Mutex
	readings map[place]*reading
	tag      uint64
	queue    []*Fetched
	arrived  chan struct{} // holds one if there is something new in queue or news
	member   *member       // nil: it is in no group
}

// place is one partition.
type place struct {
	topic     string
	partition int32
}

// reading is where one partition is read.
//
//	from ── handed out ──▶ position ── in the queue ──▶ the machine's own position
//
// What is in the queue and bears another tag is of an earlier assignment, or from before a Seek: it is passed over.
type reading struct {
	tag      uint64
	position int64 // of the record that is handed out next; -1: not known yet
	done     int64 // everything before it was processed; -1: nobody has said
	told     int64 // done, as the machine knows it
	epoch    int32 // leader epoch of the record before position; 0: not known
	paused   bool
	behind   bool // something was passed over while it was paused: it is fetched again
}

// NewConsumer makes a Consumer that reads nothing yet. The error is of the Config.
func NewConsumer(config Config) (*Consumer, error) {
	c := &Consumer{readings: map[place]*reading{}, arrived: make(chan struct{}, 1)}
	ears := courier.Config{Fetched: c.onFetched}
	if config.GroupID != "" {
		c.member = &member{config: config}
		ears.Group = c.onNews
	}
	var err error
	if c.courier, err = config.dial(ears); err != nil {
		return nil, err
	}
	c.courier.Tell(&client.Poll{Bytes: max(int64(config.FetchMaxBytes), 1)})
	c.courier.Run()
	return c, nil
}

// Partitions is how many partitions a topic has; they are numbered from 0. A topic that does not exist is not made.
func (c *Consumer) Partitions(ctx context.Context, topic string) (int32, error) {
	answer, err := c.courier.Call(ctx, client.NewLeadersCall(topic, false))
	if err != nil {
		return 0, err
	}
	leaders, code := answer.Leaders()
	if code.Failed() {
		return 0, fmt.Errorf("topic %s: %s", topic, code)
	}
	return int32(len(leaders)), nil
}

// Assign has a partition read from an offset, which may be Earliest, Latest or AsCommitted, beside those that are read
// already. It is not for a Consumer that has subscribed: that reads what its group gives it.
func (c *Consumer) Assign(topic string, partition int32, offset int64) {
	c.mu.Lock()
	r := &reading{}
	c.readings[place{topic, partition}] = r
	c.move(topic, partition, r, client.Assign{Offset: offset})
	c.mu.Unlock()
	c.courier.Run()
}

// Unassign ends that.
func (c *Consumer) Unassign(topic string, partition int32) {
	c.mu.Lock()
	delete(c.readings, place{topic, partition})
	c.courier.Tell(&client.Unassign{Topic: topic, Partition: partition})
	c.mu.Unlock()
	c.courier.Run()
}

// Seek goes on at an offset, which may be Earliest or Latest. The next Poll has nothing from before it. A request that a
// broker is holding back is waited for first: that takes up to FetchWaitMax.
func (c *Consumer) Seek(topic string, partition int32, offset int64) error {
	return c.seek(topic, partition, client.Assign{Offset: offset})
}

// SeekToTime goes on at the first record whose timestamp is no older, or at the end if there is none.
func (c *Consumer) SeekToTime(topic string, partition int32, at time.Time) error {
	return c.seek(topic, partition, client.Assign{Offset: client.AtTimestamp, Timestamp: at.UnixMilli()})
}

func (c *Consumer) seek(topic string, partition int32, to client.Assign) error {
	return c.with(topic, partition, func(r *reading) {
		r.epoch = 0 // nothing was read there
		c.move(topic, partition, r, to)
	})
}

// with does something about a partition that is read. What it tells the machine is told in the order of the lock, and
// heard when that is given up: the machine's answers take it too.
func (c *Consumer) with(topic string, partition int32, do func(*reading)) error {
	c.mu.Lock()
	r := c.readings[place{topic, partition}]
	if r != nil {
		do(r)
	}
	c.mu.Unlock()
	c.courier.Run()
	if r == nil {
		return &PartitionError{topic, partition}
	}
	return nil
}

// move has the machine read from elsewhere.
func (c *Consumer) move(topic string, partition int32, r *reading, to client.Assign) {
	c.tag++
	r.tag, r.position, r.behind = c.tag, max(to.Offset, -1), false
	r.done, r.told = r.position, -1
	to.Tag, to.Topic, to.Partition, to.Paused = r.tag, topic, partition, r.paused
	c.courier.Tell(&to)
}

// Pause has Poll pass a partition over until Resume. It keeps its position; what was fetched ahead is fetched again then,
// so as to hold up no other partition.
func (c *Consumer) Pause(topic string, partition int32) error { return c.pause(topic, partition, true) }

// Resume ends that.
func (c *Consumer) Resume(topic string, partition int32) error {
	return c.pause(topic, partition, false)
}

func (c *Consumer) pause(topic string, partition int32, on bool) error {
	return c.with(topic, partition, func(r *reading) {
		if r.paused = on; !on && r.behind {
			c.move(topic, partition, r, client.Assign{Offset: r.position})
			return
		}
		c.courier.Tell(&client.Pause{Topic: topic, Partition: partition, On: on})
	})
}

// Position is the offset of the record that is handed out next. -1: it is not known, because Earliest, Latest or a time
// was not looked up yet, or the partition is not read.
func (c *Consumer) Position(topic string, partition int32) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.readings[place{topic, partition}]; r != nil {
		return r.position
	}
	return -1
}

// Poll waits for records of one of the partitions, or for word that one has no more (Fetched.End). With a FetchError there
// is a Fetched too, which may have records.
func (c *Consumer) Poll(ctx context.Context) (*Fetched, error) {
	return c.next(ctx, true)
}

// next is Poll; unless all of it is handed out with that, the position is before it.
func (c *Consumer) next(ctx context.Context, whole bool) (*Fetched, error) {
	c.comeBack()
	for {
		if err := c.hear(); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx) // there may always be more
		}
		if f := c.pop(whole); f != nil {
			c.member.isBusy(c)
			if f.Code.Failed() {
				return f, &FetchError{*f}
			}
			return f, nil
		}
		c.member.isIdle(c)
		select {
		case <-c.arrived:
		case <-c.courier.Done():
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Records is Poll a record at a time, until the loop ends or ctx does, of which it tells last. A FetchError comes with a
// ConsumerRecord that says no more than where; one that is bound to pass does not come. What the loop leaves is there for
// the next.
func (c *Consumer) Records(ctx context.Context) iter.Seq2[ConsumerRecord, error] {
	return func(yield func(ConsumerRecord, error) bool) {
		for {
			f, err := c.next(ctx, false)
			if f == nil {
				yield(ConsumerRecord{}, err)
				return
			}
			n, called := 0, false
			for !called && n < len(f.Records) && c.handOut(f, n+1) {
				if n++; !yield(ConsumerRecord{f.Topic, f.Partition, f.Records[n-1]}, nil) {
					c.putBack(f, n)
					return
				}
				if called = ctx.Err() != nil || c.member.isCalled(c); called {
					c.putBack(f, n)
				}
			}
			if called || n < len(f.Records) {
				continue // what is wrong is told behind the last of them, if that is still due
			}
			if len(f.Records) == 0 {
				c.handOut(f, 0)
			}
			if (f.Stopped || f.Damaged()) && !yield(ConsumerRecord{Topic: f.Topic, Partition: f.Partition}, err) {
				return
			}
		}
	}
}

// handOut moves the position behind the first n records, unless the loop went elsewhere or paused the partition meanwhile.
func (c *Consumer) handOut(f *Fetched, n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.readings[place{f.Topic, f.Partition}]
	if r == nil || r.tag != f.Tag {
		return false
	}
	if r.paused {
		r.behind = r.position >= 0
		return false
	}
	r.done = r.position // the loop has come back for more
	if r.position = after(f, n); n > 0 {
		r.epoch = f.Records[n-1].LeaderEpoch
	}
	return true
}

// after is the position behind the first n records.
func after(f *Fetched, n int) int64 {
	if n < len(f.Records) {
		return f.Records[n].Offset
	}
	return f.Position
}

// putBack has the records from the n-th on come first again.
func (c *Consumer) putBack(f *Fetched, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rest := *f
	rest.From, rest.Records, rest.Bytes = after(f, n), f.Records[n:], 0
	c.queue = append([]*Fetched{&rest}, c.queue...)
}

// pop is the next that is not out of date.
func (c *Consumer) pop(whole bool) (f *Fetched) {
	c.mu.Lock()
	released := int64(0)
	for f == nil && len(c.queue) > 0 {
		head := c.queue[0]
		c.queue[0], c.queue = nil, c.queue[1:]
		released += head.Bytes
		r := c.readings[place{head.Topic, head.Partition}]
		switch {
		case r == nil || r.tag != head.Tag:
		case r.paused && !head.Stopped:
			if r.position < 0 {
				r.position = head.From
			}
			r.behind = r.position >= 0
		case r.paused && r.behind: // Stopped: what was passed over is still due
			f = head
		default:
			if r.position != head.From { // it was looked up, or reset
				r.epoch = 0
			}
			f, r.position = head, head.From
			if r.done < 0 {
				r.done = head.From
			}
			if n := len(head.Records); whole {
				if r.position = head.Position; n > 0 {
					r.epoch = head.Records[n-1].LeaderEpoch
				}
			}
		}
	}
	c.mu.Unlock()
	if released > 0 {
		c.courier.Tell(&client.Poll{Bytes: released})
		c.courier.Run()
	}
	return f
}

func (c *Consumer) onFetched(f *Fetched) {
	c.mu.Lock()
	c.queue = append(c.queue, f)
	c.mu.Unlock()
	c.ring()
}

func (c *Consumer) ring() {
	select {
	case c.arrived <- struct{}{}:
	default:
	}
}

// Close ends the reading and the links. A member of a group commits what it has processed (unless AutoCommitInterval is
// 0), lets go of its partitions, and leaves, unless it is static; the error says what it could not commit. ctx bounds how long the
// brokers are waited for, and the callbacks. Called within one of them it ends with ctx or after twice RequestTimeout, since it waits for
// those that are at work.
func (c *Consumer) Close(ctx context.Context) error {
	if c.member == nil {
		return c.courier.Close(ctx)
	}
	closed := make(chan error, 1)
	go func() { closed <- c.courier.Close(ctx) }()
	for {
		select {
		case err := <-closed:
			c.hearOut(ctx)
			return err
		case <-c.arrived:
			go c.hearUnlessBusy() // a callback may last longer than ctx
		}
	}
}

package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"rookery/core/client"
)

// member is a Consumer's part in its group.
//
//	Poll, Records ──▶ everything handed out before is processed ──▶ committed by and by
//	OnRevoked ◀── what is to be let go ── the group        (in Poll, Records and Close)
//	OnAssigned ◀── what is ours from now on
//
// What counts as processed: all that a loop over Records has come back for more after, and all that Poll has returned
// before it is called again. So a record at which a loop was left is not committed by Close: it comes again, to whoever
// has its partition then. Commit goes further: it takes everything that was handed out for processed.
type member struct {
	config  Config
	hearing sync.Mutex // whoever has it calls the application back
	news    []any      // under Consumer.mu, as all below
	idle    bool       // as the machine was told
	toldAt  time.Time
	failure *GroupError // the group was left for that
}

// patience is how often a loop over Records says that it is alive.
const patience = 100 * time.Millisecond

// GroupError is what keeps a Consumer from its place in its group. If Trouble.Stopped, it is a member no more until it subscribes
// anew; else it is tried again.
type GroupError struct {
	Group   string
	Trouble client.GroupTrouble
}

func (e *GroupError) Error() string {
	return fmt.Sprintf("group %s: %s", e.Group, e.Trouble.String())
}

// CommitError says that not all places were committed: Committed.Places each have a Code, and Committed.Fault is the client's.
type CommitError struct{ Committed client.Committed }

func (e *CommitError) Error() string { return "commit: " + e.Committed.String() }

var errNoGroup = errors.New("this needs a GroupID in the Config")

// Subscribe has the Consumer share topics with the others of its group, instead of what it subscribed to before. It reads
// what the group gives it, from where the group has come to; all of that happens in Poll or Records.
func (c *Consumer) Subscribe(topics ...string) error {
	return c.subscribe(&client.Subscribe{Topics: slices.Clone(topics)})
}

// SubscribePattern is for all topics whose whole names match a regular expression, those to come included: they are found
// within minutes. With Modern it is the broker that matches (RE2).
func (c *Consumer) SubscribePattern(pattern string) error {
	return c.subscribe(&client.Subscribe{Pattern: pattern})
}

// Unsubscribe leaves the group, once what it owns has been let go in Poll or Records.
func (c *Consumer) Unsubscribe() error { return c.subscribe(&client.Subscribe{}) }

func (c *Consumer) subscribe(in *client.Subscribe) error {
	if c.member == nil {
		return errNoGroup
	}
	c.mu.Lock()
	c.member.failure, c.member.idle = nil, false
	c.courier.Tell(in)
	c.mu.Unlock()
	c.courier.Run()
	c.ring()
	return nil
}

// Assignment is the partitions that are read now, in order.
func (c *Consumer) Assignment() []Partition {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]Partition, 0, len(c.readings))
	for p := range c.readings {
		all = append(all, Partition{Topic: p.topic, Number: p.partition})
	}
	slices.SortFunc(all, Partition.Compare)
	return all
}

// Commit puts down that everything before some places is processed; without any, everything that was handed out. It is
// tried again until RequestTimeout is over.
func (c *Consumer) Commit(ctx context.Context, places ...Place) error {
	if c.member == nil {
		return errNoGroup
	}
	if places = c.places(places); len(places) == 0 {
		return nil
	}
	told, err := c.courier.Commit(ctx, places)
	if err != nil {
		return err
	}
	return failure(told)
}

// CommitAsync does not wait: then hears what became of it, in the order of the calls; nil: nobody does. Nothing that is
// tried again overtakes a later commit. then must not wait for another answer.
func (c *Consumer) CommitAsync(then func(error), places ...Place) error {
	if c.member == nil {
		return errNoGroup
	}
	if places = c.places(places); len(places) == 0 {
		if then != nil {
			then(nil)
		}
		return nil
	}
	return c.courier.CommitAsync(places, func(told *client.Committed) {
		if then != nil {
			then(failure(told))
		}
	})
}

func failure(told *client.Committed) error {
	if told.Failed() {
		return &CommitError{*told}
	}
	return nil
}

// places are those that were named; else everything that was handed out. They count as processed.
func (c *Consumer) places(named []Place) []Place {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range named {
		if r := c.readings[place{p.Topic, p.Number}]; r != nil {
			r.done, r.told = p.Offset, p.Offset
		}
	}
	if len(named) > 0 {
		return slices.Clone(named)
	}
	for p, r := range c.readings {
		if r.position >= 0 {
			r.done, r.told = r.position, r.position
			named = append(named, Place{Partition: Partition{Topic: p.topic, Number: p.partition}, Offset: r.position, LeaderEpoch: r.epoch})
		}
	}
	slices.SortFunc(named, func(x, y Place) int { return x.Compare(y.Partition) })
	return named
}

func (c *Consumer) onNews(letter any) {
	c.mu.Lock()
	c.member.news = append(c.member.news, letter)
	c.mu.Unlock()
	c.ring()
}

// comeBack notes that what was handed out has been processed.
func (c *Consumer) comeBack() {
	if c.member == nil {
		return
	}
	c.mu.Lock()
	for _, r := range c.readings {
		r.done = max(r.done, r.position)
	}
	c.tell(len(c.queue) == 0)
	c.mu.Unlock()
	c.courier.Run()
}

// tell says how far we have come, and whether we wait. c.mu is held.
func (c *Consumer) tell(idle bool) {
	in := &client.Polled{Idle: idle}
	for p, r := range c.readings {
		if r.done >= 0 && r.done != r.told {
			r.told = r.done
			in.Processed = append(in.Processed, Place{Partition: Partition{Topic: p.topic, Number: p.partition}, Offset: r.done, LeaderEpoch: r.epoch})
		}
	}
	c.member.idle, c.member.toldAt = idle, time.Now()
	c.courier.Tell(in)
}

func (m *member) isIdle(c *Consumer) { m.turn(c, true) }
func (m *member) isBusy(c *Consumer) { m.turn(c, false) }

// turn tells the machine when waiting begins and ends.
func (m *member) turn(c *Consumer, idle bool) {
	if m == nil {
		return
	}
	c.mu.Lock()
	changed := m.idle != idle
	if changed {
		c.tell(idle)
	}
	c.mu.Unlock()
	if changed {
		c.courier.Run()
	}
}

// isCalled says whether the group wants something, and tells it now and then that a loop is alive.
func (m *member) isCalled(c *Consumer) bool {
	if m == nil {
		return false
	}
	c.mu.Lock()
	called, stale := len(m.news) > 0, time.Since(m.toldAt) > patience
	if stale {
		c.tell(false)
	}
	c.mu.Unlock()
	if stale {
		c.courier.Run()
	}
	return called
}

// hear does what the group wants. The error ends membership.
func (c *Consumer) hear() error {
	if c.member == nil {
		return nil
	}
	c.member.hearing.Lock()
	defer c.member.hearing.Unlock()
	return c.hearAll()
}

// hearUnlessBusy does so, unless a callback is at work: it looks again behind that. What has failed is over anyhow.
func (c *Consumer) hearUnlessBusy() {
	if c.member.hearing.TryLock() {
		defer c.member.hearing.Unlock()
		_ = c.hearAll()
		return
	}
	go func() {
		c.member.hearing.Lock()
		defer c.member.hearing.Unlock()
		c.ring()
	}()
}

// hearOut waits for the callbacks that are at work or due, for as long as ctx lets it.
func (c *Consumer) hearOut(ctx context.Context) {
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		_ = c.hear()
	}()
	select {
	case <-heard:
	case <-ctx.Done():
	case <-time.After(2 * c.member.config.RequestTimeout): // it may be one of them that closes
	}
}

// hearAll is called with member.hearing held.
func (c *Consumer) hearAll() error {
	for {
		c.mu.Lock()
		if len(c.member.news) == 0 {
			failure := c.member.failure
			c.member.failure = nil
			c.mu.Unlock()
			if failure != nil {
				return failure
			}
			return nil
		}
		letter := c.member.news[0]
		c.member.news = c.member.news[1:]
		c.mu.Unlock()
		switch letter := letter.(type) {
		case *client.Assigned:
			c.onAssigned(letter)
		case *client.Revoked:
			c.onRevoked(letter)
		case *client.GroupTrouble:
			c.onTrouble(letter)
		}
	}
}

// onAssigned reads on where the group has come to, unless the application goes elsewhere.
func (c *Consumer) onAssigned(in *client.Assigned) {
	c.mu.Lock()
	for _, p := range in.Partitions {
		c.readings[place{p.Topic, p.Number}] = &reading{position: -1, done: -1, told: -1}
	}
	c.mu.Unlock()
	if then := c.member.config.OnAssigned; then != nil {
		then(in.Partitions)
	}
	c.mu.Lock()
	for _, p := range in.Partitions {
		if r := c.readings[place{p.Topic, p.Number}]; r != nil && r.tag == 0 {
			c.move(p.Topic, p.Number, r, client.Assign{Offset: AsCommitted})
		}
	}
	c.mu.Unlock()
	c.courier.Run()
}

func (c *Consumer) onRevoked(in *client.Revoked) {
	if then := c.member.config.OnRevoked; then != nil && len(in.Partitions) > 0 {
		then(in.Partitions, in.Lost)
	}
	c.mu.Lock()
	if !in.Lost {
		c.tell(false)
	}
	for _, p := range in.Partitions {
		if at := (place{p.Topic, p.Number}); c.readings[at] != nil { // it may have been sought, by who had not heard of this
			delete(c.readings, at)
			c.courier.Tell(&client.Unassign{Topic: p.Topic, Partition: p.Number})
		}
	}
	c.courier.Tell(&client.Released{Tag: in.Tag})
	c.mu.Unlock()
	c.courier.Run()
}

func (c *Consumer) onTrouble(in *client.GroupTrouble) {
	e := &GroupError{c.member.config.GroupID, *in}
	if in.Stopped {
		c.mu.Lock()
		c.member.failure = e
		c.mu.Unlock()
	} else if then := c.member.config.OnTrouble; then != nil {
		then(e)
	}
}

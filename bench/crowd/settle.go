package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// crowd is all groups of a run.
type crowd struct {
	*options
	requests atomic.Int64
	unready  atomic.Int64
	settled  chan struct{} // when unready has come to zero
	failed   chan error
	ended    chan struct{}
}

// party is one group, as its members see it together.
type party struct {
	*crowd
	name    string
	mu      sync.Mutex
	seats   []seat
	settled int32 // the generation that it has settled in last
	waits   bool  // it counts among those that are unready
}

// seat is what one member has.
type seat struct {
	gone       bool
	generation int32
	parts      int
}

// member is one of them, with what it has to do in its protocol.
type member struct {
	*party
	place int
	link  *link
	id    string
	leave chan struct{}
}

func settle(o *options) (*result, error) {
	if err := o.prepare(); err != nil {
		return nil, err
	}
	c := &crowd{options: o, settled: make(chan struct{}, 1), failed: make(chan error, 1), ended: make(chan struct{})}
	var members []*member
	var parties []*party
	for i := range o.groups {
		p := &party{crowd: c, name: o.group(i), seats: make([]seat, o.members)}
		parties = append(parties, p)
		for place := range o.members {
			l, err := dial(o.address)
			if err != nil {
				return nil, fmt.Errorf("connection %d: %w", len(members)+1, err)
			}
			defer l.Close()
			members = append(members, &member{party: p, place: place, link: l, leave: make(chan struct{})})
		}
	}
	work := (*member).classic
	if o.protocol == "consumer" {
		work = (*member).consumer
	}
	r := &result{Mode: o.mode}
	cpu, began := cpuTime(), time.Now()
	c.expect(parties)
	var all sync.WaitGroup
	for _, m := range members {
		all.Go(func() {
			if err := work(m); err != nil {
				select {
				case c.failed <- fmt.Errorf("group %s, member %d: %w", m.name, m.place, err):
				default:
				}
			}
		})
	}
	if err := c.await(parties); err != nil {
		return nil, err
	}
	r.SettleMillis = millis(time.Since(began))
	if o.members > 1 {
		began = time.Now()
		c.expect(parties)
		for i := range parties {
			close(members[i*o.members+o.members/2].leave)
		}
		if err := c.await(parties); err != nil {
			return nil, err
		}
		r.ResettleMillis = millis(time.Since(began))
	}
	r.Requests, r.ClientCPU = c.requests.Load(), (cpuTime() - cpu).Seconds()
	close(c.ended)
	all.Wait()
	select {
	case err := <-c.failed:
		return nil, err
	default:
	}
	return r, nil
}

// expect counts all groups as unready, until each has settled in a generation that it has not yet.
func (c *crowd) expect(parties []*party) {
	c.unready.Store(int64(len(parties)))
	for _, p := range parties {
		p.mu.Lock()
		p.waits = true
		p.mu.Unlock()
	}
}

func (c *crowd) await(parties []*party) error {
	select {
	case <-c.settled:
		return nil
	case err := <-c.failed:
		return err
	case <-time.After(c.patience):
	}
	for _, p := range parties {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.waits {
			return fmt.Errorf("%d groups have not settled in %v: %s has %v", c.unready.Load(), c.patience, p.name, p.seats[:min(len(p.seats), 20)])
		}
	}
	return nil
}

// has says what a member has now.
func (p *party) has(place int, s seat) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seats[place].gone {
		return
	}
	if p.seats[place] = s; !p.waits {
		return
	}
	sum, generation := 0, int32(-1)
	for _, each := range p.seats {
		if each.gone {
			continue
		}
		if generation < 0 {
			generation = each.generation
		}
		if each.generation != generation || generation <= p.settled {
			return
		}
		sum += each.parts
	}
	if sum == p.partitions {
		p.settled, p.waits = generation, false
		if p.unready.Add(-1) == 0 {
			p.crowd.settled <- struct{}{}
		}
	}
}

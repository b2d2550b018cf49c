package disk

import "sync"

// crewMax bounds the threads that a log directory which does not answer can take: 10,000 end the process.
const crewMax = 64

// crew drains queues beside the turn, each on a goroutine that may wait for the device, so many at once.
type crew struct {
	mu      sync.Mutex
	atWork  int
	waiting []*file
}

// carry drains a file's queue, now or when it is its turn.
func (c *crew) carry(f *file) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.atWork == crewMax {
		c.waiting = append(c.waiting, f)
		return
	}
	c.atWork++
	go c.work(f)
}

func (c *crew) work(f *file) {
	for ; f != nil; f = c.next() {
		f.carry()
	}
}

// next is the file that has waited longest, nil: there is no more to do.
func (c *crew) next() *file {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		c.waiting = nil
		c.atWork--
		return nil
	}
	f := c.waiting[0]
	c.waiting[0], c.waiting = nil, c.waiting[1:]
	return f
}

package disk

import (
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"rookery/core/seam"
)

// patience gives up what a disk neither does nor refuses. Time is counted in ticks, so that an operation's begin costs a
// load, and one goroutine looks at what is old.
type patience struct {
	tick    atomic.Int64
	ended   chan struct{}
	endOnce sync.Once

	errandsMu sync.Mutex
	errands   map[*errand]bool

	given   atomic.Int64 // how many are in givenUp
	givenMu sync.Mutex
	givenUp map[*scratch]bool // writes that the kernel still has
}

// errand is an operation that stands in no file's queue.
type errand struct {
	port *Port
	tick int64
	late seam.Input
}

const (
	patienceDefault = 30 * time.Second
	patienceTicks   = 8
)

func (c *patience) begin(length time.Duration, stands func() bool, expire func(before int64)) {
	if length == 0 {
		length = patienceDefault
	}
	c.ended, c.errands, c.givenUp = make(chan struct{}), map[*errand]bool{}, map[*scratch]bool{}
	go c.count(time.NewTicker(length/patienceTicks), stands, expire)
}

func (c *patience) end() { c.endOnce.Do(func() { close(c.ended) }) }

// count counts the ticks, but for those at which time is said to stand still.
func (c *patience) count(ticker *time.Ticker, stands func() bool, expire func(before int64)) {
	defer ticker.Stop()
	for {
		select {
		case <-c.ended:
			return
		case <-ticker.C:
			if stands() {
				continue
			}
			before := c.tick.Add(1) - patienceTicks
			c.expireErrands(before)
			expire(before)
		}
	}
}

// InUse says whether the kernel may still read any of these bytes for a write that was answered Late: they must not be used again
// now.
func (c *patience) InUse(data []byte) bool {
	if c.given.Load() == 0 || len(data) == 0 {
		return false
	}
	begin, end := extent(data)
	c.givenMu.Lock()
	defer c.givenMu.Unlock()
	for s := range c.givenUp {
		for i := range s.tasks {
			if from, to := extent(s.tasks[i].data); from < end && begin < to {
				return true
			}
		}
	}
	return false
}

// extent is where bytes lie.
func extent(data []byte) (begin, end uintptr) {
	begin = uintptr(unsafe.Pointer(unsafe.SliceData(data)))
	return begin, begin + uintptr(len(data))
}

// giveUp notes a write that nobody waits for any more.
func (c *patience) giveUp(s *scratch) {
	c.givenMu.Lock()
	c.givenUp[s] = true
	c.givenMu.Unlock()
	c.given.Add(1)
}

// cameBack: the kernel is done with one of those.
func (c *patience) cameBack(s *scratch) {
	c.given.Add(-1)
	c.givenMu.Lock()
	delete(c.givenUp, s)
	c.givenMu.Unlock()
}

func (p *Port) errand(late seam.Input) *errand {
	d := p.disk
	e := &errand{port: p, tick: d.tick.Load(), late: late}
	d.errandsMu.Lock()
	d.errands[e] = true
	d.errandsMu.Unlock()
	return e
}

// finish answers an errand, unless it was given up.
func (p *Port) finish(e *errand, in seam.Input) {
	d := p.disk
	d.errandsMu.Lock()
	waited := d.errands[e]
	delete(d.errands, e)
	d.errandsMu.Unlock()
	if waited {
		p.mail.Post(in)
		p.mail.Run()
	}
}

func (c *patience) expireErrands(before int64) {
	var late []*errand
	c.errandsMu.Lock()
	for e := range c.errands {
		if e.tick < before {
			delete(c.errands, e)
			late = append(late, e)
		}
	}
	c.errandsMu.Unlock()
	for _, e := range late {
		e.port.mail.Post(e.late)
		go e.port.mail.Run()
	}
}

func (d *Disk) expireQueues(before int64) {
	for _, f := range d.known() {
		for _, t := range f.expire(before) {
			t.port.answer(&t, 0, seam.Late)
			go t.port.mail.Run()
		}
	}
}

// expire takes out of a file's hands what was queued before that tick. What is under way is not waited for any more;
// whoever is at it finds that out when it returns.
func (f *file) expire(before int64) (late []task) {
	f.line.Lock()
	defer f.line.Unlock()
	if s := f.doing; s != nil && !s.late && len(s.tasks) > 0 && s.tasks[0].tick < before {
		s.late = true
		if s.tasks[0].kind == write {
			f.disk.giveUp(s)
		}
		late = append(late, s.tasks...)
	}
	for f.head < len(f.queue) && f.queue[f.head].tick < before {
		t := f.queue[f.head]
		f.queue[f.head] = task{}
		f.head++
		f.skipped = f.skipped || t.changes()
		late = append(late, t)
	}
	return late
}

// changes says whether later writes make no sense when this was not done (law 3).
func (t *task) changes() bool {
	return t.kind == write || t.kind == create || t.kind == open || t.kind == truncate
}

// returned says whether what was under way is still waited for. If it is not, and if it was a change, writes fail until
// a truncate succeeds, whatever has become of it.
func (f *file) returned(s *scratch) bool {
	f.line.Lock()
	f.doing = nil
	late := s.late
	f.line.Unlock()
	if !late {
		return true
	}
	if s.tasks[0].kind == write {
		f.disk.cameBack(s)
	}
	if s.tasks[0].changes() {
		f.setFailed(true)
	}
	return false
}

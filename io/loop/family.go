package loop

import (
	"sync"
	"time"

	"rookery/core/seam"
)

// deliver carries letters between the machines of this process. A new Recovery, Cleaner, Search or Copier address makes a machine,
// with a loop and a goroutine of its own.
func (l *Loop) deliver(sends []seam.Send) {
	for i := range sends {
		switch s := &sends[i]; s.To.Kind {
		case seam.ToBroker:
			l.reported = true
			if l.parent != nil {
				l.parent.Post(&seam.Mail{From: l.address, Body: s.Body})
				go l.parent.Run()
			}
		case seam.ToRecovery, seam.ToCleaner, seam.ToSearch, seam.ToCopier:
			l.toChild(s)
		case seam.ToPeer, seam.ToOperator:
		}
	}
}

func (l *Loop) toChild(s *seam.Send) {
	if l.config.Make == nil {
		return
	}
	for address, child := range l.children {
		if child.isGone() {
			delete(l.children, address)
		}
	}
	child := l.children[s.To]
	if child == nil {
		machine := l.config.Make(s.To)
		if machine == nil {
			return // nobody lives there
		}
		config := l.config
		config.Machine, config.Conns, config.Peers, config.Make, config.Turned = machine, nil, nil, nil, nil
		child = newLoop(config, s.To, l)
		l.children[s.To] = child
	}
	child.Post(&seam.Mail{From: l.address, Body: s.Body})
	go child.Run()
}

// maybeFinish drops a child that has reported and waits for nothing any more.
func (l *Loop) maybeFinish() {
	if l.parent == nil || !l.reported || l.outstanding > 0 || l.alarm != seam.Never {
		return
	}
	l.lanes.mu.Lock()
	l.gone = l.lanes.waiting.Load() == 0
	l.lanes.mu.Unlock()
}

func (l *Loop) isGone() bool {
	l.lanes.mu.Lock()
	defer l.lanes.mu.Unlock()
	return l.gone && l.lanes.waiting.Load() == 0
}

// events hands Events on, in order, one goroutine at a time, outside the turn.
type events struct {
	tell  func(seam.Event)
	mu    sync.Mutex
	queue []seam.Event
	busy  bool
}

func (e *events) push(events []seam.Event) bool {
	if e.tell == nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.queue = append(e.queue, events...)
	claimed := !e.busy
	e.busy = true
	return claimed
}

// Do tells what has gathered.
func (e *events) Do() bool {
	e.mu.Lock()
	told := e.queue
	e.queue = nil
	e.busy = len(told) > 0
	e.mu.Unlock()
	for i := range told {
		e.tell(told[i])
	}
	return len(told) > 0
}

// ringer is the loop's timer.
type ringer struct {
	mu    sync.Mutex
	loop  *Loop
	timer *time.Timer
	at    seam.Mono // what the timer is set for; Never: it is not
}

func (r *ringer) init(l *Loop) { r.loop, r.at = l, seam.Never }

// set makes sure that the alarm rings at the latest at wish. It may ring earlier for a wish that has gone: an Alarm
// before its time is not stepped.
func (r *ringer) set(wish seam.Mono) {
	if wish == seam.Never {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if wish >= r.at {
		return
	}
	r.at = wish
	wait := max(time.Duration(wish-r.loop.config.Clock().Mono), 0)
	if r.timer == nil {
		r.timer = time.AfterFunc(wait, r.ring)
		return
	}
	r.timer.Reset(wait)
}

func (r *ringer) ring() {
	r.mu.Lock()
	r.at = seam.Never
	r.mu.Unlock()
	r.loop.Push(&seam.Alarm{})
}

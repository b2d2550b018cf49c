package world

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"rookery/core/seam"
	"rookery/core/seam/contract"
)

// puppet is a machine that keeps what it is told.
type puppet struct{ told []seam.Input }

func (p *puppet) Step(now seam.Now, in seam.Input, fx *seam.Effects) {
	if loaded, is := in.(*seam.Loaded); is {
		in = &seam.Loaded{Op: loaded.Op, Data: slices.Clone(loaded.Data), Fault: loaded.Fault}
	}
	if mail, is := in.(*seam.Mail); is {
		in = &seam.Mail{From: mail.From, Link: mail.Link, Frame: slices.Clone(mail.Frame), Fault: mail.Fault}
	}
	if _, is := in.(*seam.Started); !is {
		p.told = append(p.told, in)
	}
}

// subject is the simulated disk as the shared suite of drivers sees it.
type subject struct {
	t      *rapid.T
	world  *World
	puppet *puppet
}

func newSubject(t *rapid.T) *subject {
	s := &subject{t: t, puppet: &puppet{}}
	tape := NewTape(rapid.Uint64().Draw(t, "seed"))
	s.world = New(tape, Rates{}, Parts{Broker: func(int) seam.Machine { return s.puppet }}, 1)
	s.world.Forgiving = true
	s.start()
	return s
}

func (s *subject) start() {
	s.world.Node.Start()
	s.settle()
}

func (s *subject) settle() {
	s.world.Run(s.world.Now()+seam.Second, func() bool { return s.world.Node.Quiet() })
	if err := s.world.Failure(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *subject) Do(fx *seam.Effects) []seam.Input {
	broker := s.world.Node.actors[0]
	s.puppet.told = nil
	broker.fx = *fx
	broker.perform()
	s.settle()
	return s.puppet.told
}

// Cut loses bytes, but no names: the suite's twin does not follow a name that comes back because no folder was synced
// after its removal (TestToyThatForgetsItsFolderIsCaught looks at names).
func (s *subject) Cut() bool {
	disk := s.world.Node.Disk
	for _, op := range disk.names {
		op.settle()
	}
	disk.names = nil
	s.world.Node.CutPower()
	s.start()
	return true
}

func (s *subject) Limit(int64) bool { return false }

// The simulated disk obeys the suite that io/disk obeys.
func TestContractOfTheDisk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { contract.Disk(t, newSubject(t)) })
}

// Package rerun replays what a real broker recorded (rookery dev --record FILE) through fresh machines, and holds what
// they answer to what was answered then.
//
//	tape: config ─▶ core.NewBroker ──┐        entry: input ─▶ Step ─▶ effects ─▶ digest ─┐
//	      Recovery, Search: as needed ┘                                                  ├─▶ equal, or the first that differs
//	                                              entry: digest ─────────────────────────┘
//
// The machines know nothing but their inputs, so whatever differs is one of three things: the code is not the one that
// was recorded, the tape is not what was written, or a machine read something that was not handed to it.
//
// Rules:
//   - inputs are stepped in the order of the tape: a letter comes after the Step that wrote it.
//   - a frame is taken in as net/server's connection does (conn.Intake); a letter's body is what the sender sent here.
//   - a tape that ends inside an entry is of a process that was killed: what is before that counts.
package rerun

import (
	"encoding/json"
	"errors"
	"fmt"

	"rookery/core"
	"rookery/core/compact"
	"rookery/core/conn"
	"rookery/core/log"
	"rookery/core/seam"
	"rookery/core/seam/tape"
)

// Report is what was replayed.
type Report struct {
	Steps      int
	Machines   int // Broker, Recoveries and Searches
	Requests   int
	Cut        bool        // the tape ends inside an entry
	Hash       seam.Digest // of every answer
	Difference *Difference
}

// Difference is the first Step that did not answer as it did when it was recorded.
type Difference struct {
	Step     int // counted from 1
	Entry    tape.Entry
	Got      seam.Digest
	Effects  seam.Effects // of the replay
	Law      any          // the replay broke it
	NoLetter bool         // the letter of this input was never sent here
}

func (d *Difference) Error() string {
	what := fmt.Sprintf("step %d of %s differs: %s", d.Step, machineName(d.Entry.To), Describe(d.Entry.Input))
	switch {
	case d.Law != nil:
		return fmt.Sprintf("%s: %v", what, d.Law)
	case d.NoLetter:
		return what + ": nobody has sent that letter here"
	}
	return fmt.Sprintf("%s: recorded %016x, replayed %016x: %s", what, uint64(d.Entry.Digest), uint64(d.Got), summary(&d.Effects))
}

// family is the machines of one process, and the letters between them that have not arrived.
type family struct {
	machines map[seam.Address]seam.Machine
	letters  map[route][]any
}

type route struct{ from, to seam.Address }

// Replay steps the machines through a tape, up to the first difference.
func Replay(recorded []byte) (Report, error) {
	var report Report
	text, rest, err := tape.Begin(recorded)
	if err != nil {
		return report, err
	}
	var config core.Config
	if err := json.Unmarshal(text, &config); err != nil {
		return report, fmt.Errorf("the tape's configuration: %w", err)
	}
	f := &family{machines: map[seam.Address]seam.Machine{{Kind: seam.ToBroker}: core.NewBroker(config)}, letters: map[route][]any{}}
	for len(rest) > 0 {
		var e tape.Entry
		if e, rest, err = tape.Next(rest); errors.Is(err, tape.ErrShort) {
			report.Cut = true
			break
		} else if err != nil {
			return report, fmt.Errorf("entry %d: %w", report.Steps+1, err)
		}
		report.Steps++
		if _, is := e.Input.(*seam.Request); is {
			report.Requests++
		}
		report.Hash.Int(uint64(e.Digest))
		if d := f.step(&e); d != nil {
			d.Step = report.Steps
			report.Difference = d
			break
		}
	}
	report.Machines = len(f.machines)
	return report, nil
}

// step hands one entry's input to its machine.
func (f *family) step(e *tape.Entry) *Difference {
	switch in := e.Input.(type) {
	case *seam.Request:
		body := &conn.Request{}
		conn.Intake(in.Frame, conn.Limits{}, body)
		in.Body = body
	case *seam.Mail:
		if !e.Body {
			break
		}
		way := route{in.From, e.To}
		if len(f.letters[way]) == 0 {
			return &Difference{Entry: *e, NoLetter: true}
		}
		in.Body, f.letters[way] = f.letters[way][0], f.letters[way][1:]
	case *seam.Started, *seam.Opened, *seam.Hangup, *seam.Wrote, *seam.Synced, *seam.Loaded, *seam.Sent, *seam.Rewritten, *seam.Wanting, *seam.Alarm, *seam.Stop:
	}
	d := &Difference{Entry: *e}
	d.Effects.Reset()
	if d.Law = attempt(func() { f.machine(e.To).Step(e.Now, e.Input, &d.Effects) }); d.Law != nil {
		return d
	}
	d.Got.Effects(&d.Effects)
	if d.Got != e.Digest {
		return d
	}
	for _, s := range d.Effects.Sends {
		if s.Body != nil {
			way := route{e.To, s.To}
			f.letters[way] = append(f.letters[way], s.Body)
		}
	}
	return nil
}

// attempt is what broke, if anything did.
func attempt(step func()) (law any) {
	defer func() { law = recover() }()
	step()
	return nil
}

func (f *family) machine(to seam.Address) seam.Machine {
	if m := f.machines[to]; m != nil {
		return m
	}
	switch to.Kind {
	case seam.ToRecovery:
		f.machines[to] = log.NewRecovery()
	case seam.ToSearch:
		f.machines[to] = log.NewSearch()
	case seam.ToCleaner:
		f.machines[to] = compact.New()
	case seam.ToCopier:
		f.machines[to] = log.NewCopier()
	default:
		panic("there is no machine at " + machineName(to))
	}
	return f.machines[to]
}

func machineName(a seam.Address) string {
	switch a.Kind {
	case seam.ToBroker:
		return "the Broker"
	case seam.ToRecovery:
		return fmt.Sprintf("Recovery %d", a.ID)
	case seam.ToSearch:
		return fmt.Sprintf("Search %d", a.ID)
	case seam.ToCleaner:
		return fmt.Sprintf("Cleaner %d", a.ID)
	case seam.ToCopier:
		return fmt.Sprintf("Copier %d", a.ID)
	}
	return fmt.Sprintf("machine %d of kind %d", a.ID, a.Kind)
}

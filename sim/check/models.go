package check

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// searchPatience ends a search that has lost its way. The histories given to it are small and their unknown outcomes
// settled, so that it never does; a search that is cut off counts as a failure.
const searchPatience = 20 * time.Second

func search(model porcupine.Model, ops []porcupine.Operation, law Law, what string) error {
	if result := porcupine.CheckOperationsTimeout(model, ops, searchPatience); result != porcupine.Ok {
		return Fail(law, "%s: %d operations are no history of one (%s)", what, len(ops), result)
	}
	return nil
}

// Models searches the small histories.
func Models(h *History, f *Facts, laws *Counts) error {
	for _, topic := range h.topics() {
		laws[TopicRegister]++
		if err := search(registerModel(), h.register(topic), TopicRegister, topic); err != nil {
			return Fail(TopicRegister, "%v\n%s", err, h.tell(topic))
		}
	}
	if len(h.IDs) > 0 {
		laws[ProducerIDs]++
		if err := search(producerIDModel(), h.producerIDs(), ProducerIDs, "producer ids"); err != nil {
			return err
		}
	}
	return smallLogs(h, f, laws)
}

func (h *History) topics() []string {
	names := map[string]bool{}
	for _, a := range h.Admins {
		names[a.Topic] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// tell lists what was done with a topic, for whoever looks for the fault.
func (h *History) tell(topic string) string {
	text := ""
	for _, a := range h.Admins {
		if a.Topic == topic {
			text += fmt.Sprintf("  %v..%v %s %x %s\n", a.Call, a.Return, [...]string{"create", "delete", "lookup"}[a.Deed], a.ID[:4], [...]string{"unknown", "done", "refused"}[a.Outcome])
		}
	}
	return text
}

func (h *History) register(topic string) []porcupine.Operation {
	var ops []porcupine.Operation
	for _, a := range h.Admins {
		if a.Topic == topic && (a.Outcome != Unknown || a.Deed != LookupTopic) {
			ops = append(ops, porcupine.Operation{ClientId: a.Client, Input: a.Deed, Output: *a, Call: int64(a.Call), Return: int64(a.Return)})
		}
	}
	return ops
}

// registered is a topic's state: its id, or zero for none. someID stands for an id that nobody was told.
var someID = [16]byte{0xff, 0xff}

// registerModel is a topic's name as a register: create writes an id, delete clears it, lookup reads it. What has no
// answer may have happened or not.
func registerModel() porcupine.Model {
	model := porcupine.NondeterministicModel{
		Init: func() []any { return []any{[16]byte{}} },
		Step: func(state, input, output any) []any {
			return stepRegister(state.([16]byte), output.(Admin))
		},
		Equal: func(a, b any) bool { return a == b },
	}
	return model.ToModel()
}

func stepRegister(id [16]byte, a Admin) []any {
	none := [16]byte{}
	there := id != none && (a.ID == none || a.Deed == CreateTopic || a.ID == id || id == someID) // the topic that it means
	switch {
	case a.Deed == LookupTopic && a.ID != none && id == someID:
		return []any{a.ID}
	case a.Deed == LookupTopic:
		return onlyIf(id == a.ID, id)
	case a.Deed == CreateTopic && a.Outcome == Refused: // it exists
		return onlyIf(there, id)
	case a.Deed == CreateTopic && id != none:
		return onlyIf(a.Outcome == Unknown, id)
	case a.Deed == CreateTopic && a.Outcome == Unknown:
		return []any{id, someID}
	case a.Deed == CreateTopic && a.ID == none: // an old version's answer has no id
		return []any{someID}
	case a.Deed == CreateTopic:
		return []any{a.ID}
	case a.Outcome == Done:
		return onlyIf(there, none)
	case a.Outcome == Refused: // there is none, or it is another one
		return onlyIf(!there || id == someID && a.ID != none, id)
	case there:
		return []any{id, none}
	}
	return []any{id}
}

func onlyIf(holds bool, state [16]byte) []any {
	if !holds {
		return nil
	}
	return []any{state}
}

func (h *History) producerIDs() []porcupine.Operation {
	var ops []porcupine.Operation
	for _, p := range h.IDs {
		ops = append(ops, porcupine.Operation{Input: nil, Output: p.ID, Call: int64(p.Call), Return: int64(p.Return)})
	}
	return ops
}

// producerIDModel gives each id once, and each later than the ones before it.
func producerIDModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return int64(-1) },
		Step: func(state, input, output any) (bool, any) {
			return output.(int64) > state.(int64), output
		},
	}
}

// logState is a small log: where it ends and a digest of all values in it.
type logState struct {
	tail int64
	hash uint64
}

func (s logState) with(v Value) logState {
	return logState{s.tail + 1, (s.hash ^ uint64(v)) * 0x9E3779B185EBCA87}
}

// logOp is an append of some values at an offset, or a look at where the log ends and perhaps at all of it.
type logOp struct {
	base   int64
	values []Value // of an append
	tail   int64   // of a look
	hash   uint64
	whole  bool // the look saw everything
}

func smallLogModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return logState{} },
		Step: func(state, input, output any) (bool, any) {
			s, op := state.(logState), output.(logOp)
			if op.values == nil {
				return s.tail == op.tail && (!op.whole || s.hash == op.hash), s
			}
			if s.tail != op.base {
				return false, s
			}
			for _, v := range op.values {
				s = s.with(v)
			}
			return true, s
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprint(output) },
	}
}

// smallMax is how many operations a partition may have to be searched: the search is quadratic at best.
const smallMax = 700

// smallLogs searches the partitions of durable topics that had few operations, all of them acks=all.
func smallLogs(h *History, f *Facts, laws *Counts) error {
	for _, p := range slices.SortedFunc(maps.Keys(f.Logs), byName) {
		if !f.Durable[p.Topic] || f.Deleted[p.Topic] || f.Rotted[p] || f.Begins[p] > 0 {
			continue
		}
		ops, small := h.smallLog(p, f)
		if !small {
			continue
		}
		laws[SmallLog]++
		if err := search(smallLogModel(), ops, SmallLog, fmt.Sprintf("%s-%d", p.Topic, p.Number)); err != nil {
			return err
		}
	}
	return nil
}

// smallLog makes a partition's history, its unknown outcomes settled by the log: what is there happened, some time
// after it was asked for; what is not never will.
func (h *History) smallLog(p Partition, f *Facts) (ops []porcupine.Operation, small bool) {
	at := map[Value]int64{}
	for _, e := range f.Logs[p].Entries {
		at[e.Value] = e.Offset
	}
	for _, a := range h.Appends {
		if a.Partition != p {
			continue
		}
		if a.Acks != -1 || a.Producer < 0 {
			return nil, false
		}
		if base, there := at[a.First]; there {
			op := logOp{base: base}
			for i := range a.Count {
				op.values = append(op.values, a.First+Value(i))
			}
			ret := a.Return
			if a.Outcome != Done {
				ret = Unfinished
			}
			ops = append(ops, porcupine.Operation{ClientId: a.Client, Input: nil, Output: op, Call: int64(a.Call), Return: int64(ret)})
		}
	}
	for _, r := range h.Reads {
		if r.Partition == p && (r.Listed || f.lifeBegan(r.Return) <= f.lifeBegan(0)) {
			ops = append(ops, porcupine.Operation{ClientId: r.Client, Output: lookOf(r), Call: int64(r.Call), Return: int64(r.Return)})
		}
	}
	return ops, len(ops) > 0 && len(ops) <= smallMax
}

func lookOf(r *Read) logOp {
	op := logOp{tail: r.HighWatermark}
	s := logState{}
	for _, e := range r.Entries {
		s = s.with(e.Value)
	}
	op.whole = r.HighWatermark == 0 || len(r.Entries) > 0 && r.Entries[0].Offset == 0 && s.tail == r.HighWatermark
	op.hash = s.hash
	return op
}

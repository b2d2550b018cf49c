// Package assignor has the assignors of the classic group protocol: those that run in the member which leads its group.
//
//	members, each with its topics and what it owns     ┐
//	topics, each with how many partitions it has       ┴─▶ Assign ──▶ the partitions of each member
//
// Rules:
//
//   - Each partition of a topic that anybody subscribes to goes to exactly one member, a subscriber. With
//     CooperativeSticky one that is to move is left out: its owner lets it go first, and the group joins again (KIP-429).
//   - The result hangs on the members and the topics alone, not on the order in which they come.
//   - Range and RoundRobin give what Java's RangeAssignor and RoundRobinAssignor give to members without racks.
//   - Sticky and CooperativeSticky are as balanced as the subscriptions let anybody be, and of two ways to get there take
//     one that moves less. Java's StickyAssignor promises the same and stops earlier where subscriptions differ; which of
//     several equally good ones comes out is each house's own, and no member need agree with another: one of them leads.
package assignor

import (
	"cmp"
	"slices"
	"strings"

	"rookery/core/must"
	"rookery/core/ordered"
)

// Partition is one partition of a topic.
type Partition struct {
	Topic  string
	Number int32
}

// Compare orders partitions by topic and number.
func (p Partition) Compare(q Partition) int {
	return cmp.Or(strings.Compare(p.Topic, q.Topic), cmp.Compare(p.Number, q.Number))
}

// Member is what an assignor knows of one member.
type Member struct {
	ID         string
	Instance   string // group.instance.id; "": it has none
	Topics     []string
	Owned      []Partition // what it had in Generation
	Generation int32       // -1: nobody knows
}

// compareStatic puts members with an instance id first, by that: they keep their place when they come back (KIP-345).
func (m *Member) compareStatic(n *Member) int {
	switch {
	case m.Instance != "" && n.Instance != "":
		return strings.Compare(m.Instance, n.Instance)
	case m.Instance != "":
		return -1
	case n.Instance != "":
		return 1
	}
	return strings.Compare(m.ID, n.ID)
}

// Assignor is one of them.
type Assignor uint8

// The assignors, by Kafka's names.
const (
	Range             Assignor = iota // of each topic consecutive partitions, the same ones of topics that are alike
	RoundRobin                        // all partitions one after another
	Sticky                            // balanced, and as before as far as that goes; all let go before it
	CooperativeSticky                 // likewise, and members go on with what they keep
	end
)

// Named is the assignor of that name; false: there is none.
func Named(name string) (Assignor, bool) {
	for a := range end {
		if a.String() == name {
			return a, true
		}
	}
	return 0, false
}

func (a Assignor) String() string {
	switch a {
	case Range:
		return "range"
	case RoundRobin:
		return "roundrobin"
	case Sticky:
		return "sticky"
	case CooperativeSticky:
		return "cooperative-sticky"
	}
	return "no assignor"
}

// IsCooperative says whether members keep what they own while they join.
func (a Assignor) IsCooperative() bool { return a == CooperativeSticky }

// Topics says how many partitions each topic has. One that does not exist is not in it.
type Topics = ordered.Map[string, int32]

// Assign is the partitions of each member, in the order of members; each list is sorted.
func (a Assignor) Assign(topics *Topics, members []Member) [][]Partition {
	order := make([]*Member, len(members))
	for i := range members {
		order[i] = &members[i]
	}
	slices.SortStableFunc(order, (*Member).compareStatic)
	d := newDeal(topics, order)
	switch a {
	case Range:
		d.byRange()
	case RoundRobin:
		d.inTurn()
	case Sticky:
		d.stickily()
	case CooperativeSticky:
		d.stickily()
		d.holdBack()
	case end:
	}
	all := make([][]Partition, len(members))
	for i := range members {
		at := slices.Index(order, &members[i])
		all[i] = d.given[at]
		slices.SortStableFunc(all[i], Partition.Compare)
	}
	return all
}

// deal is one assignment in the making. Members are numbers, in the order of compareStatic.
type deal struct {
	topics  *Topics
	members []*Member
	readers ordered.Map[string, []int] // who subscribes to a topic; of those that exist
	given   [][]Partition
}

func newDeal(topics *Topics, members []*Member) *deal {
	d := &deal{topics: topics, members: members, given: make([][]Partition, len(members))}
	for i, m := range members {
		for _, topic := range m.Topics {
			readers := d.readers.At(topic)
			if topics.At(topic) > 0 && (len(readers) == 0 || readers[len(readers)-1] != i) {
				d.readers.Put(topic, append(readers, i))
			}
		}
	}
	return d
}

// byRange cuts each topic into as many runs as it has readers; the first ones are one longer.
func (d *deal) byRange() {
	for topic, readers := range d.readers.All() {
		count := int(d.topics.At(topic))
		next := 0
		for k, i := range readers {
			size := count / len(readers)
			if k < count%len(readers) {
				size++
			}
			for range size {
				d.given[i] = append(d.given[i], Partition{topic, int32(next)})
				next++
			}
		}
	}
}

// inTurn goes around the members, passing over those that do not subscribe.
func (d *deal) inTurn() {
	next := 0
	for topic, readers := range d.readers.All() {
		for number := range d.topics.At(topic) {
			for !slices.Contains(readers, next%len(d.members)) {
				next++
			}
			i := next % len(d.members)
			d.given[i] = append(d.given[i], Partition{topic, number})
			next++
		}
	}
}

// stickily keeps what is owned, gives the rest to who has least, and then moves until nobody could have more evenly.
func (d *deal) stickily() {
	owners := d.owners()
	for _, p := range owners.list {
		if p.owner >= 0 {
			d.given[p.owner] = append(d.given[p.owner], p.Partition)
		}
	}
	// Those with the fewest readers first: they have the least choice.
	rest := slices.DeleteFunc(slices.Clone(owners.list), func(p owned) bool { return p.owner >= 0 })
	slices.SortStableFunc(rest, func(p, q owned) int {
		return cmp.Compare(len(d.readers.At(p.Topic)), len(d.readers.At(q.Topic)))
	})
	for _, p := range rest {
		least := -1
		for _, i := range d.readers.At(p.Topic) {
			if least < 0 || len(d.given[i]) < len(d.given[least]) {
				least = i
			}
		}
		d.given[least] = append(d.given[least], p.Partition)
	}
	for d.maybeLevel(&owners) {
	}
}

// owned is a partition and who had it last; -1: nobody, or nobody knows who.
type owned struct {
	Partition
	owner int
}

// owners are all partitions that are to be given, in order.
type owners struct {
	list  []owned
	first ordered.Map[string, int] // where a topic's begin
}

func (o *owners) of(p Partition) int { return o.list[o.first.At(p.Topic)+int(p.Number)].owner }

// owners believes whoever was in the youngest generation. If two of that say they own a partition, neither does.
func (d *deal) owners() owners {
	var o owners
	for topic := range d.readers.All() {
		o.first.Put(topic, len(o.list))
		for number := range d.topics.At(topic) {
			o.list = append(o.list, owned{Partition{topic, number}, -1})
		}
	}
	youngest := make([]int32, len(o.list))
	for i := range youngest {
		youngest[i] = -2
	}
	for i, m := range d.members {
		for _, p := range m.Owned {
			first, ok := o.first.Find(p.Topic)
			if !ok || p.Number < 0 || p.Number >= d.topics.At(p.Topic) || !slices.Contains(d.readers.At(p.Topic), i) {
				continue
			}
			at := first + int(p.Number)
			switch {
			case m.Generation > youngest[at]:
				youngest[at], o.list[at].owner = m.Generation, i
			case m.Generation == youngest[at] && o.list[at].owner != i:
				o.list[at].owner = -1
			}
		}
	}
	return o
}

// maybeLevel moves one partition, or a chain of them, from a member to another that has at least two less. Where no such
// chain is left nobody can do better: it is a semi-matching without a cost-reducing path (Harvey, Ladner, Lovász, Tamir 2003).
func (d *deal) maybeLevel(o *owners) bool {
	full := make([]int, len(d.members))
	for i := range full {
		full[i] = i
	}
	slices.SortStableFunc(full, func(i, j int) int { return cmp.Compare(len(d.given[j]), len(d.given[i])) })
	dead := make([]bool, len(d.members)) // no chain to anybody with less begins here
	for _, from := range full {
		if chain := d.chainFrom(from, dead); chain != nil {
			for k := len(chain) - 2; k >= 0; k-- {
				d.move(o, chain[k], chain[k+1])
			}
			return true
		}
	}
	return false
}

// chainFrom is the shortest chain of members from one to another with at least two partitions less, each of whom may
// take one from the one before; of those to the one who has least.
func (d *deal) chainFrom(from int, dead []bool) []int {
	before := make([]int, len(d.members))
	for i := range before {
		before[i] = -1
	}
	before[from] = from
	for level := []int{from}; len(level) > 0; {
		var next []int
		best := -1
		for _, i := range level {
			d.eachTopic(i, func(topic string) {
				for _, j := range d.readers.At(topic) {
					if before[j] >= 0 || dead[j] {
						continue
					}
					before[j] = i
					next = append(next, j)
					if len(d.given[j])+2 <= len(d.given[from]) && (best < 0 || len(d.given[j]) < len(d.given[best])) {
						best = j
					}
				}
			})
		}
		if best >= 0 {
			chain := []int{best}
			for at := best; at != from; at = before[at] {
				chain = append(chain, before[at])
			}
			slices.Reverse(chain)
			return chain
		}
		level = next
	}
	for i := range before {
		// Whoever can be reached from here has no more than one less, and others have less than from: no chain from there either.
		dead[i] = dead[i] || before[i] >= 0
	}
	return nil
}

// eachTopic names each topic of which a member has something, once or more.
func (d *deal) eachTopic(i int, do func(topic string)) {
	last := ""
	for k, p := range d.given[i] {
		if k == 0 || p.Topic != last {
			do(p.Topic)
		}
		last = p.Topic
	}
}

// move gives one of a member's partitions to another: one that comes home, one that is new to the giver, or the last.
func (d *deal) move(o *owners, from, to int) {
	best, merit := -1, -1
	for k, p := range d.given[from] {
		if !slices.Contains(d.readers.At(p.Topic), to) {
			continue
		}
		m := 0
		switch o.of(p) {
		case to:
			m = 2
		case from:
		default:
			m = 1
		}
		if m >= merit {
			best, merit = k, m
		}
	}
	must.Be(best >= 0, "N4: a chain of an assignment leads from a member to one that may take of its partitions")
	d.given[to] = append(d.given[to], d.given[from][best])
	d.given[from] = slices.Delete(d.given[from], best, best+1)
}

// holdBack leaves out what somebody has and another is to get: whoever has it is told first that it has it no more.
func (d *deal) holdBack() {
	holders := map[Partition]int{} // how many say that they have it
	mine := make([]map[Partition]bool, len(d.members))
	for i, m := range d.members {
		mine[i] = map[Partition]bool{}
		for _, p := range m.Owned {
			if !mine[i][p] {
				mine[i][p] = true
				holders[p]++
			}
		}
	}
	for i := range d.given {
		d.given[i] = slices.DeleteFunc(d.given[i], func(p Partition) bool { return holders[p] > 0 && !mine[i][p] })
	}
}

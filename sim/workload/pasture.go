package workload

import (
	"fmt"
	"slices"

	"rookery/core/seam"
	"rookery/core/wire"
	"rookery/sim/check"
)

// grazesWithin is how long it may take until everything that the herd subscribes to is somebody's: members that have died are
// missed after a session, what has to be let go is after a rebalance, and expressions are looked up every ten seconds.
const grazesWithin = 90 * seam.Second

// pasture is how the herd comes to its end: nobody goes before all have what they subscribe to.
type pasture struct {
	since  seam.Mono // when the first wanted to go
	shared bool
}

// mayGo says whether the herd has shared out all that is there.
func (r *Run) mayGo(now seam.Mono) bool {
	p := &r.pasture
	if p.since == 0 {
		p.since = now
	}
	if p.shared {
		return true
	}
	missing := r.ungrazed()
	p.shared = missing == "" && r.require(true, check.AllShared, "")
	return p.shared || now >= p.since+grazesWithin && !r.require(false, check.AllShared, "%v after the herd was to come to its end: %s", grazesWithin/seam.Second, missing)
}

// ungrazed is a partition that somebody subscribes to and nobody has. A group that has no room for all has to do with those who
// are in it.
func (r *Run) ungrazed() string {
	var in []*grazer
	for _, p := range r.others {
		g, is := p.(*grazer)
		switch {
		case !is:
		case g.stage == grazerGrazes && !g.unsure && len(g.spare) == 0 && !g.boasts:
			in = append(in, g)
		case r.plan.Limits.room(wire.KeyConsumerGroupHeartbeat) == 0:
			return g.String() + " has no place yet"
		}
	}
	for _, topic := range r.plan.stable() {
		id, known := r.topicIDs[topic]
		if !known || !slices.ContainsFunc(in, func(g *grazer) bool { return g.told.reads(topic) }) {
			continue
		}
		for n := range int32(r.plan.partitions(topic)) {
			share := check.Share{Topic: id, Number: n}
			if !slices.ContainsFunc(in, func(g *grazer) bool { return g.has[share] != nil && g.told.reads(topic) }) {
				return fmt.Sprintf("nobody has %s-%d", topic, n)
			}
		}
	}
	return ""
}

package group

import (
	"rookery/core/meta"
	"rookery/core/wire"
)

// reconciliation is a step of one member from what it has towards what it shall have:
//
//	     target changed, nothing to give up
//	   ┌─────────────────────────────────────┐
//	   │            ┌───────────────────────▼┐   somebody else still has it   ┌──────────────────┐
//	┌──┴───┐        │  next: the target epoch ├───────────────────────────────▶│ unreleased: waits │
//	│stable│◀───────┤                         │◀───────────────────────────────┤  for others      │
//	└──┬───┘ all of └───────────────────────▲┘   asks again, with each beat   └──────────────────┘
//	   │     it                              │
//	   │ something to give up   ┌────────────┴──────────┐
//	   └───────────────────────▶│ unrevoked: old epoch, │ until it no longer says that it owns what it has to give up
//	                            └───────────────────────┘
//
// What a member has to give up is its own until it says that it has let go; so no partition is in two hands.
type reconciliation struct {
	target      []TopicPartitions
	targetEpoch int32
	subscribed  func(topic meta.UUID) bool
	taken       func(topic meta.UUID, partition int32) bool // somebody has it, or has yet to give it up
	owned       []TopicPartitions                           // what the member says it owns
	told        bool                                        // it says
	changed     bool                                        // it has changed its subscription just now
}

// of is the member's next state, which may be the same.
func (r *reconciliation) of(a CurrentAssignment) (CurrentAssignment, refusal) {
	switch a.State {
	case MemberStable:
		switch {
		case a.MemberEpoch != r.targetEpoch:
			return r.next(a, a.MemberEpoch), refusal{}
		case r.changed:
			return r.trim(a), refusal{}
		}
		return a, refusal{}
	case MemberUnrevokedPartitions:
		switch {
		case !r.owns(a.PendingRevocation): // what its epoch wanted of it is done; the target may not be newer, where its subscription has changed
			return r.next(a, min(a.MemberEpoch+1, r.targetEpoch)), refusal{}
		case r.changed:
			return r.trim(a), refusal{}
		}
		return a, refusal{}
	case MemberUnreleasedPartitions:
		return r.next(a, a.MemberEpoch), refusal{}
	}
	// A state of a Kafka to come: the member begins anew, with nothing.
	if !r.told || len(r.owned) > 0 {
		return a, refusal{wire.FencedMemberEpoch, "The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin."}
	}
	return r.next(a, r.targetEpoch), refusal{}
}

// owns says whether the member may still own any of these. One that does not say may.
func (r *reconciliation) owns(set []TopicPartitions) bool {
	return !r.told || len(both(r.owned, set)) > 0
}

// next goes as far towards the target as others let it.
func (r *reconciliation) next(a CurrentAssignment, epoch int32) CurrentAssignment {
	target := keep(r.target, func(topic meta.UUID, _ int32) bool { return r.subscribed(topic) })
	assigned := both(a.Assigned, target)
	revoked := minus(a.Assigned, assigned)
	wanted := minus(target, assigned)
	free := keep(wanted, func(topic meta.UUID, p int32) bool {
		return !r.taken(topic, p) || holds(a.PendingRevocation, topic, p) // it is its own that it was to give up
	})
	if len(revoked) > 0 && r.owns(revoked) {
		return CurrentAssignment{MemberEpoch: epoch, PreviousMemberEpoch: a.MemberEpoch, State: MemberUnrevokedPartitions, Assigned: assigned, PendingRevocation: revoked}
	}
	state := MemberStable
	if len(minus(wanted, free)) > 0 {
		state = MemberUnreleasedPartitions
	}
	return CurrentAssignment{MemberEpoch: r.targetEpoch, PreviousMemberEpoch: a.MemberEpoch, State: state, Assigned: plus(assigned, free)}
}

// trim takes from the member at once what it has not subscribed to any more, while its target is not new.
func (r *reconciliation) trim(a CurrentAssignment) CurrentAssignment {
	assigned := keep(a.Assigned, func(topic meta.UUID, _ int32) bool { return r.subscribed(topic) })
	revoked := minus(a.Assigned, assigned)
	if len(revoked) == 0 {
		return a
	}
	a.Assigned = assigned
	if pending := plus(a.PendingRevocation, revoked); r.owns(pending) {
		a.State, a.PendingRevocation = MemberUnrevokedPartitions, pending
	}
	return a
}

func (a *CurrentAssignment) equal(b *CurrentAssignment) bool {
	return a.MemberEpoch == b.MemberEpoch && a.PreviousMemberEpoch == b.PreviousMemberEpoch && a.State == b.State &&
		equalSets(a.Assigned, b.Assigned) && equalSets(a.PendingRevocation, b.PendingRevocation)
}

// reconciled: nothing is left to be done for this target.
func (a *CurrentAssignment) reconciled(targetEpoch int32) bool {
	return a.State == MemberStable && a.MemberEpoch == targetEpoch
}

// refusal is why a request is not served. The zero refusal is none.
type refusal struct {
	code wire.Code
	why  string
}

func (r refusal) refused() bool { return r.code != wire.None }

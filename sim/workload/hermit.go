package workload

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
)

// hermit is alone in a group of the classic protocol, in a quarter of the runs. Before it joins it is given a member id that it
// does not come back with; once it has its place it wants a rebalance, for which the one who never came is awaited no longer than
// for the session that was named with that id. Nobody else would end the rebalance: it may take longer than a run waits for its
// clients (H14).
type hermit struct {
	*session
	budget     int
	settled    bool // it had its place after the faults
	stage      hermitStage
	id         string
	generation int32
	next       seam.Mono
	last       seam.Mono // when it was answered last
}

type hermitStage uint8

const (
	hermitFinds hermitStage = iota
	hermitAbandons
	hermitJoins
	hermitSyncs
	hermitJoinsAgain
	hermitLeaves
)

const (
	hermitGroup = "hermitage"

	// hermitSession is how long it is missed when its link breaks, and hermitPatience how long a rebalance may take.
	hermitSession  = seam.Second
	hermitPatience = 2 * drainPatience
)

func (r *Run) enterHermit() {
	if r.plan.Hermit {
		h := &hermit{session: r.client("hermit"), budget: r.plan.Budget / 8}
		r.enter(h.session, h)
	}
}

func (h *hermit) idle() bool {
	return h.resigned() && h.run.World.Now() >= h.last+memberLinger || h.run.draining && h.run.offsetsRotted()
}

// resigned: nothing more is to be asked.
func (h *hermit) resigned() bool {
	return len(h.inflight) == 0 && h.settled
}

func (h *hermit) String() string { return fmt.Sprintf("%s stage %d", h.session, h.stage) }

func (h *hermit) turn(now seam.Mono, fx *seam.Effects) {
	switch {
	case len(h.inflight) > 0:
		return
	case h.resigned():
		if now < h.last+memberLinger {
			fx.Wake(h.last + memberLinger)
		}
		return
	case h.budget == 0 && !h.run.draining:
		fx.Wake(now + 500*seam.Millisecond) // there is one more to come when the faults are over
		return
	case now < h.next:
		fx.Wake(h.next)
		return
	}
	h.next = now + h.think()/4
	switch h.stage {
	case hermitFinds:
		r := kmsg.NewPtrFindCoordinatorRequest()
		r.Version, r.CoordinatorKey = 2, hermitGroup
		h.request(now, r, fx, func(answer kmsg.Response) int16 { return answer.(*kmsg.FindCoordinatorResponse).ErrorCode })
	case hermitAbandons:
		h.join(now, 5, seam.Mono(1+h.stream.Choose(3))*300*seam.Millisecond, fx)
	case hermitJoins, hermitJoinsAgain:
		h.join(now, 3, hermitSession, fx)
	case hermitSyncs:
		r := kmsg.NewPtrSyncGroupRequest()
		r.Version, r.Group, r.MemberID, r.Generation = 2, hermitGroup, h.id, h.generation
		h.request(now, r, fx, func(answer kmsg.Response) int16 { return answer.(*kmsg.SyncGroupResponse).ErrorCode })
	case hermitLeaves:
		r := kmsg.NewPtrLeaveGroupRequest()
		r.Version, r.Group, r.MemberID = 2, hermitGroup, h.id
		h.request(now, r, fx, func(answer kmsg.Response) int16 { return answer.(*kmsg.LeaveGroupResponse).ErrorCode })
	}
}

// join asks for a place. From version 4 on who has no id is given one first, and has to come back with that.
func (h *hermit) join(now seam.Mono, version int16, session seam.Mono, fx *seam.Effects) {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Version, r.Group, r.MemberID, r.ProtocolType = version, hermitGroup, h.id, "consumer"
	r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = int32(session/seam.Millisecond), int32(hermitPatience/seam.Millisecond)
	r.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte("hermit")}}
	abandons := h.stage == hermitAbandons
	h.request(now, r, fx, func(answer kmsg.Response) int16 {
		a := answer.(*kmsg.JoinGroupResponse)
		if abandons && wire.Code(a.ErrorCode) == wire.MemberIDRequired {
			return none
		}
		if a.ErrorCode == none {
			h.id, h.generation = a.MemberID, a.Generation
		}
		return a.ErrorCode
	})
}

// request asks, and goes on to the next stage, or begins anew.
func (h *hermit) request(now seam.Mono, request kmsg.Request, fx *seam.Effects, judge func(answer kmsg.Response) int16) {
	h.ask(now, request, fx, &call{done: func(at seam.Mono, answer kmsg.Response, fx *seam.Effects) {
		code := int16(-1)
		if answer != nil {
			code = judge(answer)
			h.run.told(question{key: request.Key(), sent: now}, code, at)
		}
		h.last = at
		switch {
		case code == none && h.stage < hermitLeaves:
			h.stage++
		case code == none:
			h.budget, h.settled = max(0, h.budget-1), h.run.draining
			fallthrough
		default:
			h.id, h.stage = "", hermitFinds
			h.next = at + 20*seam.Millisecond + h.think()
		}
		fx.Wake(max(h.next, at+seam.Microsecond))
	}})
}

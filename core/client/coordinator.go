package client

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
)

// coordinator is the broker that leads the group's partition of __consumer_offsets, over a link of its own: a JoinGroup
// may be held back for minutes, and nobody's Fetch shall wait for it, nor it for a Fetch.
type coordinator struct {
	node     *node // nil: to be found
	finding  bool
	retryAt  seam.Mono
	failures int
}

// coordinatorLink is the ID of such a link's Address.
const coordinatorLink = 1

// maybeCoordinator is the group's coordinator if it can be asked now; if it is not known, it is looked for.
func (c *Client) maybeCoordinator(now seam.Now, fx *seam.Effects) *node {
	k := &c.group.coordinator
	switch {
	case k.node != nil:
		if c.maybeReady(now, k.node, fx) {
			return k.node
		}
		return nil
	case k.finding:
		return nil
	case now.Mono < k.retryAt:
		fx.Wake(k.retryAt)
		return nil
	}
	n := c.maybeAny(now, fx)
	if n == nil {
		return nil
	}
	ask := kmsg.NewPtrFindCoordinatorRequest()
	version, ok := c.version(n, ask)
	if !ok {
		c.quit(now, wire.UnsupportedVersion, fx)
		return nil
	}
	ask.Version, ask.CoordinatorKey, ask.CoordinatorKeys = version, c.config.GroupID, []string{c.config.GroupID}
	k.finding = true
	c.send(now, n, ask, c.config.RequestTimeout, fx, func(now seam.Now, answer wire.Answer, _ Fault, fx *seam.Effects) {
		k.finding = false
		r, _ := answer.(*kmsg.FindCoordinatorResponse)
		c.onCoordinator(now, r, fx)
	})
	return nil
}

func (c *Client) onCoordinator(now seam.Now, r *kmsg.FindCoordinatorResponse, fx *seam.Effects) {
	k := &c.group.coordinator
	if r == nil {
		c.lookLater(now)
		return
	}
	code, host, port := wire.Code(r.ErrorCode), r.Host, r.Port
	if r.Version >= 4 {
		if len(r.Coordinators) != 1 {
			c.lookLater(now)
			return
		}
		one := &r.Coordinators[0]
		code, host, port = wire.Code(one.ErrorCode), one.Host, one.Port
	}
	switch {
	case !code.Failed():
		k.node = c.nodeOf(seam.Address{Kind: seam.ToPeer, ID: coordinatorLink, Host: host, Port: port})
		k.failures = 0
	case retriable(code):
		c.mention(code, fx)
		c.lookLater(now)
	default:
		c.lookLater(now)
		for _, a := range c.assignments {
			if a.resuming && c.group.phase == outside {
				a.resuming = false
				c.complain(a, code, true, fx)
			}
		}
		if c.failCommits(code, fx); c.group.phase != outside {
			c.quit(now, code, fx)
		}
	}
}

func (c *Client) lookLater(now seam.Now) {
	k := &c.group.coordinator
	k.retryAt = now.Mono + c.pause(c.config.RetryBackoff, c.config.RetryBackoffMax, k.failures)
	k.failures++
}

// misled forgets the coordinator: it is another one now, or none. A broker that says so is asked again after a pause.
func (c *Client) misled(now seam.Now) {
	k := &c.group.coordinator
	if k.node == nil {
		return
	}
	k.node = nil
	c.lookLater(now)
}

// isHeldBack says whether the coordinator holds back an answer until others have come. What is asked meanwhile waits behind
// it, and its time would be up long before.
func (c *Client) isHeldBack() bool {
	g := &c.group
	return g.busy && !c.config.Modern && (g.phase == joining || g.phase == syncing)
}

// isElsewhere says whether a code means that the coordinator has to be found again.
func isElsewhere(code wire.Code) bool {
	return code == wire.NotCoordinator || code == wire.CoordinatorNotAvailable
}

// askCoordinator sends a request in the newest version that both sides speak, up to newest. False: it cannot be sent now.
func (c *Client) askCoordinator(now seam.Now, ask wire.Message, newest int16, patience seam.Mono, fx *seam.Effects,
	then func(now seam.Now, answer wire.Answer, fx *seam.Effects)) bool {
	n := c.maybeCoordinator(now, fx)
	if n == nil {
		return false
	}
	version, ok := c.version(n, ask)
	if !ok {
		c.failCommits(wire.UnsupportedVersion, fx)
		c.quit(now, wire.UnsupportedVersion, fx)
		return false
	}
	ask.SetVersion(min(version, newest))
	c.send(now, n, ask, patience, fx, func(now seam.Now, answer wire.Answer, _ Fault, fx *seam.Effects) { then(now, answer, fx) })
	return true
}

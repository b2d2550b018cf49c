package client

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
)

// pendingCall is a Call that was not answered yet.
type pendingCall struct {
	call     *Call
	deadline seam.Mono
	sent     bool
	answered bool
}

func (c *Client) onCall(now seam.Now, in *Call, fx *seam.Effects) {
	if c.closing {
		c.post(&Answer{Tag: in.Tag, Fault: ShutDown}, fx)
		return
	}
	c.calls = append(c.calls, &pendingCall{call: in, deadline: now.Mono + patience(in.Timeout, c.config.RequestTimeout)})
}

// answer tells the application what became of a call, once.
func (c *Client) answer(one *pendingCall, response wire.Answer, fault Fault, fx *seam.Effects) {
	if !one.answered {
		one.answered = true
		c.post(&Answer{Tag: one.call.Tag, Response: response, Fault: fault, Unknown: one.sent && response == nil}, fx)
	}
}

// maybeGiveUp gives up the calls whose time is up. It comes before maybeTimeOut: a call's time and its link's may end at
// once, and then it was the time that was up, not the link that was lost.
func (c *Client) maybeGiveUp(now seam.Now, fx *seam.Effects) {
	for _, one := range c.calls {
		if one.deadline <= now.Mono {
			c.answer(one, nil, TimedOut, fx)
		}
	}
}

// maybeCall sends the calls whose broker can be asked.
func (c *Client) maybeCall(now seam.Now, fx *seam.Effects) {
	for _, one := range c.calls {
		if one.sent || one.answered {
			continue
		}
		if n := c.target(now, one.call, fx); n != nil {
			c.ask(now, n, one, fx)
		}
	}
	c.calls = slices.DeleteFunc(c.calls, func(one *pendingCall) bool { return one.answered })
}

// target is the broker that a call goes to, if it can be asked now.
func (c *Client) target(now seam.Now, in *Call, fx *seam.Effects) *node {
	var n *node
	switch in.To {
	case AnyBroker:
		return c.maybeAny(now, fx)
	case Controller:
		n = c.brokers.At(c.controller)
	case Leader:
		if t := c.topicNamed(in.Topic); in.Partition >= 0 && int(in.Partition) < len(t.parts) {
			n = t.parts[in.Partition].leader
		}
	default:
		n = c.brokers.At(in.To)
	}
	if n == nil {
		c.wantMetadata()
		return nil
	}
	if !c.maybeReady(now, n, fx) {
		return nil
	}
	return n
}

func (c *Client) ask(now seam.Now, n *node, one *pendingCall, fx *seam.Effects) {
	in := one.call
	if !in.Pinned {
		version, ok := c.version(n, in.Request)
		if !ok {
			c.answer(one, nil, Unsupported, fx)
			return
		}
		in.Request.SetVersion(version)
	}
	one.sent = true
	if ask, ok := in.Request.(*kmsg.ProduceRequest); ok && ask.Acks == AcksNone {
		c.correlation++
		c.write(n, ask, fx)
		c.answer(one, nil, NoFault, fx)
		return
	}
	// The link outlives an application that does not wait as long as a broker may take.
	patience := max(c.config.RequestTimeout, one.deadline-now.Mono)
	c.send(now, n, in.Request, patience, fx, func(_ seam.Now, answer wire.Answer, fault Fault, fx *seam.Effects) {
		c.answer(one, answer, fault, fx)
	}).kept = true
}

// NewLeadersCall asks any broker who leads the partitions of a topic. create: one that does not exist is made.
func NewLeadersCall(topic string, create bool) Call {
	ask := kmsg.NewPtrMetadataRequest()
	ask.AllowAutoTopicCreation = create
	row := kmsg.NewMetadataRequestTopic()
	row.Topic = &topic
	ask.Topics = append(ask.Topics, row)
	return Call{Request: ask, To: AnyBroker}
}

// Leaders is what the Answer to that says: the leader of each partition by its number, -1 where there is none now. An
// answer that is none to this question is an UNKNOWN_SERVER_ERROR.
func (a *Answer) Leaders() ([]int32, wire.Code) {
	r, _ := a.Response.(*kmsg.MetadataResponse)
	if r == nil || len(r.Topics) != 1 {
		return nil, wire.UnknownServerError
	}
	t := &r.Topics[0]
	leaders := make([]int32, len(t.Partitions))
	for i := range t.Partitions {
		p := &t.Partitions[i]
		if p.Partition < 0 || int(p.Partition) >= len(leaders) {
			return nil, wire.UnknownServerError
		}
		if leaders[p.Partition] = p.Leader; wire.Code(p.ErrorCode).Failed() {
			leaders[p.Partition] = -1
		}
	}
	return leaders, wire.Code(t.ErrorCode)
}

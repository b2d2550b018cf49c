package client

import (
	"encoding/binary"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
)

// linkState is how far a link to a broker has come.
type linkState uint8

const (
	idle  linkState = iota // there is none
	asked                  // ApiVersions is under way, and with it perhaps the link itself
	ready
)

// node is one broker's address and the one link to it.
type node struct {
	address   seam.Address
	bootstrap bool
	named     bool // somebody means it (forgetNodes)
	state     linkState
	link      uint64
	gone      uint64 // links up to this one are given up: nothing that they still bring counts
	versions  map[int16]versionSpan
	requests  []*request // sent and not answered, oldest first
	producing int        // how many of them are Produce requests
	fetching  bool
	session   fetchSession
	fair      int // moves the partition that comes first in a Produce
	failures  int // links lost in a row without an answer to ApiVersions
	retryAt   seam.Mono
}

type versionSpan struct{ oldest, newest int16 }

// request is one that was sent. then is called once: with the answer, or with nil when there will be none.
type request struct {
	correlation int32
	key         int16
	answer      wire.Answer
	deadline    seam.Mono
	kept        bool // the answer goes to the application: it may not lie in the frame, which is lent
	then        func(now seam.Now, answer wire.Answer, fault Fault, fx *seam.Effects)
}

func (c *Client) nodeAt(address seam.Address) *node {
	for _, n := range c.nodes {
		if n.address.Host == address.Host && n.address.Port == address.Port && n.address.ID == address.ID {
			return n
		}
	}
	return nil
}

func (c *Client) nodeFor(host string, port int32) *node {
	return c.nodeOf(seam.Address{Kind: seam.ToPeer, Host: host, Port: port})
}

// nodeOf is the broker at an address over the link of its ID.
func (c *Client) nodeOf(address seam.Address) *node {
	if n := c.nodeAt(address); n != nil {
		return n
	}
	n := &node{address: address}
	c.nodes = append(c.nodes, n)
	return n
}

// maybeReady says whether n can be asked now. If there is no link, one is begun; Java asks for ApiVersions first, too.
func (c *Client) maybeReady(now seam.Now, n *node, fx *seam.Effects) bool {
	if n.state == idle && now.Mono >= n.retryAt {
		c.negotiate(now, n, 4, fx)
	}
	if n.state == idle {
		fx.Wake(n.retryAt)
	}
	return n.state == ready
}

// maybeAny is a node that can be asked now, those with the least to do first; nil: none yet.
func (c *Client) maybeAny(now seam.Now, fx *seam.Effects) *node {
	var best *node
	for _, n := range c.nodes {
		if n.isCommon() && n.state == ready && (best == nil || len(n.requests) < len(best.requests)) {
			best = n
		}
	}
	if best != nil || c.isAsking() {
		return best
	}
	for range c.nodes {
		c.turn = (c.turn + 1) % len(c.nodes)
		n := c.nodes[c.turn]
		if !n.isCommon() {
			continue
		}
		if now.Mono >= n.retryAt {
			c.maybeReady(now, n, fx)
			return nil
		}
		fx.Wake(c.nodes[c.turn].retryAt)
	}
	return nil
}

// isCommon says whether the link is for whatever there is to ask, not the one to a coordinator.
func (n *node) isCommon() bool { return n.address.ID == 0 }

func (c *Client) isAsking() bool {
	for _, n := range c.nodes {
		if n.isCommon() && n.state == asked {
			return true
		}
	}
	return false
}

// negotiate asks which versions the broker speaks. A broker that does not know ours answers in version 0 with error 35
// and perhaps the versions that it does know (KIP-511).
func (c *Client) negotiate(now seam.Now, n *node, version int16, fx *seam.Effects) {
	n.state = asked
	ask := kmsg.NewPtrApiVersionsRequest()
	ask.Version = min(version, c.ceiling(wire.KeyApiVersions, version))
	ask.ClientSoftwareName, ask.ClientSoftwareVersion = "rookery", "1"
	c.send(now, n, ask, c.config.RequestTimeout, fx, func(now seam.Now, answer wire.Answer, _ Fault, fx *seam.Effects) {
		if answer == nil {
			return
		}
		r := answer.(*kmsg.ApiVersionsResponse)
		switch code := wire.Code(r.ErrorCode); {
		case code == wire.UnsupportedVersion && ask.Version > 0:
			c.negotiate(now, n, 0, fx)
		case code.Failed():
			c.lose(now, n, fx)
		default:
			n.adopt(r)
		}
	})
}

func (n *node) adopt(r *kmsg.ApiVersionsResponse) {
	n.versions = make(map[int16]versionSpan, len(r.ApiKeys))
	for _, row := range r.ApiKeys {
		n.versions[row.ApiKey] = versionSpan{row.MinVersion, row.MaxVersion}
	}
	n.state, n.failures, n.retryAt = ready, 0, 0
}

func (c *Client) ceiling(key, version int16) int16 {
	for _, ceiling := range c.config.Ceilings {
		if ceiling.Key == key {
			version = min(version, ceiling.Version)
		}
	}
	return version
}

// version is the newest of an API that both sides speak; false: there is none.
func (c *Client) version(n *node, ask wire.Message) (int16, bool) {
	span, ok := n.versions[ask.Key()]
	version := c.ceiling(ask.Key(), min(span.newest, ask.MaxVersion()))
	if oldest, _, known := wire.Range(ask.Key()); known && version < oldest {
		return 0, false // Produce is announced from 0 and served from 3 (KAFKA-18659)
	}
	return version, ok && version >= span.oldest
}

// send asks in the version that the request names. The frame is made anew and given away.
func (c *Client) send(now seam.Now, n *node, ask wire.Message, patience seam.Mono, fx *seam.Effects,
	then func(seam.Now, wire.Answer, Fault, *seam.Effects)) *request {
	c.correlation++
	answer := ask.ResponseKind()
	answer.SetVersion(ask.GetVersion())
	r := &request{correlation: c.correlation, key: ask.Key(), answer: answer, deadline: now.Mono + patience, then: then}
	n.requests = append(n.requests, r)
	c.write(n, ask, fx)
	return r
}

// write sends what has no answer, or whose answer is awaited already.
func (c *Client) write(n *node, ask wire.Message, fx *seam.Effects) {
	fx.Sends = append(fx.Sends, seam.Send{To: n.address, Data: wire.AppendRequest(nil, c.correlation, c.config.ClientID, ask)})
}

// onPeer takes what a link brings.
func (c *Client) onPeer(now seam.Now, in *seam.Mail, fx *seam.Effects) {
	n := c.nodeAt(in.From)
	switch {
	case n == nil || in.Link <= n.gone:
	case in.Fault != seam.OK:
		n.gone = in.Link
		c.lose(now, n, fx)
	case in.Frame == nil:
		n.link = in.Link
	default:
		c.onFrame(now, n, in, fx)
	}
}

// onFrame takes one answer. One that nobody waits for any more is passed over: it came after its deadline.
func (c *Client) onFrame(now seam.Now, n *node, in *seam.Mail, fx *seam.Effects) {
	n.link = in.Link
	if len(in.Frame) < 4 {
		c.cut(now, n, fx)
		return
	}
	r := n.take(int32(binary.BigEndian.Uint32(in.Frame)))
	if r == nil {
		return
	}
	body := in.Frame[4:]
	if r.kept {
		body = slices.Clone(body)
	}
	if !r.read(body) {
		r.then(now, nil, Malformed, fx)
		c.cut(now, n, fx)
		return
	}
	r.then(now, r.answer, NoFault, fx)
}

func (n *node) take(correlation int32) *request {
	for i, r := range n.requests {
		if r.correlation == correlation {
			n.requests = append(n.requests[:i], n.requests[i+1:]...)
			return r
		}
	}
	return nil
}

// read decodes an answer. That of ApiVersions never has tags in its header, and is of version 0 where it refuses ours.
func (r *request) read(body []byte) bool {
	if r.key == wire.KeyApiVersions {
		if len(body) >= 2 && binary.BigEndian.Uint16(body) == uint16(wire.UnsupportedVersion) {
			r.answer.SetVersion(0)
		}
		return r.answer.ReadFrom(body) == nil
	}
	if r.answer.IsFlexible() {
		var ok bool
		if body, ok = tagsOff(body); !ok {
			return false
		}
	}
	return r.answer.ReadFrom(body) == nil
}

// tagsOff passes over tagged fields: a count, then number, size and bytes of each (KIP-482).
func tagsOff(b []byte) ([]byte, bool) {
	count, n := binary.Uvarint(b)
	if n <= 0 {
		return nil, false
	}
	for b = b[n:]; count > 0; count-- {
		if _, n = binary.Uvarint(b); n <= 0 {
			return nil, false
		}
		b = b[n:]
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return nil, false
		}
		b = b[n+int(size):]
	}
	return b, true
}

// cut gives a link up that brings nothing, or nonsense.
func (c *Client) cut(now seam.Now, n *node, fx *seam.Effects) {
	if n.link != 0 {
		fx.Reading = append(fx.Reading, seam.Credit{Conn: seam.Conn(n.link), Cut: true})
		n.gone = n.link
	}
	c.lose(now, n, fx)
}

// lose ends everything that was under way at n: its outcome is unknown.
func (c *Client) lose(now seam.Now, n *node, fx *seam.Effects) {
	lost := n.requests
	n.requests = nil
	n.state, n.link = idle, 0
	n.retryAt = now.Mono + c.pause(c.config.ReconnectBackoff, c.config.ReconnectBackoffMax, n.failures)
	n.failures++
	c.wantMetadata()
	if n == c.group.coordinator.node {
		c.misled(now)
	}
	for _, r := range lost {
		r.then(now, nil, Lost, fx)
	}
}

// pause is how long to wait before trying again: doubled each time, and a fifth more or less (KIP-580).
func (c *Client) pause(first, most seam.Mono, failures int) seam.Mono {
	pause := first
	for range min(failures, 20) {
		pause = min(pause*2, most)
	}
	return max(pause*seam.Mono(800+c.random.Intn(401))/1000, 1)
}

// maybeTimeOut gives up links whose oldest answer does not come. Java closes such a link, too.
func (c *Client) maybeTimeOut(now seam.Now, fx *seam.Effects) {
	for _, n := range c.nodes {
		for _, r := range n.requests {
			if r.deadline <= now.Mono {
				c.cut(now, n, fx)
				break
			}
		}
	}
}

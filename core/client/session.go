package client

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
)

// fetchSession is what a broker remembers of our fetches (KIP-227): of a partition that is fetched as before nothing need
// be said, and of one of which nothing is new nothing is answered. As in Java's client, whatever goes wrong ends it, and
// the next Fetch names everything and asks for a new one.
type fetchSession struct {
	id    int32 // 0: there is none
	epoch int32 // of the next request; 0: names everything, and closes the session
	byID  bool  // it names topics by their ids
	held  []heldPartition
}

// heldPartition is what the broker was told last of one partition.
type heldPartition struct {
	*assignment
	topicID     [16]byte // zero, where the session goes by names
	position    int64
	leaderEpoch int32
}

// newFetch is a Fetch of the partitions in about: all of them, or what the session does not know of them. Those that are
// not fetched this time are forgotten.
func (s *fetchSession) newFetch(about []*assignment, version int16, bytesMax int32) *kmsg.FetchRequest {
	ask := kmsg.NewPtrFetchRequest()
	if byID := version >= 13; byID != s.byID {
		s.epoch, s.byID = 0, byID
	}
	if s.epoch == 0 {
		s.held = s.held[:0]
	}
	ask.Version, ask.SessionID, ask.SessionEpoch = version, s.id, s.epoch
	for _, a := range about {
		a.asked, a.held = true, false
	}
	kept := s.held[:0]
	for _, h := range s.held {
		if h.dropped {
			s.adopt(&h, about)
		}
		if !h.asked || h.topicID != s.idOf(h.topic) {
			h.forget(ask)
			continue
		}
		h.assignment.held = true
		if h.changed() {
			h.pack(ask, bytesMax)
			h.update()
		}
		kept = append(kept, h)
	}
	clear(s.held[len(kept):])
	s.held = kept
	for _, a := range about {
		if !a.held {
			h := heldPartition{assignment: a, topicID: s.idOf(a.topic)}
			h.update()
			a.pack(ask, bytesMax)
			s.held = append(s.held, h)
		}
		a.asked = false
	}
	return ask
}

func (h *heldPartition) changed() bool {
	return h.position != h.assignment.position || h.leaderEpoch != h.partition().leaderEpoch
}

func (h *heldPartition) update() {
	h.position, h.leaderEpoch = h.assignment.position, h.partition().leaderEpoch
}

func (s *fetchSession) idOf(t *topic) (id [16]byte) {
	if s.byID {
		return t.id
	}
	return id
}

// adopt finds the assignment under which a partition is fetched now: the broker, which forgets last, may not forget it.
func (s *fetchSession) adopt(h *heldPartition, about []*assignment) {
	i := slices.IndexFunc(about, func(a *assignment) bool { return a.number == h.number && a.topic == h.topic })
	if i >= 0 {
		about[i].told = h.told
		h.assignment = about[i]
	}
}

func (h *heldPartition) forget(ask *kmsg.FetchRequest) {
	at := slices.IndexFunc(ask.ForgottenTopics, func(t kmsg.FetchRequestForgottenTopic) bool {
		return t.Topic == h.topic.name && t.TopicID == h.topicID
	})
	if at < 0 {
		at = len(ask.ForgottenTopics)
		ask.ForgottenTopics = append(ask.ForgottenTopics, kmsg.FetchRequestForgottenTopic{Topic: h.topic.name, TopicID: h.topicID})
	}
	ask.ForgottenTopics[at].Partitions = append(ask.ForgottenTopics[at].Partitions, h.number)
}

// onAnswer takes what an answer to a Fetch of an epoch says of the session. implied: what it does not name is as it was.
func (s *fetchSession) onAnswer(asked int32, r *kmsg.FetchResponse) (implied bool) {
	switch {
	case r == nil:
		s.epoch = 0
	case wire.Code(r.ErrorCode).Failed():
		if s.epoch = 0; wire.Code(r.ErrorCode) == wire.FetchSessionIDNotFound {
			s.id = 0
		}
	case r.SessionID == 0:
		s.id, s.epoch = 0, 0
		return asked > 0
	case asked == 0:
		s.id, s.epoch = r.SessionID, 1
	default:
		if s.epoch = 1; asked < 1<<31-1 {
			s.epoch = asked + 1
		}
		return true
	}
	return false
}

// isSessionTrouble says whether an error is the session's, and no partition's.
func isSessionTrouble(code wire.Code) bool {
	return code == wire.FetchSessionIDNotFound || code == wire.InvalidFetchSessionEpoch || code == wire.FetchSessionTopicIDError
}

// closeSessions tells the brokers that nothing more will be fetched, as Java's consumer does. Nobody waits for the answers.
func (c *Client) closeSessions(now seam.Now, fx *seam.Effects) {
	for _, n := range c.nodes {
		if n.session.id == 0 || n.state != ready {
			continue
		}
		ask := kmsg.NewPtrFetchRequest()
		version, ok := c.version(n, ask)
		if !ok {
			continue
		}
		ask.Version, ask.SessionID, ask.SessionEpoch = version, n.session.id, -1
		n.session = fetchSession{}
		c.send(now, n, ask, c.config.RequestTimeout, fx, func(seam.Now, wire.Answer, Fault, *seam.Effects) {})
	}
}

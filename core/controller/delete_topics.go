package controller

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/meta"
	"rookery/core/wire"
)

// DeleteTopics (20, versions 1 to 6; by id in 6, KIP-516) deletes the topics named rightly and once; the others get
// their own errors. A topic named by its name and by its id is not deleted, and gets one answer.
func (c *Controller) DeleteTopics(req *kmsg.DeleteTopicsRequest) ([]meta.Record, *kmsg.DeleteTopicsResponse) {
	resp := req.ResponseKind().(*kmsg.DeleteTopicsResponse)
	asked := deletions(req)
	named := countNames(asked)
	var rs []meta.Record
	for _, a := range asked {
		if !c.config.DeleteTopicEnable {
			resp.Topics = append(resp.Topics, notDeleted(a, deletionDisabled(req.Version)))
			continue
		}
		if !named.tell(a) {
			continue
		}
		t, no := c.deletable(&a, named)
		if no != nil {
			resp.Topics = append(resp.Topics, notDeleted(a, no))
			continue
		}
		if t == nil {
			continue // its name was answered for
		}
		answer := kmsg.NewDeleteTopicsResponseTopic()
		answer.Topic, answer.TopicID = &t.Name, t.ID
		resp.Topics = append(resp.Topics, answer)
		rs = append(rs, &meta.RemoveTopicRecord{TopicID: t.ID})
	}
	return rs, resp
}

// deletable is the topic that is to go; neither a topic nor a refusal: nothing is to be said.
func (c *Controller) deletable(a *doomed, named naming) (*meta.Topic, *refusal) {
	switch {
	case a.name != nil && a.id != meta.UUID{}:
		return nil, refuse(wire.InvalidRequest, "You may not specify both topic name and topic id.")
	case a.name != nil:
		return c.deletableByName(a, named)
	case a.id != meta.UUID{}:
		return c.deletableByID(a.id, named)
	}
	return nil, refuse(wire.InvalidRequest, "Neither topic name nor id were specified.")
}

func (c *Controller) deletableByName(a *doomed, named naming) (*meta.Topic, *refusal) {
	if named.names[*a.name] > 1 {
		return nil, refuse(wire.InvalidRequest, "Duplicate topic name.")
	}
	t := c.image.Topic(*a.name)
	if t == nil {
		return nil, refuse(wire.UnknownTopicOrPartition, "This server does not host this topic-partition.")
	}
	if named.ids[t.ID] > 0 {
		a.id = t.ID
		return nil, refuse(wire.InvalidRequest, "The provided topic name maps to an ID that was already supplied.")
	}
	return t, nil
}

func (c *Controller) deletableByID(id meta.UUID, named naming) (*meta.Topic, *refusal) {
	if named.ids[id] > 1 {
		return nil, refuse(wire.InvalidRequest, "Duplicate topic id.")
	}
	t := c.image.TopicByID(id)
	if t == nil {
		return nil, refuse(wire.UnknownTopicID, "This server does not host this topic ID.")
	}
	if named.names[t.Name] == 1 {
		return nil, nil
	}
	return t, nil
}

// doomed is one topic to be deleted, as the request names it.
type doomed struct {
	name *string
	id   meta.UUID
}

func deletions(req *kmsg.DeleteTopicsRequest) []doomed {
	var asked []doomed
	for i := range req.TopicNames {
		asked = append(asked, doomed{name: &req.TopicNames[i]})
	}
	for i := range req.Topics {
		asked = append(asked, doomed{req.Topics[i].Topic, req.Topics[i].TopicID})
	}
	return asked
}

// naming counts how often a request names what, either way, and which of it has had its answer.
type naming struct {
	names     map[string]int
	ids       map[meta.UUID]int
	namesTold map[string]bool
	idsTold   map[meta.UUID]bool
}

func countNames(asked []doomed) naming {
	n := naming{map[string]int{}, map[meta.UUID]int{}, map[string]bool{}, map[meta.UUID]bool{}}
	for _, a := range asked {
		switch {
		case a.name != nil && a.id == meta.UUID{}:
			n.names[*a.name]++
		case a.name == nil && a.id != meta.UUID{}:
			n.ids[a.id]++
		}
	}
	return n
}

// tell says whether an entry gets an answer of its own: what is named twice gets one.
func (n naming) tell(a doomed) bool {
	told := false
	switch {
	case a.name != nil && a.id == meta.UUID{}:
		told, n.namesTold[*a.name] = n.namesTold[*a.name], true
	case a.name == nil && a.id != meta.UUID{}:
		told, n.idsTold[a.id] = n.idsTold[a.id], true
	}
	return !told
}

func deletionDisabled(version int16) *refusal {
	if version < 3 {
		return refuse(wire.InvalidRequest, "This version does not support topic deletion.")
	}
	return refuse(wire.TopicDeletionDisabled, "")
}

func notDeleted(a doomed, no *refusal) kmsg.DeleteTopicsResponseTopic {
	answer := kmsg.NewDeleteTopicsResponseTopic()
	answer.Topic, answer.TopicID, answer.ErrorCode, answer.ErrorMessage = a.name, a.id, int16(no.code), no.text()
	return answer
}

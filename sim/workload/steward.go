package workload

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
	"rookery/sim/check"
)

// steward creates, deletes and looks up the fleeting topics, and takes producer ids.
type steward struct {
	*session
	budget int
	next   seam.Mono
}

func (s *steward) idle() bool { return len(s.inflight) == 0 && (s.run.draining || s.budget == 0) }

func (s *steward) turn(now seam.Mono, fx *seam.Effects) {
	if len(s.inflight) > 0 || s.idle() {
		return
	}
	if now < s.next {
		fx.Wake(s.next)
		return
	}
	s.next = now + 4*s.think()
	s.budget--
	topic := s.run.plan.Fleeting[s.stream.Choose(len(s.run.plan.Fleeting))]
	switch s.stream.Pick(4, 3, 2, 1) {
	case 0:
		s.find(now, topic, fx)
	case 1:
		s.create(now, topic, fx)
	case 2:
		s.remove(now, topic, fx)
	case 3:
		s.run.askProducerID(s.session, now, fx, func(seam.Mono, int64, int16) {})
	}
}

// note begins an entry of the history; finish says how it ended.
func (s *session) note(now seam.Mono, topic string, deed check.AdminDeed) *check.Admin {
	a := &check.Admin{Client: s.id, Topic: topic, Deed: deed, Call: now, Return: check.Unfinished}
	s.run.History.Admins = append(s.run.History.Admins, a)
	return a
}

func (s *steward) create(now seam.Mono, topic string, fx *seam.Effects) {
	s.run.create(s.session, now, topic, 1+s.stream.Choose(3), s.run.plan.config(topic), int16(2+s.stream.Choose(6)), fx, nil)
}

func (s *steward) remove(now seam.Mono, topic string, fx *seam.Effects) {
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.Version, request.TimeoutMillis = int16(1+s.stream.Choose(6)), 30_000
	a := s.note(now, topic, check.DeleteTopic)
	if request.Version < 6 {
		request.TopicNames = []string{topic}
	} else {
		one := kmsg.NewDeleteTopicsRequestTopic()
		if id, known := s.run.topicIDs[topic]; known && s.stream.Choose(2) == 1 {
			one.TopicID, a.ID = id, id
		} else {
			one.Topic = &topic
		}
		request.Topics = append(request.Topics, one)
	}
	sent := now
	judge := func(now seam.Mono, answer kmsg.Response) {
		topics := answer.(*kmsg.DeleteTopicsResponse).Topics
		if !s.run.require(len(topics) == 1, check.AnswersInOrder, "%s: an answer about %d topics", s.name, len(topics)) {
			return
		}
		s.run.told(question{key: wire.KeyDeleteTopics, topic: topic, sent: sent}, topics[0].ErrorCode, now)
		switch topics[0].ErrorCode {
		case none:
			a.Outcome, a.Return = check.Done, now
		case unknownTopic, unknownTopicID:
			a.Outcome, a.Return = check.Refused, now
		}
	}
	s.ask(now, request, fx, &call{settle: judge, done: func(now seam.Mono, answer kmsg.Response, fx *seam.Effects) {
		if answer != nil {
			judge(now, answer)
		}
	}})
}

// create asks for one topic. then, if not nil, is told whether it is there now.
func (r *Run) create(s *session, now seam.Mono, topic string, partitions int, config map[string]string, version int16, fx *seam.Effects, then func(now seam.Mono, there bool)) {
	request := kmsg.NewPtrCreateTopicsRequest()
	request.Version, request.TimeoutMillis = version, 30_000
	one := kmsg.NewCreateTopicsRequestTopic()
	one.Topic, one.NumPartitions, one.ReplicationFactor = topic, int32(partitions), 1
	for _, key := range sortedKeys(config) {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		value := config[key]
		c.Name, c.Value = key, &value
		one.Configs = append(one.Configs, c)
	}
	request.Topics = append(request.Topics, one)
	a := s.note(now, topic, check.CreateTopic)
	sent := now
	judge := func(now seam.Mono, answer kmsg.Response) (code int16) {
		topics := answer.(*kmsg.CreateTopicsResponse).Topics
		if !r.require(len(topics) == 1, check.AnswersInOrder, "%s: an answer about %d topics", s.name, len(topics)) {
			return -1
		}
		code = topics[0].ErrorCode
		r.told(question{key: wire.KeyCreateTopics, topic: topic, sent: sent}, code, now)
		switch code {
		case none:
			a.Outcome, a.Return, a.ID = check.Done, now, topics[0].TopicID
			r.made[a.ID] = partitions
		case topicExists:
			a.Outcome, a.Return = check.Refused, now
		}
		return code
	}
	s.ask(now, request, fx, &call{
		settle: func(now seam.Mono, answer kmsg.Response) { judge(now, answer) },
		done: func(now seam.Mono, answer kmsg.Response, fx *seam.Effects) {
			code := int16(-1)
			if answer != nil {
				code = judge(now, answer)
			}
			if then != nil {
				then(now, code == none || code == topicExists)
			}
		},
	})
}

func (s *steward) find(now seam.Mono, topic string, fx *seam.Effects) {
	a := s.note(now, topic, check.LookupTopic)
	request := metadataOf(int16(10+s.stream.Choose(4)), topic)
	s.ask(now, request, fx, &call{done: func(now seam.Mono, answer kmsg.Response, fx *seam.Effects) {
		if answer == nil {
			return
		}
		s.run.learn(answer.(*kmsg.MetadataResponse), a.Call, now)
		for _, t := range answer.(*kmsg.MetadataResponse).Topics {
			if t.Topic == nil || *t.Topic != topic {
				continue
			}
			switch t.ErrorCode {
			case none:
				a.Outcome, a.Return, a.ID = check.Done, now, t.TopicID
			case unknownTopic:
				a.Outcome, a.Return = check.Done, now
			}
		}
	}})
}

func metadataOf(version int16, topics ...string) *kmsg.MetadataRequest {
	request := kmsg.NewPtrMetadataRequest()
	request.Version = version
	for _, name := range topics {
		one := kmsg.NewMetadataRequestTopic()
		one.Topic = &name
		request.Topics = append(request.Topics, one)
	}
	return request
}

// lookUp asks for the ids of all topics.
func (r *Run) lookUp(s *session, now seam.Mono, fx *seam.Effects) {
	sent := now
	s.ask(now, metadataOf(12, r.plan.names()...), fx, &call{done: func(now seam.Mono, answer kmsg.Response, fx *seam.Effects) {
		if answer != nil {
			r.learn(answer.(*kmsg.MetadataResponse), sent, now)
		}
		s.rest(now + 10*seam.Millisecond)
		fx.Wake(s.resting)
	}})
}

func (r *Run) learn(answer *kmsg.MetadataResponse, sent, now seam.Mono) {
	for _, t := range answer.Topics {
		if t.Topic != nil {
			r.told(question{key: wire.KeyMetadata, topic: *t.Topic, sent: sent}, t.ErrorCode, now)
		}
		for i := range t.Partitions {
			if t.Topic != nil && t.ErrorCode == none {
				r.partitionIs(*t.Topic, &t.Partitions[i], sent)
				r.leads(check.Partition{Topic: *t.Topic, Number: t.Partitions[i].Partition}, t.Partitions[i].LeaderEpoch, sent, now)
			}
		}
		if least, known := r.made[t.TopicID]; known && t.ErrorCode == none {
			r.require(len(t.Partitions) >= least, check.ConfigRegister, "%s has %d partitions, and was made with %d", *t.Topic, len(t.Partitions), least)
		}
		if t.ErrorCode == none && t.Topic != nil && t.TopicID != [16]byte{} {
			if r.topicIDs[*t.Topic] != t.TopicID {
				r.ids = append(r.ids, knownID{*t.Topic, t.TopicID})
			}
			r.topicIDs[*t.Topic] = t.TopicID
		}
	}
}

// askProducerID asks for a producer id; then is told it, or -1.
func (r *Run) askProducerID(s *session, now seam.Mono, fx *seam.Effects, then func(now seam.Mono, id int64, epoch int16)) {
	request := kmsg.NewPtrInitProducerIDRequest()
	request.Version = int16(s.stream.Choose(6))
	request.ProducerID, request.ProducerEpoch = -1, -1
	p := &check.ProducerID{Call: now}
	judge := func(now seam.Mono, answer kmsg.Response) int64 {
		found := answer.(*kmsg.InitProducerIDResponse)
		r.told(question{key: wire.KeyInitProducerID, sent: p.Call}, found.ErrorCode, now, found.ProducerID, int64(found.ProducerEpoch))
		if found.ErrorCode != none {
			return -1
		}
		p.Return, p.ID = now, found.ProducerID
		r.History.IDs = append(r.History.IDs, p)
		return found.ProducerID
	}
	s.ask(now, request, fx, &call{
		settle: func(now seam.Mono, answer kmsg.Response) { judge(now, answer) },
		done: func(now seam.Mono, answer kmsg.Response, fx *seam.Effects) {
			id, epoch := int64(-1), int16(0)
			if answer != nil {
				id = judge(now, answer)
				epoch = answer.(*kmsg.InitProducerIDResponse).ProducerEpoch
			}
			then(now, id, epoch)
			if id < 0 {
				fx.Wake(now + 20*seam.Millisecond)
			}
		},
	})
}

// operator creates the topics that stay.
type operator struct {
	*session
	topics []string
	made   int
}

func (o *operator) idle() bool { return o.made == len(o.topics) && len(o.inflight) == 0 }

func (o *operator) turn(now seam.Mono, fx *seam.Effects) {
	if o.idle() || len(o.inflight) > 0 {
		return
	}
	topic := o.topics[o.made]
	o.run.create(o.session, now, topic, o.run.plan.partitions(topic), o.run.plan.config(topic), 7, fx, func(now seam.Mono, there bool) {
		if there {
			o.run.there[topic] = now
			o.made++
		} else {
			o.rest(now + 20*seam.Millisecond)
		}
	})
}

// partitionIs holds what is said of a partition against what there is: one node, which leads and has it, unless its disk has failed
// or it has still to begin.
func (r *Run) partitionIs(topic string, p *kmsg.MetadataResponseTopicPartition, sent seam.Mono) {
	since, there := r.there[topic]
	mayFail := !there || sent <= since || r.plan.isFleeting(topic) || r.World.Node.Life > 1 || r.diskFailed()
	led := p.ErrorCode == none && p.Leader >= 0 && slices.Contains(p.ISR, p.Leader)
	r.require(len(p.Replicas) == 1 && (led || mayFail && p.ErrorCode == leaderNotAvailable && p.Leader < 0) && (len(p.OfflineReplicas) == 0 || mayFail && slices.Equal(p.OfflineReplicas, p.Replicas)),
		check.ErrorsAreDue, "%s-%d is said to be %+v", topic, p.Partition, *p)
}

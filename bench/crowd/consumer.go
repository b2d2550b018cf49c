package main

import (
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// consumer is a member's life in the consumer protocol (KIP-848). What it is given it has at once, and says so at once.
func (m *member) consumer() error {
	m.id = rand.Text()
	epoch, owned, tell, pace := int32(0), []kmsg.ConsumerGroupHeartbeatRequestTopic{}, true, false
	for {
		request := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		request.Group, request.MemberID, request.MemberEpoch, request.RebalanceTimeoutMillis = m.name, m.id, epoch, -1
		if epoch == 0 {
			request.RebalanceTimeoutMillis, request.SubscribedTopicNames = rebalanceMillis, []string{m.topic}
		}
		if tell {
			request.Topics = owned
		}
		answer, err := ask[*kmsg.ConsumerGroupHeartbeatResponse](m.link, request, m.patience)
		if err != nil {
			return err
		}
		m.requests.Add(1)
		if again[answer.ErrorCode] {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
			return fmt.Errorf("heartbeat of epoch %d: %w", epoch, err)
		}
		epoch, tell = answer.MemberEpoch, false
		if answer.Assignment != nil {
			owned, tell = []kmsg.ConsumerGroupHeartbeatRequestTopic{}, true
			for _, t := range answer.Assignment.Topics {
				one := kmsg.NewConsumerGroupHeartbeatRequestTopic()
				one.TopicID, one.Partitions = t.TopicID, t.Partitions
				owned = append(owned, one)
			}
		}
		parts := 0
		for i := range owned {
			parts += len(owned[i].Partitions)
		}
		m.has(m.place, seat{generation: epoch, parts: parts})
		if tell {
			pace = false
			continue
		}
		every := time.Duration(answer.HeartbeatIntervalMillis) * time.Millisecond
		if !pace {
			every, pace = mathrand.N(every), true // each at a moment of its own
		}
		next := time.NewTimer(every)
		select {
		case <-m.leave:
			return m.leaveConsumer()
		case <-m.ended:
			return m.leaveConsumer()
		case <-next.C:
		}
	}
}

func (m *member) leaveConsumer() error {
	m.stand()
	request := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	request.Group, request.MemberID, request.MemberEpoch, request.RebalanceTimeoutMillis = m.name, m.id, -1, -1
	answer, err := ask[*kmsg.ConsumerGroupHeartbeatResponse](m.link, request, m.patience)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(answer.ErrorCode)
}

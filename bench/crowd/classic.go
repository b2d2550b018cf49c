package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Kafka's defaults of a consumer.
const (
	sessionMillis   = 45_000
	rebalanceMillis = 300_000
	beatEvery       = 3 * time.Second
)

// errors that a member of a healthy group sees, by what it does then.
var (
	again  = map[int16]bool{kerr.CoordinatorLoadInProgress.Code: true, kerr.CoordinatorNotAvailable.Code: true, kerr.NotCoordinator.Code: true}
	rejoin = map[int16]bool{kerr.RebalanceInProgress.Code: true, kerr.IllegalGeneration.Code: true}
)

// classic is a member's life in the classic protocol.
func (m *member) classic() error {
	for {
		generation, err := m.joinAndSync()
		if err != nil {
			return err
		}
		if left, err := m.beat(generation); left || err != nil {
			return err
		}
	}
}

// joinAndSync goes through rebalances until the member has its part, and returns of which generation.
func (m *member) joinAndSync() (int32, error) {
	for {
		join := kmsg.NewPtrJoinGroupRequest()
		join.Group, join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = m.name, sessionMillis, rebalanceMillis
		join.MemberID, join.ProtocolType = m.id, "consumer"
		protocol := kmsg.NewJoinGroupRequestProtocol()
		protocol.Name, protocol.Metadata = "range", m.subscription()
		join.Protocols = append(join.Protocols, protocol)
		joined, err := ask[*kmsg.JoinGroupResponse](m.link, join, m.patience)
		if err != nil {
			return 0, err
		}
		m.requests.Add(1)
		switch code := joined.ErrorCode; {
		case code == kerr.MemberIDRequired.Code:
			m.id = joined.MemberID
			continue
		case again[code]:
			time.Sleep(100 * time.Millisecond)
			continue
		case rejoin[code]:
			continue
		case code != 0:
			return 0, fmt.Errorf("join: %w", kerr.ErrorForCode(code))
		}
		m.id = joined.MemberID
		sync := kmsg.NewPtrSyncGroupRequest()
		sync.Group, sync.Generation, sync.MemberID = m.name, joined.Generation, m.id
		sync.ProtocolType, sync.Protocol = joined.ProtocolType, joined.Protocol
		if joined.LeaderID == m.id {
			sync.GroupAssignment = m.assign(joined.Members)
		}
		synced, err := ask[*kmsg.SyncGroupResponse](m.link, sync, m.patience)
		if err != nil {
			return 0, err
		}
		m.requests.Add(1)
		switch code := synced.ErrorCode; {
		case again[code] || rejoin[code]:
			continue
		case code != 0:
			return 0, fmt.Errorf("sync: %w", kerr.ErrorForCode(code))
		}
		parts, err := partsOf(synced.MemberAssignment)
		if err != nil {
			return 0, err
		}
		m.has(m.place, seat{generation: joined.Generation, parts: parts})
		return joined.Generation, nil
	}
}

// beat is alive until there is a rebalance, or the member leaves. The first beat of each comes at a moment of its own.
func (m *member) beat(generation int32) (left bool, err error) {
	next := time.NewTimer(rand.N(beatEvery))
	defer next.Stop()
	for {
		select {
		case <-m.leave:
			return true, m.leaveClassic()
		case <-m.ended:
			return true, m.leaveClassic()
		case <-next.C:
		}
		next.Reset(beatEvery)
		request := kmsg.NewPtrHeartbeatRequest()
		request.Group, request.Generation, request.MemberID = m.name, generation, m.id
		answer, err := ask[*kmsg.HeartbeatResponse](m.link, request, m.patience)
		if err != nil {
			return false, err
		}
		m.requests.Add(1)
		switch code := answer.ErrorCode; {
		case rejoin[code]:
			return false, nil
		case code != 0 && !again[code]:
			return false, fmt.Errorf("heartbeat: %w", kerr.ErrorForCode(code))
		}
	}
}

// leaveClassic: whoever leaves in the end may be told of a rebalance that others have begun by leaving.
func (m *member) leaveClassic() error {
	m.stand()
	request := kmsg.NewPtrLeaveGroupRequest()
	one := kmsg.NewLeaveGroupRequestMember()
	request.Group, one.MemberID = m.name, m.id
	request.Members = append(request.Members, one)
	answer, err := ask[*kmsg.LeaveGroupResponse](m.link, request, m.patience)
	if err != nil {
		return err
	}
	m.requests.Add(1)
	for _, one := range answer.Members {
		if one.ErrorCode != 0 {
			return fmt.Errorf("leave: %w", kerr.ErrorForCode(one.ErrorCode))
		}
	}
	return kerr.ErrorForCode(answer.ErrorCode)
}

// stand gives a member's seat up.
func (m *member) stand() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seats[m.place] = seat{gone: true}
}

func (m *member) subscription() []byte {
	s := kmsg.NewConsumerMemberMetadata()
	s.Version, s.Topics = 1, []string{m.topic}
	return s.AppendTo(nil)
}

// assign gives each member a run of the topic's partitions.
func (m *member) assign(members []kmsg.JoinGroupResponseMember) (all []kmsg.SyncGroupRequestGroupAssignment) {
	next := int32(0)
	for i, each := range members {
		a := kmsg.NewConsumerMemberAssignment()
		t := kmsg.NewConsumerMemberAssignmentTopic()
		for t.Topic = m.topic; next < int32((i+1)*m.partitions/len(members)); next++ {
			t.Partitions = append(t.Partitions, next)
		}
		a.Topics = append(a.Topics, t)
		one := kmsg.NewSyncGroupRequestGroupAssignment()
		one.MemberID, one.MemberAssignment = each.MemberID, a.AppendTo(nil)
		all = append(all, one)
	}
	return all
}

func partsOf(assignment []byte) (n int, err error) {
	if len(assignment) < 2 || binary.BigEndian.Uint16(assignment) > 1<<8 {
		return 0, fmt.Errorf("an assignment of % x", assignment)
	}
	var a kmsg.ConsumerMemberAssignment
	if err := a.ReadFrom(assignment); err != nil {
		return 0, err
	}
	for _, t := range a.Topics {
		n += len(t.Partitions)
	}
	return n, nil
}

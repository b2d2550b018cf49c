package group

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/meta"
	"rookery/core/rng"
	"rookery/core/seam"
	"rookery/core/wire"
)

// modernWorld is a coordinator beside its log and the topics that there are.
type modernWorld struct {
	t      require.TestingT
	c      *Coordinator
	config Config
	image  *meta.Image
	now    seam.Now
	log    []Record
	ticket Ticket
	random *rng.Source // goes on over restarts
}

func newModernWorld(t require.TestingT) *modernWorld {
	w := &modernWorld{t: t, config: DefaultConfig(), image: meta.New(), random: rng.FromInt(7).Named("group"), now: seam.Now{Mono: seam.Second, Wall: 1_000_000}}
	w.config.InitialRebalanceDelay = 0
	w.image.Replay(w.image.Offset()+1, 1, &meta.RegisterBrokerRecord{BrokerID: 1, BrokerEpoch: 1})
	w.c = w.coordinator()
	return w
}

func (w *modernWorld) coordinator() *Coordinator {
	c := New(w.config, w.random, nil)
	c.Image = w.image
	return c
}

func (w *modernWorld) meta(r meta.Record) { w.image.Replay(w.image.Offset()+1, 1, r) }

func (w *modernWorld) topic(name string, id meta.UUID, partitions int32) {
	w.meta(&meta.TopicRecord{Name: name, TopicID: id})
	w.grow(id, 0, partitions)
}

func (w *modernWorld) grow(id meta.UUID, from, to int32) {
	for p := from; p < to; p++ {
		w.meta(&meta.PartitionRecord{PartitionID: p, TopicID: id, Replicas: []int32{1}, ISR: []int32{1}, Leader: 1})
	}
}

// decided appends what the coordinator has decided, folds it, and returns it with the answers.
func (w *modernWorld) decided() (records []Record, answers []Answer) {
	for _, r := range w.c.Records {
		key, value := Append(nil, nil, r)
		again, err := Parse(key, value)
		require.NoError(w.t, err)
		records = append(records, again)
	}
	w.c.Records = nil
	for _, r := range records {
		w.c.Replay(w.now, r)
	}
	w.log = append(w.log, records...)
	answers = w.c.Answers
	w.c.Answers = nil
	return records, answers
}

// ring works off what is due now.
func (w *modernWorld) ring() (records []Record, answers []Answer) {
	for w.c.Next() <= w.now.Mono {
		w.c.Ring(w.now, func() bool { return true })
		some, told := w.decided()
		records, answers = append(records, some...), append(answers, told...)
	}
	return records, answers
}

// pass lets time go by, alarm by alarm.
func (w *modernWorld) pass(by seam.Mono) (records []Record, answers []Answer) {
	for end := w.now.Mono + by; ; {
		next := max(min(w.c.Next(), end), w.now.Mono)
		w.now.Wall += seam.Wall((next - w.now.Mono) / seam.Millisecond)
		w.now.Mono = next
		some, told := w.ring()
		records, answers = append(records, some...), append(answers, told...)
		if next == end {
			return records, answers
		}
	}
}

// restart folds the log into a new coordinator.
func (w *modernWorld) restart() {
	w.c.Abandon(wire.NotCoordinator)
	w.c = w.coordinator()
	for _, r := range w.log {
		w.c.Replay(w.now, r)
	}
	w.c.Loaded(w.now, always)
}

func (w *modernWorld) beat(client string, r *kmsg.ConsumerGroupHeartbeatRequest) *kmsg.ConsumerGroupHeartbeatResponse {
	if code, why := JudgeHeartbeat(&w.config, r); code != wire.None {
		answer := r.ResponseKind().(*kmsg.ConsumerGroupHeartbeatResponse)
		answer.ErrorCode, answer.ErrorMessage = int16(code), &why
		return answer
	}
	answer := w.c.ConsumerGroupHeartbeat(w.now, Client{client, "/127.0.0.1"}, r)
	if answer.ErrorCode != 0 {
		require.Empty(w.t, w.c.Records, "who is refused changes nothing")
	}
	return answer
}

func text(s string) *string { return &s }

func always() bool { return true }

func join(group, member string, topics ...string) *kmsg.ConsumerGroupHeartbeatRequest {
	r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	r.Version, r.Group, r.MemberID, r.RebalanceTimeoutMillis = 1, group, member, 300_000
	r.SubscribedTopicNames, r.Topics = append([]string{}, topics...), []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	return r
}

func beat(group, member string, epoch int32) *kmsg.ConsumerGroupHeartbeatRequest {
	r := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	r.Version, r.Group, r.MemberID, r.MemberEpoch, r.RebalanceTimeoutMillis = 1, group, member, epoch, -1
	return r
}

func owning(r *kmsg.ConsumerGroupHeartbeatRequest, sets ...TopicPartitions) *kmsg.ConsumerGroupHeartbeatRequest {
	r.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	for _, s := range sets {
		r.Topics = append(r.Topics, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: s.TopicID, Partitions: s.Partitions})
	}
	return r
}

// alike makes of two records the same what does not have to be: the order of sets and of members, clocks, versions of the metadata.
func alike(r Record) Record {
	switch r := r.(type) {
	case *MemberTargetRecord:
		if r.Value != nil {
			r.Value.Partitions = orderedSet(r.Value.Partitions)
		}
	case *CurrentAssignmentRecord:
		if r.Value != nil {
			r.Value.Assigned, r.Value.PendingRevocation = orderedSet(r.Value.Assigned), orderedSet(r.Value.PendingRevocation)
		}
	case *RegularExpressionRecord:
		if r.Value != nil {
			r.Value.Version, r.Value.Timestamp = 0, 0
		}
	}
	return r
}

func allAlike(records []Record) []Record {
	for _, r := range records {
		alike(r)
	}
	for from := 0; from < len(records); from++ {
		to := from
		for ; to < len(records); to++ {
			if _, ok := records[to].(*MemberTargetRecord); !ok {
				break
			}
		}
		slices.SortStableFunc(records[from:to], func(a, b Record) int {
			return strings.Compare(a.(*MemberTargetRecord).MemberID, b.(*MemberTargetRecord).MemberID)
		})
		from = to
	}
	return records
}

// The story that testdata/kafka-4.2.0/modern.log tells, told to this coordinator: it writes what Kafka wrote.
func TestAConsumerGroupsRecordsAreKafkas(t *testing.T) {
	file, err := os.ReadFile("testdata/kafka-4.2.0/modern.log")
	require.NoError(t, err)
	var story [][]Record
	for len(file) > 0 {
		view, rest, _ := batch.Next(file)
		var records []Record
		read := batch.Read(view, batch.Limits{}, nil)
		for r := (batch.Record{}); read.Next(&r); {
			parsed, err := Parse(r.Key, r.Value)
			require.NoError(t, err)
			records = append(records, parsed)
		}
		story = append(story, records)
		file = rest
	}
	require.Len(t, story, 16)
	orders, _ := meta.ParseUUID("cbWE1IZXS_yACNzJUkb6mw")
	ordinary, _ := meta.ParseUUID("sqSWiR6jSmyvzKREzanpXQ")
	w := newModernWorld(t)
	w.topic("orders", orders, 3)
	w.topic("ordinary", ordinary, 1)
	const one, two, three = "Ll1z4sPKQi2tGjziZVLT9A", "DOZeEHrtS2i6GGDLqTXXPg", "zqwp6uCrSaivxiaR6hEs9g"
	at := 0
	wrote := func(records []Record) {
		t.Helper()
		require.Equal(t, allAlike(story[at]), allAlike(records), "batch %d", at)
		at++
	}
	says := func(client string, r *kmsg.ConsumerGroupHeartbeatRequest) *kmsg.ConsumerGroupHeartbeatResponse {
		t.Helper()
		answer := w.beat(client, r)
		require.Zero(t, answer.ErrorCode)
		records, _ := w.decided()
		wrote(records)
		return answer
	}
	static := func(r *kmsg.ConsumerGroupHeartbeatRequest) *kmsg.ConsumerGroupHeartbeatRequest {
		r.InstanceID = text("i1")
		return r
	}

	first := static(join("modern", one, "orders"))
	first.RackID, first.ServerAssignor = text("r1"), text("range")
	answer := says("one", first)
	require.Equal(t, int32(1), answer.MemberEpoch)
	require.Equal(t, []int32{0, 1, 2}, answer.Assignment.Topics[0].Partitions)
	at++ // a commit

	second := join("modern", two)
	second.SubscribedTopicNames, second.SubscribedTopicRegex = nil, text("ord.*")
	answer = says("two", second)
	require.Empty(t, answer.Assignment.Topics)
	records, _ := w.ring()
	wrote(records)
	answer = says("two", beat("modern", two, 1))
	require.Equal(t, int32(2), answer.MemberEpoch)
	require.Len(t, answer.Assignment.Topics, 1)
	says("two", beat("modern", two, 2))
	answer = says("one", static(beat("modern", one, 1)))
	require.Equal(t, int32(1), answer.MemberEpoch)
	require.Equal(t, []int32{0, 1}, answer.Assignment.Topics[0].Partitions)
	answer = says("one", static(owning(beat("modern", one, 1), TopicPartitions{TopicID: orders, Partitions: []int32{0, 1}})))
	require.Equal(t, int32(2), answer.MemberEpoch)
	require.Nil(t, answer.Assignment)
	says("two", beat("modern", two, 2))

	classic := story[9][0].(*MemberRecord).Value.Classic
	r := kmsg.NewPtrJoinGroupRequest()
	r.Version, r.Group, r.MemberID, r.ProtocolType, r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = 9, "modern", three, "consumer", 45_000, 300_000
	for _, p := range classic.Protocols {
		r.Protocols = append(r.Protocols, kmsg.JoinGroupRequestProtocol{Name: p.Name, Metadata: p.Metadata})
	}
	w.c.JoinGroup(w.now, 1, Client{"three", "/127.0.0.1"}, r)
	records, answers := w.decided()
	wrote(records)
	require.Equal(t, int32(3), answers[0].Body.(*kmsg.JoinGroupResponse).Generation)
	says("one", static(beat("modern", one, 2)))
	says("two", beat("modern", two, 2))
	says("two", beat("modern", two, leaving))
	says("one", static(beat("modern", one, leavingStatic)))

	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Version, leave.Group = 5, "modern"
	leave.Members = []kmsg.LeaveGroupRequestMember{{MemberID: three}}
	require.Zero(t, w.c.LeaveGroup(w.now, leave).Members[0].ErrorCode)
	records, _ = w.decided()
	wrote(records)
	records, _ = w.pass(45 * seam.Second) // the static member does not come back
	wrote(records)
	require.Len(t, story, at)
}

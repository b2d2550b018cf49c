package client

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"rookery/core/seam"
	"rookery/core/wire"
)

// held lists what a broker's session has, in one order.
func (s *testSession) list() (all []string) {
	for _, t := range s.topics {
		p := t.Partitions[0]
		all = append(all, fmt.Sprintf("%s %x-%d from %d in %d", t.Topic, t.TopicID[0], p.Partition, p.FetchOffset, p.CurrentLeaderEpoch))
	}
	slices.Sort(all)
	return all
}

// TestSessionFollows: whatever is assigned, moved, made anew and left, a broker that knows what it was told last and what
// this Fetch says knows all that is fetched, from where, and nothing else. Nothing is said twice.
func TestSessionFollows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s fetchSession
		broker := &testSession{}
		leader := &node{}
		topics := []*topic{{name: "a"}, {name: "b"}}
		for i, x := range topics {
			x.id = [16]byte{byte(1 + i)}
			x.parts = []*partition{{leader: leader, leaderEpoch: 1}, {leader: leader, leaderEpoch: 1}}
		}
		var assigned []*assignment
		renew := func(x *topic, number int32) {
			at := slices.IndexFunc(assigned, func(a *assignment) bool { return a.topic == x && a.number == number })
			if at >= 0 {
				assigned[at].dropped = true
				assigned = slices.Delete(assigned, at, at+1)
			}
			if at < 0 || rapid.Bool().Draw(t, "anew") {
				assigned = append(assigned, &assignment{topic: x, number: number})
			}
		}
		version := int16(12)
		for range rapid.IntRange(1, 30).Draw(t, "rounds") {
			for range rapid.IntRange(0, 3).Draw(t, "changes") {
				x := rapid.SampledFrom(topics).Draw(t, "topic")
				number := rapid.Int32Range(0, 1).Draw(t, "number")
				switch rapid.IntRange(0, 5).Draw(t, "change") {
				case 0, 1:
					renew(x, number)
				case 2:
					for _, a := range assigned {
						a.position += rapid.Int64Range(0, 1).Draw(t, "records")
					}
				case 3:
					x.parts[number].leaderEpoch++
				case 4:
					x.id[0] += 10
				case 5:
					version = rapid.SampledFrom([]int16{12, 13, 17}).Draw(t, "version")
				}
			}
			var about []*assignment
			for _, a := range assigned {
				if rapid.IntRange(0, 4).Draw(t, "unwilling") < 4 {
					about = append(about, a)
				}
			}
			if byID := version >= 13; byID != s.byID {
				broker.epoch = 0 // names and ids do not mix in a session
			}
			before := broker.list()
			ask := s.newFetch(about, version, 100)
			if ask.Version < 13 { // as it comes over the wire
				for i := range ask.Topics {
					ask.Topics[i].TopicID = [16]byte{}
				}
			}
			if ask.SessionEpoch == 0 {
				require.Empty(t, ask.ForgottenTopics)
				broker.topics, before = nil, nil
			}
			require.Equal(t, broker.epoch, ask.SessionEpoch, "an epoch after the other")
			broker.put(ask.Topics)
			for _, x := range ask.ForgottenTopics {
				for _, number := range x.Partitions {
					i := broker.at(x.Topic, x.TopicID, number)
					require.GreaterOrEqual(t, i, 0, "what is forgotten was there")
					broker.topics = slices.Delete(broker.topics, i, i+1)
				}
			}
			want := &testSession{}
			for _, a := range about {
				one := kmsg.NewPtrFetchRequest()
				a.pack(one, 100)
				if ask.Version < 13 {
					one.Topics[0].TopicID = [16]byte{}
				}
				want.put(one.Topics)
			}
			require.Equal(t, want.list(), broker.list())
			for _, x := range ask.Topics {
				for _, p := range x.Partitions {
					told := &testSession{}
					told.put([]kmsg.FetchRequestTopic{{Topic: x.Topic, TopicID: x.TopicID, Partitions: []kmsg.FetchRequestTopicPartition{p}}})
					require.NotContains(t, before, told.list()[0], "it knew that")
				}
			}
			answer := kmsg.NewPtrFetchResponse()
			answer.SessionID = cmp.Or(s.id, 7)
			broker.epoch++
			switch rapid.IntRange(0, 9).Draw(t, "answer") {
			case 0:
				answer, broker.epoch = nil, 0
			case 1:
				answer.ErrorCode, broker.epoch = int16(wire.InvalidFetchSessionEpoch), 0
			case 2:
				answer.ErrorCode, broker.epoch = int16(wire.FetchSessionIDNotFound), 0
			case 3:
				answer.SessionID, broker.epoch = 0, 0
			}
			implied := s.onAnswer(ask.SessionEpoch, answer)
			require.Equal(t, ask.SessionEpoch > 0 && answer != nil && answer.ErrorCode == 0, implied)
		}
	})
}

// TestSessionsInTheWorld: a reader of quiet partitions says and is told next to nothing, gets over the loss of its session,
// and leaves none behind.
func TestSessionsInTheWorld(t *testing.T) {
	w := newWorld(2, DefaultConfig(), faults{})
	w.auto = 3
	for p := range int32(3) {
		w.tell(&Produce{Topic: "t", Partition: p, Records: []Record{{Value: []byte("x")}}})
	}
	w.run(w.now + seam.Second)
	for p := range int32(3) {
		w.tell(&Assign{Topic: "t", Partition: p, Offset: Earliest})
	}
	w.tell(&Poll{Bytes: 1 << 20})
	named := 0
	w.sent = func(frame []byte) {
		var h wire.Header
		body, _ := wire.ReadHeader(frame[4:], &h)
		if ask := kmsg.RequestForKey(h.Key); h.Key == wire.KeyFetch {
			ask.SetVersion(h.Version)
			require.NoError(t, ask.ReadFrom(body))
			named += len(ask.(*kmsg.FetchRequest).Topics)
		}
	}
	w.run(w.now + 10*seam.Second)
	require.Len(t, w.fetched, 3)
	fetches := w.keys[wire.KeyFetch]
	require.Greater(t, fetches, 50)
	require.Less(t, named, fetches/5)
	require.Greater(t, w.omitted, fetches/2)
	require.Zero(t, w.trouble)

	// Whoever is assigned a partition anew is told of its end, though the broker, who has told of it, has nothing to say.
	w.tell(&Assign{Topic: "t", Partition: 2, Offset: 1})
	w.run(w.now + seam.Second)
	require.Len(t, w.fetched, 4)
	require.True(t, w.fetched[3].End)
	require.EqualValues(t, []int64{1, 1, 0}, []int64{w.fetched[3].Position, w.fetched[3].HighWatermark, w.fetched[3].LogStart})
	w.fetched = w.fetched[:3]

	clear(w.held)
	w.tell(&Produce{Topic: "t", Partition: 1, Records: []Record{{Value: []byte("y")}}})
	w.run(w.now + seam.Second)
	require.Len(t, w.fetched, 4)
	require.Equal(t, "y", string(w.fetched[3].Records[0].Value))
	require.Positive(t, w.trouble)
	require.Equal(t, wire.None, w.fetched[3].Code, "nobody hears of that")

	w.tell(&Close{Tag: 1})
	w.run(w.now + seam.Second)
	require.Empty(t, w.held)
	require.Positive(t, w.parted)
}

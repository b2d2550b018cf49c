package outside

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	sessionTopicIDs     = 106
	inconsistentTopicID = 103
	sessionsFrom        = 7
)

// of makes a Fetch one of a session.
func of(r *kmsg.FetchRequest, session, epoch int32) *kmsg.FetchRequest {
	r.SessionID, r.SessionEpoch, r.MaxWaitMillis = session, epoch, 0
	return r
}

// more is a Fetch of a session that names nothing.
func more(session, epoch int32) *kmsg.FetchRequest {
	r := of(Fetch("", [16]byte{}, 0, 0), session, epoch)
	r.Topics = nil
	return r
}

// both adds another topic to a Fetch.
func both(r, other *kmsg.FetchRequest) *kmsg.FetchRequest {
	r.Topics = append(r.Topics, other.Topics...)
	return r
}

func forget(r *kmsg.FetchRequest, topic string, id [16]byte, partitions ...int32) *kmsg.FetchRequest {
	r.ForgottenTopics = append(r.ForgottenTopics, kmsg.FetchRequestForgottenTopic{Topic: topic, TopicID: id, Partitions: partitions})
	return r
}

func (c *Client) fetch(t *testing.T, r *kmsg.FetchRequest, version int16) *kmsg.FetchResponse {
	t.Helper()
	return c.Ask(t, r, version).(*kmsg.FetchResponse)
}

// named are the partitions of an answer, with their errors.
func named(r *kmsg.FetchResponse) map[string]int16 {
	all := map[string]int16{}
	for _, topic := range r.Topics {
		name := topic.Topic
		if r.Version >= byIDFrom {
			name = string(topic.TopicID[:])
		}
		for _, p := range topic.Partitions {
			all[name] = p.ErrorCode
		}
	}
	return all
}

func produce(t *testing.T, c *Client, topic string, id [16]byte) {
	t.Helper()
	require.Zero(t, partitionOf(c.Ask(t, Produce(topic, id, 0, -1, Three()), 13)).ErrorCode)
}

// TestSessions is a session's life: what its answers name and what they leave out.
func TestSessions(t *testing.T) {
	c := Dial(t, start(t))
	for version := int16(sessionsFrom); version <= fetchNewest; version++ {
		a, b := Create(t, c, "a"), Create(t, c, "b")
		aKey, bKey := "a", "b"
		if version >= byIDFrom {
			aKey, bKey = string(a[:]), string(b[:])
		}
		full := c.fetch(t, both(of(Fetch("a", a, 0, 0), 0, 0), Fetch("b", b, 0, 0)), version)
		id := full.SessionID
		require.Positive(t, id)
		require.Equal(t, map[string]int16{aKey: 0, bKey: 0}, named(full))

		quiet := c.fetch(t, more(id, 1), version)
		require.Equal(t, id, quiet.SessionID)
		require.Empty(t, quiet.Topics, "nothing is new")

		produce(t, c, "b", b)
		require.Equal(t, map[string]int16{bKey: 0}, named(c.fetch(t, more(id, 2), version)))
		require.Equal(t, map[string]int16{bKey: 0}, named(c.fetch(t, more(id, 3), version)), "its offset has not moved")
		require.Empty(t, c.fetch(t, of(Fetch("b", b, 0, 3), id, 4), version).Topics)

		// A high watermark that moves is news even where there is no room for records.
		produce(t, c, "a", a)
		produce(t, c, "b", b)
		tight := more(id, 5)
		tight.MaxBytes = 1
		answer := c.fetch(t, tight, version)
		require.Equal(t, map[string]int16{aKey: 0, bKey: 0}, named(answer))
		require.NotEmpty(t, answer.Topics[0].Partitions[0].RecordBatches)
		first, second := answer.Topics[0], answer.Topics[1]
		require.Equal(t, aKey == first.Topic || a == first.TopicID && version >= byIDFrom, len(second.Partitions[0].RecordBatches) == 0)
		tight = more(id, 6)
		tight.MaxBytes = 1
		require.Equal(t, map[string]int16{bKey: 0}, named(c.fetch(t, tight, version)), "who had records is served last")

		// An error is told as long as it lasts, and its end is told too.
		require.Equal(t, map[string]int16{aKey: 0, bKey: offsetOutOfRange}, named(c.fetch(t, of(Fetch("b", b, 0, 99), id, 7), version)))
		require.Equal(t, map[string]int16{aKey: 0, bKey: offsetOutOfRange}, named(c.fetch(t, more(id, 8), version)))
		require.Equal(t, map[string]int16{aKey: 0, bKey: 0}, named(c.fetch(t, of(Fetch("b", b, 0, 6), id, 9), version)))
		require.Equal(t, map[string]int16{aKey: 0}, named(c.fetch(t, more(id, 10), version)))

		// What is forgotten is not named; what was never there may be forgotten.
		require.Empty(t, c.fetch(t, forget(forget(more(id, 11), "a", a, 0, 7), "nowhere", [16]byte{9}, 0), version).Topics)
		require.Equal(t, map[string]int16{aKey: 0}, named(c.fetch(t, of(Fetch("a", a, 0, 0), id, 12), version)), "and comes again")

		// Nothing left: the session is over, and what this request named is served without one.
		last := forget(forget(of(Fetch("a", a, 0, 0), id, 13), "a", a, 0), "b", b, 0)
		answer = c.fetch(t, last, version)
		require.Zero(t, answer.SessionID)
		require.Equal(t, map[string]int16{aKey: 0}, named(answer))
		require.EqualValues(t, sessionIDNotFound, c.fetch(t, more(id, 14), version).ErrorCode)
		require.Zero(t, c.Ask(t, gone("a", "b"), 5).(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode)
	}
}

func gone(topics ...string) *kmsg.DeleteTopicsRequest {
	r := kmsg.NewPtrDeleteTopicsRequest()
	r.TopicNames, r.TimeoutMillis = topics, 10_000
	return r
}

// TestBadSessions is what each wrong request is told, and what becomes of the session.
func TestBadSessions(t *testing.T) {
	n := start(t)
	c, id, _ := filled(t, n, "data")
	for version := int16(sessionsFrom); version <= fetchNewest; version++ {
		begin := func() int32 {
			answer := c.fetch(t, of(Fetch("data", id, 0, 15), 0, 0), version)
			require.Positive(t, answer.SessionID)
			return answer.SessionID
		}
		refused := func(code int16, r *kmsg.FetchRequest, version int16) {
			t.Helper()
			answer := c.fetch(t, r, version)
			require.Equal(t, code, answer.ErrorCode)
			require.Zero(t, answer.SessionID)
			require.Empty(t, answer.Topics)
		}
		session := begin()
		for _, epoch := range []int32{2, -2, 5, -1 << 31} {
			refused(sessionEpochWrong, of(Fetch("data", id, 0, 0), session, epoch), version)
			refused(sessionIDNotFound, of(Fetch("data", id, 0, 0), 0, epoch), version)
			refused(sessionIDNotFound, of(Fetch("data", id, 0, 0), -session, epoch), version)
		}
		answer := c.fetch(t, more(session, 1), version)
		require.Zero(t, answer.ErrorCode, "none of that has done it any harm")
		require.Equal(t, session, answer.SessionID)
		refused(sessionEpochWrong, more(session, 1), version)

		other := int16(byIDFrom)
		if version >= byIDFrom {
			other = byIDFrom - 1
		}
		refused(sessionTopicIDs, more(session, 2), other)
		require.Zero(t, c.fetch(t, more(session, 2), version).ErrorCode)

		// Epoch 0 replaces it, from another connection too; -1 closes it.
		again := Dial(t, n).fetch(t, of(Fetch("data", id, 0, 15), session, 0), version)
		require.Positive(t, again.SessionID)
		require.NotEqual(t, session, again.SessionID)
		refused(sessionIDNotFound, more(session, 3), version)
		closing := c.fetch(t, of(Fetch("data", id, 0, 15), again.SessionID, -1), version)
		require.Zero(t, closing.SessionID)
		require.Len(t, closing.Topics, 1, "and is a fetch all the same")
		refused(sessionIDNotFound, more(again.SessionID, 1), version)

		// A session of nothing is one.
		empty := c.fetch(t, more(0, 0), version)
		require.Positive(t, empty.SessionID)
		require.Len(t, c.fetch(t, of(Fetch("data", id, 0, 15), empty.SessionID, 1), version).Topics, 1)

		// Nobody gets a session who is refused, nor one without asking.
		level := of(Fetch("data", id, 0, 0), 0, 0)
		level.IsolationLevel = 9
		require.Zero(t, c.fetch(t, level, version).SessionID)
		require.Zero(t, c.fetch(t, of(Fetch("data", id, 0, 0), 0, -1), version).SessionID)
	}
}

// TestASessionOfTwoConnections: the request that still waits when the next one comes is told so; its client is left with
// what it knew.
func TestASessionOfTwoConnections(t *testing.T) {
	n := start(t)
	c, id, _ := filled(t, n, "data")
	other := Dial(t, n)
	for _, version := range []int16{sessionsFrom, fetchNewest} {
		session := c.fetch(t, of(Fetch("data", id, 0, End(t, c, "data", 0)), 0, 0), version).SessionID
		waiting := more(session, 1)
		waiting.MaxWaitMillis = 10_000
		c.Send(waiting, version)
		taken := func(epoch int32) {
			Await(t, func() bool { return other.fetch(t, more(session, epoch), version).ErrorCode == 0 }, "the request of epoch %d is taken in", epoch-1)
		}
		taken(2)
		produce(t, other, "data", id)
		within(t, 5*time.Second, func() {
			answer := c.Receive(t, waiting, c.correlation).(*kmsg.FetchResponse)
			require.EqualValues(t, sessionEpochWrong, answer.ErrorCode)
			require.Equal(t, session, answer.SessionID)
		})
		require.Len(t, other.fetch(t, more(session, 3), version).Topics, 1, "the records that woke it")

		// A connection that goes while its fetch waits takes the fetch with it, not the session.
		end := of(Fetch("data", id, 0, End(t, other, "data", 0)), session, 4)
		end.MaxWaitMillis = 10_000
		lost := Dial(t, n)
		lost.Send(end, version)
		require.NoError(t, lost.Close())
		taken(5)
	}
}

// TestATopicComesAgainUnderASession: by its name it goes on, by its id it has gone.
func TestATopicComesAgainUnderASession(t *testing.T) {
	c := Dial(t, start(t))
	for _, version := range []int16{sessionsFrom, byIDFrom - 1, byIDFrom, fetchNewest} {
		id := Create(t, c, "data")
		produce(t, c, "data", id)
		session := c.fetch(t, of(Fetch("data", id, 0, 3), 0, 0), version).SessionID
		require.Zero(t, c.Ask(t, gone("data"), 5).(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode)
		require.EqualValues(t, unknownTopic, fetched(c.fetch(t, more(session, 1), version)).ErrorCode)
		next := Create(t, c, "data")
		produce(t, c, "data", next)
		got := c.fetch(t, more(session, 2), version)
		if version < byIDFrom {
			require.Equal(t, map[string]int16{"data": 0}, named(got), "nothing of its error is left")
			require.EqualValues(t, 3, fetched(got).HighWatermark)
		} else {
			require.Equal(t, map[string]int16{string(id[:]): inconsistentTopicID}, named(got))
			got = c.fetch(t, forget(of(Fetch("data", next, 0, 0), session, 3), "data", id, 0), version)
			require.Equal(t, map[string]int16{string(next[:]): 0}, named(got))
		}
		require.Zero(t, c.Ask(t, gone("data"), 5).(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode)
	}
}

// TestSlotsOfSessions: without a slot there is no session, and no young one makes room for another.
func TestSlotsOfSessions(t *testing.T) {
	for slots, want := range map[string]int{"0": 0, "2": 2} {
		n := start(t, "--set", "max.incremental.fetch.session.cache.slots="+slots)
		c, id, _ := filled(t, n, "data")
		got := 0
		for range 4 {
			answer := c.fetch(t, of(Fetch("data", id, 0, 0), 0, 0), fetchNewest)
			require.Len(t, answer.Topics, 1)
			if answer.SessionID != 0 {
				got++
			}
		}
		require.Equal(t, want, got)
	}
}

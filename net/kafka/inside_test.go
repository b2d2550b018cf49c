package kafka

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rookery/core/client"
	"rookery/core/wire"
)

// TestWhatIsWrongIsToldBehindTheRecords: the group calls while a loop is at the first of two records with an error behind
// them, and later while it is at the last.
func TestWhatIsWrongIsToldBehindTheRecords(t *testing.T) {
	for calledAt := range 2 {
		config := Default("127.0.0.1:1")
		config.GroupID = "g"
		c, err := NewConsumer(config)
		require.NoError(t, err)
		c.Assign("t", 0, 0)
		c.onFetched(&Fetched{Topic: "t", Tag: c.tag, Position: 2, Code: wire.TopicAuthorizationFailed, Stopped: true,
			Records: []FetchedRecord{{Offset: 0}, {Offset: 1}}})
		var told []any
		for r, err := range c.Records(context.Background()) {
			if err != nil {
				told = append(told, "error")
				break
			}
			told = append(told, r.Offset)
			if len(told) == calledAt+1 {
				c.onNews(&client.GroupTrouble{})
			}
		}
		require.Equal(t, []any{int64(0), int64(1), "error"}, told)
		require.Empty(t, c.queue, "and once")
		over, cancel := context.WithCancel(context.Background())
		cancel()
		_ = c.Close(over)
	}
}

// A partition that is paused, and of which it is told that it stopped before its beginning was found, is not resumed at its end.
func TestResumeOfWhatHasNoPlaceYet(t *testing.T) {
	c, err := NewConsumer(Default("127.0.0.1:1"))
	require.NoError(t, err)
	c.Assign("t", 0, Earliest)
	require.NoError(t, c.Pause("t", 0))
	c.onFetched(&Fetched{Topic: "t", Tag: c.tag, From: -1, Position: -1, HighWatermark: -1, LastStable: -1, LogStart: -1,
		Code: wire.TopicAuthorizationFailed, Stopped: true})
	for _, err := range c.Records(t.Context()) {
		require.Error(t, err)
		break
	}
	r := c.readings[place{"t", 0}]
	tag := r.tag
	require.NoError(t, c.Resume("t", 0))
	require.Equal(t, tag, r.tag, "it was not assigned anew")
	over, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_ = c.Close(over)
}

// Who waits in Poll is to say so again when another goroutine subscribes: the machine takes him for late otherwise.
func TestSubscribeWakesWhoWaits(t *testing.T) {
	config := Default("127.0.0.1:1")
	config.GroupID = "g"
	c, err := NewConsumer(config)
	require.NoError(t, err)
	select {
	case <-c.arrived:
	default:
	}
	require.NoError(t, c.Subscribe("t"))
	select {
	case <-c.arrived:
	default:
		require.Fail(t, "nobody is woken")
	}
	over, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_ = c.Close(over)
}

// Records of a paused partition were passed over, and then it stopped: they are due all the same when it is resumed.
func TestResumeOfWhatHasStopped(t *testing.T) {
	for _, from := range []int64{-1, 150} {
		c, err := NewConsumer(Default("127.0.0.1:1"))
		require.NoError(t, err)
		c.Assign("t", 0, 100)
		require.NoError(t, c.Pause("t", 0))
		c.onFetched(&Fetched{Topic: "t", Tag: c.tag, From: 100, Position: 150, Records: []FetchedRecord{{Offset: 100}}, Bytes: 1})
		c.onFetched(&Fetched{Topic: "t", Tag: c.tag, From: from, Position: from, HighWatermark: -1, Code: wire.TopicAuthorizationFailed, Stopped: true})
		_, err = c.Poll(t.Context())
		require.Error(t, err)
		require.NoError(t, c.Resume("t", 0))
		require.EqualValues(t, 100, c.Position("t", 0))
		over, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		_ = c.Close(over)
		cancel()
	}
}

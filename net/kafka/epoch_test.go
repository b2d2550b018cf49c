package kafka

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// A commit tells the leader epoch of the record before it. Who went elsewhere has read none there: that of the record that it read
// last would be older than the log there is, and whoever goes on from the commit (KIP-320) would take what lies between for
// truncated, and go back to where that epoch ends.
func TestWhoSoughtKnowsNoEpoch(t *testing.T) {
	config := Default("127.0.0.1:1")
	config.GroupID = "g"
	c, err := NewConsumer(config)
	require.NoError(t, err)
	c.Assign("t", 0, 0)
	tell := func(from, position int64, records ...FetchedRecord) {
		c.onFetched(&Fetched{Topic: "t", Tag: c.tag, From: from, Position: position, Records: records, End: len(records) == 0})
		_, err := c.Poll(t.Context())
		require.NoError(t, err)
	}
	tell(0, 10, FetchedRecord{Offset: 9, LeaderEpoch: 1})
	require.Equal(t, Place{Partition: Partition{Topic: "t"}, Offset: 10, LeaderEpoch: 1}, c.places(nil)[0])

	require.NoError(t, c.Seek("t", 0, 100))
	require.Equal(t, Place{Partition: Partition{Topic: "t"}, Offset: 100}, c.places(nil)[0])
	tell(100, 101, FetchedRecord{Offset: 100, LeaderEpoch: 3})
	require.EqualValues(t, 3, c.places(nil)[0].LeaderEpoch)

	require.NoError(t, c.Seek("t", 0, Latest))
	tell(500, 500)
	require.Equal(t, Place{Partition: Partition{Topic: "t"}, Offset: 500}, c.places(nil)[0], "the end of a log of which nothing was read")
	tell(500, 501, FetchedRecord{Offset: 500, LeaderEpoch: 4})
	tell(900, 900) // it was out of range, and reset
	require.Equal(t, Place{Partition: Partition{Topic: "t"}, Offset: 900}, c.places(nil)[0])

	over, cancel := context.WithCancel(context.Background())
	cancel()
	_ = c.Close(over)
}

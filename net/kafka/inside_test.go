package kafka

import (
	"context"
	"testing"

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

package kafka_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/client"
	"rookery/net/kafka"
)

// What was committed after a Seek is behind no epoch that has ended before it: a client that looks whether its log was truncated
// (KIP-320), as Java's does, would go back to where that epoch ends.
func TestACommitAfterASeekStands(t *testing.T) {
	dir, ctx := t.TempDir(), within(t)
	fill := func(address string) {
		p, err := kafka.NewProducer(kafka.Default(address))
		require.NoError(t, err)
		for i := range 10 {
			_, err = p.SendSync(ctx, "sought", 0, kafka.Record{Value: fmt.Append(nil, i)})
			require.NoError(t, err)
		}
		require.NoError(t, p.Close(ctx))
	}
	address, stop := "", func() {}
	for range 3 { // each begins a leader epoch
		stop()
		address, stop = serve(dir)
		fill(address)
	}
	defer stop()

	config := kafka.Default(address)
	config.GroupID, config.AutoCommitInterval = "g", 0
	c, err := kafka.NewConsumer(config)
	require.NoError(t, err)
	c.Assign("sought", 0, 10)
	for _, err := range c.Records(ctx) {
		require.NoError(t, err)
		break
	}
	require.NoError(t, c.Seek("sought", 0, 25))
	require.NoError(t, c.Commit(ctx))
	require.NoError(t, c.Close(ctx))

	k, err := kafka.Dial(kafka.Default(address))
	require.NoError(t, err)
	fetch := kmsg.NewPtrOffsetFetchRequest()
	fetch.Group, fetch.Groups = "g", []kmsg.OffsetFetchRequestGroup{{Group: "g", MemberEpoch: -1}}
	answer, err := k.Call(ctx, client.Call{Request: fetch, To: client.AnyBroker})
	require.NoError(t, err)
	at := answer.Response.(*kmsg.OffsetFetchResponse).Groups[0].Topics[0].Partitions[0]
	require.EqualValues(t, 25, at.Offset)
	if at.LeaderEpoch >= 0 {
		ask := kmsg.NewPtrOffsetForLeaderEpochRequest()
		one := kmsg.NewOffsetForLeaderEpochRequestTopic()
		one.Topic = "sought"
		p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		p.LeaderEpoch, p.CurrentLeaderEpoch = at.LeaderEpoch, -1
		one.Partitions = append(one.Partitions, p)
		ask.Topics, ask.ReplicaID = append(ask.Topics, one), -1
		answer, err = k.Call(ctx, client.Call{Request: ask, To: client.AnyBroker})
		require.NoError(t, err)
		ends := answer.Response.(*kmsg.OffsetForLeaderEpochResponse).Topics[0].Partitions[0]
		require.GreaterOrEqual(t, ends.EndOffset, at.Offset, "it goes back to %d: epoch %d has ended there", ends.EndOffset, at.LeaderEpoch)
	}
	require.NoError(t, k.Close(ctx))
}

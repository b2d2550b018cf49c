package controller

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What one request makes, topic by topic, is spread over the log directories too.
func TestTopicsOfOneRequestAreSpreadOverDirectories(t *testing.T) {
	b := newBench(DefaultConfig())
	request := registrationRequest(1, 1)
	request.LogDirs = [][16]byte{{0: 9, 15: 1}, {0: 9, 15: 2}, {0: 9, 15: 3}}
	rs, epoch, _ := b.RegisterBroker(request, b.next, false)
	b.append(rs)
	rs, _, _ = b.BrokerHeartbeat(&kmsg.BrokerHeartbeatRequest{BrokerID: 1, BrokerEpoch: epoch, CurrentMetadataOffset: epoch})
	b.append(rs)
	lie := func() (at [3]int) {
		for _, topic := range b.image.Topics() {
			for i := range topic.Partitions {
				dir := topic.Partitions[i].Directory(1)
				require.Contains(t, request.LogDirs, [16]byte(dir))
				at[dir[15]-1]++
			}
		}
		return at
	}
	made := kmsg.NewPtrCreateTopicsRequest()
	for i := range 30 {
		made.Topics = append(made.Topics, topic(fmt.Sprint("t", i), 1, 1))
	}
	rs, _ = b.CreateTopics(made)
	b.append(rs)
	require.Equal(t, [3]int{10, 10, 10}, lie())
	grown := kmsg.NewPtrCreatePartitionsRequest()
	for i := range 30 {
		grown.Topics = append(grown.Topics, kmsg.CreatePartitionsRequestTopic{Topic: fmt.Sprint("t", i), Count: 2})
	}
	rs, _ = b.CreatePartitions(grown)
	b.append(rs)
	require.Equal(t, [3]int{20, 20, 20}, lie())
}

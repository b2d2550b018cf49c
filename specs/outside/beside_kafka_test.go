package outside

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestWhichOfTwoFaults is a request with two things wrong, and the one of them that Kafka 4.2 names.
func TestWhichOfTwoFaults(t *testing.T) {
	c := Dial(t, start(t))
	Create(t, c, "t")
	bad := Three()
	bad[AtCRC]++
	for _, row := range []struct {
		what    string
		topic   string
		version int16
		acks    int16
		records []byte
		want    int16
	}{
		{"no topic, no acks", "nowhere", 9, 5, Three(), 3},
		{"no topic, no such magic", "nowhere", 9, -1, changed(Three(), AtMagic, 3), 2},
		{"no topic, an old magic", "nowhere", 9, -1, changed(Three(), AtMagic, 1), 3},
		{"two batches, no acks", "t", 9, 5, append(Three(), Three()...), 87},
		{"a wrong CRC, no acks", "t", 9, 5, bad, 21},
		{"zstd too early, records that are none", "t", 5, -1, changed(Three(), AtAttributes, 0, 4), 76},
		{"no topic, a transaction", "nowhere", 9, -1, changed(Three(), AtAttributes, 0, 0x10), 53},
		{"a control batch in a transaction", "t", 9, -1, changed(Three(), AtAttributes, 0, 0x30), 53},
	} {
		got := partitionOf(c.Ask(t, Produce(row.topic, [16]byte{}, 0, row.acks, row.records), row.version))
		require.Equal(t, row.want, got.ErrorCode, row.what)
		require.EqualValues(t, -1, got.LogStartOffset, row.what)
	}
	require.Zero(t, End(t, c, "t", 0))
	listed := c.Ask(t, Offsets("nowhere", 0, -3), 1).(*kmsg.ListOffsetsResponse)
	require.EqualValues(t, 35, listed.Topics[0].Partitions[0].ErrorCode, "a time that version 1 has not, of no topic")
	producers := kmsg.NewPtrDescribeProducersRequest()
	producers.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: "not a name", Partitions: []int32{0}}}
	require.EqualValues(t, 17, c.Ask(t, producers, 0).(*kmsg.DescribeProducersResponse).Topics[0].Partitions[0].ErrorCode)
}

// TestOperationsThatAnybodyMayDo is KIP-430 where there is no authorizer.
func TestOperationsThatAnybodyMayDo(t *testing.T) {
	c := Dial(t, start(t))
	id := Create(t, c, "t")
	name, nowhere := "t", "nowhere"
	r := kmsg.NewPtrMetadataRequest()
	r.Topics = []kmsg.MetadataRequestTopic{{Topic: &name}, {Topic: &nowhere}}
	for _, asked := range []bool{false, true} {
		r.IncludeTopicAuthorizedOperations, r.IncludeClusterAuthorizedOperations = asked, asked
		topics, cluster := int32(-1<<31), int32(-1<<31)
		if asked {
			topics, cluster = 3576, 8096
		}
		got := c.Ask(t, r, 8).(*kmsg.MetadataResponse)
		require.Equal(t, []int32{topics, topics, cluster}, []int32{got.Topics[0].AuthorizedOperations, got.Topics[1].AuthorizedOperations, got.AuthorizedOperations})
		d := kmsg.NewPtrDescribeClusterRequest()
		d.EndpointType, d.IncludeClusterAuthorizedOperations = 1, asked
		require.Equal(t, cluster, c.Ask(t, d, 1).(*kmsg.DescribeClusterResponse).ClusterAuthorizedOperations)
	}
	r.Topics = []kmsg.MetadataRequestTopic{{Topic: &name, TopicID: id}}
	require.EqualValues(t, 42, c.Ask(t, r, 10).(*kmsg.MetadataResponse).Topics[0].ErrorCode, "version 10 must not look up by id")
}

// TestPiecesStopAtTheLimit: a topic that is none takes no room, but is not answered where there is none left.
func TestPiecesStopAtTheLimit(t *testing.T) {
	c := Dial(t, start(t))
	Create(t, c, "a")
	r := kmsg.NewPtrDescribeTopicPartitionsRequest()
	r.ResponsePartitionLimit = 1
	r.Topics = []kmsg.DescribeTopicPartitionsRequestTopic{{Topic: "a"}, {Topic: "b"}}
	got := c.Ask(t, r, 0).(*kmsg.DescribeTopicPartitionsResponse)
	require.Len(t, got.Topics, 1)
	require.Equal(t, "b", got.NextCursor.Topic)
	require.Zero(t, got.NextCursor.Partition)
}

package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/wire"
)

// What stands twice is one thing, where it stood first.
func TestWhatStandsTwiceIsMerged(t *testing.T) {
	list := kmsg.NewPtrListOffsetsRequest()
	list.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: "none"}, {Topic: "a", Partitions: []kmsg.ListOffsetsRequestTopicPartition{{Partition: 1}}},
		{Topic: "b", Partitions: []kmsg.ListOffsetsRequestTopicPartition{{Partition: 5}}},
		{Topic: "a", Partitions: []kmsg.ListOffsetsRequestTopicPartition{{Partition: 2}, {Partition: 1}}}}
	wire.Merge(list)
	require.Len(t, list.Topics, 2)
	require.Equal(t, "a", list.Topics[0].Topic)
	require.Len(t, list.Topics[0].Partitions, 3)
	require.Equal(t, "b", list.Topics[1].Topic)

	remove := kmsg.NewPtrDeleteRecordsRequest()
	remove.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: "a", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: 1, Offset: 3}, {Partition: 2, Offset: 4}}},
		{Topic: "none"}, {Topic: "a", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: 1, Offset: 7}}}}
	wire.Merge(remove)
	require.Equal(t, []kmsg.DeleteRecordsRequestTopic{{Topic: "a", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: 1, Offset: 7}, {Partition: 2, Offset: 4}}}}, remove.Topics)
}

func TestMetadataAskedTwice(t *testing.T) {
	named := func(name string) kmsg.MetadataRequestTopic { return kmsg.MetadataRequestTopic{Topic: &name} }
	id := func(n byte) kmsg.MetadataRequestTopic { return kmsg.MetadataRequestTopic{TopicID: [16]byte{n}} }
	for _, c := range []struct {
		name        string
		version     int16
		asked, want []kmsg.MetadataRequestTopic
	}{
		{"names", 4, []kmsg.MetadataRequestTopic{named("a"), named("b"), named("a"), named("")}, []kmsg.MetadataRequestTopic{named("a"), named("b"), named("")}},
		{"ids", 12, []kmsg.MetadataRequestTopic{id(1), id(2), id(1)}, []kmsg.MetadataRequestTopic{id(1), id(2)}},
		{"ids beside names", 13, []kmsg.MetadataRequestTopic{named("a"), id(2), {}}, []kmsg.MetadataRequestTopic{id(2)}},
		{"neither", 12, []kmsg.MetadataRequestTopic{{}, {}, named("")}, []kmsg.MetadataRequestTopic{{}, named("")}},
		{"names where ids are refused", 10, []kmsg.MetadataRequestTopic{named("a"), named("a")}, []kmsg.MetadataRequestTopic{named("a")}},
		{"refused, entry by entry", 11, []kmsg.MetadataRequestTopic{id(1), id(1)}, []kmsg.MetadataRequestTopic{id(1), id(1)}},
	} {
		r := kmsg.NewPtrMetadataRequest()
		r.Version, r.Topics = c.version, c.asked
		wire.Merge(r)
		require.Equal(t, c.want, r.Topics, c.name)
	}
	all := kmsg.NewPtrMetadataRequest()
	wire.Merge(all)
	require.Nil(t, all.Topics)
}

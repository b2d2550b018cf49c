package core

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
)

// describesBroker asks for all that is configured of the broker, as often as resources are named.
func describesBroker(resources int) *kmsg.DescribeConfigsRequest {
	r := kmsg.NewPtrDescribeConfigsRequest()
	r.Version, r.IncludeSynonyms, r.IncludeDocumentation = 4, true, true
	for range resources {
		r.Resources = append(r.Resources, kmsg.DescribeConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeBroker, ResourceName: "1"})
	}
	return r
}

func altersTopic(topic, key, value string) *kmsg.IncrementalAlterConfigsRequest {
	r := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r.Version = 1
	x := kmsg.NewIncrementalAlterConfigsRequestResource()
	x.ResourceType, x.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	x.Configs = []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: key, Value: &value}}
	r.Resources = append(r.Resources, x)
	return r
}

// What a client sends behind questions for configurations, and alterations of them, is done behind those.
func TestConfigurationsInOrder(t *testing.T) {
	w := newBench(t)
	w.createTopic("t")
	alter, remove := altersTopic("t", "retention.ms", "5000"), deleteRequest("t")
	w.inputs = append(w.inputs, w.frame(describesBroker(50)), w.frame(alter))
	w.step(w.frame(remove))
	require.Len(t, w.heads, 3)
	w.heads = w.heads[1:]
	altered, removed := kmsg.NewPtrIncrementalAlterConfigsResponse(), kmsg.NewPtrDeleteTopicsResponse()
	w.decode(alter, altered)
	require.Zero(t, altered.Resources[0].ErrorCode)
	w.heads = w.heads[1:]
	w.decode(remove, removed)
	require.Zero(t, removed.Topics[0].ErrorCode)
}

// Of a client's long questions for configurations one is worked at; what it is still owed is not worked out for one that has
// hung up, while others wait.
func TestConfigurationsOfWhoHasLeft(t *testing.T) {
	w := newBench(t)
	const resources = 2_000
	for range 5 {
		w.fx.Reset()
		w.broker.Step(w.now, w.frame(describesBroker(resources)), &w.fx)
		require.Empty(t, w.fx.Replies)
	}
	w.step(&seam.Opened{Conn: 2, Host: "127.0.0.1", Port: 9092}) // and all that waits for its turn
	require.Equal(t, 5, len(w.heads))

	for range 5 {
		w.fx.Reset()
		w.broker.Step(w.now, w.frame(describesBroker(resources)), &w.fx)
	}
	w.fx.Reset()
	w.broker.Step(w.now, &seam.Hangup{Conn: 1}, &w.fx)
	w.steps = 0
	m := kmsg.NewPtrMetadataRequest()
	m.Version = 12
	w.stepOn(2, m)
	require.Len(t, w.heads, 1)
	require.Less(t, w.steps, 20)
}

// Documentation and the names of keys are told too, and count.
func TestDocumentationToldIsBounded(t *testing.T) {
	config := DefaultConfig()
	config.ToldBytes = 1 << 20
	w := newBenchOf(t, config)
	r, answer := describesBroker(200), kmsg.NewPtrDescribeConfigsResponse()
	w.step(w.frame(r))
	require.Less(t, len(w.heads[0]), 5<<18)
	w.decode(r, answer)
	require.Zero(t, answer.Resources[0].ErrorCode)
	require.EqualValues(t, 44, answer.Resources[199].ErrorCode)
}

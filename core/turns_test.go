package core

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/ordered"
	"rookery/core/seam"
)

// crowd does everything that is long with a topic of many partitions, and says what each did at most in one Step.
func crowd(t *testing.T, stepItems, partitions int) map[string]int {
	config := DefaultConfig()
	config.StepItems = stepItems
	config.FrameBytes, config.ReplyBytes = 1<<40, 1<<40
	w := newBenchOf(t, config)
	most := map[string]int{}
	did := func(what string, answers int) [][]byte {
		require.Len(t, w.heads, answers, what)
		items := partitions
		if what == "hangup" {
			items = 4 * stepItems // fetches and the slots of their answers
		}
		require.GreaterOrEqual(t, w.steps, items/stepItems, what)
		most[what], w.most, w.steps = w.most, 0, 0
		require.Zero(t, w.broker.turns.later.Len())
		return w.heads
	}
	w.createTopic("idle")
	w.most, w.steps = 0, 0
	w.createTopicOf("t", int32(partitions))
	did("create", 1)

	all := kmsg.NewPtrMetadataRequest()
	all.Version = 9
	w.step(w.frame(all))
	described := kmsg.NewPtrMetadataResponse()
	described.Version = 9
	require.NoError(t, described.ReadFrom(did("metadata", 1)[0][9:]))
	require.Len(t, described.Topics, 2)
	require.Len(t, described.Topics[1].Partitions, partitions)

	fetch := fetchRequest("t", 0, 60_000)
	part := fetch.Topics[0].Partitions[0]
	fetch.Topics[0].Partitions = nil
	for i := range partitions {
		part.Partition = int32(i)
		fetch.Topics[0].Partitions = append(fetch.Topics[0].Partitions, part)
	}
	w.stepOn(2, fetch)
	did("fetch of nothing", 0)
	w.stepOn(3, fetch)
	for range 2 * stepItems {
		w.stepOn(3, fetchRequest("idle", 0, 60_000))
	}
	w.most, w.steps = 0, 0
	w.step(&seam.Hangup{Conn: 3})
	did("hangup", 0)
	require.Equal(t, 1, w.view().Fetches)

	produce := produceRequest(-1, nil)
	produce.Topics[0].Topic, produce.Topics[0].Partitions = "t", nil
	for i := range partitions {
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = int32(i), oneBatch(1, 10, -1, 0)
		produce.Topics[0].Partitions = append(produce.Topics[0].Partitions, p)
	}
	w.inputs = append(w.inputs, w.frame(all)) // comes while the produce is being started, and is answered behind it
	w.step(w.frame(produce))
	did("produce", 3) // and the fetch that waited
	require.Zero(t, w.broker.frames)
	w.step(w.frame(fetch))
	require.Greater(t, len(did("fetch", 1)[0]), partitions*(61+17), "something of every partition")

	list := kmsg.NewPtrListOffsetsRequest()
	list.Version, list.ReplicaID = 5, -1
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = "t"
	for i := range partitions {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp, p.CurrentLeaderEpoch = int32(i), -1, -1
		topic.Partitions = append(topic.Partitions, p)
	}
	list.Topics = append(list.Topics, topic)
	w.step(w.frame(list))
	listed := kmsg.NewPtrListOffsetsResponse()
	listed.Version = 5
	require.NoError(t, listed.ReadFrom(did("list offsets", 1)[0][8:]))
	require.Len(t, listed.Topics[0].Partitions, partitions)
	for _, p := range listed.Topics[0].Partitions {
		require.EqualValues(t, 1, p.Offset)
	}

	w.step(w.frame(deleteRequest("t")))
	did("delete", 1)
	require.Equal(t, partitions, w.unlinked)
	require.Len(t, w.view().Partitions, 2)
	w.createTopicOf("t", int32(partitions))
	did("create again", 1)
	w.step(&seam.Stop{})
	did("stop", 0)
	require.Equal(t, phaseStopped, w.broker.phase)
	return most
}

// A Step is bounded whatever a request names: ten effects an item at most (a log that is closed), and a few of its own.
func TestStepIsBounded(t *testing.T) {
	for _, of := range []struct{ stepItems, partitions int }{{1000, 9_999}, {50, 700}, {1, 40}} {
		for what, n := range crowd(t, of.stepItems, of.partitions) {
			require.LessOrEqual(t, n, 10*of.stepItems+60, fmt.Sprintf("%s of %d partitions, %d items a Step", what, of.partitions, of.stepItems))
			t.Logf("%d items a Step, %d partitions: %s: %d effects", of.stepItems, of.partitions, what, n)
		}
	}
}

// One Wrote, for which all writes under way behind it have waited, closes as many segments as they have filled: in turns, each
// with the producers' snapshot of its very end.
func TestFullSegmentsAreClosedInTurns(t *testing.T) {
	config := DefaultConfig()
	config.StepItems = 1
	w := newBenchOf(t, config)
	create := kmsg.NewPtrCreateTopicsRequest()
	create.Version = 7
	topic, small, size := kmsg.NewCreateTopicsRequestTopic(), kmsg.NewCreateTopicsRequestTopicConfig(), "100"
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "t", 1, 1
	small.Name, small.Value = "internal.segment.bytes", &size
	topic.Configs = append(topic.Configs, small)
	create.Topics = append(create.Topics, topic)
	w.step(w.frame(create))

	const batches = 40
	var held []seam.Input
	for i := range batches {
		w.fx.Reset()
		w.broker.Step(w.now, w.frame(produceRequest(-1, oneBatch(1, 10, 7, int32(i)))), &w.fx)
		require.Len(t, w.fx.Writes, 1)
		held = append(held, &seam.Wrote{Op: w.fx.Writes[0].Op, Bytes: int64(len(w.fx.Writes[0].Data))})
		w.fx.Writes = nil
		w.act()
	}
	for _, in := range held[1:] {
		w.step(in)
		require.Empty(t, w.heads)
	}
	w.most, w.steps = 0, 0
	w.step(held[0])
	require.Len(t, w.heads, batches)
	require.LessOrEqual(t, w.most, 10*config.StepItems+60)
	require.GreaterOrEqual(t, w.steps, batches)
	snapshots := 0
	for _, data := range w.data {
		if len(data) == 10+46 && data[1] == 1 { // one producer: its last sequence is the one before the next segment
			require.Equal(t, uint64(binary.BigEndian.Uint32(data[20:])), binary.BigEndian.Uint64(data[24:]))
			snapshots++
		}
	}
	require.Equal(t, batches-1, snapshots)
}

// What came while the broker opened may still wait for its turn when the start is over: the start asks for no more Steps.
func TestAStartThatIsOverAsksForNothing(t *testing.T) {
	w := newBench(t)
	b, now := w.broker, w.now
	b.phase, b.boot.more = phaseOpening, true
	var fx seam.Effects
	fx.Reset()
	b.ready(now, &fx)
	b.turns.later = ordered.Ring[turn]{}
	b.alarm(now, b.deadline(now), &fx)
	require.Greater(t, fx.Alarm, now.Mono)
}

// A topic's files go a few in a Step, however many segments it had.
func TestManySegmentsAreUnlinkedInTurns(t *testing.T) {
	config := DefaultConfig()
	config.StepItems = 4
	w := newBenchOf(t, config)
	r := kmsg.NewPtrCreateTopicsRequest()
	r.Version = 7
	topic, small := kmsg.NewCreateTopicsRequestTopic(), kmsg.NewCreateTopicsRequestTopicConfig()
	value := "1000"
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor, small.Name, small.Value = "t", 1, 1, "internal.segment.bytes", &value
	topic.Configs = append(topic.Configs, small)
	r.Topics = append(r.Topics, topic)
	w.step(w.frame(r))
	const segments = 50
	for range segments {
		w.step(w.frame(produceRequest(-1, oneBatch(1, 700, -1, 0))))
	}
	w.most, w.unlinked = 0, 0
	w.step(w.frame(deleteRequest("t")))
	require.GreaterOrEqual(t, w.unlinked, segments)
	require.Less(t, w.most, 4*config.StepItems)
}

package wire_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"rookery/core/wire"
)

func drawName(t *rapid.T, label string) string {
	return rapid.StringN(0, 40, 300).Draw(t, label)
}

func drawID(t *rapid.T, label string) (id [16]byte) {
	copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label))
	return id
}

func drawTags(t *rapid.T, flexible bool) (tags kmsg.Tags) {
	if flexible && rapid.IntRange(0, 5).Draw(t, "tagged") == 0 {
		for range rapid.IntRange(1, 3).Draw(t, "tags") {
			tags.Set(rapid.Uint32Range(9, 1<<20).Draw(t, "tag"), rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, "value"))
		}
	}
	return tags
}

func drawProduceRequest(t *rapid.T, version int16) *kmsg.ProduceRequest {
	r := kmsg.NewPtrProduceRequest()
	r.Version = version
	if rapid.Bool().Draw(t, "transactional") {
		r.TransactionID = kmsg.StringPtr(drawName(t, "transactional id"))
	}
	r.Acks, r.TimeoutMillis = rapid.Int16().Draw(t, "acks"), rapid.Int32().Draw(t, "timeout")
	for range rapid.IntRange(0, 4).Draw(t, "topics") {
		topic := kmsg.NewProduceRequestTopic()
		topic.Topic, topic.TopicID = drawName(t, "topic"), drawID(t, "id")
		for range rapid.IntRange(0, 4).Draw(t, "partitions") {
			partition := kmsg.NewProduceRequestTopicPartition()
			partition.Partition = rapid.Int32().Draw(t, "partition")
			partition.Records = rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "records")
			if rapid.IntRange(0, 5).Draw(t, "null") == 0 {
				partition.Records = nil
			}
			partition.UnknownTags = drawTags(t, version >= 9)
			topic.Partitions = append(topic.Partitions, partition)
		}
		topic.UnknownTags = drawTags(t, version >= 9)
		r.Topics = append(r.Topics, topic)
	}
	r.UnknownTags = drawTags(t, version >= 9)
	return r
}

func TestReadProduceReadsWhatKmsgWrites(t *testing.T) {
	var into wire.ProduceRequest // reused: what an earlier request left must not be seen
	rapid.Check(t, func(t *rapid.T) {
		version := rapid.Int16Range(3, 13).Draw(t, "version")
		want := drawProduceRequest(t, version)
		body := want.AppendTo(nil)
		body = append(body, rapid.SliceOfN(rapid.Byte(), 0, 3).Draw(t, "trailing")...)
		require.Equal(t, wire.NoFlaw, wire.ReadProduce(body, version, &into))
		require.Equal(t, want.TransactionID == nil, into.TransactionalID == nil)
		if want.TransactionID != nil {
			require.Equal(t, *want.TransactionID, string(into.TransactionalID))
		}
		require.Equal(t, want.Acks, into.Acks)
		require.Equal(t, want.TimeoutMillis, into.TimeoutMillis)
		n := 0
		for group, topic := range want.Topics {
			for _, partition := range topic.Partitions {
				require.Less(t, n, len(into.Partitions))
				expected := wire.ProducePartition{Group: int32(group), Index: partition.Partition, Records: partition.Records}
				if version >= 13 {
					expected.TopicID = topic.TopicID
				} else {
					expected.Topic = []byte(topic.Topic)
				}
				require.Equal(t, expected, into.Partitions[n])
				n++
			}
		}
		require.Len(t, into.Partitions, n)
	})
}

func TestProduceCutShortIsAFlaw(t *testing.T) {
	var into wire.ProduceRequest
	rapid.Check(t, func(t *rapid.T) {
		version := rapid.Int16Range(3, 13).Draw(t, "version")
		body := drawProduceRequest(t, version).AppendTo(nil)
		cut := rapid.IntRange(0, len(body)-1).Draw(t, "cut")
		require.Equal(t, wire.Short, wire.ReadProduce(body[:cut], version, &into))
	})
}

func drawResults(t *rapid.T) []wire.ProduceResult {
	var results []wire.ProduceResult
	for group := range rapid.IntRange(0, 4).Draw(t, "topics") {
		name, id := drawName(t, "topic"), drawID(t, "id")
		for range rapid.IntRange(1, 3).Draw(t, "partitions") {
			result := wire.ProduceResult{
				Topic: []byte(name), TopicID: id, Group: int32(group),
				Index: rapid.Int32().Draw(t, "index"), Code: wire.Code(rapid.Int16().Draw(t, "code")),
				BaseOffset: rapid.Int64().Draw(t, "base"), LogAppendTime: rapid.Int64().Draw(t, "time"),
				LogStartOffset: rapid.Int64().Draw(t, "start"), ErrorMessage: rapid.StringN(0, 20, 200).Draw(t, "message"),
			}
			for range rapid.IntRange(0, 2).Draw(t, "bad records") {
				result.ErrorRecords = append(result.ErrorRecords, wire.ErrorRecord{Index: rapid.Int32().Draw(t, "record"), Message: rapid.StringN(0, 9, 90).Draw(t, "why")})
			}
			result.Leader = drawLeader(t)
			results = append(results, result)
		}
	}
	return results
}

// drawLeader leaves out what kmsg takes for none.
func drawLeader(t *rapid.T) wire.Leader {
	if !rapid.Bool().Draw(t, "leader known") {
		return wire.Leader{}
	}
	return wire.Leader{Known: true, ID: rapid.Int32Min(0).Draw(t, "leader"), Epoch: rapid.Int32().Draw(t, "leader epoch")}
}

func drawNodes(t *rapid.T) (nodes []wire.Node) {
	for range rapid.IntRange(0, 2).Draw(t, "nodes") {
		node := wire.Node{ID: rapid.Int32().Draw(t, "node"), Host: drawName(t, "host"), Port: rapid.Int32().Draw(t, "port")}
		if rapid.Bool().Draw(t, "with a rack") {
			node.Rack = kmsg.StringPtr(drawName(t, "rack"))
		}
		nodes = append(nodes, node)
	}
	return nodes
}

func message(v string) *string {
	if v == "" {
		return nil
	}
	return &v
}

func kmsgProduceResponse(version int16, throttle int32, results []wire.ProduceResult, nodes []wire.Node) *kmsg.ProduceResponse {
	r := kmsg.NewPtrProduceResponse()
	r.Version, r.ThrottleMillis = version, throttle
	if version >= 10 {
		for _, node := range nodes {
			r.Brokers = append(r.Brokers, kmsg.ProduceResponseBroker{NodeID: node.ID, Host: node.Host, Port: node.Port, Rack: node.Rack})
		}
	}
	for i, result := range results {
		if i == 0 || results[i-1].Group != result.Group {
			topic := kmsg.NewProduceResponseTopic()
			topic.Topic, topic.TopicID = string(result.Topic), result.TopicID
			r.Topics = append(r.Topics, topic)
		}
		partition := kmsg.NewProduceResponseTopicPartition()
		partition.Partition, partition.ErrorCode, partition.BaseOffset = result.Index, int16(result.Code), result.BaseOffset
		partition.LogAppendTime, partition.LogStartOffset = result.LogAppendTime, result.LogStartOffset
		partition.ErrorMessage = message(result.ErrorMessage)
		for _, bad := range result.ErrorRecords {
			record := kmsg.NewProduceResponseTopicPartitionErrorRecord()
			record.RelativeOffset, record.ErrorMessage = bad.Index, message(bad.Message)
			partition.ErrorRecords = append(partition.ErrorRecords, record)
		}
		if version >= 10 && result.Leader.Known {
			partition.CurrentLeader.LeaderID, partition.CurrentLeader.LeaderEpoch = result.Leader.ID, result.Leader.Epoch
		}
		topic := &r.Topics[len(r.Topics)-1]
		topic.Partitions = append(topic.Partitions, partition)
	}
	return r
}

func TestProduceResponseIsWhatKmsgWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		version, throttle := rapid.Int16Range(3, 13).Draw(t, "version"), rapid.Int32().Draw(t, "throttle")
		correlation, results := rapid.Int32().Draw(t, "correlation"), drawResults(t)
		before := rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "before")
		nodes := drawNodes(t)
		got := wire.AppendProduceResponse(append([]byte{}, before...), version, correlation, throttle, results, nodes...)
		want := wire.AppendResponse(append([]byte{}, before...), correlation, kmsgProduceResponse(version, throttle, results, nodes))
		require.Equal(t, want, got)
		require.EqualValues(t, len(got)-len(before)-4, binary.BigEndian.Uint32(got[len(before):]))
	})
}

func drawFetchRequest(t *rapid.T, version int16) *kmsg.FetchRequest {
	r := kmsg.NewPtrFetchRequest()
	r.Version = version
	r.ReplicaID, r.MaxWaitMillis, r.MinBytes = rapid.Int32().Draw(t, "replica"), rapid.Int32().Draw(t, "wait"), rapid.Int32().Draw(t, "min")
	r.MaxBytes, r.IsolationLevel = rapid.Int32().Draw(t, "max"), rapid.Int8().Draw(t, "isolation")
	r.SessionID, r.SessionEpoch = rapid.Int32().Draw(t, "session"), rapid.Int32().Draw(t, "epoch")
	for range rapid.IntRange(0, 3).Draw(t, "topics") {
		topic := kmsg.NewFetchRequestTopic()
		topic.Topic, topic.TopicID = drawName(t, "topic"), drawID(t, "id")
		for range rapid.IntRange(0, 3).Draw(t, "partitions") {
			p := kmsg.NewFetchRequestTopicPartition()
			p.Partition, p.CurrentLeaderEpoch, p.FetchOffset = rapid.Int32().Draw(t, "partition"), rapid.Int32().Draw(t, "leader epoch"), rapid.Int64().Draw(t, "offset")
			p.LastFetchedEpoch, p.LogStartOffset, p.PartitionMaxBytes = rapid.Int32().Draw(t, "fetched epoch"), rapid.Int64().Draw(t, "start"), rapid.Int32().Draw(t, "partition max")
			if rapid.IntRange(0, 4).Draw(t, "raft follower") == 0 {
				p.ReplicaDirectoryID, p.HighWatermark = drawID(t, "directory"), rapid.Int64().Draw(t, "high watermark")
			}
			p.UnknownTags = drawTags(t, version >= 12)
			topic.Partitions = append(topic.Partitions, p)
		}
		topic.UnknownTags = drawTags(t, version >= 12)
		r.Topics = append(r.Topics, topic)
	}
	for range rapid.IntRange(0, 3).Draw(t, "forgotten") {
		topic := kmsg.NewFetchRequestForgottenTopic()
		topic.Topic, topic.TopicID = drawName(t, "topic"), drawID(t, "id")
		topic.Partitions = rapid.SliceOfN(rapid.Int32(), 0, 3).Draw(t, "forgotten partitions")
		r.ForgottenTopics = append(r.ForgottenTopics, topic)
	}
	r.Rack = drawName(t, "rack")
	if rapid.Bool().Draw(t, "cluster") {
		r.ClusterID = kmsg.StringPtr(drawName(t, "cluster id"))
	}
	if rapid.Bool().Draw(t, "replica state") {
		r.ReplicaState.ID, r.ReplicaState.Epoch = rapid.Int32().Draw(t, "id"), rapid.Int64().Draw(t, "broker epoch")
		r.ReplicaState.UnknownTags = drawTags(t, true)
	}
	r.UnknownTags = drawTags(t, version >= 12)
	return r
}

// fetchAsKmsgReadsIt is the dumb twin: kmsg's own reading of a body, copied field by field.
func fetchAsKmsgReadsIt(t require.TestingT, body []byte, version int16) wire.FetchRequest {
	r := kmsg.NewPtrFetchRequest()
	r.Version = version
	require.NoError(t, r.ReadFrom(body))
	want := wire.FetchRequest{
		ReplicaID: r.ReplicaID, ReplicaEpoch: -1, MaxWaitMillis: r.MaxWaitMillis, MinBytes: r.MinBytes, MaxBytes: r.MaxBytes,
		IsolationLevel: r.IsolationLevel, SessionID: r.SessionID, SessionEpoch: r.SessionEpoch,
	}
	if version >= 15 {
		want.ReplicaID, want.ReplicaEpoch = r.ReplicaState.ID, r.ReplicaState.Epoch
	}
	if version >= 11 {
		want.RackID = []byte(r.Rack)
	}
	if r.ClusterID != nil {
		want.ClusterID = []byte(*r.ClusterID)
	}
	for group, topic := range r.Topics {
		for _, p := range topic.Partitions {
			want.Partitions = append(want.Partitions, wire.FetchPartition{
				Topic: name(topic.Topic, version), TopicID: topic.TopicID, Group: int32(group), Index: p.Partition,
				CurrentLeaderEpoch: p.CurrentLeaderEpoch, FetchOffset: p.FetchOffset, LastFetchedEpoch: p.LastFetchedEpoch,
				LogStartOffset: p.LogStartOffset, PartitionMaxBytes: p.PartitionMaxBytes,
			})
		}
	}
	for _, topic := range r.ForgottenTopics {
		for _, index := range topic.Partitions {
			want.Forgotten = append(want.Forgotten, wire.ForgottenPartition{Topic: name(topic.Topic, version), TopicID: topic.TopicID, Index: index})
		}
	}
	return want
}

func name(v string, version int16) []byte {
	if version >= 13 {
		return nil
	}
	return []byte(v)
}

func TestReadFetchReadsWhatKmsgReads(t *testing.T) {
	var into wire.FetchRequest
	rapid.Check(t, func(t *rapid.T) {
		version := rapid.Int16Range(4, 18).Draw(t, "version")
		body := drawFetchRequest(t, version).AppendTo(nil)
		want := fetchAsKmsgReadsIt(t, body, version)
		require.Equal(t, wire.NoFlaw, wire.ReadFetch(append(body, 1, 2, 3), version, &into))
		got := into
		if len(got.Partitions) == 0 {
			got.Partitions = nil
		}
		if len(got.Forgotten) == 0 {
			got.Forgotten = nil
		}
		require.Equal(t, want, got)
	})
}

func TestFetchCutShortIsAFlaw(t *testing.T) {
	var into wire.FetchRequest
	rapid.Check(t, func(t *rapid.T) {
		version := rapid.Int16Range(4, 18).Draw(t, "version")
		body := drawFetchRequest(t, version).AppendTo(nil)
		cut := rapid.IntRange(0, len(body)-1).Draw(t, "cut")
		require.Equal(t, wire.Short, wire.ReadFetch(body[:cut], version, &into))
	})
}

// ReplicaState is a tag from version 15; before it, what stands under its number means nothing.
func TestReplicaStateOfALaterVersionIsSkipped(t *testing.T) {
	r := kmsg.NewPtrFetchRequest()
	r.Version, r.ReplicaState.ID = 14, 7
	var into wire.FetchRequest
	require.Equal(t, wire.NoFlaw, wire.ReadFetch(r.AppendTo(nil), 14, &into))
	require.EqualValues(t, -1, into.ReplicaID)
}

// The head with the records laid into its gaps is the frame that kmsg writes, length and all.
func TestFetchHeadWithItsRecordsIsWhatKmsgWrites(t *testing.T) {
	var head wire.FetchHead
	rapid.Check(t, func(t *rapid.T) {
		version, correlation := rapid.Int16Range(4, 18).Draw(t, "version"), rapid.Int32().Draw(t, "correlation")
		r := kmsg.NewPtrFetchResponse()
		r.Version, r.ThrottleMillis = version, rapid.Int32().Draw(t, "throttle")
		if version >= 7 {
			r.ErrorCode, r.SessionID = rapid.Int16().Draw(t, "code"), rapid.Int32().Draw(t, "session")
		}
		var befores []int32
		var records [][]byte
		topics := rapid.IntRange(0, 3).Draw(t, "topics")
		dst := rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "before")
		start := len(dst)
		head.Begin(dst, version, correlation, r.ThrottleMillis, wire.Code(r.ErrorCode), r.SessionID, topics)
		for range topics {
			topic := kmsg.NewFetchResponseTopic()
			topic.Topic, topic.TopicID = drawName(t, "topic"), drawID(t, "id")
			partitions := rapid.IntRange(0, 3).Draw(t, "partitions")
			head.Topic([]byte(topic.Topic), topic.TopicID, partitions)
			for range partitions {
				p := kmsg.NewFetchResponseTopicPartition()
				p.Partition, p.ErrorCode = rapid.Int32().Draw(t, "partition"), rapid.Int16().Draw(t, "error")
				p.HighWatermark, p.LastStableOffset, p.LogStartOffset = rapid.Int64().Draw(t, "hw"), rapid.Int64().Draw(t, "lso"), rapid.Int64().Draw(t, "start")
				p.RecordBatches = rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "records")
				fetched := wire.FetchedPartition{
					Index: p.Partition, Code: wire.Code(p.ErrorCode), HighWatermark: p.HighWatermark, LastStableOffset: p.LastStableOffset,
					LogStartOffset: p.LogStartOffset, AbortedNull: rapid.Bool().Draw(t, "null"), RecordsSize: int32(len(p.RecordBatches)),
				}
				if !fetched.AbortedNull {
					p.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{}
					for range rapid.IntRange(0, 2).Draw(t, "aborted") {
						aborted := kmsg.NewFetchResponseTopicPartitionAbortedTransaction()
						aborted.ProducerID, aborted.FirstOffset = rapid.Int64().Draw(t, "pid"), rapid.Int64().Draw(t, "first")
						p.AbortedTransactions = append(p.AbortedTransactions, aborted)
						fetched.Aborted = append(fetched.Aborted, wire.AbortedTransaction{ProducerID: aborted.ProducerID, FirstOffset: aborted.FirstOffset})
					}
				}
				if version >= 12 {
					fetched.Leader, fetched.Diverging.Known = drawLeader(t), rapid.Bool().Draw(t, "diverging")
				}
				if fetched.Leader.Known {
					p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = fetched.Leader.ID, fetched.Leader.Epoch
				}
				if fetched.Diverging.Known {
					fetched.Diverging.Epoch, fetched.Diverging.Offset = rapid.Int32Min(0).Draw(t, "epoch"), rapid.Int64().Draw(t, "end")
					p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset = fetched.Diverging.Epoch, fetched.Diverging.Offset
				}
				befores = append(befores, head.Partition(&fetched))
				records = append(records, p.RecordBatches)
				topic.Partitions = append(topic.Partitions, p)
			}
			r.Topics = append(r.Topics, topic)
		}
		nodes := drawNodes(t)
		if version >= 16 {
			for _, node := range nodes {
				r.Brokers = append(r.Brokers, kmsg.FetchResponseBroker{NodeID: node.ID, Host: node.Host, Port: node.Port, Rack: node.Rack})
			}
		}
		got := lay(head.End(nodes...)[start:], befores, records)
		require.Equal(t, wire.AppendResponse(nil, correlation, r), got)
	})
}

// lay does what a driver does with a Reply.
func lay(head []byte, befores []int32, records [][]byte) (frame []byte) {
	at := int32(0)
	for i, before := range befores {
		frame = append(append(frame, head[at:before]...), records[i]...)
		at = before
	}
	return append(frame, head[at:]...)
}

func TestFetchHeadKeepsItsAnnouncements(t *testing.T) {
	begin := func(topics int) *wire.FetchHead {
		var head wire.FetchHead
		head.Begin(nil, 12, 1, 0, wire.None, 0, topics)
		return &head
	}
	require.PanicsWithValue(t, "broken law W1: a Fetch answer has the topics that it announced, each after the last one's partitions", func() { begin(0).Topic(nil, [16]byte{}, 1) })
	require.Panics(t, func() { begin(1).Partition(&wire.FetchedPartition{}) })
	require.Panics(t, func() { begin(1).End() })
	require.Panics(t, func() {
		head := begin(1)
		head.Topic(nil, [16]byte{}, 1)
		head.Partition(&wire.FetchedPartition{RecordsSize: -1})
	})
}

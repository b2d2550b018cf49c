package outside

import (
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Where the fields of a record batch lie (KIP-98).
const (
	AtBaseOffset      = 0
	AtLength          = 8
	AtLeaderEpoch     = 12
	AtMagic           = 16
	AtCRC             = 17
	AtAttributes      = 21
	AtLastOffsetDelta = 23
	AtBaseTimestamp   = 27
	AtMaxTimestamp    = 35
	AtProducerID      = 43
	AtProducerEpoch   = 51
	AtBaseSequence    = 53
	AtCount           = 57
	AtRecords         = 61
)

// Record is a record as a batch is made of it. Its offset delta, -1, stands for its place in the batch.
func Record(key, value string) kmsg.Record {
	return kmsg.Record{Key: []byte(key), Value: []byte(value), OffsetDelta: -1}
}

// Batch is a batch of these records, with nothing wrong: no producer, the present time.
func Batch(records ...kmsg.Record) []byte {
	var body []byte
	for i, r := range records {
		if r.OffsetDelta < 0 {
			r.OffsetDelta = int32(i)
		}
		r.Length = 0
		r.Length = int32(len(r.AppendTo(nil)) - 1)
		body = r.AppendTo(body)
	}
	now := time.Now().UnixMilli()
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, LastOffsetDelta: int32(len(records) - 1), FirstTimestamp: now, MaxTimestamp: now,
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: int32(len(records)), Records: body,
	}
	return Seal(b.AppendTo(nil))
}

// Three is a batch of three records.
func Three() []byte { return Batch(Record("a", "1"), Record("b", "2"), Record("c", "3")) }

// From is a batch of n records of an idempotent producer.
func From(producer int64, epoch int16, sequence int32, n int) []byte {
	records := make([]kmsg.Record, n)
	for i := range records {
		records[i] = Record("k", "v")
	}
	b := Batch(records...)
	binary.BigEndian.PutUint64(b[AtProducerID:], uint64(producer))
	binary.BigEndian.PutUint16(b[AtProducerEpoch:], uint16(epoch))
	binary.BigEndian.PutUint32(b[AtBaseSequence:], uint32(sequence))
	return Seal(b)
}

// Seal puts length and CRC right after something was changed.
func Seal(b []byte) []byte {
	binary.BigEndian.PutUint32(b[AtLength:], uint32(len(b)-12))
	return Sign(b)
}

// Sign puts the CRC right, of a first batch that is as long as its length says.
func Sign(b []byte) []byte {
	end := min(len(b), 12+int(binary.BigEndian.Uint32(b[AtLength:])))
	binary.BigEndian.PutUint32(b[AtCRC:], crc32.Checksum(b[AtAttributes:end], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// Produce is a request of one batch.
func Produce(topic string, id [16]byte, partition int32, acks int16, records []byte) *kmsg.ProduceRequest {
	r := kmsg.NewPtrProduceRequest()
	r.Acks, r.TimeoutMillis = acks, 10_000
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.TopicID = topic, id
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, records
	t.Partitions = append(t.Partitions, p)
	r.Topics = append(r.Topics, t)
	return r
}

// Fetch is a request for one partition, with limits that are no limits.
func Fetch(topic string, id [16]byte, partition int32, offset int64) *kmsg.FetchRequest {
	r := kmsg.NewPtrFetchRequest()
	r.MaxWaitMillis, r.MinBytes, r.MaxBytes, r.SessionEpoch = 10_000, 1, 50<<20, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = topic, id
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes, p.CurrentLeaderEpoch, p.LastFetchedEpoch = partition, offset, 50<<20, -1, -1
	t.Partitions = append(t.Partitions, p)
	r.Topics = append(r.Topics, t)
	return r
}

// Create makes a topic of one partition, with configurations as name, value, and is told its id.
func Create(t testing.TB, c *Client, name string, configs ...string) (id [16]byte) {
	t.Helper()
	answer := c.Ask(t, NewTopics(NewTopic(name, 1, configs...)), 7).(*kmsg.CreateTopicsResponse).Topics[0]
	if answer.ErrorCode != 0 {
		t.Fatalf("%s is not made: error %d %s", name, answer.ErrorCode, *answer.ErrorMessage)
	}
	return answer.TopicID
}

// NewTopic is a topic as CreateTopics asks for it.
func NewTopic(name string, partitions int32, configs ...string) kmsg.CreateTopicsRequestTopic {
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
	for i := 0; i < len(configs); i += 2 {
		topic.Configs = append(topic.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: configs[i], Value: &configs[i+1]})
	}
	return topic
}

// NewTopics is a CreateTopics.
func NewTopics(topics ...kmsg.CreateTopicsRequestTopic) *kmsg.CreateTopicsRequest {
	r := kmsg.NewPtrCreateTopicsRequest()
	r.TimeoutMillis, r.Topics = 10_000, topics
	return r
}

// offsetNotAvailable is what ListOffsets answers for the moment in which a leader does not know its high watermark yet.
const offsetNotAvailable = 78

// End is a partition's latest offset.
func End(t testing.TB, c *Client, topic string, partition int32) int64 {
	t.Helper()
	var p kmsg.ListOffsetsResponseTopicPartition
	Await(t, func() bool {
		p = c.Ask(t, Offsets(topic, partition, -1), 5).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
		return p.ErrorCode != offsetNotAvailable
	}, "%s-%d has an end", topic, partition)
	if p.ErrorCode != 0 {
		t.Fatalf("ListOffsets of %s-%d: error %d", topic, partition, p.ErrorCode)
	}
	return p.Offset
}

// Offsets is a ListOffsets of one partition.
func Offsets(topic string, partition int32, timestamp int64) *kmsg.ListOffsetsRequest {
	r := kmsg.NewPtrListOffsetsRequest()
	r.ReplicaID = -1
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp, p.CurrentLeaderEpoch = partition, timestamp, -1
	t.Partitions = append(t.Partitions, p)
	r.Topics = append(r.Topics, t)
	return r
}

// Stored is a partition's bytes from an offset to the end, in one answer.
func Stored(t testing.TB, c *Client, topic string, partition int32, offset int64) []byte {
	t.Helper()
	if offset >= End(t, c, topic, partition) {
		return nil
	}
	p := c.Ask(t, Fetch(topic, [16]byte{}, partition, offset), 12).(*kmsg.FetchResponse).Topics[0].Partitions[0]
	if p.ErrorCode != 0 {
		t.Fatalf("Fetch of %s-%d at %d: error %d", topic, partition, offset, p.ErrorCode)
	}
	return p.RecordBatches
}

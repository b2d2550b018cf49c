package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"time"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/specs/outside"
)

// began is the time of every first record, the same on both sides.
var began = time.Now().UnixMilli() - 60_000

// batch is a batch of records at one time.
func batch(at int64, records ...kmsg.Record) []byte {
	b := outside.Batch(records...)
	binary.BigEndian.PutUint64(b[outside.AtBaseTimestamp:], uint64(at))
	binary.BigEndian.PutUint64(b[outside.AtMaxTimestamp:], uint64(at))
	return outside.Sign(b)
}

// plain is a batch of n records, one millisecond after another.
func plain(n int) []byte { return spaced(began, 1, n) }

// spaced is a batch of n records, step milliseconds apart.
func spaced(at, step int64, n int) []byte {
	records := make([]kmsg.Record, n)
	for i := range records {
		records[i] = outside.Record("k", "value")
		records[i].TimestampDelta64 = step * int64(i)
	}
	b := batch(at, records...)
	binary.BigEndian.PutUint64(b[outside.AtMaxTimestamp:], uint64(max(at, at+step*int64(n-1))))
	return outside.Sign(b)
}

// from gives a batch a producer.
func from(b []byte, producer int64, epoch int16, sequence int32) []byte {
	binary.BigEndian.PutUint64(b[outside.AtProducerID:], uint64(producer))
	binary.BigEndian.PutUint16(b[outside.AtProducerEpoch:], uint16(epoch))
	binary.BigEndian.PutUint32(b[outside.AtBaseSequence:], uint32(sequence))
	return outside.Sign(b)
}

// sign puts the CRC of whatever there is right.
func sign(b []byte) []byte {
	binary.BigEndian.PutUint32(b[outside.AtCRC:], crc32.Checksum(b[outside.AtAttributes:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func attributes(b []byte, bits uint16) []byte {
	binary.BigEndian.PutUint16(b[outside.AtAttributes:], bits)
	return outside.Sign(b)
}

// putMax says what a batch's largest timestamp is.
func putMax(b []byte, at int64) {
	binary.BigEndian.PutUint64(b[outside.AtMaxTimestamp:], uint64(at))
	outside.Sign(b)
}

// produce is a Produce of one batch. Both the name and the id are given: the version decides which is sent.
func (s *side) produce(name string, partition int32, acks int16, records []byte) *kmsg.ProduceRequest {
	return outside.Produce(s.called(name), s.id(name), partition, acks, records)
}

// write appends outside the comparison.
func (s *side) write(name string, partition int32, records []byte) {
	p := s.must(s.produce(name, partition, -1, records), 9).(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	if p.ErrorCode != 0 {
		panic(s.name + ": a write of a case's own is refused")
	}
}

func (s *side) fetch(name string, partition int32, offset int64) *kmsg.FetchRequest {
	r := outside.Fetch(s.called(name), s.id(name), partition, offset)
	r.MaxWaitMillis, r.MinBytes = 1, 0
	return r
}

func (s *side) listOffsets(name string, partition int32, at int64) *kmsg.ListOffsetsRequest {
	r := outside.Offsets(s.called(name), partition, at)
	r.TimeoutMillis = 5_000
	r.Topics[0].Partitions[0].MaxNumOffsets = 1
	return r
}

func (s *side) deleteRecords(name string, partition int32, offset int64) *kmsg.DeleteRecordsRequest {
	r := kmsg.NewPtrDeleteRecordsRequest()
	r.TimeoutMillis = 10_000
	r.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: s.called(name),
		Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: partition, Offset: offset}}}}
	return r
}

func (s *side) epochs(name string, partition, current, epoch int32) *kmsg.OffsetForLeaderEpochRequest {
	r := kmsg.NewPtrOffsetForLeaderEpochRequest()
	r.ReplicaID = -1
	r.Topics = []kmsg.OffsetForLeaderEpochRequestTopic{{Topic: s.called(name),
		Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{{Partition: partition, CurrentLeaderEpoch: current, LeaderEpoch: epoch}}}}
	return r
}

func (s *side) describeProducers(name string, partitions ...int32) *kmsg.DescribeProducersRequest {
	r := kmsg.NewPtrDescribeProducersRequest()
	r.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: s.called(name), Partitions: partitions}}
	return r
}

func newTopic(name string, partitions int32, configs ...string) kmsg.CreateTopicsRequestTopic {
	return outside.NewTopic(name, partitions, configs...)
}

func createTopics(topics ...kmsg.CreateTopicsRequestTopic) *kmsg.CreateTopicsRequest {
	return outside.NewTopics(topics...)
}

// deleteTopics names topics in both the forms that versions have.
func deleteTopics(names ...string) *kmsg.DeleteTopicsRequest {
	r := kmsg.NewPtrDeleteTopicsRequest()
	r.TimeoutMillis, r.TopicNames = 10_000, names
	for _, name := range names {
		r.Topics = append(r.Topics, kmsg.DeleteTopicsRequestTopic{Topic: &name})
	}
	return r
}

func deleteIDs(ids ...[16]byte) *kmsg.DeleteTopicsRequest {
	r := kmsg.NewPtrDeleteTopicsRequest()
	r.TimeoutMillis = 10_000
	for _, id := range ids {
		r.Topics = append(r.Topics, kmsg.DeleteTopicsRequestTopic{TopicID: id})
	}
	return r
}

func createPartitions(name string, count int32, assignment ...[]int32) *kmsg.CreatePartitionsRequest {
	r := kmsg.NewPtrCreatePartitionsRequest()
	r.TimeoutMillis = 10_000
	topic := kmsg.CreatePartitionsRequestTopic{Topic: name, Count: count}
	for _, replicas := range assignment {
		topic.Assignment = append(topic.Assignment, kmsg.CreatePartitionsRequestTopicAssignment{Replicas: replicas})
	}
	r.Topics = append(r.Topics, topic)
	return r
}

func metadata(names ...string) *kmsg.MetadataRequest {
	r := kmsg.NewPtrMetadataRequest()
	r.Topics = []kmsg.MetadataRequestTopic{}
	for _, name := range names {
		r.Topics = append(r.Topics, kmsg.MetadataRequestTopic{Topic: &name})
	}
	return r
}

func metadataOf(ids ...[16]byte) *kmsg.MetadataRequest {
	r := kmsg.NewPtrMetadataRequest()
	for _, id := range ids {
		r.Topics = append(r.Topics, kmsg.MetadataRequestTopic{TopicID: id})
	}
	return r
}

func describeConfigs(kind kmsg.ConfigResourceType, name string, keys ...string) *kmsg.DescribeConfigsRequest {
	r := kmsg.NewPtrDescribeConfigsRequest()
	r.IncludeSynonyms = true
	r.Resources = []kmsg.DescribeConfigsRequestResource{{ResourceType: kind, ResourceName: name, ConfigNames: keys}}
	return r
}

// incremental is an alteration: key, operation, value, key, ... where "null" is null.
func incremental(kind kmsg.ConfigResourceType, name string, changes ...any) *kmsg.IncrementalAlterConfigsRequest {
	r := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource := kmsg.IncrementalAlterConfigsRequestResource{ResourceType: kind, ResourceName: name}
	for i := 0; i < len(changes); i += 3 {
		resource.Configs = append(resource.Configs, kmsg.IncrementalAlterConfigsRequestResourceConfig{
			Name: changes[i].(string), Op: kmsg.IncrementalAlterConfigOp(changes[i+1].(int)), Value: value(changes[i+2])})
	}
	r.Resources = append(r.Resources, resource)
	return r
}

func alterConfigs(kind kmsg.ConfigResourceType, name string, changes ...any) *kmsg.AlterConfigsRequest {
	r := kmsg.NewPtrAlterConfigsRequest()
	resource := kmsg.AlterConfigsRequestResource{ResourceType: kind, ResourceName: name}
	for i := 0; i < len(changes); i += 2 {
		resource.Configs = append(resource.Configs, kmsg.AlterConfigsRequestResourceConfig{Name: changes[i].(string), Value: value(changes[i+1])})
	}
	r.Resources = append(r.Resources, resource)
	return r
}

func value(v any) *string {
	if text, ok := v.(string); ok {
		return &text
	}
	return nil
}

func describeTopicPartitions(limit int32, names ...string) *kmsg.DescribeTopicPartitionsRequest {
	r := kmsg.NewPtrDescribeTopicPartitionsRequest()
	r.ResponsePartitionLimit = limit
	for _, name := range names {
		r.Topics = append(r.Topics, kmsg.DescribeTopicPartitionsRequestTopic{Topic: name})
	}
	return r
}

// compressed packs a batch's records with a codec, as Kafka numbers them.
func compressed(codec uint16, b []byte) []byte {
	records := b[outside.AtRecords:]
	var packed bytes.Buffer
	switch codec {
	case 0:
		return b
	case 1:
		w := gzip.NewWriter(&packed)
		_, _ = w.Write(records)
		_ = w.Close()
	case 2:
		packed.Write(snappy.Encode(nil, records))
	case 3:
		w := lz4.NewWriter(&packed)
		_, _ = w.Write(records)
		_ = w.Close()
	case 4:
		packed.Write(zstandard.EncodeAll(records, nil))
	}
	return attributes(outside.Seal(append(slices.Clone(b[:outside.AtRecords]), packed.Bytes()...)), codec)
}

var zstandard, _ = zstd.NewWriter(nil)

package conn_test

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/conn"
	"rookery/core/wire"
)

// frameOf is a request as a client sends it, without its length.
func frameOf(request kmsg.Request, version int16) []byte {
	request.SetVersion(version)
	return wire.AppendRequest(nil, 42, "test", request)[4:]
}

// batchOf is a record batch of plain records with these timestamps.
func batchOf(timestamps ...int64) []byte {
	var records []byte
	latest := timestamps[0]
	for i, timestamp := range timestamps {
		r := kmsg.Record{OffsetDelta: int32(i), TimestampDelta64: timestamp - timestamps[0], Key: []byte("k"), Value: []byte("value")}
		r.Length = int32(len(r.AppendTo(nil)) - 1)
		records = r.AppendTo(records)
		latest = max(latest, timestamp)
	}
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, LastOffsetDelta: int32(len(timestamps) - 1), FirstTimestamp: timestamps[0], MaxTimestamp: latest,
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: int32(len(timestamps)), Records: records,
	}
	b.Length = int32(49 + len(records))
	return withCRC(b.AppendTo(nil))
}

func withCRC(b []byte) []byte {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func produceOf(records ...[]byte) *kmsg.ProduceRequest {
	r := kmsg.NewPtrProduceRequest()
	r.Acks = -1
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = "packages"
	for i := range records {
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = int32(i), records[i]
		topic.Partitions = append(topic.Partitions, p)
	}
	r.Topics = append(r.Topics, topic)
	return r
}

func TestLengths(t *testing.T) {
	limits := conn.Limits{}
	for _, length := range []int32{-1 << 31, -1, 0, 7, 9, 100<<20 + 1} {
		require.False(t, limits.Accepts(length), length)
	}
	for _, length := range []int32{10, 100, 100 << 20} {
		require.True(t, limits.Accepts(length), length)
	}
	require.False(t, conn.Limits{FrameMax: 100}.Accepts(101))
}

func TestProduceIsReadAndItsBatchesInspected(t *testing.T) {
	broken := batchOf(5)
	broken[len(broken)-1] ^= 1
	var r conn.Request
	for version := int16(3); version <= 13; version++ {
		conn.Intake(frameOf(produceOf(batchOf(5, 9, 7), nil, broken, []byte{}), version), conn.Limits{}, &r)
		require.Equal(t, conn.Produce, r.Kind, r.Reason)
		require.Equal(t, "test", string(r.ClientID))
		require.EqualValues(t, 42, r.Correlation)
		require.Len(t, r.Produce.Partitions, 4)
		require.Len(t, r.Facts, 4)
		require.Equal(t, batch.Fine, r.Facts[0].Fault)
		require.EqualValues(t, 3, r.Facts[0].Count)
		require.EqualValues(t, 9, r.Facts[0].MaxTimestamp)
		require.Equal(t, batch.NoBatch, r.Facts[1].Fault)
		require.Equal(t, batch.WrongCRC, r.Facts[2].Fault)
		require.Equal(t, batch.NoBatch, r.Facts[3].Fault)
	}
}

func TestAWrongMaxTimestampIsRepairedInTheFrame(t *testing.T) {
	wrong := batchOf(5, 9)
	binary.BigEndian.PutUint64(wrong[35:], 1)
	frame := frameOf(produceOf(withCRC(wrong)), 9)
	var r conn.Request
	conn.Intake(frame, conn.Limits{}, &r)
	require.Equal(t, batchOf(5, 9), r.Produce.Partitions[0].Records)
	require.Equal(t, batch.Fine, r.Facts[0].Fault)
}

func TestFetchAndColdRequests(t *testing.T) {
	var r conn.Request
	fetch := kmsg.NewPtrFetchRequest()
	fetch.MaxWaitMillis = 500
	conn.Intake(frameOf(fetch, 12), conn.Limits{}, &r)
	require.Equal(t, conn.Fetch, r.Kind, r.Reason)
	require.EqualValues(t, 500, r.Fetch.MaxWaitMillis)

	conn.Intake(frameOf(kmsg.NewPtrMetadataRequest(), 4), conn.Limits{}, &r)
	require.Equal(t, conn.Cold, r.Kind, r.Reason)
	require.Nil(t, r.Cold.(*kmsg.MetadataRequest).Topics)
	require.Zero(t, r.Fetch.MaxWaitMillis)
}

func TestWhatIsNotServed(t *testing.T) {
	for _, c := range []struct {
		key, version int16
		closes       bool
		reason       string
	}{
		{0, 2, true, "Produce v2 is not served"},
		{1, 3, true, "Fetch v3 is not served"},
		{3, 14, true, "Metadata v14 is not served"},
		{-1, 0, true, "API -1 v0 is not served"},
		{52, 0, true, "Vote v0 is not served"},
		{127, 0, true, "API 127 v0 is not served"},
		{18, 5, false, "ApiVersions v5 is not served"},
		{18, 32767, false, "ApiVersions v32767 is not served"},
		{18, -1, false, "ApiVersions v-1 is not served"},
	} {
		frame := binary.BigEndian.AppendUint16(nil, uint16(c.key))
		frame = binary.BigEndian.AppendUint16(frame, uint16(c.version))
		frame = append(frame, 0, 0, 0, 7, 0xff, 0xff, 0) // correlation, no client id, no tags
		var r conn.Request
		conn.Intake(frame, conn.Limits{}, &r)
		require.Equal(t, conn.Unsupported, r.Kind)
		require.Equal(t, c.reason, r.Reason)
		require.Equal(t, c.closes, r.CloseUnanswered())
		require.EqualValues(t, 7, r.Correlation)
	}
}

func TestMalformedFrames(t *testing.T) {
	var r conn.Request
	whole := frameOf(produceOf(batchOf(1)), 9)
	for cut := range whole {
		conn.Intake(whole[:cut], conn.Limits{}, &r)
		require.Equal(t, conn.Malformed, r.Kind)
		require.True(t, r.CloseUnanswered())
		require.Empty(t, r.Produce.Partitions)
		require.Contains(t, r.Reason, "a field runs past the end of the frame")
	}
	conn.Intake(nil, conn.Limits{}, &r)
	require.Equal(t, "Produce v0: header: a field runs past the end of the frame", r.Reason)
}

// The table of Kafka 4.2's answers.
func TestSoftwareNames(t *testing.T) {
	names := map[string]bool{
		"": false, "-x": false, "x-": false, "a b": false, "a_b": false, "ü": false, ".": false, "a": true, "a.b-c": true, "apache-kafka-java": true, "ab": true, "9": true,
	}
	versions := map[string]bool{".1": false, "1_0": false, "1.0": true, "v2.0.2": true, "": false}
	check := func(name, version string, valid bool) {
		for v := int16(3); v <= 4; v++ {
			asked := kmsg.NewPtrApiVersionsRequest()
			asked.ClientSoftwareName, asked.ClientSoftwareVersion = name, version
			var r conn.Request
			conn.Intake(frameOf(asked, v), conn.Limits{}, &r)
			require.Equal(t, conn.Cold, r.Kind)
			require.Equal(t, valid, r.Refusal == wire.None, "%q %q", name, version)
			require.False(t, r.CloseUnanswered())
		}
	}
	for name, valid := range names {
		check(name, "1.0", valid)
	}
	for version, valid := range versions {
		check("a", version, valid)
	}
	var r conn.Request
	conn.Intake(frameOf(kmsg.NewPtrApiVersionsRequest(), 2), conn.Limits{}, &r)
	require.Equal(t, wire.None, r.Refusal)
}

// Batches of one request share what they may inflate to.
func TestBombsOfOneRequestAreCountedTogether(t *testing.T) {
	var b batch.Builder
	b.Begin(batch.Plain(batch.Gzip))
	b.Add(1, nil, make([]byte, 1<<20), nil)
	bomb := b.Finish()
	var r conn.Request
	limits := conn.Limits{InflatedMax: 2 << 20, InflatedTotalMax: 3 << 20}
	conn.Intake(frameOf(produceOf(bomb, bomb, bomb, bomb), 9), limits, &r)
	faults := []batch.Fault{}
	for i := range r.Facts {
		faults = append(faults, r.Facts[i].Fault)
	}
	require.Equal(t, []batch.Fault{batch.Fine, batch.Fine, batch.TooLarge, batch.TooLarge}, faults)
}

// One request of a hundred thousand partitions must not stay in a connection's memory.
func TestALongRequestIsLetGo(t *testing.T) {
	var r conn.Request
	conn.Intake(frameOf(produceOf(make([][]byte, 100_000)...), 9), conn.Limits{}, &r)
	require.Len(t, r.Facts, 100_000)
	r.Reset()
	require.Zero(t, cap(r.Facts)+cap(r.Produce.Partitions))
	conn.Intake(frameOf(produceOf(make([][]byte, 100)...), 9), conn.Limits{}, &r)
	r.Reset()
	require.NotZero(t, cap(r.Facts))
	require.NotZero(t, cap(r.Produce.Partitions))
}

func TestKindsHaveWords(t *testing.T) {
	require.Equal(t, "malformed unsupported produce fetch cold unknown kind",
		conn.Malformed.String()+" "+conn.Unsupported.String()+" "+conn.Produce.String()+" "+conn.Fetch.String()+" "+conn.Cold.String()+" "+conn.Kind(9).String())
}

package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/batch"
	"rookery/core/group"
	"rookery/core/meta"
	"rookery/core/wire"
	"rookery/net/kafka"
)

func TestUnescape(t *testing.T) {
	got, err := unescape(`a\tb\n\x1e\\`)
	require.NoError(t, err)
	require.Equal(t, "a\tb\n\x1e\\", got)
	for _, wrong := range []string{`\x1`, `\xzz`, `\q`} {
		_, err := unescape(wrong)
		require.Error(t, err, wrong)
	}
}

func TestSplitIsJoinBackwards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		delimiter := rapid.StringN(1, 3, 3).Draw(t, "delimiter")
		parts := rapid.SliceOf(rapid.StringMatching(`[a-z]{0,5}`)).Draw(t, "parts")
		text := strings.Join(parts, delimiter)
		want := strings.Split(text, delimiter)
		if want[len(want)-1] == "" {
			want = want[:len(want)-1]
		}
		got := []string{}
		require.NoError(t, split(strings.NewReader(text), delimiter, func(b []byte) error {
			got = append(got, string(b))
			return nil
		}))
		require.Equal(t, want, got)
	})
}

// segment writes batches of one record each, and says where each begins.
func segment(t *testing.T, file string, base int64, values ...string) (starts []int64) {
	t.Helper()
	var all []byte
	for i, value := range values {
		var b batch.Builder
		spec := batch.Plain(batch.None)
		spec.BaseOffset = base + int64(i)
		b.Begin(spec)
		b.Add(1000+int64(i), nil, []byte(value), nil)
		starts = append(starts, int64(len(all)))
		all = append(all, b.Finish()...)
	}
	require.NoError(t, os.WriteFile(file, all, 0o644))
	return starts
}

func runCommand(args ...string) (out, complaints string, err error) {
	var o, c bytes.Buffer
	root := rootCommand(&o, &c)
	root.SetArgs(args)
	err = root.Execute()
	return o.String(), c.String(), err
}

// What is no text is told apart from text that looks like its base64, headers are there to read, and JSON is an object a line.
func TestLogDumpSaysWhatARecordIs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "00000000000000000000.log")
	var b batch.Builder
	b.Begin(batch.Plain(batch.None))
	b.Add(7, []byte("AP8="), []byte{0, 0xff}, []batch.Header{{Key: []byte("trace"), Value: []byte("a b")}, {Key: []byte("raw"), Value: []byte{0xfe}}, {Key: []byte("none")}})
	require.NoError(t, os.WriteFile(file, bytes.Repeat(b.Finish(), 2), 0o644))
	out, _, err := runCommand("log", "dump", "-r", file)
	require.NoError(t, err)
	require.Contains(t, out, `| offset: 0 timestamp: 7 key: "AP8=" value: base64 "AP8=" headers: "trace"="a b", "raw"=base64 "/g==", "none"=null`+"\n")
	out, _, err = runCommand("log", "dump", "-r", "-o", "json", file)
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(out, "\n"))
	for line := range strings.Lines(out) {
		var row batchRow
		require.NoError(t, json.Unmarshal([]byte(line), &row))
		require.Len(t, row.Records[0].Headers, 3)
	}
}

// Records that brokers write for themselves are read by their folder's name; what cannot be read is shown as anybody's.
func TestLogDumpReadsTheBrokersOwnRecords(t *testing.T) {
	leader := "m-1"
	dump := func(folder string, records ...[2][]byte) (text string, rows []recordRow) {
		file := filepath.Join(t.TempDir(), folder, "00000000000000000000.log")
		require.NoError(t, os.Mkdir(filepath.Dir(file), 0o755))
		var b batch.Builder
		b.Begin(batch.Plain(batch.None))
		for _, r := range records {
			b.Add(7, r[0], r[1], nil)
		}
		require.NoError(t, os.WriteFile(file, b.Finish(), 0o644))
		text, _, err := runCommand("log", "dump", "-r", file)
		require.NoError(t, err)
		out, _, err := runCommand("log", "dump", "-r", "-o", "json", file)
		require.NoError(t, err)
		var row batchRow
		require.NoError(t, json.Unmarshal([]byte(out), &row), out)
		return text, row.Records
	}
	of := func(r group.Record) [2][]byte {
		key, value := group.Append(nil, nil, r)
		return [2][]byte{key, value}
	}
	offsets := [][2][]byte{
		of(&group.OffsetCommitRecord{Group: "g", Topic: "t", Partition: 2, Value: &group.OffsetCommit{Offset: 5, Metadata: "a \"b\"", ExpireTimestamp: -1}}),
		of(&group.OffsetCommitRecord{Group: "g", Topic: "t", Partition: 3}),
		of(&group.ClassicGroupRecord{Group: "g", Value: &group.ClassicGroup{ProtocolType: "consumer", Leader: &leader, Members: []group.ClassicMember{{MemberID: leader, Assignment: []byte{0, 255}}}}}),
		{[]byte{0, 99, 'x'}, []byte("y")},
		{[]byte("z"), nil},
	}
	text, rows := dump("__consumer_offsets-7", offsets...)
	require.Contains(t, text, `| offset: 0 timestamp: 7 OffsetCommit {"group":"g","topic":"t","partition":2,"value":{"offset":5,"leaderEpoch":0,"metadata":"a \"b\"","commitTimestamp":0,"expireTimestamp":-1,"topicID":"`)
	require.Contains(t, text, `| offset: 1 timestamp: 7 OffsetCommit {"group":"g","topic":"t","partition":3,"value":null}`)
	require.Contains(t, text, `"leader":"m-1"`)
	require.Contains(t, text, `"assignment":"AP8="`)
	require.Contains(t, text, `| offset: 3 timestamp: 7 key: "\x00cx" value: "y"`)
	require.Contains(t, text, `| offset: 4 timestamp: 7 key: "z" value: null`)
	require.Equal(t, "ClassicGroup", rows[2].Decoded.Type)
	require.NotNil(t, rows[0].Key, "its bytes are there too")
	require.Nil(t, rows[3].Decoded)

	quota := meta.ClientQuotaRecord{Entity: []meta.EntityPart{{}}, Key: "producer_byte_rate", Value: math.Float64bits(1.5)}
	text, rows = dump("__cluster_metadata-0", [2][]byte{nil, meta.Append(nil, &meta.FeatureLevelRecord{Name: "group.version", FeatureLevel: 1})},
		[2][]byte{nil, meta.Append(nil, &quota)}, [2][]byte{nil, meta.Append(nil, &meta.PartitionRecord{ISR: []int32{1, 2}})}, [2][]byte{nil, {1, 200, 0, 0}})
	require.Contains(t, text, `| offset: 0 timestamp: 7 FeatureLevel {"name":"group.version","featureLevel":1}`)
	require.Contains(t, text, `"value":1.5,"remove":false}`)
	require.Contains(t, text, `"isr":[1,2]`)
	require.Nil(t, rows[3].Decoded)

	text, _ = dump("clicks-0", offsets[0])
	require.NotContains(t, text, "OffsetCommit")
}

func TestLogDumpAndVerify(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "clicks-0")
	require.NoError(t, os.Mkdir(folder, 0o755))
	first := filepath.Join(folder, "00000000000000000000.log")
	starts := segment(t, first, 0, "one", "two", "three")
	segment(t, filepath.Join(folder, "00000000000000000003.log"), 3, "four")
	index := []byte{0, 0, 0, 1, 0, 0, 0, byte(starts[1])}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "00000000000000000000.index"), append(index, make([]byte, 16)...), 0o644))

	out, _, err := runCommand("log", "verify", dir)
	require.NoError(t, err)
	require.Regexp(t, `clicks-0 +2 +4 +4 +\d+ +0 +4 +0`, out)

	out, _, err = runCommand("log", "dump", "-r", first)
	require.NoError(t, err)
	require.Contains(t, out, `baseOffset: 2 lastOffset: 2 count: 1`)
	require.Contains(t, out, `value: "three"`)
	out, _, err = runCommand("log", "dump", filepath.Join(folder, "00000000000000000000.index"))
	require.NoError(t, err)
	require.Contains(t, out, "offset: 1 position: ")
	require.NotContains(t, out, "offset: 0")
	_, _, err = runCommand("log", "dump", folder)
	require.ErrorContains(t, err, folder+" is a directory")
	_, _, err = runCommand("log", "dump", filepath.Join(dir, "nothing"))
	require.ErrorIs(t, err, os.ErrNotExist)

	bare := t.TempDir()
	_, _, err = runCommand("log", "verify", bare)
	require.ErrorContains(t, err, bare+" holds no segment")
	require.NoError(t, writeIdentity(bare, identity{newID(), 1, newID()}))
	_, _, err = runCommand("log", "verify", bare)
	require.NoError(t, err, "a log directory may have no partition yet")

	text, err := os.ReadFile(first)
	require.NoError(t, err)
	text[starts[1]+70] ^= 1
	require.NoError(t, os.WriteFile(first, text[:len(text)-1], 0o644))
	_, complaints, err := runCommand("log", "verify", dir, "-o", "json")
	require.Error(t, err)
	require.Contains(t, complaints, "wrong CRC")
	require.Contains(t, complaints, "bytes and")
}

// An entry of an offset index says where whoever looks for its offset begins to read. Here it is one among four batches of a
// record each.
func TestLogVerifyFollowsEntries(t *testing.T) {
	for _, c := range []struct {
		name      string
		offset    uint32
		batch     int // that it points at
		beside    uint32
		complaint string
	}{
		{"of a batch", 2, 2, 0, ""},
		{"of one append of two batches, as followers and the cleaner of an older Kafka note it", 3, 1, 0, ""},
		{"what lies between is skipped", 1, 3, 0, "entry 0 (offset: 1 position: 207) points at the batch from offset 3 on"},
		{"behind the segment's last record", 4, 3, 0, "of a segment that ends at 4"},
		{"within a batch", 2, 2, 1, "points at no batch"},
	} {
		t.Run(c.name, func(t *testing.T) {
			stem := filepath.Join(t.TempDir(), "00000000000000000000")
			starts := segment(t, stem+".log", 0, "a", "b", "c", "d")
			index := binary.BigEndian.AppendUint32(nil, c.offset)
			index = binary.BigEndian.AppendUint32(index, uint32(starts[c.batch])+c.beside)
			require.NoError(t, os.WriteFile(stem+".index", index, 0o644))
			_, complaints, err := runCommand("log", "verify", filepath.Dir(stem))
			require.Contains(t, complaints, c.complaint)
			require.Equal(t, c.complaint == "", err == nil, complaints)
		})
	}
}

// TestKafkasOwnDirectory reads what Apache Kafka 4.2.0 wrote when kcat gave it 300 records in each codec, and 300 from an
// idempotent producer, and it was stopped.
func TestKafkasOwnDirectory(t *testing.T) {
	const dir = "testdata/kafka-4.2.0"
	reports, err := verify(dir, nil)
	require.NoError(t, err)
	require.Len(t, reports, 7)
	for _, r := range reports {
		require.Empty(t, r.Problems, r.Folder)
		if filepath.Base(r.Folder) != "__cluster_metadata-0" {
			require.Equal(t, int64(300), r.End, r.Folder)
		}
	}
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		out, _, err := runCommand("log", "dump", "-r", dir+"/c-"+codec+"-0/00000000000000000000.log")
		require.NoError(t, err)
		require.Contains(t, out, "compressCodec: "+codec)
		require.Contains(t, out, `key: "key" value: "300"`)
	}
	out, _, err := runCommand("log", "dump", dir+"/idem-0/00000000000000000300.snapshot", dir+"/__cluster_metadata-0/quorum-state",
		dir+"/idem-0/00000000000000000000.timeindex", dir+"/replication-offset-checkpoint")
	require.NoError(t, err)
	require.Contains(t, out, "lastSequence: 299 lastOffset: 299")
	require.Contains(t, out, `"leaderEpoch"`)
	require.Contains(t, out, "timestamp: ")
	require.Contains(t, out, "idem 0 300")
	id, err := readIdentity(dir)
	require.NoError(t, err)
	require.Equal(t, "MkU3OEVBNTcwNTJENDM2Qg", id.ClusterID)
}

func TestVersion(t *testing.T) {
	out, _, err := runCommand("version", "-o", "json")
	require.NoError(t, err)
	require.Contains(t, out, `"go"`)
	out, _, err = runCommand("version")
	require.NoError(t, err)
	require.Regexp(t, `^rookery( [^ ]+)+\n$`, out)
	flag, _, err := runCommand("--version")
	require.NoError(t, err)
	require.Equal(t, out, flag)
	_, _, err = runCommand("version", "-o", "yaml")
	require.ErrorContains(t, err, "neither text nor json")
}

// TestWhatCannotBeReadEndsIt: a batch that is damaged where it lies is asked for for ever, unless somebody says so.
func TestWhatCannotBeReadEndsIt(t *testing.T) {
	var c consuming
	f := &kafka.Fetched{Topic: "t", Partition: 3, Position: 7, Code: wire.CorruptMessage}
	_, err := c.print(bufio.NewWriter(io.Discard), f, nil)
	require.ErrorContains(t, err, "topic t, partition 3: the batch at offset 7 is damaged")
}

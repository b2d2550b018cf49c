package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/batch"
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

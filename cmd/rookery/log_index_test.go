package main

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const kafkaDir = "testdata/kafka-4.2.0"

func indexJSON(t *testing.T, args ...string) (all []segmentIndexes) {
	t.Helper()
	out, _, err := runCommand(append([]string{"log", "index", "-o", "json"}, args...)...)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal([]byte(out), &all))
	return all
}

// TestLogIndexOfKafka reads what Kafka 4.2.0 wrote.
func TestLogIndexOfKafka(t *testing.T) {
	all := indexJSON(t, kafkaDir+"/c-none-0", kafkaDir+"/idem-0")
	bySegment := map[string]segmentIndexes{}
	for _, s := range all {
		bySegment[strings.TrimPrefix(s.Segment, kafkaDir+"/")] = s
	}
	plain := bySegment["c-none-0/00000000000000000000.log"]
	require.Empty(t, plain.Offsets, "it is shorter than index.interval.bytes")
	require.Len(t, plain.Times, 1)
	require.Empty(t, plain.Problems)
	idempotent := bySegment["idem-0/00000000000000000300.log"]
	require.Equal(t, int64(-1), idempotent.Bytes, "a snapshot of the end has no .log beside it")
	require.NotEmpty(t, idempotent.Producers)
	require.Equal(t, int64(299), idempotent.Producers[0].LastOffset)
	out, _, err := runCommand("log", "index", kafkaDir+"/idem-0")
	require.NoError(t, err)
	require.Regexp(t, `(?m)^KIND +OFFSET +POSITION +TIMESTAMP +TIME +WHAT$`, out)
	require.Regexp(t, `(?m)^snapshot +299 .*producer \d+ epoch 0, last sequence`, out)
}

// TestLogIndexOfOurs reads what a broker of ours leaves at a clean stop, and holds it against the walk of verify.
func TestLogIndexOfOurs(t *testing.T) {
	dir := t.TempDir()
	r := begin(t, dir, "log.index.interval.bytes=100")
	r.ask(t, "", "topic", "create", "t", "--config", "segment.bytes=1048576")
	for range 20 {
		r.ask(t, strings.Repeat("a line of text\n", 20), "produce", "t")
	}
	r.stop(t)
	all := indexJSON(t, filepath.Join(dir, "t-0"))
	require.NotEmpty(t, all[0].Offsets)
	require.NotEmpty(t, all[0].Times)
	require.Empty(t, all[0].Problems)
	positions := map[int64]bool{}
	require.NoError(t, walk(all[0].Segment, false, func(b *batchRow) error {
		positions[b.Position] = true
		return nil
	}))
	for _, e := range all[0].Offsets {
		require.True(t, positions[int64(*e.Position)])
	}
	require.Len(t, all[len(all)-1].Producers, 20)
}

func TestLogIndexProblems(t *testing.T) {
	dir := t.TempDir()
	stem := filepath.Join(dir, "00000000000000000100")
	entry := func(relative, position uint32) []byte {
		return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, relative), position)
	}
	require.NoError(t, os.WriteFile(stem+".log", make([]byte, 500), 0o644))
	require.NoError(t, os.WriteFile(stem+".index", append(append(entry(5, 100), entry(4, 200)...), entry(9, 900)...), 0o644))
	aborted := make([]byte, 34)
	binary.BigEndian.PutUint64(aborted[2:], 77)
	binary.BigEndian.PutUint64(aborted[10:], 101)
	require.NoError(t, os.WriteFile(stem+".txnindex", aborted, 0o644))
	out, complaints, err := runCommand("log", "index", stem+".log")
	require.ErrorContains(t, err, "2 problems")
	require.Contains(t, complaints, "entry 1 (offset: 104 position: 200) does not rise")
	require.Contains(t, complaints, "entry 2 (offset: 109 position: 900) points behind the end of the segment's 500 bytes")
	require.Contains(t, out, "no .timeindex")
	require.Contains(t, out, "producer 77 aborted")
	_, _, err = runCommand("log", "index", t.TempDir())
	require.ErrorContains(t, err, "holds no segment")
	_, _, err = runCommand("log", "index", filepath.Join(dir, "nothing"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(stem+".txnindex", aborted[:20], 0o644))
	_, complaints, err = runCommand("log", "index", dir)
	require.Error(t, err)
	require.Contains(t, complaints, "20 bytes are left")
}

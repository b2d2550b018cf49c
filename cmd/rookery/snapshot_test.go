package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/batch"
	"rookery/core/producer"
	"rookery/core/seam"
)

// What the broker writes beside a segment is what dump shows; a file that is cut short or altered is said to be so.
func TestDumpOfWindows(t *testing.T) {
	state := producer.New()
	for i := range int64(7) {
		var b batch.Builder
		spec := batch.Plain(batch.None)
		spec.ProducerID, spec.ProducerEpoch, spec.BaseSequence = 41, 0, int32(i)
		b.Begin(spec)
		b.Add(100+i, nil, []byte("value"), nil)
		view := batch.View(b.Finish())
		binary.BigEndian.PutUint64(view, uint64(i)) // its offset
		state.Plan(seam.Second, view)
		state.Commit(i)
	}
	b := state.AppendWindows(nil, 7)
	file := filepath.Join(t.TempDir(), "00000000000000000007.window")
	require.NoError(t, os.WriteFile(file, b, 0o644))
	out, _, err := runCommand("log", "dump", file)
	require.NoError(t, err)
	require.Regexp(t, `producerId: 41 producerEpoch: 0 lastSequence: 6 offsetDelta: 0 lastOffset: 6 timestamp: 106`, out)
	rows, err := readWindows(file)
	require.NoError(t, err)
	require.Len(t, rows, producer.WindowSize)
	for at := range b {
		require.NoError(t, os.WriteFile(file, append(append([]byte{}, b[:at]...), append([]byte{b[at] ^ 1}, b[at+1:]...)...), 0o644))
		_, err = readWindows(file)
		require.Error(t, err, "byte %d", at)
		require.NoError(t, os.WriteFile(file, b[:at], 0o644))
		_, err = readWindows(file)
		require.Error(t, err, "cut at %d", at)
	}
}

package rerun_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/seam/tape"
	"rookery/sim/rerun"
	"rookery/specs/outside"
)

var binaryPath string

func TestMain(m *testing.M) {
	built, remove, err := outside.Build()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binaryPath = built
	status := m.Run()
	remove()
	os.Exit(status)
}

// load is what clients do to one life of a broker: topics made and deleted, batches of every kind, reads that wait,
// reads from the disk, questions by time, and input that is none.
func load(t *testing.T, n *outside.Node, life int) {
	c, reader := outside.Dial(t, n), outside.Dial(t, n)
	name := fmt.Sprintf("topic-%d", life)
	id := outside.Create(t, c, name, "segment.bytes", "1048576")
	outside.Create(t, c, "page-cache-"+name, "flush.messages", "1000")
	outside.Create(t, c, "pressed-"+name, "compression.type", "snappy", "message.timestamp.type", "LogAppendTime")
	waits := outside.Fetch(name, id, 0, 0)
	reader.Send(waits, 13)
	ids := c.Ask(t, kmsg.NewPtrInitProducerIDRequest(), 4).(*kmsg.InitProducerIDResponse)
	value := string(bytes.Repeat([]byte("value "), 10_000))
	for i := range int32(40) {
		for _, acks := range []int16{-1, 1, 0} {
			r := outside.Produce(name, id, 0, acks, outside.Batch(outside.Record("key", value)))
			if acks == 0 {
				c.Send(r, 13)
				continue
			}
			code := c.Ask(t, r, 13).(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode
			require.Zero(t, code)
		}
		c.Ask(t, outside.Produce("page-cache-"+name, [16]byte{}, 0, -1, outside.From(ids.ProducerID, 0, i, 1)), 9)
		c.Ask(t, outside.Produce("pressed-"+name, [16]byte{}, 0, -1, outside.From(ids.ProducerID, 0, i, 1)), 9)
		c.Ask(t, outside.Produce("page-cache-"+name, [16]byte{}, 0, 1, outside.From(ids.ProducerID, 0, max(0, i-7), 1)), 9)
	}
	reader.Receive(t, waits, 1)
	for past := range life + 1 {
		for _, offset := range []int64{0, 17, 60, 119} {
			reader.Ask(t, outside.Fetch(fmt.Sprintf("topic-%d", past), [16]byte{}, 0, offset), 12)
		}
		for _, timestamp := range []int64{-1, -2, -3, 0, 1} {
			reader.Ask(t, outside.Offsets(fmt.Sprintf("topic-%d", past), 0, timestamp), 8)
		}
	}
	outside.Create(t, c, "short")
	gone := kmsg.NewPtrDeleteTopicsRequest()
	gone.TopicNames, gone.TimeoutMillis = []string{"short"}, 10_000
	c.Ask(t, gone, 5)
	c.Ask(t, kmsg.NewPtrMetadataRequest(), 12)
	c.Ask(t, outside.Produce(name, id, 0, -1, []byte("garbage")), 13)
	bad := outside.Dial(t, n)
	bad.Frame([]byte("no request"))
	bad.Closed(t, "garbage")
}

// TestARecordedBrokerReplays records three lives of the real broker, killed, killed and stopped, and replays each.
func TestARecordedBrokerReplays(t *testing.T) {
	dir, tapes := t.TempDir(), t.TempDir()
	for life := range 3 {
		file := filepath.Join(tapes, fmt.Sprint(life))
		n := outside.Start(t, binaryPath, dir, "--record", file, "--set", "log.index.interval.bytes=100")
		load(t, n, life)
		if life < 2 {
			c := outside.Dial(t, n)
			for range 50 { // it dies at work
				c.Send(outside.Produce(fmt.Sprintf("topic-%d", life), [16]byte{}, 0, -1, outside.Three()), 12)
			}
			n.Kill()
		} else {
			n.Stop(t)
		}
		recorded, err := os.ReadFile(file)
		require.NoError(t, err)
		report, err := rerun.Replay(recorded)
		require.NoError(t, err)
		require.NoError(t, problem(report))
		require.Greater(t, report.Steps, 500)
		require.Greater(t, report.Requests, 200)
		require.Greater(t, report.Machines, 3)
		t.Logf("life %d: %d bytes, %d steps, %d requests, %d machines, cut %v", life, len(recorded), report.Steps, report.Requests, report.Machines, report.Cut)
		if life == 2 {
			require.False(t, report.Cut)
			planted(t, recorded)
		}
	}
}

func problem(r rerun.Report) error {
	if r.Difference == nil {
		return nil
	}
	return r.Difference
}

// planted changes one byte of the tape at a time: of what came from outside, and of what was answered.
func planted(t *testing.T, recorded []byte) {
	_, rest, err := tape.Begin(recorded)
	require.NoError(t, err)
	produced, wrote, loaded, rewritten, step := 0, 0, 0, 0, 0
	for len(rest) > 0 {
		at := len(recorded) - len(rest)
		var e tape.Entry
		e, rest, err = tape.Next(rest)
		require.NoError(t, err)
		step++
		end := len(recorded) - len(rest) - 8 // of the input, before the digest
		switch in := e.Input.(type) {
		case *seam.Request:
			if len(in.Frame) > 1000 && binary.BigEndian.Uint16(in.Frame) == 0 && produced < 5 {
				produced++
				differs(t, recorded, end-10, step) // in the last record
			}
		case *seam.Wrote:
			if in.Bytes > 1000 && wrote < 5 {
				wrote++
				differs(t, recorded, end-2, -1) // the fault: not written after all
			}
		case *seam.Rewritten:
			if rewritten < 5 {
				rewritten++
				differs(t, recorded, end-10, step)
			}
		case *seam.Loaded:
			if len(in.Data) > 1000 && e.To.Kind == seam.ToRecovery && loaded < 5 {
				loaded++
				differs(t, recorded, at+(end-at)/2, -1)
			}
		}
	}
	require.Equal(t, []int{5, 5, 5, 5}, []int{produced, wrote, loaded, rewritten})
	differs(t, recorded, len(recorded)-1, step) // a digest
}

// differs flips a byte and wants it to be noticed, at the step that was handed it if that is known.
func differs(t *testing.T, recorded []byte, at, step int) {
	t.Helper()
	changed := bytes.Clone(recorded)
	changed[at] ^= 1
	report, err := rerun.Replay(changed)
	require.NoError(t, err)
	require.NotNil(t, report.Difference, "byte %d was changed, and nobody noticed", at)
	if step > 0 {
		require.Equal(t, step, report.Difference.Step, "%v", report.Difference)
	}
	require.Contains(t, report.Difference.Error(), fmt.Sprintf("step %d", report.Difference.Step))
}

func TestWhatIsNoTape(t *testing.T) {
	for _, bytes := range []string{"", "rookery", "rookery tape 1\n", tape.Magic, tape.Magic + "\x02\x00\x00\x00{", tape.Magic + "\x01\x00\x00\x00{"} {
		_, err := rerun.Replay([]byte(bytes))
		require.Error(t, err)
	}
}

package outside

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A question is many times shorter than its answer: whoever asks and does not read must not make the broker keep all it
// was asked for.
func TestClientsThatTakeNoAnswers(t *testing.T) { bothWays(t, clientsThatTakeNoAnswers) }

func clientsThatTakeNoAnswers(t *testing.T, start func(args ...string) *Node) {
	n := start()
	defer n.Stop(t)
	admin := Dial(t, n)
	for i := range 10 {
		admin.Ask(t, NewTopics(NewTopic(fmt.Sprintf("a-topic-of-some-length-%d", i), 2)), 7)
	}
	const clients, bound = 4, 96 << 20
	before := residentBytes(t, n)
	all := kmsg.NewPtrMetadataRequest()
	var asked [clients]int
	var rude [clients]*Client
	for i := range rude {
		c := Dial(t, n)
		rude[i] = c
		frame := framed(c.Request(all, 1))
		many := bytes.Repeat(frame, 1000)
		for range 1000 {
			require.NoError(t, c.SetWriteDeadline(time.Now().Add(300*time.Millisecond)))
			written, err := c.Write(many)
			asked[i] += written / len(frame)
			if err != nil {
				break
			}
		}
		require.Less(t, asked[i], 1_000_000, "the broker stops reading a client that does not read")
	}
	admin.Ask(t, all, 1)
	require.Less(t, residentBytes(t, n), before+bound)

	c := rude[0]
	require.NoError(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
	_, first := c.Answer(t)
	for range asked[0] - 1 {
		_, rest := c.Answer(t)
		require.Equal(t, first, rest)
	}
	for _, c := range rude {
		require.NoError(t, c.Close())
	}
}

// residentBytes is what the broker has in memory, files left out.
func residentBytes(t *testing.T, n *Node) int64 {
	t.Helper()
	bytes, err := n.resident()
	require.NoError(t, err)
	return bytes
}

func (n *Node) resident() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.process.Pid))
	if err != nil {
		return 0, err
	}
	var kilobytes int64
	_, rest, _ := bytes.Cut(status, []byte("RssAnon:"))
	_, err = fmt.Sscan(string(rest), &kilobytes)
	return kilobytes << 10, err
}

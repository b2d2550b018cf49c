package outside

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// startFew starts a broker that may have few files open, and waits until it is ready.
func startFew(t *testing.T, files int, dir string) *Node {
	n := Run(t, "sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$@"`, files), "sh", binaryPath, "dev", "--port", "0", "--data-dir", dir)
	Await(t, func() bool { n.Address = n.Log.ready(); return n.Address != "" || n.gone() }, "the broker is ready: %s", n.Log)
	require.NotEmpty(t, n.Address, "%s", n.Log)
	return n
}

// Ten times as many partitions as files of logs may be open, each written to: nothing is refused, and a stop is clean. That
// files are wanting is no fault of the disk.
func TestMorePartitionsThanFiles(t *testing.T) {
	const files, partitions = 128, 250
	dir := t.TempDir()
	n := startFew(t, files, dir)
	c := Dial(t, n)
	topic := c.Ask(t, NewTopics(NewTopic("many", partitions)), 7).(*kmsg.CreateTopicsResponse).Topics[0]
	require.Zero(t, topic.ErrorCode)
	for p := range int32(partitions) {
		require.Zero(t, partitionOf(c.Ask(t, Produce("many", topic.TopicID, p, -1, Batch(Record("k", fmt.Sprint(p)))), 13)).ErrorCode)
	}
	n.Stop(t)

	n = startFew(t, files, dir)
	c = Dial(t, n)
	for p := range int32(partitions) {
		require.Contains(t, string(Stored(t, c, "many", p, 0)), fmt.Sprint(p))
	}
	n.Kill()
	n = startFew(t, files, dir)
	require.Contains(t, string(Stored(t, Dial(t, n), "many", 249, 0)), "249")
	n.Stop(t)
	require.NotContains(t, n.Log.String(), "failed")
}

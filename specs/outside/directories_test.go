package outside

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// startOver runs a broker over several log directories of its own.
func startOver(t *testing.T, dirs ...string) *Node {
	t.Helper()
	sets := []string{"--set", "node.id=1", "--set", "listeners=PLAINTEXT://127.0.0.1:0", "--set", "log.dirs=" + strings.Join(dirs, ",")}
	format := Run(t, binaryPath, append([]string{"format", "--ignore-formatted"}, sets...)...)
	<-format.done
	n := Run(t, binaryPath, append([]string{"server"}, sets...)...)
	Await(t, func() bool { n.Address = n.Log.ready(); return n.Address != "" || n.gone() }, "the broker is ready: %s", n.Log)
	require.NotEmpty(t, n.Address, "%s", n.Log)
	return n
}

func moveTo(t *testing.T, c *Client, version int16, dir, topic string, partitions ...int32) (codes []int16) {
	t.Helper()
	r := kmsg.NewPtrAlterReplicaLogDirsRequest()
	r.Dirs = []kmsg.AlterReplicaLogDirsRequestDir{{Dir: dir, Topics: []kmsg.AlterReplicaLogDirsRequestDirTopic{{Topic: topic, Partitions: partitions}}}}
	answer := c.Ask(t, r, version).(*kmsg.AlterReplicaLogDirsResponse)
	require.Len(t, answer.Topics, 1)
	require.Equal(t, topic, answer.Topics[0].Topic)
	for _, p := range answer.Topics[0].Partitions {
		codes = append(codes, p.ErrorCode)
	}
	return codes
}

// whereIs is the directory that DescribeLogDirs names for partition 0 of a topic; empty while a copy of it is shown too.
func whereIs(t *testing.T, c *Client, topic string) (dir string) {
	t.Helper()
	for _, d := range logDirs(t, c, 4).Dirs {
		for _, in := range d.Topics {
			if in.Topic == topic && (in.Partitions[0].IsFuture || dir != "") {
				return ""
			} else if in.Topic == topic {
				dir = d.Dir
			}
		}
	}
	return dir
}

// TestAlterReplicaLogDirs: a partition goes from one directory to the other and back, in every version, with all that it
// holds, and is where it went to after a kill.
func TestAlterReplicaLogDirs(t *testing.T) {
	one, two := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")
	n := startOver(t, one, two)
	c, id, size := filled(t, n, "data")
	require.Equal(t, one, whereIs(t, c, "data"))
	for version := int16(1); version <= 2; version++ {
		for _, to := range []string{two, one} {
			require.Equal(t, []int16{0}, moveTo(t, c, version, to, "data", 0))
			Await(t, func() bool { return whereIs(t, c, "data") == to }, "it is moved to %s: %s", to, n.Log)
			fetched := c.Ask(t, Fetch("data", id, 0, 0), 13).(*kmsg.FetchResponse).Topics[0].Partitions[0]
			require.Zero(t, fetched.ErrorCode)
			require.Len(t, fetched.RecordBatches, 5*size)
			require.FileExists(t, filepath.Join(to, "data-0", "00000000000000000000.log"))
		}
		require.Equal(t, []int16{0}, moveTo(t, c, version, one, "data", 0), "where it lies already")
		require.Equal(t, []int16{57}, moveTo(t, c, version, "/nowhere", "data", 0), "LOG_DIR_NOT_FOUND")
		require.Equal(t, []int16{57}, moveTo(t, c, version, one+"/", "data", 0), "names are compared as they are")
		require.Equal(t, []int16{3, 3, 0}, moveTo(t, c, version, one, "data", 7, -1, 0), "UNKNOWN_TOPIC_OR_PARTITION")
		require.Equal(t, []int16{3}, moveTo(t, c, version, one, "nowhere", 0))
		require.Equal(t, []int16{17}, moveTo(t, c, version, one, strings.Repeat("n", 220), 0), "INVALID_TOPIC_EXCEPTION: no name is left for a copy")
	}
	require.Equal(t, []int16{0}, moveTo(t, c, 2, two, "data", 0))
	Await(t, func() bool { return whereIs(t, c, "data") == two }, "it is moved")
	require.Zero(t, partitionOf(c.Ask(t, Produce("data", id, 0, -1, Three()), 13)).ErrorCode)
	Await(t, func() bool {
		entries, err := os.ReadDir(one)
		require.NoError(t, err)
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), "data-0") {
				return false
			}
		}
		return true
	}, "the old folder goes")
	n.Kill()
	c = Dial(t, startOver(t, one, two))
	require.Equal(t, two, whereIs(t, c, "data"))
	var fetched kmsg.FetchResponseTopicPartition
	Await(t, func() bool {
		fetched = c.Ask(t, Fetch("data", id, 0, 0), 13).(*kmsg.FetchResponse).Topics[0].Partitions[0]
		return fetched.ErrorCode != 6 // NOT_LEADER_OR_FOLLOWER until what was recovered is on the disk
	}, "it is read again")
	require.Zero(t, fetched.ErrorCode)
	require.Len(t, fetched.RecordBatches, 6*size)
}

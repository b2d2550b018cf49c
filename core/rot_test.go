package core

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// One bit of the metadata log is wrong behind its last checkpoint: nobody loses what lies in partitions for it.
func TestRotInTheMetadataLogRemovesNoPartition(t *testing.T) {
	s, run := scripted(t)
	run("config checkpoint=60s", "start", "topic t", "rest", "topic u", "rest", "produce t-0", "rest", "produce u-0", "rest", "crash",
		"rot __cluster_metadata-0/00000000000000000000.log at=500 bit=3", "start", "rest")
	for _, folder := range []string{"t-0", "u-0"} {
		require.Contains(t, s.root.entries, folder)
		require.NotEmpty(t, s.root.entries[folder].entries["00000000000000000000.log"].content)
	}
}

// One bit of a partition.metadata is wrong: its id is nobody's, and what lies beside it is not thrown away for it.
func TestRotInAnIdentityRemovesNoPartition(t *testing.T) {
	s, run := scripted(t)
	run("config checkpoint=1s", "start", "topic t", "rest", "produce t-0", "rest", "tick 2s", "rest", "stop", "rest",
		"rot t-0/partition.metadata at=25 bit=0", "start", "rest")
	s.out.Reset()
	run("fetch t-0", "rest")
	require.Contains(t, s.out.String(), "KAFKA_STORAGE_ERROR")
	require.NotEmpty(t, s.root.entries["t-0"].entries["00000000000000000000.log"].content)
}

func deepCopy(n *node) *node {
	c := &node{folder: n.folder, content: append([]byte{}, n.content...), synced: append([]byte{}, n.synced...)}
	if n.folder {
		c.entries, c.safe = map[string]*node{}, map[string]*node{}
		for name, x := range n.entries {
			one := deepCopy(x)
			c.entries[name], c.safe[name] = one, one
		}
	}
	return c
}

// putBack starts on a backup of the first directory, beside the second one as it is, in which every partition's records have to stay.
func putBack(t *testing.T, s *script, run func(lines ...string), backup *node) {
	second := s.root.entries["d1"]
	backup.entries["d1"], backup.safe["d1"] = second, second
	s.root = backup
	var folders []string
	for name, n := range second.entries {
		if n.folder {
			folders = append(folders, name)
		}
	}
	require.GreaterOrEqual(t, len(folders), 2)
	run("start", "rest")
	for _, name := range folders {
		require.Contains(t, second.entries, name)
		require.NotEmpty(t, second.entries[name].entries["00000000000000000000.log"].content)
	}
}

// The first directory is put back from a backup: partitions of topics that are newer lie in another one.
func TestABackupOfTheFirstDirectoryRemovesNoPartition(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=2 checkpoint=1s", "start", "topic t", "rest", "produce t-0", "rest", "tick 2s", "rest", "stop", "rest")
	backup := deepCopy(s.root)
	run("start", "topic u partitions=2", "rest", "grow t partitions=4", "rest", "produce u-0", "produce u-1", "produce t-1", "produce t-2", "produce t-3", "rest", "tick 2s", "rest", "stop", "rest")
	putBack(t, s, run, backup)
}

// The first directory is put back from a backup that knows of a topic of that name only that it was deleted: the one that has been made
// since then, in another directory, is not thrown away for it.
func TestABackupRemovesNoTopicThatWasMadeAnew(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=2 checkpoint=1s", "start", "topic t partitions=4", "rest", "delete t", "rest", "tick 2s", "rest", "stop", "rest")
	backup := deepCopy(s.root)
	run("start", "topic t partitions=4", "rest", "produce t-0", "produce t-1", "produce t-2", "produce t-3", "rest", "tick 2s", "rest", "stop", "rest")
	putBack(t, s, run, backup)
}

// The same, with one bit of the metadata log that is wrong in the record of the new topic, behind its last checkpoint.
func TestRotInTheMetadataLogRemovesNoTopicThatWasMadeAnew(t *testing.T) {
	s, run := scripted(t)
	run("config checkpoint=60s", "start", "topic t", "rest", "delete t", "rest")
	n, _ := s.at("__cluster_metadata-0/00000000000000000000.log")
	at := len(n.content) + 70
	run("topic t", "rest", "produce t-0", "rest", "crash", "rot __cluster_metadata-0/00000000000000000000.log at="+decimal(int64(at))+" bit=3", "start", "rest")
	require.Contains(t, s.root.entries, "t-0")
	require.NotEmpty(t, s.root.entries["t-0"].entries["00000000000000000000.log"].content)
}

// A move has left a folder. Its identity is being read when the directory fails where the partition lies now: as at a start that has not
// got that directory at all, what may be the last copy stays.
func TestStrayOfADirectoryThatFailsMeanwhile(t *testing.T) {
	for _, lost := range []bool{true, false} {
		s, run := scripted(t)
		run("config dirs=2", "start", "topic t", "rest", "produce t-0", "rest", "hold write metadata", "move t-0 to=1", "rest",
			"fail-write metadata fault=late bytes=117", "crash", "release")
		s.out.Reset()
		if lost {
			run("start lost=1", "rest")
		} else {
			run("hold t-0/", "start", "fail-sync d1/t-0/ fault=io", "release", "rest")
		}
		require.Contains(t, s.root.entries, "t-0", "lost=%v", lost)
	}
}

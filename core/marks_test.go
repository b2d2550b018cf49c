package core

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// scripted is a script that a test writes as it goes.
func scripted(t *testing.T) (*script, func(lines ...string)) {
	s := &script{world: newWorld(t), sessions: map[string]*heldSession{}}
	s.told = s.tell
	return s, func(lines ...string) {
		for _, line := range lines {
			s.t = placed{t, line}
			s.command(strings.Fields(line))
		}
	}
}

// byHand moves the folders of a topic from the first directory to the second.
func byHand(s *script, topic string) {
	to := s.root.entries["d1"]
	for name, n := range s.root.entries {
		if strings.HasPrefix(name, topic+"-") {
			to.entries[name], to.safe[name] = n, n
			delete(s.root.entries, name)
			delete(s.root.safe, name)
		}
	}
}

// A partition was moved by hand, and the checkpoint that is to say where it begins cannot be written at first: it is written
// again, and until then the directory that it has left knows.
func TestAFoundPartitionIsMarkedInTheEnd(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=2 checkpoint=1s", "start", "topic t", "rest", "topic u", "rest", "topic v", "rest",
		"produce t-0", "rest", "produce t-0", "rest", "produce v-0", "rest", "produce v-0", "rest", "delete-records t-0 offset=1", "rest", "stop", "rest")
	byHand(s, "t")
	run("hold create d1/log-start", "start", "fail-file create d1/log-start fault=space", "delete-records v-0 offset=1", "release", "rest")
	said := func() string { return s.broker.image.Topic("t").Partitions[0].Directory(s.config.NodeID).String() }
	require.Equal(t, s.config.DirectoryIDs[0].String(), said())
	begins := func() {
		s.out.Reset()
		run("list t-0 earliest", "rest")
		require.Contains(t, s.out.String(), "offset=1")
	}
	run("crash", "hold create d1/log-start", "start")
	begins()
	run("fail-file create d1/log-start fault=space", "release", "tick 2s", "rest")
	require.Equal(t, s.config.DirectoryIDs[1].String(), said())
	run("crash", "start")
	begins()
}

// Where very many were moved by hand, after a disk was replaced, one Step does not write of all of them.
func TestFoundPartitionsAreAssignedInTurns(t *testing.T) {
	s, run := scripted(t)
	s.config.StepItems = 50
	run("config dirs=2", "start", "topic t partitions=400", "rest", "stop", "rest")
	byHand(s, "t")
	most, all := 0, 0
	s.told = func(x *told) {
		n := 0
		for i := range x.fx.Writes {
			if h := s.files[x.fx.Writes[i].File]; h != nil && strings.HasPrefix(h.path, "__cluster_metadata-0/") {
				n++
			}
		}
		most, all = max(most, n), all+n
	}
	run("start", "rest")
	require.Greater(t, all, 200)
	require.LessOrEqual(t, most, s.config.StepItems)
}

// Somebody keeps a copy of a partition's files within its folder: they are none of the log's, and both stay.
func TestACopyWithinAFolder(t *testing.T) {
	for _, stop := range []string{"stop", "crash"} {
		s, run := scripted(t)
		run("config checkpoint=1s first-check=1s retention-check=1s", "start", "topic t internal.segment.bytes=100", "rest")
		for range 5 {
			run("produce t-0", "rest")
		}
		run("delete-records t-0 offset=2", "rest", "tick 2s", "rest", stop, "rest")
		folder, backup := s.root.entries["t-0"], newFolder()
		for name, n := range folder.entries {
			c := *n
			backup.entries[name], backup.safe[name] = &c, &c
		}
		folder.entries["backup"], folder.safe["backup"] = backup, backup
		kept := len(backup.entries)
		run("start")
		for i := 2; i < 5; i++ {
			s.out.Reset()
			run(fmt.Sprintf("fetch t-0 offset=%d", i), "rest")
			require.Contains(t, s.out.String(), fmt.Sprintf("offsets=%d..%d", i, i), stop)
		}
		require.Len(t, backup.entries, kept)
	}
}

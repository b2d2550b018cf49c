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
func byHand(s *script, topic string) { carry(s.root, s.root.entries["d1"], topic) }

func carry(from, to *node, topic string) {
	for name, n := range from.entries {
		if strings.HasPrefix(name, topic+"-") {
			to.entries[name], to.safe[name] = n, n
			delete(from.entries, name)
			delete(from.safe, name)
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

// A partition was moved by hand, and a start does not find the directory where it lies: where it begins stays written down where it was,
// whatever is written there meanwhile.
func TestWhatIsNotThereBeginsWhereItDid(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=2 checkpoint=1s", "start", "topic t", "rest", "topic u", "rest", "topic v", "rest",
		"produce t-0", "rest", "produce t-0", "rest", "produce v-0", "rest", "produce v-0", "rest", "delete-records t-0 offset=1", "rest", "stop", "rest")
	byHand(s, "t")
	run("start lost=1", "rest", "delete-records v-0 offset=1", "rest", "tick 2s", "rest", "stop", "rest")
	s.out.Reset()
	run("start", "rest", "list t-0 earliest", "rest", "list t-0 latest", "rest")
	require.Contains(t, s.out.String(), "t-0 offset=1")
	require.Contains(t, s.out.String(), "t-0 offset=2")
}

// A partition was moved by hand, and back again before the metadata said so. Its first segments are gone, and it is not taken for a new
// one that has lost them: where it lies by the metadata there is a line of it, though it was written of others meanwhile.
func TestWhatIsCarriedBackIsNotNew(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=2 checkpoint=1s", "start", "topic t internal.segment.bytes=100", "rest", "topic u", "rest", "topic v", "rest",
		"produce t-0", "rest", "produce t-0", "rest", "produce t-0", "rest", "produce v-0", "rest", "produce v-0", "rest",
		"delete-records t-0 offset=1", "rest", "tick 2s", "rest", "stop", "rest")
	byHand(s, "t")
	run("hold create d1/log-start", "start", "hold write metadata", "rest",
		"delete-records t-0 offset=2", "rest", "delete-records v-0 offset=1", "rest", "produce v-0", "rest", "tick 2s", "rest", "tick 2s", "rest")
	require.Equal(t, s.config.DirectoryIDs[0].String(), s.broker.image.Topic("t").Partitions[0].Directory(s.config.NodeID).String())
	run("crash", "release")
	carry(s.root.entries["d1"], s.root, "t")
	s.out.Reset()
	run("start", "rest", "list t-0 earliest", "rest", "list t-0 latest", "rest")
	require.Contains(t, s.out.String(), "t-0 offset=1")
	require.Contains(t, s.out.String(), "t-0 offset=3")
}

// A partition was moved by hand after the power had failed, and the next life did not look at it: its directory was missing, or the one
// where the metadata says that it lies. That life has ended in order, which says nothing of what it did not look at.
func TestACleanEndSaysNothingOfWhatWasCarried(t *testing.T) {
	for _, back := range []bool{false, true} {
		s, run := scripted(t)
		run("config dirs=3 checkpoint=1s", "start", "topic a", "rest", "topic t internal.segment.bytes=100", "rest",
			"produce t-0", "rest", "produce t-0", "rest", "produce t-0", "rest", "crash")
		first, second := s.root.entries["d1"], s.root.entries["d2"]
		segment := first.entries["t-0"].entries["00000000000000000001.log"]
		segment.content = segment.content[:len(segment.content)-10]
		carry(first, second, "t")
		lost := "start lost=1"
		if back {
			lost = "start lost=2"
		}
		run(lost, "rest", "stop", "rest")
		require.Contains(t, s.out.String(), "stopped")
		if back {
			carry(second, first, "t")
		}
		s.out.Reset()
		run("start", "rest", "list t-0 latest", "rest")
		require.Contains(t, s.out.String(), "truncated t-0", "back: %v", back)
		require.Contains(t, s.out.String(), "t-0 offset=1")
	}
}

// Where a partition was moved by hand the metadata does not say yet, and until it does nothing moves the start of its log.
func TestWhatIsUnsaidBeginsWhereItDoes(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=2 checkpoint=1s", "start", "topic t", "rest", "produce t-0", "rest", "produce t-0", "rest", "stop", "rest")
	byHand(s, "t")
	run("hold create d1/log-start", "start", "hold write metadata", "rest", "fail-write metadata fault=space", "release", "rest")
	s.out.Reset()
	run("hold write metadata", "delete-records t-0 offset=1", "rest")
	require.NotContains(t, s.out.String(), "answer")
	run("release", "rest")
	require.Contains(t, s.out.String(), "answer #4 t-0 low=1")
	run("delete-records t-0 offset=2", "rest", "crash", "start", "rest", "list t-0 earliest", "rest")
	require.Contains(t, s.out.String(), "t-0 offset=2")
}

// Where a partition was moved by hand the metadata does not say yet, and the directory fails that it has left: it is led on.
func TestADirectoryFailsThatWasLeft(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=3 checkpoint=1s", "start", "topic a", "rest", "topic t", "rest", "topic b", "rest", "topic c", "rest", "topic u", "rest",
		"produce t-0", "rest", "produce u-0", "rest", "stop", "rest")
	carry(s.root.entries["d1"], s.root.entries["d2"], "t")
	leader := func(topic string) int32 { return s.broker.image.Topic(topic).Partitions[0].Leader }
	run("hold create d", "start", "rest", "produce u-0", "rest", "tick 2s", "rest", "fail-file create d1/recovery fault=io", "rest")
	require.Equal(t, int32(-1), leader("u"))
	run("release", "rest", "tick 2s", "rest", "produce t-0", "rest")
	require.Contains(t, s.out.String(), "t-0 base=1")
	require.Equal(t, s.config.NodeID, leader("t"))
	require.Equal(t, s.config.DirectoryIDs[2].String(), s.broker.image.Topic("t").Partitions[0].Directory(s.config.NodeID).String())
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

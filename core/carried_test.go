package core

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/meta"
	"rookery/core/seam"
)

func put(to *node, name string, n *node) { to.entries[name], to.safe[name] = n, n }

// A directory has lost its checkpoints, and a partition there cannot be recovered in the life that makes them anew: they say of it what
// that life would have found. The next one took it for a new log that had lost its head, and emptied it.
func TestADirectoryIsMarkedForWhatCouldNotBeRecovered(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=2 checkpoint=1s", "start", "topic t internal.segment.bytes=100", "rest", "topic u", "rest",
		"produce t-0", "rest", "produce t-0", "rest", "produce t-0", "rest", "delete-records t-0 offset=1", "rest", "tick 2s", "rest", "stop", "rest")
	run("lose log-start-offset-checkpoint", "lose recovery-point-offset-checkpoint")
	run("hold recover t-0", "start", "fail-letter recover t-0 fault=io", "release", "rest", "tick 2s", "rest", "stop", "rest")
	s.out.Reset()
	run("start", "rest", "list t-0 earliest", "rest", "list t-0 latest", "rest")
	require.Contains(t, s.out.String(), "t-0 offset=1")
	require.Contains(t, s.out.String(), "t-0 offset=3")
}

// An earlier release has not said where a partition lies, and for a life two directories hold it.
func TestWhatIsSaidToLieNowhereHasNotLostItsHead(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=2 checkpoint=1s", "start", "topic t internal.segment.bytes=100", "rest", "topic u", "rest", "topic v", "rest",
		"produce t-0", "rest", "produce t-0", "rest", "produce t-0", "rest", "delete-records t-0 offset=1", "rest", "tick 2s", "rest")
	b := s.broker
	b.turns.put(func(now seam.Now, fx *seam.Effects) bool {
		records := b.controller.AssignReplica(b.config.NodeID, b.image.Topic("t").ID, 0, meta.UUID{}, false)
		return b.propose(now, &proposal{records: records}, fx)
	})
	run("tick 1s", "rest", "stop", "rest")
	put(s.root.entries["d1"], "t-0", deepCopy(s.root.entries["t-0"]))
	run("start", "rest", "produce v-0", "rest", "delete-records v-0 offset=1", "rest", "tick 2s", "rest", "stop", "rest", "lose d1/t-0")
	s.out.Reset()
	run("start", "rest", "list t-0 earliest", "rest", "list t-0 latest", "rest")
	require.Contains(t, s.out.String(), "t-0 offset=1")
	require.Contains(t, s.out.String(), "t-0 offset=3")
}

// A partition was carried by rsync --remove-source-files, which leaves the empty folder: that is no home.
func TestAnEmptyFolderIsNoHome(t *testing.T) {
	for _, to := range []string{"d1", "d2"} {
		s, run := scripted(t)
		run("config dirs=3 checkpoint=1s", "start", "topic a", "rest", "topic t internal.segment.bytes=100", "rest", "topic u", "rest")
		if to == "d1" { // from the second directory to the third, or back
			run("move t-0 to=2", "rest", "tick 2s", "rest")
		}
		run("produce t-0", "rest", "produce t-0", "rest", "produce t-0", "rest", "tick 2s", "rest", "stop", "rest")
		from := s.root.entries[map[string]string{"d1": "d2", "d2": "d1"}[to]]
		carry(from, s.root.entries[to], "t")
		put(from, "t-0", newFolder())
		s.out.Reset()
		run("start", "rest", "list t-0 latest", "rest")
		require.Contains(t, s.out.String(), "t-0 offset=3", to)
	}
}

// mv to another disk was interrupted while it removed what it had copied: what is whole is not removed for what cannot be read.
func TestACopyIsKeptOfWhatCannotBeRead(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=2 checkpoint=1s", "start", "topic t internal.segment.bytes=100", "rest", "topic u", "rest",
		"produce t-0", "rest", "produce t-0", "rest", "produce t-0", "rest", "tick 2s", "rest", "stop", "rest")
	put(s.root.entries["d1"], "t-0", deepCopy(s.root.entries["t-0"]))
	run("lose t-0/partition.metadata", "start", "rest", "tick 2s", "rest", "stop", "rest", "lose t-0")
	s.out.Reset()
	run("start", "rest", "list t-0 earliest", "rest", "list t-0 latest", "rest")
	require.Contains(t, s.out.String(), "t-0 offset=0")
	require.Contains(t, s.out.String(), "t-0 offset=3")
}

// An index is found wrong where a partition was moved by hand, and the metadata does not say yet that it lies there: a start believes
// the recovery point of the directory that it has left, so the index is written anew when that is over.
func TestAnIndexIsNotWrittenAnewBeforeItIsSaid(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=2 checkpoint=1s", "start", "topic t internal.segment.bytes=700 index.interval.bytes=100 retention.ms=-1", "rest", "topic u", "rest")
	for range 8 {
		run("produce t-0 records=3", "rest", "tick 10s", "rest")
	}
	run("stop", "rest")
	byHand(s, "t")
	run("rot d1/t-0/00000000000000000000.index at=7 bit=3", "hold create d1/log-start", "start", "fetch t-0 offset=6", "rest")
	s.out.Reset()
	run("tick 1s", "rest", "tick 1s", "rest", "tick 1s", "rest")
	require.NotContains(t, s.out.String(), "index rebuilt t-0")
	run("release", "rest")
	require.Contains(t, s.out.String(), "index rebuilt t-0 at=0")
	s.out.Reset()
	run("list t-0 1700000045000", "rest")
	require.Contains(t, s.out.String(), "t-0 offset=15")
}

// A partition was moved by hand to a disk on which there is no room for an index, the broker stops before the metadata says that it lies
// there, and it is carried back: the clean end of the directory that it had left says nothing of it.
func TestACleanEndSaysNothingOfAnIndexElsewhere(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=2 checkpoint=1s", "start", "topic t internal.segment.bytes=700 index.interval.bytes=100 retention.ms=-1", "rest", "topic u", "rest")
	run("produce t-0 records=3", "rest", "tick 10s", "rest", "stop", "rest")
	byHand(s, "t")
	run("hold create d1/log-start", "start")
	settle := func() {
		for n := 0; n < 2000; n++ {
			var next *task
			for _, x := range s.asked {
				if s.before(x) == nil && !(s.held != "" && strings.Contains(x.label, s.held)) {
					next = x
					break
				}
			}
			if next == nil {
				return
			}
			if next.kind == "write" && strings.Contains(next.label, "d1/t-0/00000000000000000000.timeindex") {
				s.comeBack(next, seam.NoSpace, 12)
				continue
			}
			s.comeBack(next, seam.OK, 0)
		}
	}
	for range 7 {
		run("produce t-0 records=3")
		settle()
		run("tick 10s")
		settle()
	}
	run("stop")
	settle()
	run("release")
	settle()
	carry(s.root.entries["d1"], s.root, "t")
	s.out.Reset()
	run("start", "rest", "list t-0 1700000045000", "rest")
	require.Contains(t, s.out.String(), "t-0 offset=15")
}

// A partition was moved by hand into a directory that the next life does not find, or that fails before it is looked into: it is led by
// nobody, as where the metadata says that it lies there.
func TestNobodyLeadsWhatLiesInADirectoryThatIsNotThere(t *testing.T) {
	for _, start := range []string{"start lost=2", "fails"} {
		s, run := scripted(t)
		run("config dirs=3 checkpoint=1s", "start", "topic a", "rest", "topic t", "rest", "topic b", "rest", "produce t-0", "rest", "produce b-0", "rest", "stop", "rest")
		carry(s.root.entries["d1"], s.root.entries["d2"], "t")
		if start == "fails" {
			run("hold open d2/", "start", "fail-file open d2/recovery fault=io", "release", "rest")
		} else {
			run(start)
		}
		run("rest", "tick 2s", "rest", "produce t-0 b-0", "rest")
		require.Contains(t, s.out.String(), "t-0 KAFKA_STORAGE_ERROR")
		require.Equal(t, int32(-1), s.broker.image.Topic("b").Partitions[0].Leader, start)
		require.Equal(t, int32(-1), s.broker.image.Topic("t").Partitions[0].Leader, start)
		run("stop", "rest", "start", "rest", "produce t-0", "rest")
		require.Contains(t, s.out.String(), "t-0 base=1")
	}
}

// Kafka has compacted a log, of which nothing in its folder says so; and how far it had is not known any more.
func TestWhatKafkaCompactedIsNotCutAtItsFirstHole(t *testing.T) {
	for _, lost := range [][]string{nil, {"recovery-point-offset-checkpoint"}, {"recovery-point-offset-checkpoint", "cleaner-offset-checkpoint"}} {
		s, run := scripted(t)
		run("config checkpoint=1s first-check=100ms cleaner-backoff=1s", "start", "topic t cleanup.policy=compact internal.segment.bytes=700 index.interval.bytes=100 retention.ms=-1 min.cleanable.dirty.ratio=0.01", "rest")
		for range 9 {
			run("produce t-0 keys=a,b,c", "rest")
		}
		run("tick 3s", "rest", "tick 3s", "rest", "produce t-0 keys=a,b,c", "rest", "tick 2s", "rest", "crash")
		folder, sparse := s.root.entries["t-0"], 0
		for name := range folder.entries {
			if strings.HasSuffix(name, ".compacted") {
				delete(folder.entries, name)
				delete(folder.safe, name)
				sparse++
			}
		}
		require.NotZero(t, sparse)
		for _, checkpoint := range lost {
			run("lose " + checkpoint)
		}
		s.out.Reset()
		run("start", "rest", "list t-0 latest", "rest")
		require.NotContains(t, s.out.String(), "truncated", lost)
		require.Contains(t, s.out.String(), "t-0 offset=30", lost)
	}
}

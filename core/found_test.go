package core

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/meta"
	"rookery/core/seam"
)

// The disk that a partition was carried to is full. What the metadata is to say of it takes checkpoints first, which take blocks:
// what lies beside the segments that are to go makes room, also where there is a block left for one of them.
func TestAFullDiskMakesRoomForWhatWasFound(t *testing.T) {
	for _, spared := range []string{"nothing", "d1/log-start"} {
		makeRoomForWhatWasFound(t, spared)
	}
}

func makeRoomForWhatWasFound(t *testing.T, spared string) {
	s, run := scripted(t)
	run("config dirs=2 checkpoint=1s first-check=100ms retention-check=2s", "start",
		"topic t internal.segment.bytes=250 index.interval.bytes=0 retention.ms=3000", "rest", "topic u", "rest")
	for range 10 {
		run("produce t-0", "rest")
	}
	run("stop", "rest")
	byHand(s, "t")
	full := true
	settle := func() {
		for next := s.nextTask(); next != nil; next = s.nextTask() {
			fault := seam.OK
			if full && strings.Contains(next.label, "d1/") && !strings.Contains(next.label, spared) && (next.kind == "write" || strings.HasPrefix(next.label, "create")) {
				fault = seam.NoSpace
			}
			full = full && !strings.HasPrefix(next.label, "unlink") && !strings.HasPrefix(next.label, "truncate d1/t-0/00000000000000000000")
			s.comeBack(next, fault, 0)
		}
	}
	run("hold d1/", "start", "release")
	settle()
	s.out.Reset()
	run("delete-records t-0 offset=3")
	for range 30 {
		run("tick 5s")
		settle()
	}
	require.False(t, full, "room was made, but for %s", spared)
	require.Contains(t, s.out.String(), "answer #13", spared)
}

// nextTask is what would come back next.
func (s *script) nextTask() *task {
	for _, x := range s.asked {
		if s.before(x) == nil {
			return x
		}
	}
	return nil
}

// The metadata log takes no record, so that it is not said where a partition was found: nobody waits for that whose deletion waits
// for it, nor does whatever comes behind him on his connection.
func TestNobodyWaitsForWhatIsNotSaid(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=3 checkpoint=1s", "start", "topic a", "rest", "topic t", "rest", "produce t-0", "rest", "produce t-0", "rest", "stop", "rest")
	carry(s.root.entries["d1"], s.root.entries["d2"], "t")
	run("hold create d2/log-start", "start", "hold write metadata", "rest", "fail-write metadata fault=space", "release", "rest", "hold write metadata")
	s.out.Reset()
	run("delete-records t-0 offset=1", "list t-0 latest", "rest", "tick 2s", "rest")
	require.NotContains(t, s.out.String(), "answer")
	run("fail-write metadata fault=space", "rest")
	require.Contains(t, s.out.String(), "answer #5 t-0 low=-1 KAFKA_STORAGE_ERROR")
	require.Contains(t, s.out.String(), "answer #6 t-0 offset=2")
	s.out.Reset()
	run("delete-records t-0 offset=1", "rest", "fail-write metadata fault=space", "rest") // it is told again at once
	require.Contains(t, s.out.String(), "answer #7 t-0 low=-1 KAFKA_STORAGE_ERROR")
}

// Both the directory where a partition was found and the one that it has left fail, in either order: it is led by nobody.
func TestBothDirectoriesFail(t *testing.T) {
	for _, order := range [][2]string{{"d1/", "d2/"}, {"d2/", "d1/"}} {
		s, run := scripted(t)
		run("config dirs=4 checkpoint=1s", "start", "topic a", "rest", "topic t", "rest", "topic b", "rest", "topic c", "rest", "topic d", "rest", "topic u", "rest",
			"produce t-0", "rest", "stop", "rest")
		carry(s.root.entries["d1"], s.root.entries["d2"], "t")
		run("hold create d", "start", "rest", "produce u-0", "rest", "produce b-0", "rest", "tick 2s", "rest")
		for _, dir := range order {
			run("fail-file create "+dir+" fault=io", "rest")
		}
		run("release", "rest", "tick 2s", "rest", "produce t-0", "rest")
		require.Contains(t, s.out.String(), "t-0 KAFKA_STORAGE_ERROR")
		for _, topic := range []string{"t", "u", "b"} {
			require.Equal(t, int32(-1), s.broker.image.Topic(topic).Partitions[0].Leader, "%v: %s", order, topic)
		}
	}
}

// The directory where a partition was found fails, and the one that it has left does not: it is led by nobody.
func TestOnlyWhereItWasFoundFails(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=4 checkpoint=1s", "start", "topic a", "rest", "topic t", "rest", "topic b", "rest", "produce t-0", "rest", "stop", "rest")
	carry(s.root.entries["d1"], s.root.entries["d2"], "t")
	run("hold create d", "start", "rest", "produce b-0", "rest", "tick 2s", "rest", "fail-file create d2/ fault=io", "rest", "release", "rest", "tick 2s", "rest", "produce t-0", "rest")
	require.Contains(t, s.out.String(), "t-0 KAFKA_STORAGE_ERROR")
	require.Equal(t, int32(-1), s.broker.image.Topic("t").Partitions[0].Leader)
}

// An earlier release has not said where a partition lies, and a directory's id cannot be read: it is not that directory which is meant.
func TestWhatIsSaidToLieNowhereDoesNotLieWhereNoIDIs(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=2 checkpoint=1s", "start", "topic t internal.segment.bytes=100", "rest", "topic u", "rest",
		"produce t-0", "rest", "produce t-0", "rest", "produce t-0", "rest", "delete-records t-0 offset=1", "rest", "tick 2s", "rest")
	b := s.broker
	b.turns.put(func(now seam.Now, fx *seam.Effects) bool {
		records := b.controller.AssignReplica(b.config.NodeID, b.image.Topic("t").ID, 0, meta.UUID{}, false)
		return b.propose(now, &proposal{records: records}, fx)
	})
	run("tick 1s", "rest", "stop", "rest")
	require.Equal(t, meta.UUID{}, b.image.Topic("t").Partitions[0].Directory(b.config.NodeID))
	s.config.DirectoryIDs[1] = meta.UUID{}
	s.out.Reset()
	run("start lost=1", "rest", "list t-0 earliest", "rest", "list t-0 latest", "rest")
	require.Contains(t, s.out.String(), "t-0 offset=1")
	require.Contains(t, s.out.String(), "t-0 offset=3")
}

// Where a partition was found is somebody else's folder, so that it is made anew there. What the directory that it has left says is of
// the one that is gone, and a start would believe it.
func TestWhatIsMadeAnewWhereItWasFound(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=2 checkpoint=1s", "start", "topic a", "rest", "topic t internal.segment.bytes=100", "rest", "produce a-0", "rest",
		"produce t-0", "rest", "produce t-0", "rest", "produce t-0", "rest", "delete-records t-0 offset=2", "rest", "tick 2s", "rest", "stop", "rest")
	run("lose d1/t-0")
	somebodys(s, "a-0", "", "t-0")
	run("hold create log-start", "start", "hold write metadata", "rest", "tick 2s", "rest")
	s.out.Reset()
	run("produce t-0", "rest", "tick 2s", "rest", "crash", "release", "start", "rest", "fetch t-0", "rest")
	require.Contains(t, s.out.String(), "t-0 base=0")
	require.Contains(t, s.out.String(), "t-0 high=1 offsets=0..0")
}

// It waits there for the lines that it has left to go, and the directory fails that has them: it is not made, and a start makes it.
func TestWhatIsMadeAnewWaitsForADirectoryThatFails(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=3 checkpoint=1s", "start", "topic a", "rest", "topic t internal.segment.bytes=100", "rest", "produce a-0", "rest",
		"produce t-0", "rest", "produce t-0", "rest", "produce t-0", "rest", "delete-records t-0 offset=2", "rest", "tick 2s", "rest", "stop", "rest")
	run("lose d1/t-0")
	somebodys(s, "a-0", "", "t-0")
	run("hold create d1/", "start", "rest", "fail-file create d1/ fault=io", "release", "rest", "tick 2s", "rest", "tick 2s", "rest")
	s.out.Reset()
	run("produce t-0", "rest")
	require.Contains(t, s.out.String(), "t-0 KAFKA_STORAGE_ERROR")
	require.Equal(t, int32(-1), s.broker.image.Topic("t").Partitions[0].Leader)
	run("stop", "rest")
	require.Contains(t, s.out.String(), "stopped")
	run("start", "rest", "produce t-0", "rest")
	require.Contains(t, s.out.String(), "t-0 base=0")
}

// The same where that directory has failed before.
func TestWhatIsMadeAnewIsNotMadeBesideWhatFailed(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=2 checkpoint=1s", "start", "topic a", "rest", "topic t internal.segment.bytes=100", "rest", "topic b", "rest", "topic v", "rest", "produce a-0", "rest",
		"produce t-0", "rest", "produce t-0", "rest", "produce t-0", "rest", "delete-records t-0 offset=2", "rest", "tick 2s", "rest", "stop", "rest")
	run("lose d1/t-0")
	somebodys(s, "a-0", "", "t-0")
	run("hold rename t-0", "start", "rest", "produce v-0", "rest", "tick 2s", "fail-file create d1/ fault=io", "rest", "hold write metadata", "file rename t-0", "rest")
	s.out.Reset()
	run("produce t-0", "rest")
	require.NotContains(t, s.out.String(), "t-0 base=0")
	run("crash", "release", "start", "rest", "produce t-0", "rest")
	require.Contains(t, s.out.String(), "t-0 base=0")
}

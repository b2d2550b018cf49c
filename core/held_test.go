package core

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A segment's index was not there to be copied when its log was moved: it is made, and the log is compacted, though nothing else makes the
// directory's checkpoint be written anew.
func TestACopyWithoutAnIndexIsCompacted(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=2 checkpoint=1s first-check=100ms cleaner-backoff=1s", "start", "topic t internal.segment.bytes=170 cleanup.policy=compact min.cleanable.dirty.ratio=0", "rest",
		"produce t-0 keys=a,b", "rest", "hold t-0/0.index", "produce t-0 keys=a,b,c", "rest", "move t-0 to=1", "rest", "release", "rest")
	s.out.Reset()
	for range 5 {
		run("produce t-0 keys=a,b", "rest", "tick 2s", "rest", "tick 61s", "rest")
	}
	require.Contains(t, s.out.String(), "* compacted t-0 to=13")
	s.out.Reset()
	run("files recovery-point")
	require.Contains(t, s.out.String(), "t 0 15")
}

// An index of the metadata log that is missing is made in the same life, whose end is clean.
func TestTheMetadataLogsIndexIsMade(t *testing.T) {
	s, run := scripted(t)
	run("config checkpoint=1s", "start", "topic t", "rest", "tick 200h", "rest", "topic u", "rest", "tick 2s", "rest", "stop", "rest",
		"lose __cluster_metadata-0/00000000000000000000.index")
	s.out.Reset()
	run("start", "rest", "tick 2s", "rest", "tick 100s", "rest", "files metadata/0.index", "stop", "rest", "files cleanshut")
	require.Contains(t, s.out.String(), "metadata/0.index ")
	require.NotContains(t, s.out.String(), "write refused")
	require.Contains(t, s.out.String(), ".kafka_cleanshutdown")
}

// A log was to begin behind a compacted segment that does not get its name: it does when that is known.
func TestWhatIsStuckGoesAtOnce(t *testing.T) {
	s, run := scripted(t)
	run("config checkpoint=1s first-check=100ms cleaner-backoff=1s retention-check=2s", "start",
		"topic t cleanup.policy=compact,delete internal.segment.bytes=170 retention.ms=-1 min.cleanable.dirty.ratio=0", "rest",
		"produce t-0 keys=a,b", "produce t-0 keys=a,c", "produce t-0 keys=-c", "produce t-0 keys=a", "produce t-0 keys=d", "rest", "tick 1s", "rest",
		"hold rename t-0/0.log.swap", "tick 1s", "rest", "delete-records t-0", "rest", "fail-file rename t-0/0.log.swap fault=space", "release", "rest")
	s.out.Reset()
	run("tick 61s", "rest", "files t-0/")
	require.NotContains(t, s.out.String(), "0.log.swap")
	require.NotContains(t, s.out.String(), "t-0/2.log ")
}

package core

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// One folder is set aside, whatever topics of its name come and go meanwhile: what came back last would take the new one's.
func TestAFolderIsSetAsideOnce(t *testing.T) {
	for topics := 2; topics <= 3; topics++ {
		s, run := scripted(t)
		run("config checkpoint=1s", "start", "topic t", "rest", "produce t-0", "rest", "stop", "rest")
		somebodys(s, "t-0", "", "u-0")
		run("start", "hold rename u-0 to u-0-stray", "topic u", "rest", "delete u", "rest", "topic u", "rest")
		slices.Reverse(s.asked)
		run("file rename u-0", "rest")
		if topics == 3 {
			run("delete u", "rest", "topic u", "rest")
		}
		run("produce u-0", "rest", "release", "rest", "produce u-0", "rest", "crash", "start", "rest")
		s.out.Reset()
		run("fetch u-0", "rest")
		require.Contains(t, s.out.String(), "high=2")
	}
}

// The process dies between the topic and its name: the folder, which is another topic's now, is set aside by the next start.
func TestAFolderIsSetAsideByTheNextStart(t *testing.T) {
	s, run := scripted(t)
	run("config checkpoint=1s", "start", "topic t", "rest", "produce t-0", "rest", "stop", "rest")
	somebodys(s, "t-0", "", "u-0")
	run("start", "hold rename u-0", "topic u", "rest", "crash", "release", "start", "rest")
	s.out.Reset()
	run("files notes", "produce u-0", "rest", "fetch u-0", "rest")
	require.Contains(t, s.out.String(), "u-0-stray/notes 4 bytes")
	require.Contains(t, s.out.String(), "u-0 high=1 offsets=0..0\n")
}

// A folder cannot be set aside; other topics do not wait for that.
func TestAFolderThatStaysKeepsNobodyWaiting(t *testing.T) {
	s, run := scripted(t)
	run("config checkpoint=60s", "start", "topic t", "rest", "topic v", "rest", "produce t-0", "rest", "produce v-0", "rest", "tick 61s", "rest", "stop", "rest")
	somebodys(s, "t-0", "", "u-0")
	run("start", "rest", "tick 61s", "rest", "hold rename u-0", "topic u", "rest", "fail-file rename u-0 fault=io")
	s.out.Reset()
	run("rest", "delete v", "rest", "topic v", "rest")
	require.Contains(t, s.out.String(), "create v partitions=1")
}

// A partition was found elsewhere, and its topic is being deleted when that is to be said: if the deletion is refused it is said later.
func TestWhatWasFoundIsBeingDeleted(t *testing.T) {
	for _, refused := range []bool{false, true} {
		s, run := scripted(t)
		run("config dirs=2 checkpoint=1s", "start", "topic t", "rest", "produce t-0", "rest", "stop", "rest")
		byHand(s, "t")
		held := "sync metadata"
		if refused {
			held = "write metadata"
		}
		run("hold create d1/log-start", "start", "hold "+held, "delete t", "rest")
		if refused {
			run("fail-write metadata fault=space")
		}
		s.out.Reset()
		run("release", "rest", "tick 2s", "rest", "move t-0 to=0", "rest")
		require.Equal(t, refused, strings.Contains(s.out.String(), "* moved t-0 from d1 to d0"), s.out.String())
	}
}

// A partition was found elsewhere, and is not there yet when that is to be said: a new one, that waits for its name.
func TestWhatWasFoundIsNotThereYet(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=2 checkpoint=1s", "start", "topic a", "rest", "topic t", "rest", "produce t-0", "rest", "tick 2s", "rest")
	run("hold t-0", "delete t", "rest", "topic b", "rest", "topic t", "rest", "crash", "release", "start", "rest", "tick 2s", "rest")
	s.out.Reset()
	run("move t-0 to=0", "rest", "tick 2s", "rest")
	require.Contains(t, s.out.String(), "moved t-0 from d1 to d0")
}

// The record of a move may count, and its target is gone: until the next start nobody knows where the partition lies, and nothing is done
// to its log.
func TestAMoveThatMayHaveBeenMade(t *testing.T) {
	for _, c := range []struct {
		name string
		do   []string
		want string
	}{
		{"moves", []string{"move t-0 to=2", "move t-0 to=0", "rest", "move t-0 to=2", "rest", "produce t-0", "rest"}, "t-0 NOT_LEADER_OR_FOLLOWER"},
		{"deletes records", []string{"delete-records t-0 offset=1", "rest"}, "t-0 low=-1 NOT_LEADER_OR_FOLLOWER"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, run := scripted(t)
			run("config dirs=3 checkpoint=1s", "start", "topic t", "rest", "topic u", "rest", "produce t-0", "rest", "produce t-0", "rest",
				"hold write metadata", "move t-0 to=1", "rest", "hold metadata", "produce u-0", "write u-0", "fail-sync d1/u-0", "rest",
				"fail-write metadata fault=late bytes=117", "fail-write metadata fault=late bytes=0", "rest")
			s.out.Reset()
			run(c.do...)
			require.Contains(t, s.out.String(), c.want)
			s.out.Reset()
			run("crash", "release", "start", "rest", "list t-0 latest", "rest", "list t-0 earliest", "rest")
			require.Contains(t, s.out.String(), "t-0 offset=2")
			require.Contains(t, s.out.String(), "t-0 offset=0")
		})
	}
}

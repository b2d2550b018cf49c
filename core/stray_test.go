package core

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// somebodys puts a copy of a partition's folder somewhere, with a file in it that no log writes.
func somebodys(s *script, folder, dir, name string) {
	there, _ := s.at(folder)
	copied := newFolder()
	for name, n := range there.entries {
		c := *n
		copied.entries[name], copied.safe[name] = &c, &c
	}
	notes := &node{content: []byte("mine"), synced: []byte("mine")}
	copied.entries["notes"], copied.safe["notes"] = notes, notes
	to := s.root
	if dir != "" {
		to = s.root.entries[dir]
	}
	to.entries[name], to.safe[name] = copied, copied
}

// The folder stands where a partition is moved to: the move fails, and says so, and the folder stays.
func TestAMoveLeavesSomebodysFolderAlone(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=2", "start", "topic t", "rest", "produce t-0", "rest", "stop", "rest")
	somebodys(s, "t-0", "d1", "t-0")
	run("start")
	require.Contains(t, s.out.String(), "it is left alone")
	s.out.Reset()
	run("move t-0 to=1", "rest", "files d1/t-0", "dirs", "rest", "produce t-0", "rest")
	require.Contains(t, s.out.String(), "* move failed t-0 to d1 (exists)\n")
	require.Contains(t, s.out.String(), "d1/t-0/notes 4 bytes\n")
	require.Contains(t, s.out.String(), "/d0 t-0:78 /d1\n")
	require.Contains(t, s.out.String(), "t-0 base=1\n")
}

// It has the name of a new topic's partition, whose records are not to be found in it.
func TestANewPartitionSetsSomebodysFolderAside(t *testing.T) {
	for _, c := range []struct{ name, fault string }{{name: "at once"}, {name: "no space at first", fault: "space"}} {
		t.Run(c.name, func(t *testing.T) {
			s, run := scripted(t)
			run("config checkpoint=1s", "start", "topic t", "rest", "produce t-0", "rest", "produce t-0", "rest", "stop", "rest")
			somebodys(s, "t-0", "", "u-0")
			run("start", "hold rename u-0", "topic u", "rest")
			s.out.Reset()
			if c.fault != "" {
				run("fail-file rename u-0 fault="+c.fault, "release", "rest")
				require.NotContains(t, s.out.String(), "opened u-0")
				run("tick 1s", "rest")
			}
			run("release", "rest", "files u-0", "produce u-0", "rest", "crash", "start", "rest", "fetch u-0", "rest")
			out := s.out.String()
			require.Regexp(t, `\* stray folder d0/u-0 \(a new partition has its name: it is called u-0\.[0-9a-f]{32}-stray now\)`, out)
			require.Contains(t, out, "u-0-stray/notes 4 bytes\n")
			require.Contains(t, out, "opened u-0 start=0 end=1\n", "after the crash")
			require.Contains(t, out, "u-0 high=1 offsets=0..0\n")
			require.NotContains(t, out[len(out)/2:], "stray folder d0/u-0-stray", "no start looks at it")
		})
	}
}

// The topic is deleted, and made again, while its folder is set aside.
func TestAFolderIsSetAsideForTheNextTopic(t *testing.T) {
	s, run := scripted(t)
	run("config checkpoint=1s", "start", "topic t", "rest", "produce t-0", "rest", "stop", "rest")
	somebodys(s, "t-0", "", "u-0")
	run("start", "hold rename u-0", "topic u", "rest", "delete u", "rest", "topic u", "rest", "release", "rest", "produce u-0", "rest", "delete u", "rest", "topic u", "rest", "produce u-0", "rest", "fetch u-0", "rest", "files u-0", "files notes")
	require.Contains(t, s.out.String(), "u-0 high=1 offsets=0..0\n")
	require.Contains(t, s.out.String(), "u-0-stray/notes 4 bytes\n")
}

// Partitions were moved by hand, and the metadata does not say so yet: a move waits for that. If there is no room to write it
// down, others go on.
func TestAMoveWaitsForTheMetadata(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=3 checkpoint=1s", "start", "topic t internal.segment.bytes=100", "rest", "topic u", "rest", "topic v", "rest",
		"produce t-0", "rest", "produce t-0", "rest", "produce t-0", "rest", "delete-records t-0 offset=1", "rest", "tick 1s", "rest", "stop", "rest")
	byHand(s, "t")
	run("hold create d1/log-start", "start", "fail-file create d1/log-start fault=space", "rest")
	s.out.Reset()
	run("move t-0 to=0", "rest", "produce t-0", "rest", "move v-0 to=0", "rest")
	require.NotContains(t, s.out.String(), "copy t-0")
	require.Contains(t, s.out.String(), "t-0 base=3\n")
	require.Contains(t, s.out.String(), "* moved v-0 from d2 to d0\n")
	s.out.Reset()
	run("release", "tick 1s", "rest", "list t-0 earliest", "rest", "list t-0 latest", "rest", "crash", "start", "rest", "list t-0 earliest", "rest", "list t-0 latest", "rest")
	require.Contains(t, s.out.String(), "* moved t-0 from d1 to d0\n")
	require.Contains(t, s.out.String(), "* opened t-0 start=1 end=4\n", "after the crash")
}

// The record that says where a partition was found is refused: it is written with the next checkpoint.
func TestWhatWasFoundIsSaidAgain(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=2 checkpoint=1s", "start", "topic t", "rest", "produce t-0", "rest", "stop", "rest")
	byHand(s, "t")
	run("hold create d1/log-start", "start", "hold write metadata", "rest", "fail-write metadata fault=space", "release", "rest")
	s.out.Reset()
	run("move t-0 to=0", "rest")
	require.NotContains(t, s.out.String(), "moved t-0")
	run("tick 1s", "rest")
	require.Contains(t, s.out.String(), "* moved t-0 from d1 to d0\n")
}

// A folder could not be set aside: a move that waited for its name goes on, to fail.
func TestAMoveWaitsForNoFolderThatStays(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=2 checkpoint=60s", "start", "topic t", "rest", "produce t-0", "rest", "stop", "rest")
	somebodys(s, "t-0", "d1", "u-0")
	run("start", "rest", "hold rename d1/u-0", "topic u", "rest", "delete u", "rest", "topic v", "rest", "topic u", "rest", "move u-0 to=1", "rest")
	s.out.Reset()
	run("fail-file rename d1/u-0 fault=space", "release", "rest", "produce u-0", "rest")
	require.Contains(t, s.out.String(), "* move failed u-0 to d1 (exists)")
	require.Contains(t, s.out.String(), "u-0 base=0")
}

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
	run("config dirs=2 checkpoint=1s", "start", "topic a", "rest", "topic t", "rest", "produce a-0", "rest", "tick 2s", "rest", "stop", "rest")
	run("lose d1/t-0")
	somebodys(s, "a-0", "", "t-0")
	run("hold rename t-0", "start", "rest", "tick 2s", "rest")
	require.NotContains(t, s.out.String()[strings.LastIndex(s.out.String(), "ready"):], "opened t-0")
	run("release", "rest", "tick 2s", "rest")
	s.out.Reset()
	run("move t-0 to=1", "rest", "tick 2s", "rest")
	require.Contains(t, s.out.String(), "moved t-0 from d0 to d1")
}

// Folders of two deleted topics still have the name of a third one's partition, and nothing lies where the metadata says that it does: it
// is made there, or found where it was moved to by hand.
func TestWhatDeletionsHaveLeftIsNobodysHome(t *testing.T) {
	for _, moved := range []bool{false, true} {
		s, run := scripted(t)
		var left [2]*node
		run("config dirs=4 checkpoint=1s", "start", "topic t", "rest", "produce t-0", "rest")
		left[0] = deepCopy(s.root.entries["t-0"])
		run("delete t", "rest", "topic a", "rest", "topic t", "rest", "produce t-0", "rest")
		left[1] = deepCopy(s.root.entries["d1"].entries["t-0"])
		run("delete t", "rest", "topic b", "rest", "hold d2/t-0", "topic t", "rest")
		if moved {
			run("release", "rest", "produce t-0", "rest", "produce t-0", "rest", "tick 2s", "rest")
			from, to := s.root.entries["d2"], s.root.entries["d3"]
			to.entries["t-0"], to.safe["t-0"] = from.entries["t-0"], from.safe["t-0"]
			delete(from.entries, "t-0")
			delete(from.safe, "t-0")
		}
		run("crash", "release")
		for i, dir := range []*node{s.root, s.root.entries["d1"]} {
			dir.entries["t-0"], dir.safe["t-0"] = left[i], left[i]
		}
		s.out.Reset()
		run("start", "rest", "list t-0 latest", "rest", "produce t-0", "rest", "dirs", "rest")
		require.Contains(t, s.out.String(), "* stray folder d0/t-0 (no partition lies there: it is removed)\n")
		require.Contains(t, s.out.String(), "* stray folder d1/t-0 (no partition lies there: it is removed)\n")
		want := []string{"t-0 offset=0", "t-0 base=0", "/d2 t-0:78"}
		if moved {
			want = []string{"t-0 offset=2", "t-0 base=2", "/d3 t-0:234"}
		}
		for _, x := range want {
			require.Contains(t, s.out.String(), x, "moved=%v", moved)
		}
	}
}

// A partition was moved by hand, and at the next start the directory where it lies goes out of service, or does not open the folder's
// identity: nothing is made in its place, and another partition of that directory is served if it can be.
func TestWhatIsFoundCannotBeAsked(t *testing.T) {
	for _, c := range []struct {
		fail, held, fault string
		served            bool
	}{
		{"fail-file", "open d1/t-0/partition.metadata", "io", true},
		{"fail-file", "open d1/t-0/partition.metadata", "late", true},
		{"fail-read", "read d1/t-0/partition.metadata", "io", true},
		{"fail-read", "read d1/recovery-point", "io", false},
	} {
		s, run := scripted(t)
		run("config dirs=2 checkpoint=1s", "start", "topic t", "rest", "topic u", "rest", "produce t-0", "rest", "produce t-0", "rest", "tick 2s", "rest", "stop", "rest")
		byHand(s, "t")
		s.out.Reset()
		run("hold "+c.held, "start", c.fail+" "+c.held+" fault="+c.fault, "release", "rest", "produce u-0", "rest", "produce t-0", "rest", "stop", "rest")
		end := 2
		if c.served {
			require.Contains(t, s.out.String(), "u-0 base=0", c)
			require.Contains(t, s.out.String(), "t-0 base=2", c)
			end = 3
		}
		s.out.Reset()
		run("start", "rest", "list t-0 latest", "rest")
		require.Contains(t, s.out.String(), "t-0 offset="+decimal(int64(end)), c)
	}
}

// A partition was moved by hand, and the next start does not find the directory where it lies: nothing is made in its place.
func TestWhatWasMovedWaitsForItsDirectory(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=2 checkpoint=1s", "start", "topic t", "rest", "produce t-0", "rest", "produce t-0", "rest", "tick 2s", "rest", "stop", "rest")
	byHand(s, "t")
	run("start lost=1", "rest", "stop", "rest")
	s.out.Reset()
	run("start", "rest", "list t-0 latest", "rest")
	require.Contains(t, s.out.String(), "t-0 offset=2")
}

// Folders of deleted topics whose making was cut short, before their identity had its name, are nobody's home.
func TestWhatWasNeverMadeIsNobodysHome(t *testing.T) {
	s, run := scripted(t)
	run("config dirs=4 checkpoint=1s", "start", "hold t-0/partition.metadata.tmp to", "topic t", "rest", "delete t", "rest", "topic a", "rest", "topic t", "rest", "delete t", "rest",
		"topic b", "rest", "hold t-0/", "topic t", "rest", "crash", "release", "start", "rest", "produce t-0", "rest")
	require.Contains(t, s.out.String(), "t-0 base=0")
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

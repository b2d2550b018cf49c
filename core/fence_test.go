package core

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/meta"
	"rookery/core/seam"
)

// TestHome: where a partition lies is what the metadata says, then where its one folder is.
func TestHome(t *testing.T) {
	ids := []meta.UUID{{15: 201}, {15: 202}, {15: 203}}
	for name, row := range map[string]struct {
		said    meta.UUID
		holding []int
		failed  []int
		unseen  []int
		want    int32
	}{
		"a new one":                          {ids[1], nil, nil, nil, 1},
		"where it is said to be":             {ids[1], []int{1}, nil, nil, 1},
		"there, whatever lies elsewhere":     {ids[1], []int{0, 1, 2}, nil, nil, 1},
		"moved by hand":                      {ids[1], []int{2}, nil, nil, 2},
		"moved by hand, twice":               {ids[1], []int{0, 2}, nil, nil, nowhere},
		"not while its own has failed":       {ids[1], []int{2}, []int{1}, nil, 1},
		"nor while that it was moved to has": {ids[1], []int{2}, []int{2}, nil, 2},
		"a directory that is not here":       {meta.UUID{15: 210}, []int{2}, nil, nil, nowhere},
		"in one that was not looked into":    {ids[1], nil, []int{2}, []int{2}, 2},
		"there, though one was not":          {ids[1], []int{1}, []int{2}, []int{2}, 1},
		"said to be anywhere":                {meta.UUID{}, []int{2}, nil, nil, 2},
		"anywhere, and in two":               {meta.UUID{}, []int{0, 2}, nil, nil, nowhere},
		"anywhere, and nowhere yet":          {meta.UUID{}, nil, nil, nil, 0},
	} {
		config := DefaultConfig()
		config.NodeID, config.DirectoryIDs = 1, ids
		b := NewBroker(config)
		for _, i := range row.holding {
			b.dirs[i].folders.Put("t-0", []seam.Entry{{Path: seam.Path{Dir: int32(i), Name: "t-0/partition.metadata"}}})
		}
		for _, i := range row.failed {
			b.dirs[i].failed = seam.IOError
		}
		for _, i := range row.unseen {
			b.dirs[i].unseen = true
		}
		home := b.home("t", &meta.Partition{Replicas: []int32{1}, Directories: []meta.UUID{row.said}})
		require.Equal(t, seam.Path{Dir: row.want, Name: "t-0"}, home, name)
	}
}

// A checkpoint of log starts finds no room, and while that is worked at in turns the directory's disk fails. Then Stop comes.
func TestAStopBehindAFencedCheckpointOfStarts(t *testing.T) {
	s, lines := scripted(t)
	run := func(text string) { lines(strings.Split(strings.TrimSpace(text), "\n")...) }
	run(`
config dirs=2 items=2
start
topic t partitions=16 internal.segment.bytes=250 index.interval.bytes=0
rest`)
	for _, p := range []string{"1", "3", "5", "7", "9", "11", "13"} {
		run("produce t-" + p + "\nrest\ndelete-records t-" + p + " offset=1\nrest")
	}
	run(`
produce t-15
rest
produce t-15
rest
produce t-15
rest
produce t-15
rest
produce t-15
rest
hold d1/
produce t-1
write d1/t-1/
delete-records t-15 offset=3
rest
pending`)
	failed := false
	s.told = func(x *told) {
		s.tell(x)
		d := &s.broker.dirs[1]
		if !failed && d.starts.applying {
			failed = true
			s.command(strings.Fields("fail-sync d1/t-1/"))
		}
	}
	s.held = ""
	run("fail-file create d1/log-start fault=space")
	s.told = s.tell
	require.True(t, failed)
	run("rest")
	run("stop\nrest\ntick 1000s\nrest")
	require.Equal(t, phaseStopped, s.broker.phase)
}

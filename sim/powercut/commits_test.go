package main

import "testing"

func TestACommitThatGoesBackIsSeen(t *testing.T) {
	p, q := partition{steadyTopic, 0}, partition{steadyTopic, 1}
	ends := map[partition]int64{p: 100, q: 100}
	c := newCommits()
	c.acknowledged("g", p, 10)
	c.acknowledged("g", p, 20)
	c.acknowledged("g", q, 5)
	if n := c.taken(); n != 3 {
		t.Errorf("%d commits were acknowledged, want 3", n)
	}
	for _, step := range []struct {
		name string
		now  map[partition]int64
		back int
	}{
		{"all there, one further: its answer was cut off", map[partition]int64{p: 25, q: 5}, 0},
		{"less than an earlier verdict has found", map[partition]int64{p: 24, q: 5}, 1},
		{"what was found counts from then on", map[partition]int64{p: 24, q: 5}, 0},
		{"one is gone", map[partition]int64{p: 24}, 1},
		{"beyond the end of its log: a promise no more", map[partition]int64{p: 101}, 0},
		{"so it may go back", map[partition]int64{p: 90}, 0},
	} {
		if v := c.settle("g", step.now, ends); v.commitsBack != step.back || v.broken() != step.back {
			t.Errorf("%s: %d went back, want %d", step.name, v.commitsBack, step.back)
		}
	}
	c.acknowledged("g", p, 30)
	c.forget(steadyTopic)
	if v := c.settle("g", nil, ends); v.broken() != 0 {
		t.Error("the commits of a topic that was deleted are promised no more")
	}
}

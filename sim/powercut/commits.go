package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// commits is what groups were told that they have committed: for each partition the furthest offset, which is a promise that
// the group never begins before it again. Each round has groups of its own, since those of members that a cut has taken
// along are not empty for as long as a session lasts; what was promised to older ones goes on to be asked for.
type commits struct {
	mu     sync.Mutex
	groups map[string]map[partition]int64
	fresh  int // acknowledged since the last verdict
}

func newCommits() *commits { return &commits{groups: map[string]map[partition]int64{}} }

func (c *commits) acknowledged(group string, p partition, offset int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.groups[group] == nil {
		c.groups[group] = map[partition]int64{}
	}
	c.groups[group][p] = max(c.groups[group][p], offset)
	c.fresh++
}

// forget drops what was promised about a topic: its commits go with it.
func (c *commits) forget(topic string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, promised := range c.groups {
		for p := range promised {
			if p.topic == topic {
				delete(promised, p)
			}
		}
	}
}

// settle judges one group by what it has now, which becomes what later cuts are judged by. A commit beyond the end of a log
// that was cut off sets its consumers back: it promises nothing any more.
func (c *commits) settle(group string, now map[partition]int64, ends map[partition]int64) (v verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	promised := c.groups[group]
	for p, offset := range promised {
		found, there := now[p]
		if !there || found < offset {
			v.commitsBack++
			v.firstBack = fmt.Sprintf("%s: %s-%d was committed up to %d, and is at %d (%v)", group, p.topic, p.number, offset, found, there)
		}
		if !there || found > ends[p] {
			delete(promised, p)
			continue
		}
		promised[p] = found
	}
	return v
}

// taken is how many commits were acknowledged since it was asked last.
func (c *commits) taken() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, c.fresh = c.fresh, 0
	return n
}

func (c *commits) names() (names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for group := range c.groups {
		names = append(names, group)
	}
	return names
}

// committers are members of two groups, one a protocol, two members each: every poll ends with a commit.
func (l *load) committers(c *commits) {
	for _, protocol := range []struct {
		name    string
		options []kgo.Opt
	}{{"classic", []kgo.Opt{kgo.Balancers(kgo.CooperativeStickyBalancer())}}, {"consumer", []kgo.Opt{kgo.ServerSideBalancer()}}} {
		group := fmt.Sprintf("committers-%s-%d", protocol.name, l.round)
		for range 2 {
			l.start(func() { l.commit(c, group, protocol.options) })
		}
	}
}

func (l *load) commit(c *commits, group string, options []kgo.Opt) {
	client := l.client(append(options, kgo.ConsumerGroup(group), kgo.ConsumeTopics(steadyTopic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.OnPartitionsRevoked(nothing), kgo.OnPartitionsLost(nothing))...)
	defer client.CloseAllowingRebalance()
	for l.context.Err() == nil {
		client.PollRecords(l.context, 500)
		client.CommitOffsetsSync(l.context, client.UncommittedOffsets(), func(_ *kgo.Client, asked *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
			if err != nil {
				return
			}
			offsets := map[partition]int64{}
			for _, t := range asked.Topics {
				for _, p := range t.Partitions {
					offsets[partition{steadyTopic, p.Partition}] = p.Offset
				}
			}
			for _, t := range answer.Topics {
				for _, p := range t.Partitions {
					if at := (partition{steadyTopic, p.Partition}); p.ErrorCode == 0 {
						c.acknowledged(group, at, offsets[at])
					}
				}
			}
		})
	}
}

// nothing is committed when a partition goes: every poll ends with a commit.
func nothing(context.Context, *kgo.Client, map[string][]int32) {}

// verifyCommits asks for what every group has committed, and judges it.
func verifyCommits(ctx context.Context, client *kgo.Client, c *commits, ends map[partition]int64) (v verdict, err error) {
	v.commits = c.taken()
	for _, group := range c.names() {
		request := kmsg.NewPtrOffsetFetchRequest()
		one := kmsg.NewOffsetFetchRequestGroup()
		request.Group, one.Group = group, group
		request.Groups = append(request.Groups, one)
		answer, err := request.RequestWith(ctx, client) // the client waits while a coordinator loads
		if err != nil {
			return v, fmt.Errorf("OffsetFetch of %s: %w", group, err)
		}
		now := map[partition]int64{}
		for _, g := range answer.Groups {
			if err := kerr.ErrorForCode(g.ErrorCode); err != nil {
				return v, fmt.Errorf("OffsetFetch of %s: %w", group, err)
			}
			for _, t := range g.Topics {
				for _, p := range t.Partitions {
					now[partition{t.Topic, p.Partition}] = p.Offset
				}
			}
		}
		v.add(c.settle(group, now, ends))
	}
	return v, nil
}

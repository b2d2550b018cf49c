package core

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"rookery/core/batch"
	"rookery/core/seam"
	"rookery/core/wire"
)

// TestBrokerAgreesWithTheTwin: clients that produce and fetch at random over a Broker whose disk answers at random. The
// world holds it to the doorway's laws; the twin is a list of what was acknowledged, by partition and offset, and a
// reader of the disk: what a View calls durable is what a power cut leaves.
func TestBrokerAgreesWithTheTwin(t *testing.T) {
	counts := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		s := &script{world: newWorld(t)}
		s.start()
		s.stabilize()
		segment := rapid.SampledFrom([]string{"150", "1000000"}).Draw(t, "segment")
		s.args = map[string]string{"partitions": "2", "internal.segment.bytes": segment}
		s.send(s.dial("admin"), s.createTopics("t"))
		s.stabilize()
		safe := map[string]int64{} // acknowledged by acks=all: the end offset, by partition
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			c := s.dial(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "client"))
			thing := fmt.Sprintf("t-%d", rapid.IntRange(0, 1).Draw(t, "partition"))
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0, 1:
				s.args = map[string]string{"acks": rapid.SampledFrom([]string{"all", "1", "0"}).Draw(t, "acks"), "records": rapid.SampledFrom([]string{"1", "3"}).Draw(t, "records"), "timeout": "24h"}
				s.send(c, s.produce([]string{thing}))
			case 2:
				s.args = map[string]string{"offset": decimal(rapid.Int64Range(0, 6).Draw(t, "offset")), "wait": rapid.SampledFrom([]string{"0s", "1s"}).Draw(t, "wait")}
				s.send(c, s.fetch([]string{thing}))
			case 9:
				s.tick(seam.Mono(rapid.IntRange(1, 700).Draw(t, "ms")) * seam.Millisecond)
			default:
				s.anyComesBack(t)
			}
			s.judge(t, safe, counts)
		}
		s.tick(2 * seam.Second)
		s.stabilize()
		s.judge(t, safe, counts)
		for _, c := range s.clients {
			require.Empty(t, c.owed, "at rest everybody is answered")
		}
		require.Zero(t, s.view().Frames, "and no frame is kept")
		require.Empty(t, s.frames)
		s.crash(rapid.Bool().Draw(t, "power"))
		s.start()
		s.stabilize()
		s.judge(t, safe, counts)
		for _, p := range s.view().Partitions {
			require.GreaterOrEqual(t, p.End, safe[fmt.Sprintf("%s-%d", p.Topic, p.Index)], "what acks=all acknowledged is there")
		}
	})
	t.Log(counts)
}

// anyComesBack lets one effect come back that may; a write to a topic fails now and then.
func (s *script) anyComesBack(t *rapid.T) {
	var ready []*task
	for _, x := range s.asked {
		if s.before(x) == nil {
			ready = append(ready, x)
		}
	}
	if len(ready) == 0 {
		return
	}
	x := rapid.SampledFrom(ready).Draw(t, "comes back")
	fault := seam.OK
	if h := s.files[x.file]; x.kind == "write" && h != nil && h.path[:2] == "t-" && rapid.IntRange(0, 9).Draw(t, "fails") == 9 {
		fault = seam.NoSpace
	}
	s.comeBack(x, fault, 0)
}

// judge compares the View with the disk, and every answer with what the disk holds.
func (s *script) judge(t *rapid.T, safe map[string]int64, counts map[string]int) {
	v := s.view()
	for i := range v.Partitions {
		p := &v.Partitions[i]
		name := fmt.Sprintf("%s-%d", p.Topic, p.Index)
		require.GreaterOrEqual(t, s.written(name, false), p.End, "end is in the page cache: %s", p)
		require.GreaterOrEqual(t, s.written(name, true), p.DurableEnd, "durable is on the disk: %s", p)
		require.LessOrEqual(t, p.High, p.DurableEnd, "consumers see what is durable: %s", p)
	}
	for _, c := range s.clients {
		for _, a := range c.got {
			switch r := a.response.(type) {
			case *kmsg.ProduceResponse:
				p := r.Topics[0].Partitions[0]
				counts[wire.Code(p.ErrorCode).String()]++
				if asked := a.request.(*kmsg.ProduceRequest); p.ErrorCode == 0 && asked.Acks == -1 {
					name := fmt.Sprintf("t-%d", p.Partition)
					end := p.BaseOffset + int64(batch.View(asked.Topics[0].Partitions[0].Records).LastOffsetDelta()) + 1
					require.GreaterOrEqual(t, s.written(name, true), end, "acks=all: on the disk")
					require.NotEqual(t, end, safe[name], "an offset is given once")
					safe[name] = max(safe[name], end)
				}
			case *kmsg.FetchResponse:
				p := r.Topics[0].Partitions[0]
				from := a.request.(*kmsg.FetchRequest).Topics[0].Partitions[0].FetchOffset
				counts["fetch "+wire.Code(p.ErrorCode).String()]++
				if p.ErrorCode == 0 && from < p.HighWatermark {
					view, _, whole := batch.Next(p.RecordBatches)
					require.True(t, whole && view.BaseOffset() <= from && from <= view.LastOffset(), "it begins with the batch that holds the offset")
				} else {
					require.Empty(t, p.RecordBatches)
				}
			}
		}
		c.got = nil
	}
}

// written is the offset behind the last batch of a partition's files, as everybody sees them or as a power cut would
// leave them: dense from 0 on.
func (s *script) written(name string, synced bool) (end int64) {
	if name == metadataTopic+"-0" {
		name = metadataFolder().Name
	}
	folder := s.root.entries[name]
	if synced {
		folder = s.root.safe[name]
	}
	if folder == nil {
		return 0
	}
	entries := folder.entries
	if synced {
		entries = folder.safe
	}
	var names []string
	for file := range entries {
		if len(file) == 24 && file[20:] == ".log" {
			names = append(names, file)
		}
	}
	slices.Sort(names)
	for _, file := range names {
		data := entries[file].content
		if synced {
			data = entries[file].synced
		}
		for view, rest, whole := batch.Next(data); whole && view.BaseOffset() == end && view.Sound(); view, rest, whole = batch.Next(rest) {
			end = view.LastOffset() + 1
		}
	}
	return end
}

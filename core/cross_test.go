package core

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
)

// crossings are things that last. Before comes to rest; during is under way when something comes across it.
var crossings = map[string]struct{ before, during []string }{
	"move": {
		[]string{"topic t partitions=2 internal.segment.bytes=200", "produce t-0 t-1 pid=5 seq=0", "produce t-0 t-1", "produce t-0 t-1", "produce t-0 t-1 pid=5 seq=1"},
		[]string{"move t-0 to=1", "produce t-0 t-1 as=b acks=1", "delete-records t-0 offset=2 as=c"},
	},
	"move out": {
		[]string{"topic t partitions=2 internal.segment.bytes=200", "produce t-0 t-1 pid=5 seq=0", "produce t-0 t-1", "tick 6s"},
		[]string{"move t-1 to=0", "produce t-0 t-1 as=b", "delete-records t-1 offset=1 as=c"},
	},
	"move to and fro": {
		[]string{"topic t partitions=2", "produce t-0 t-1", "tick 6s"},
		[]string{"move t-0 to=1", "move t-0 to=0 as=b", "move t-1 to=0 as=c"},
	},
	"deletion": {
		[]string{"topic t partitions=2 internal.segment.bytes=200", "produce t-0 t-1", "produce t-0 t-1", "tick 6s"},
		[]string{"fetch t-0 t-1 offset=2 wait=5s as=b", "delete t", "topic t partitions=2 as=c"},
	},
	"creation": {
		nil,
		[]string{"topic t partitions=2", "grow t partitions=4 as=b", "alter t internal.segment.bytes=300 as=c"},
	},
	"compaction": {
		[]string{"topic t partitions=2 cleanup.policy=compact internal.segment.bytes=170 min.cleanable.dirty.ratio=0", "produce t-0 t-1 keys=a,b", "produce t-0 t-1 keys=a,c", "produce t-0 t-1 keys=a,c", "tick 6s"},
		[]string{"tick 20s", "fetch t-1 as=b", "produce t-0 t-1 keys=d as=c"},
	},
	"rewriting": {
		[]string{"topic t partitions=2 compression.type=gzip"},
		[]string{"produce t-0 t-1 size=500", "produce t-0 t-1 as=b acks=1", "produce t-1 as=c acks=0"},
	},
	"boot": {
		[]string{"topic t partitions=2 internal.segment.bytes=200 cleanup.policy=compact min.cleanable.dirty.ratio=0", "topic u partitions=2", "produce t-0 t-1 u-0 u-1 keys=a", "produce t-0 t-1 u-0 u-1 keys=b", "produce t-0 t-1 u-0 u-1 keys=c", "delete-records u-1 offset=2", "tick 30s", "crash power"},
		[]string{"start step", "produce t-0 t-1 u-0 u-1 as=b keys=e"},
	},
	"boot stopped": {
		[]string{"topic t partitions=2 internal.segment.bytes=200 cleanup.policy=compact min.cleanable.dirty.ratio=0", "topic u partitions=2", "produce t-0 t-1 u-0 u-1 keys=a", "produce t-0 t-1 u-0 u-1 keys=b", "produce t-0 t-1 u-0 u-1 keys=c", "delete-records u-1 offset=2", "tick 30s", "move u-0 to=1", "stop"},
		[]string{"start step", "produce t-0 t-1 u-0 u-1 as=b keys=e"},
	},
	"stop": {
		[]string{"topic t partitions=2 internal.segment.bytes=200 cleanup.policy=compact min.cleanable.dirty.ratio=0", "topic u partitions=2", "produce t-0 t-1 u-0 u-1 keys=a", "produce t-0 t-1 u-0 u-1 keys=b", "produce t-0 t-1 u-0 u-1 keys=c", "tick 6s"},
		[]string{"produce t-0 t-1 u-0 u-1 as=b keys=e", "delete-records u-1 offset=2 as=c", "delete t as=d", "move u-0 to=1 as=e", "stop"},
	},
	"groups": {
		[]string{"topic t partitions=2", "find", "find", "commit offset=1"},
		[]string{"join as=c", "commit offset=2 as=b", "move __consumer_offsets-0 to=1 as=d", "commit offset=3 as=e"},
	},
	"groups out": {
		[]string{"topic t partitions=3", "find", "find", "commit offset=1", "join"},
		[]string{"commit offset=2 as=b", "move __consumer_offsets-0 to=0 as=d", "commit offset=3 as=e", "tick 12s", "delete t as=g"},
	},
	"retention": {
		[]string{"topic t partitions=2 internal.segment.bytes=100 retention.bytes=100", "produce t-0 t-1 pid=3 seq=0", "produce t-0 t-1", "produce t-0 t-1", "tick 6s"},
		[]string{"tick 400s", "delete-records t-1 as=b", "produce t-0 t-1 as=c"},
	},
}

// across is what comes then: the next effect fails, the disks are full from now on, or a command.
var across = []string{
	"nothing", "fail io", "fail space", "fail late", "full", "full a while", "delete t as=x", "move t-0 to=1 as=x", "move t-1 to=0 as=x",
	"alter t flush.messages=1000 as=x", "delete-records t-0 as=x", "hangup", "hangup as=b", "tick 30s",
}

var every = flag.Int("every", 31, "TestCrossings goes so many effects on from one case to the next; with 1 it leaves nothing out")

// TestCrossings lets something come across what lasts, at every effect of it. Whatever it is, everybody is answered, the broker
// stops, starts again, and has what it has acknowledged.
func TestCrossings(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(crossings)) {
		t.Run(name, func(t *testing.T) {
			for i, what := range across {
				for j, end := range []string{"rest", "stop"} {
					for _, items := range []int{1, 1000} {
						for at, more := (5*i+3*j)%*every, true; more && !t.Failed(); at += *every {
							place := placed{t, fmt.Sprintf("%s, %d items, after %d: %s, %s", name, items, at, what, end)}
							more = cross(place, items, crossings[name].before, crossings[name].during, at, what, end)
						}
					}
				}
			}
		})
	}
}

// crossed is a script that nobody reads.
type crossed struct {
	script
	full bool // no disk takes anything
}

func cross(t placed, items int, before, during []string, at int, what, end string) (more bool) {
	s := &crossed{script: script{world: newWorld(t), sessions: map[string]*heldSession{}}}
	s.t = t
	s.config.StepItems, s.config.Controller.Offsets.NumPartitions = items, 1
	s.do("config dirs=2 checkpoint=5s first-check=100ms cleaner-backoff=1s")
	s.do("start")
	for _, line := range before {
		s.do(line)
		s.settle()
	}
	for _, line := range during {
		s.do(line)
	}
	for range at {
		if next := s.next(); next != nil {
			s.comeBack(next, seam.OK, 0)
		}
	}
	more = s.next() != nil
	s.inject(what)
	if end == "rest" && !s.dead() && s.broker.phase < phaseStopping {
		s.rests(what == "full a while")
	}
	if !s.dead() {
		deleted := strings.Contains(strings.Join(slices.Concat(before, during, []string{what}), " "), "delete t")
		s.stopsAndStarts(!deleted)
	}
	return more
}

// do is a command of scripts, or one about groups.
func (s *crossed) do(line string) {
	words := strings.Fields(line)
	name, offset := "", int64(0)
	for _, word := range words {
		if value, ok := strings.CutPrefix(word, "as="); ok {
			name = value
		}
		_, _ = fmt.Sscanf(word, "offset=%d", &offset)
	}
	switch words[0] {
	case "find":
		finds(s.world, s.dial(name))
	case "commit":
		commits(s.world, s.dial(name), offset)
	case "join":
		r := kmsg.NewPtrJoinGroupRequest()
		r.Version, r.Group, r.SessionTimeoutMillis, r.RebalanceTimeoutMillis, r.ProtocolType = 3, "h", 10_000, 10_000, "consumer"
		r.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte{0}}}
		s.send(s.dial(name), r)
	default:
		s.command(words)
	}
}

func (s *crossed) inject(what string) {
	next := s.next()
	fault, fails := strings.CutPrefix(what, "fail ")
	switch {
	case what == "nothing" || s.dead():
	case what == "full" || what == "full a while":
		s.full = true
	case fails && next != nil && slices.Contains([]string{"write", "file", "sync", "letter", "read"}, next.kind):
		s.comeBack(next, map[string]seam.Fault{"io": seam.IOError, "space": seam.NoSpace, "late": seam.Late}[fault], 0)
	case !fails && s.broker.phase == phaseReady:
		s.do(what)
	}
}

// next is what may come back first.
func (s *crossed) next() *task {
	i := slices.IndexFunc(s.asked, func(t *task) bool { return s.before(t) == nil })
	if i < 0 || s.broker == nil || s.dead() {
		return nil
	}
	return s.asked[i]
}

// settle lets everything come back, as the disks are.
func (s *crossed) settle() {
	for n := 0; s.next() != nil; n++ {
		require.Less(s.t, n, 20_000, "it comes to rest")
		next, fault := s.next(), seam.OK
		if s.full && (next.kind == "write" || next.kind == "letter" || strings.HasPrefix(next.label, "create")) {
			fault = seam.NoSpace
		}
		s.comeBack(next, fault, 0)
	}
}

// rests: time passes, and nobody waits any more.
func (s *crossed) rests(untilFree bool) {
	for round := range 5 {
		s.full = s.full && !(untilFree && round == 3)
		if s.settle(); s.dead() {
			return
		}
		s.tick(10 * seam.Second)
	}
	if s.settle(); s.dead() {
		return
	}
	require.Equal(s.t, phaseReady, s.broker.phase)
	for _, c := range s.clients {
		require.Empty(s.t, c.owed, "client %q is answered", c.name)
	}
	require.True(s.t, s.full || s.broker.moves.now == nil, "a move comes to its end")
	require.Zero(s.t, s.broker.settling)
	require.Zero(s.t, s.broker.frames)
}

func (s *crossed) stops() bool {
	s.do("stop")
	if s.settle(); s.dead() {
		return false
	}
	require.Equal(s.t, phaseStopped, s.broker.phase, "it stops")
	return true
}

func (s *crossed) stopsAndStarts(kept bool) {
	if !s.stops() {
		return
	}
	s.crash(true)
	s.full = false
	s.do("start")
	s.settle()
	require.Equal(s.t, phaseReady, s.broker.phase, "it starts again")
	offsets, commit := s.acknowledged()
	s.do("produce t-0 t-1 as=z keys=k")
	s.settle()
	z := s.dial("z")
	require.Empty(s.t, z.owed)
	for _, topic := range last(z).(*kmsg.ProduceResponse).Topics {
		for _, p := range topic.Partitions {
			if before, there := offsets[folderName(topic.Topic, p.Partition)]; there && kept {
				require.Zero(s.t, p.ErrorCode)
				require.Greater(s.t, p.BaseOffset, before, "what was acknowledged is there")
			}
		}
	}
	if commit >= 0 && kept {
		require.Equal(s.t, wire.None, finds(s.world, z))
		got, code := fetchesOffset(s.world, z)
		require.Equal(s.t, wire.None, code)
		require.GreaterOrEqual(s.t, got, commit, "what was committed is there")
	}
	s.stops()
}

// acknowledged is what acks=all has promised of each partition, and what was committed.
func (s *crossed) acknowledged() (offsets map[string]int64, commit int64) {
	offsets, commit = map[string]int64{}, -1
	for _, c := range s.clients {
		for _, a := range c.got {
			switch r := a.response.(type) {
			case *kmsg.ProduceResponse:
				for _, topic := range r.Topics {
					for _, p := range topic.Partitions {
						if name := folderName(topic.Topic, p.Partition); p.ErrorCode == 0 && a.request.(*kmsg.ProduceRequest).Acks == -1 {
							offsets[name] = max(offsets[name], p.BaseOffset)
						}
					}
				}
			case *kmsg.OffsetCommitResponse:
				if r.Topics[0].Partitions[0].ErrorCode == 0 {
					commit = max(commit, a.request.(*kmsg.OffsetCommitRequest).Topics[0].Partitions[0].Offset)
				}
			}
		}
	}
	return offsets, commit
}

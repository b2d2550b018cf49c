package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rookery/core/conn"
	"rookery/core/seam"
	"rookery/core/wire"
)

// scripted is a machine that replies what it is told to.
type scripted struct{ replies []seam.Reply }

func (s *scripted) Step(_ seam.Now, _ seam.Input, fx *seam.Effects) {
	fx.Replies = append(fx.Replies, s.replies...)
	s.replies = nil
}

// metered is a meter around it, and a clock.
type metered struct {
	*meter
	machine scripted
	now     seam.Now
	fx      seam.Effects
}

func newMetered(slow *slowLog) *metered {
	m := &metered{}
	m.meter = newMeter(&m.machine, nil, slow)
	m.step(0, &seam.Opened{Conn: 1, Remote: "10.0.0.1:5"})
	return m
}

// step hands in an input at a time in milliseconds; the machine answers with these replies.
func (m *metered) step(at int, in seam.Input, replies ...seam.Reply) {
	m.now.Mono, m.machine.replies = seam.Mono(at)*seam.Millisecond, replies
	m.fx.Reset()
	m.Step(m.now, in, &m.fx)
}

func frameAt(arrived int, r conn.Request) *seam.Request {
	r.Arrived, r.ClientID = seam.Mono(arrived)*seam.Millisecond, []byte("me")
	return &seam.Request{Conn: 1, Frame: make([]byte, 96), Body: &r}
}

func reply(op seam.Op) seam.Reply {
	return seam.Reply{Op: op, Conn: 1, Head: make([]byte, 10), Body: []seam.Range{{Len: 90}}}
}

func (m *metered) took(key int16) [4]int64 {
	a := &m.apis[key]
	return [4]int64{a.queue.sum / 1e6, a.wait.sum / 1e6, a.send.sum / 1e6, a.total.sum / 1e6}
}

func TestPhasesOfARequest(t *testing.T) {
	m := newMetered(nil)
	m.step(13, frameAt(10, conn.Request{Kind: conn.Cold, Key: wire.KeyMetadata, Version: 12}))
	m.step(20, &seam.Wrote{}, reply(7))
	m.step(31, &seam.Sent{Conn: 1, Op: 7})
	require.Equal(t, [4]int64{3, 7, 11, 21}, m.took(wire.KeyMetadata))
	a := &m.apis[wire.KeyMetadata]
	require.Equal(t, [3]int64{1, 100, 100}, [3]int64{a.requests[12], a.in, a.out})
}

// TestPipelinedRequests pairs answers with requests though they came together, and one of them wants no answer.
func TestPipelinedRequests(t *testing.T) {
	m := newMetered(nil)
	silent := conn.Request{Kind: conn.Produce, Key: wire.KeyProduce, Produce: wire.ProduceRequest{Acks: 0}}
	m.step(1, frameAt(0, conn.Request{Kind: conn.Fetch, Key: wire.KeyFetch}))
	m.step(1, frameAt(0, silent))
	m.step(1, frameAt(0, conn.Request{Kind: conn.Produce, Key: wire.KeyProduce, Produce: wire.ProduceRequest{Acks: 1}}))
	m.step(5, &seam.Alarm{}, reply(1), reply(2))
	m.step(6, &seam.Sent{Conn: 1, Op: 1})
	m.step(9, &seam.Sent{Conn: 1, Op: 2})
	require.Equal(t, [4]int64{1, 4, 1, 6}, m.took(wire.KeyFetch))
	require.Equal(t, [4]int64{2, 4, 4, 9}, m.took(wire.KeyProduce), "two were queued, one was answered")
	require.Equal(t, int64(2), m.apis[wire.KeyProduce].requests[0])
	require.Equal(t, int64(1), m.apis[wire.KeyProduce].total.count)
	require.Empty(t, m.conns[1].open)
}

// What Kafka has and is not served here is counted under its name; keys that somebody makes up are counted as one.
func TestKeysThatAreNotServed(t *testing.T) {
	m := newMetered(nil)
	for key := range int16(1000) {
		m.step(1, frameAt(0, conn.Request{Kind: conn.Unsupported, Key: key}))
	}
	var told []string
	for _, a := range m.read(nil) {
		told = append(told, apiName(a.key))
	}
	require.Contains(t, told, "ElectLeaders")
	require.Contains(t, told, "unreadable")
	require.False(t, slices.ContainsFunc(told, func(name string) bool { return strings.HasPrefix(name, "API ") }), "%v", told)
}

func TestAConnectionThatEnds(t *testing.T) {
	m := newMetered(nil)
	m.step(1, frameAt(0, conn.Request{Kind: conn.Malformed, Key: 77}), seam.Reply{Op: 1, Conn: 1, Then: seam.CloseNow})
	m.step(2, &seam.Sent{Conn: 1, Op: 1})
	require.Equal(t, int64(1), m.apis[unreadable].queue.count)
	m.step(3, frameAt(2, conn.Request{Kind: conn.Cold, Key: wire.KeyMetadata}))
	m.step(4, &seam.Hangup{Conn: 1})
	require.Empty(t, m.conns)
	m.step(5, frameAt(4, conn.Request{Kind: conn.Cold, Key: wire.KeyMetadata}), reply(2))
	m.step(6, &seam.Sent{Conn: 1, Op: 2, Fault: seam.Gone})
	require.Zero(t, m.apis[wire.KeyMetadata].total.count)
}

// TestLongClientIDs: an idle connection does not keep what its client called itself, however long.
func TestLongClientIDs(t *testing.T) {
	m := newMetered(nil)
	request := frameAt(0, conn.Request{Kind: conn.Cold, Key: wire.KeyMetadata})
	request.Body.(*conn.Request).ClientID = make([]byte, 32_000)
	m.step(1, request, reply(1))
	require.Less(t, cap(m.conns[1].clientID), 2*clientIDMax)
}

func TestMeteringAllocatesNothing(t *testing.T) {
	m := newMetered(newSlowLog(time.Hour))
	request, sent := frameAt(0, conn.Request{Kind: conn.Produce, Key: wire.KeyProduce, Produce: wire.ProduceRequest{Acks: -1}}), &seam.Sent{Conn: 1, Op: 9}
	replies := []seam.Reply{reply(9)}
	once := func() {
		m.machine.replies = replies
		m.fx.Reset()
		m.Step(m.now, request, &m.fx)
		m.fx.Reset()
		m.Step(m.now, sent, &m.fx)
	}
	once()
	require.Zero(t, testing.AllocsPerRun(1000, once))
	require.Equal(t, m.apis[wire.KeyProduce].total.count, m.apis[wire.KeyProduce].queue.count)
}

func BenchmarkMeter(b *testing.B) {
	m := newMetered(newSlowLog(time.Hour))
	request, sent := frameAt(0, conn.Request{Kind: conn.Produce, Key: wire.KeyProduce, Produce: wire.ProduceRequest{Acks: -1}}), &seam.Sent{Conn: 1, Op: 9}
	replies := []seam.Reply{reply(9)}
	for b.Loop() {
		m.machine.replies = replies
		m.fx.Reset()
		m.Step(m.now, request, &m.fx)
		m.fx.Reset()
		m.Step(m.now, sent, &m.fx)
	}
}

// TestSlowRequests: a Fetch that waited as long as it asked to is not slow, nor a member that waited for the others; a hanging disk writes a few lines, not thousands.
func TestSlowRequests(t *testing.T) {
	slow := newSlowLog(100 * time.Millisecond)
	m := newMetered(slow)
	patient := conn.Request{Kind: conn.Fetch, Key: wire.KeyFetch, Fetch: wire.FetchRequest{MaxWaitMillis: 500}}
	for i, at := range []int{599, 601} {
		m.step(1, frameAt(0, patient))
		m.step(at, &seam.Alarm{}, reply(seam.Op(i+1)))
		m.step(at, &seam.Sent{Conn: 1, Op: seam.Op(i + 1)})
	}
	for _, key := range []int16{wire.KeyJoinGroup, wire.KeySyncGroup} {
		m.step(1000, frameAt(1000, conn.Request{Kind: conn.Cold, Key: key}))
		m.step(1900, &seam.Alarm{}, reply(8))
		m.step(1901, &seam.Sent{Conn: 1, Op: 8})
	}
	for i := range 30 {
		m.step(2000, frameAt(1000, conn.Request{Kind: conn.Produce, Key: wire.KeyProduce, Version: 9, Correlation: int32(i), Produce: wire.ProduceRequest{Acks: -1}}))
		m.step(2500, &seam.Alarm{}, reply(9))
		m.step(2501, &seam.Sent{Conn: 1, Op: 9})
	}
	var lines []map[string]any
	for range len(slow.lines) {
		l := <-slow.lines
		var out bytes.Buffer
		slog.New(slog.NewJSONHandler(&out, nil)).Warn("slow request", l.attributes()...)
		var line map[string]any
		require.NoError(t, json.NewDecoder(strings.NewReader(out.String())).Decode(&line))
		lines = append(lines, line)
	}
	require.Len(t, lines, slowLinesMax)
	require.Equal(t, "Fetch", lines[0]["api"])
	require.Equal(t, 601.0, lines[0]["milliseconds"])
	produce := lines[1]
	require.Equal(t, []any{"Produce", 9.0, "me", "10.0.0.1:5"}, []any{produce["api"], produce["version"], produce["client"], produce["remote"]})
	require.Equal(t, []any{1501.0, 1000.0, 500.0, 1.0}, []any{produce["milliseconds"], produce["queue"], produce["wait"], produce["send"]})
	m.step(4000, frameAt(1000, conn.Request{Kind: conn.Cold, Key: wire.KeyMetadata}), reply(10))
	m.step(4000, &seam.Sent{Conn: 1, Op: 10})
	require.Equal(t, int64(21), (<-slow.lines).skipped)
}

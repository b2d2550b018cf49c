package main

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rookery/core/meta"
	"rookery/core/seam"
)

// Whatever the broker says has words of its own in the log.
func TestEveryEventHasItsLine(t *testing.T) {
	var out bytes.Buffer
	n := &node{settings: &settings{Dirs: []string{"/data/a", "/data/b"}}, stopped: make(chan struct{}), failed: make(chan error, 1),
		logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	n.monitor = newMonitor(n)
	for kind := seam.Stopped; kind <= seam.QuotasAltered; kind++ {
		n.event(seam.Event{Kind: kind, Topic: "t", Partition: 3, B: 1, Text: "why"})
	}
	require.NotContains(t, out.String(), `msg="event `)
	require.Contains(t, out.String(), `msg="moved to another log directory" topic=t partition=3 from=/data/a to=/data/b`)
}

// What a full disk refuses is said once, and not with each try again: the log may lie on that disk.
func TestAFullDiskIsLoggedOnce(t *testing.T) {
	var out bytes.Buffer
	n := &node{settings: &settings{}, logger: slog.New(slog.NewTextHandler(&out, nil))}
	n.monitor = newMonitor(n)
	cut := seam.Event{Kind: seam.Truncated, Topic: "a", Partition: 7, Text: "a write failed"}
	n.event(cut)
	require.Equal(t, 1, strings.Count(out.String(), "truncated"))
	n.event(seam.Event{Kind: seam.WriteRefused, Topic: "a", Partition: 7, Text: "no space left"})
	for range 3 {
		n.event(cut)
	}
	require.Equal(t, 2, strings.Count(out.String(), "\n"), out.String())
	n.event(seam.Event{Kind: seam.WritesResumed, Topic: "a", Partition: 7, A: 3})
	n.event(cut)
	require.Equal(t, 4, strings.Count(out.String(), "\n"), out.String())
}

// On a full disk the probes say so and go on saying yes, until writes are taken again or the topic is gone.
func TestProbesTellOfRefusedWrites(t *testing.T) {
	m := newMonitor(&node{settings: &settings{}})
	asked := func() string {
		answer := httptest.NewRecorder()
		m.answered(m.readiness)(answer, httptest.NewRequest("GET", "/readyz", nil))
		require.Equal(t, 200, answer.Code)
		return answer.Body.String()
	}
	m.see(seam.Event{Kind: seam.Ready})
	require.Equal(t, "ok\n", asked())
	for partition := range int32(2) {
		m.see(seam.Event{Kind: seam.WriteRefused, Topic: "a-b", Partition: partition, Text: "no space left"})
	}
	m.see(seam.Event{Kind: seam.WriteRefused, Topic: "a", Partition: 7, Text: "no space left"})
	require.Equal(t, "ok\nwrites are refused on 3 partitions, a-7: no space left\n", asked())
	m.see(seam.Event{Kind: seam.WritesResumed, Topic: "a", Partition: 7, A: 3})
	require.Equal(t, "ok\nwrites are refused on 2 partitions, a-b-0: no space left\n", asked())
	m.see(seam.Event{Kind: seam.TopicDeleted, Topic: "a"})
	m.see(seam.Event{Kind: seam.TopicDeleted, Topic: "a-b"})
	require.Equal(t, "ok\n", asked())
}

// Whoever sets a key that does nothing here is told so in the log, at the start and when it is altered.
func TestKeysWithoutAnEffectAreLogged(t *testing.T) {
	var out bytes.Buffer
	n := &node{settings: &settings{}, logger: slog.New(slog.NewTextHandler(&out, nil))}
	n.monitor = newMonitor(n)
	for key, kind := range map[string]int8{"preallocate": meta.ResourceTopic, "num.io.threads": meta.ResourceBroker, "share.session.timeout.ms": meta.ResourceGroup} {
		out.Reset()
		n.event(seam.Event{Kind: seam.ConfigAltered, Topic: "a", A: int64(kind), Text: key})
		require.Contains(t, out.String(), noEffect+`" key=`+key)
	}
	for key, kind := range map[string]int8{"retention.ms": meta.ResourceTopic, "log.retention.ms": meta.ResourceBroker, "consumer.session.timeout.ms": meta.ResourceGroup} {
		out.Reset()
		n.event(seam.Event{Kind: seam.ConfigAltered, Topic: "a", A: int64(kind), Text: key})
		require.NotContains(t, out.String(), noEffect)
	}
}

// So is whoever makes topics with one: once, however many they are.
func TestNewTopicsWithKeysWithoutAnEffectAreLogged(t *testing.T) {
	r := begin(t, t.TempDir())
	r.ask(t, "", "topic", "create", "a", "b", "-c", "preallocate=true", "-c", "retention.ms=5")
	r.ask(t, "", "topic", "alter", "a", "-c", "segment.jitter.ms=3")
	require.Eventually(t, func() bool { return strings.Contains(r.log.String(), "segment.jitter.ms") }, 10*time.Second, time.Millisecond)
	require.Equal(t, 1, strings.Count(r.log.String(), noEffect+`","key":"preallocate"`), "%s", r.log)
	require.NotContains(t, r.log.String(), "retention.ms")
}

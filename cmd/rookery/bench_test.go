package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/wire"
	"rookery/net/kafka"
)

// TestBench: three phases, each with records; what was read is what was written, and the topic is gone afterwards.
func TestBench(t *testing.T) {
	r := begin(t, t.TempDir())
	var phases []phase
	require.NoError(t, json.Unmarshal([]byte(r.ask(t, "", "bench", "--for", "400ms", "-z", "lz4", "-o", "json")), &phases))
	require.Len(t, phases, 3)
	require.Equal(t, []string{"produce", "consume", "end-to-end"}, []string{phases[0].Phase, phases[1].Phase, phases[2].Phase})
	require.Equal(t, phases[0].Records, phases[1].Records)
	require.Equal(t, int64(100), phases[2].Records)
	for _, p := range []phase{phases[0], phases[2]} {
		require.Positive(t, p.P50)
		require.LessOrEqual(t, p.P50, p.P99)
		require.LessOrEqual(t, p.P999, p.Max)
	}
	require.NotContains(t, r.ask(t, "", "topic", "list"), "rookery-bench")

	r.ask(t, "", "topic", "create", "mine", "-p", "2")
	r.ask(t, "before\n", "produce", "mine", "-p", "1")
	phases = nil
	require.NoError(t, json.Unmarshal([]byte(r.ask(t, "", "bench", "--for", "200ms", "--rate", "1000", "--topic", "mine", "--acks", "1", "--end-to-end-rate", "0", "-o", "json")), &phases))
	require.Len(t, phases, 2)
	require.LessOrEqual(t, phases[0].PerSecond, 1100.0, "20 records are due at the very beginning")
	require.Contains(t, r.ask(t, "", "consume", "mine", "-o", "start", "-n", "1", "-p", "1"), "before")
	require.NotRegexp(t, `(?m)^consume|^end-to-end`, r.ask(t, "", "bench", "--for", "50ms", "--acks", "0", "--end-to-end-rate", "0"))
	for _, wrong := range [][]string{{"--record-bytes", "3"}, {"--acks", "2"}, {"-z", "zip"}, {"--topic", "nowhere"}, {"--config", "nonsense=1"}} {
		_, _, err := runCommand(append([]string{"bench", "--for", "50ms", "-b", r.address}, wrong...)...)
		require.Error(t, err, "%v", wrong)
	}
}

// TestWhatMayPass: a leader that moves ends no measurement.
func TestWhatMayPass(t *testing.T) {
	moved := &kafka.FetchError{Fetched: kafka.Fetched{Code: wire.NotLeaderOrFollower}}
	barred := &kafka.FetchError{Fetched: kafka.Fetched{Code: wire.TopicAuthorizationFailed, Stopped: true}}
	require.NoError(t, lasting(moved))
	require.NoError(t, lasting(nil))
	require.ErrorIs(t, lasting(barred), barred)
	require.ErrorIs(t, lasting(kafka.ErrClosed), kafka.ErrClosed)
}

package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rookery/net/kafka"
)

// TestTopicCompact: what compaction would free is what it frees.
func TestTopicCompact(t *testing.T) {
	r := begin(t, t.TempDir(), "log.cleaner.backoff.ms=100")
	r.ask(t, "", "topic", "create", "users", "--config", "segment.bytes=1048576")
	weigh := func() (rows []savings) {
		t.Helper()
		require.NoError(t, json.Unmarshal([]byte(r.ask(t, "", "topic", "compact", "users", "-o", "json")), &rows))
		return rows
	}
	r.ask(t, "nobody's\n", "produce", "users")
	_, _, err := runCommand("topic", "compact", "users", "--now", "-b", r.address)
	require.ErrorContains(t, err, "not compacted")
	require.Equal(t, []savings{{Topic: "users", Records: 1, Keyless: 1, Bytes: 8, Free: 8}}, weigh())

	r.ask(t, "", "topic", "alter", "users", "--config", "cleanup.policy=compact", "--config", dirtyRatio+"=1")
	for i := range 30 {
		r.ask(t, fmt.Sprintf("key-%d:%s\n", i%2, strings.Repeat("x", 99_995)), "produce", "users", "-K", ":")
	}
	require.Equal(t, []savings{{Topic: "users", Records: 31, Keys: 2, Overtaken: 28, Keyless: 1, Bytes: 8 + 30*100_000, Free: 8 + 28*100_000}}, weigh())
	require.Regexp(t, `users +0 +31 +2 +28 +1 +2\.86 MiB +2\.67 MiB`, r.ask(t, "", "topic", "compact", "users"))

	require.Contains(t, r.ask(t, "", "topic", "compact", "users", "--now"), "compacting users")
	require.Eventually(t, func() bool {
		after := weigh()[0]
		return after.Keys == 2 && after.Keyless == 0 && after.Records <= 12 // what the last segment holds stays, and what overtook the rest
	}, 30*time.Second, 20*time.Millisecond)
	require.Regexp(t, `min\.cleanable\.dirty\.ratio +1\.0\n`, r.ask(t, "", "topic", "describe", "users"), "it is put back")
}

// TestWeighAliveTopic: a partition that grows while another is read reaches its end again and again, and is over once.
func TestWeighAliveTopic(t *testing.T) {
	r := begin(t, t.TempDir())
	r.ask(t, "", "topic", "create", "alive", "-p", "2")
	r.ask(t, strings.Repeat(strings.Repeat("x", 100_000)+"\n", 300), "produce", "alive", "-p", "1")
	p, err := kafka.NewProducer(kafka.Default(r.address))
	require.NoError(t, err)
	defer giveUp(p)
	over, grown := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(grown)
		for {
			select {
			case <-over:
				return
			default:
				_, _ = p.SendSync(t.Context(), "alive", 0, kafka.Record{Value: []byte("y")})
			}
		}
	}()
	var rows []savings
	require.NoError(t, json.Unmarshal([]byte(r.ask(t, "", "topic", "compact", "alive", "-o", "json")), &rows))
	close(over)
	<-grown
	require.Len(t, rows, 2)
	require.EqualValues(t, 300, rows[1].Records)
}

package outside

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestTLSAcrossAKill: what an idempotent producer was told is there after a kill -9 in the middle, once, and in order.
func TestTLSAcrossAKill(t *testing.T) {
	const records, partitions = 20_000, 3
	authority, dir := NewAuthority(t), t.TempDir()
	n := Start(t, binaryPath, dir, authority.Sets(t, "SSL://127.0.0.1:0")...)
	n.TLS = authority.Believer()
	Dial(t, n).Ask(t, NewTopics(NewTopic("secret", partitions)), 7)

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	options := []kgo.Opt{kgo.SeedBrokers(n.Address), kgo.DialTLSConfig(authority.Believer()), kgo.DisableClientMetrics()}
	producer, err := kgo.NewClient(append(options, kgo.DefaultProduceTopic("secret"), kgo.MaxBufferedRecords(500),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RetryTimeout(time.Minute))...)
	require.NoError(t, err)
	defer producer.Close()
	var told atomic.Int32
	for i := range records {
		if i == records/2 {
			Await(t, func() bool { return told.Load() > records/4 }, "half of them are under way")
			n.Kill()
			n = Start(t, binaryPath, dir, authority.Sets(t, "SSL://"+n.Address)...)
		}
		producer.Produce(ctx, &kgo.Record{Partition: int32(i % partitions), Value: strconv.AppendInt(nil, int64(i), 10)}, func(_ *kgo.Record, err error) {
			if err == nil {
				told.Add(1)
			}
		})
	}
	require.NoError(t, producer.Flush(ctx))
	require.EqualValues(t, records, told.Load())

	consumer, err := kgo.NewClient(append(options, kgo.ConsumeTopics("secret"))...)
	require.NoError(t, err)
	defer consumer.Close()
	var next [partitions]int
	for p := range next {
		next[p] = p
	}
	for found := 0; found < records; {
		fetches := consumer.PollFetches(ctx)
		require.NoError(t, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			require.Equal(t, strconv.Itoa(next[r.Partition]), string(r.Value), "partition %d, offset %d", r.Partition, r.Offset)
			next[r.Partition] += partitions
			found++
		})
	}
	n.Stop(t)
}

// TestEachListenerTellsItsOwnAddress: what a client is told to go on with is the listener that it came in by.
func TestEachListenerTellsItsOwnAddress(t *testing.T) {
	authority := NewAuthority(t)
	n := start(t, append(authority.Sets(t, "PLAINTEXT://127.0.0.1:0,SSL://127.0.0.1:0,OTHER://127.0.0.1:0"),
		"--set", "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SSL:SSL,OTHER:SSL",
		"--set", "advertised.listeners=PLAINTEXT://inside.example:1,SSL://outside.example:2")...)
	addresses := n.Log.Addresses()
	require.Len(t, addresses, 3)
	_, port, err := net.SplitHostPort(addresses[2])
	require.NoError(t, err)
	for i, told := range []string{"inside.example:1", "outside.example:2", "127.0.0.1:" + port} {
		if n.Address = addresses[i]; i > 0 {
			n.TLS = authority.Believer()
		}
		c := Dial(t, n)
		metadata := c.Ask(t, kmsg.NewPtrMetadataRequest(), 7).(*kmsg.MetadataResponse)
		require.Equal(t, told, fmt.Sprintf("%s:%d", metadata.Brokers[0].Host, metadata.Brokers[0].Port))
		group := kmsg.NewPtrFindCoordinatorRequest()
		group.CoordinatorKey = "group"
		Await(t, func() bool {
			found := c.Ask(t, group, 2).(*kmsg.FindCoordinatorResponse)
			return found.ErrorCode == 0 && fmt.Sprintf("%s:%d", found.Host, found.Port) == told
		}, "the coordinator is at %s", told)
	}
	n.Stop(t)
}

// TestWhoIsRefusedByTLS: each is told why, as far as it can hear, and the log says who and why.
func TestWhoIsRefusedByTLS(t *testing.T) {
	authority, stranger := NewAuthority(t), NewAuthority(t)
	trusted := filepath.Join(t.TempDir(), "trusted.pem")
	require.NoError(t, os.WriteFile(trusted, authority.PEM, 0o600))
	n := start(t, append(authority.Sets(t, "PLAINTEXT://127.0.0.1:0,SSL://127.0.0.1:0"), "--set", "ssl.client.auth=required",
		"--set", "ssl.truststore.type=PEM", "--set", "ssl.truststore.location="+trusted, "--set", "ssl.enabled.protocols=TLSv1.3")...)
	addresses := n.Log.Addresses()
	n.Address = addresses[1]

	known := authority.Believer()
	known.Certificates = []tls.Certificate{authority.Certificate(t)}
	n.TLS = known
	require.True(t, isServed(Dial(t, n)))

	unknown := authority.Believer()
	unknown.Certificates = []tls.Certificate{stranger.Certificate(t)}
	old := known.Clone()
	old.MaxVersion = tls.VersionTLS12
	for _, who := range []struct {
		what      string
		speaks    *tls.Config
		hears     string
		log       string
		listening string
	}{
		{"without a certificate", authority.Believer(), "certificate required", "didn't provide a certificate", addresses[1]},
		{"with somebody else's", unknown, "unknown certificate authority", "unknown authority", addresses[1]},
		{"of an older version", old, "protocol version not supported", "unsupported versions", addresses[1]},
		{"that does not believe us", stranger.Believer(), "unknown authority", "bad certificate", addresses[1]},
		{"that speaks no TLS", nil, "EOF", "security.protocol=SSL", addresses[1]},
		{"that speaks TLS where there is none", known, "EOF|connection reset", "security.protocol=PLAINTEXT", addresses[0]},
	} {
		n.Address, n.TLS = who.listening, who.speaks
		_, err := Dial(t, n).Try(kmsg.NewPtrApiVersionsRequest(), 0)
		require.Error(t, err, who.what)
		require.Regexp(t, who.hears, err.Error(), who.what)
		Await(t, func() bool { return len(n.Log.Lines("connection closed", who.log)) == 1 }, "%s: a line with %q: %s", who.what, who.log, n.Log)
	}
	n.Stop(t)
}

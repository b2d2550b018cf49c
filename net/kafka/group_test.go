package kafka_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/client"
	"rookery/net/kafka"
)

// coordinator is the broker that groups are tried with.
func coordinator() string {
	if address := os.Getenv("ROOKERY_TEST_BROKER"); address != "" {
		return address
	}
	return broker
}

// ledger is what the consumers of a test have processed.
type ledger struct {
	mu    sync.Mutex
	times map[string]int
}

func (l *ledger) note(r kafka.ConsumerRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.times[fmt.Sprintf("%s-%d %d", r.Topic, r.Partition, r.Offset)]++
}

func (l *ledger) count() (records, more int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, times := range l.times {
		more += times - 1
	}
	return len(l.times), more
}

// groupConfig is of a group with short times.
func groupConfig(group string, protocol kafka.GroupProtocol, assignors ...kafka.Assignor) kafka.Config {
	config := kafka.Default(coordinator())
	config.GroupID, config.Protocol, config.OffsetReset = group, protocol, kafka.ResetEarliest
	config.SessionTimeout, config.HeartbeatInterval = 6*time.Second, 300*time.Millisecond
	config.AutoCommitInterval, config.FetchWaitMax = 200*time.Millisecond, 100*time.Millisecond
	if len(assignors) > 0 {
		config.Assignors = assignors
	}
	return config
}

// work processes whatever comes until the consumer is closed.
func (l *ledger) work(t *testing.T, c *kafka.Consumer) (done chan error) {
	done = make(chan error, 1)
	go func() {
		for r, err := range c.Records(context.Background()) {
			if err != nil {
				done <- err
				return
			}
			l.note(r)
		}
	}()
	return done
}

// create makes a topic of three partitions.
func create(t *testing.T, ctx context.Context, topic string) {
	c, err := kafka.Dial(kafka.Default(coordinator()))
	require.NoError(t, err)
	ask := kmsg.NewPtrCreateTopicsRequest()
	ask.TimeoutMillis = 30_000
	one := kmsg.NewCreateTopicsRequestTopic()
	one.Topic, one.NumPartitions, one.ReplicationFactor = topic, 3, 1
	ask.Topics = append(ask.Topics, one)
	answer, err := c.Call(ctx, client.Call{Request: ask, To: client.Controller})
	require.NoError(t, err)
	require.Zero(t, answer.Response.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode)
	require.NoError(t, c.Close(ctx))
}

func produce(t *testing.T, ctx context.Context, topic string, count int) {
	config := kafka.Default(coordinator())
	p, err := kafka.NewProducer(config)
	require.NoError(t, err)
	var records []kafka.Record
	for i := range count {
		records = append(records, kafka.Record{Key: fmt.Append(nil, i), Value: fmt.Append(nil, "value ", i)})
	}
	_, err = p.SendSync(ctx, topic, kafka.AnyPartition, records...)
	require.NoError(t, err)
	require.NoError(t, p.Close(ctx))
}

var protocols = map[string]func(group string) kafka.Config{
	"range":       func(g string) kafka.Config { return groupConfig(g, kafka.Classic, kafka.Range) },
	"round robin": func(g string) kafka.Config { return groupConfig(g, kafka.Classic, kafka.RoundRobin) },
	"sticky":      func(g string) kafka.Config { return groupConfig(g, kafka.Classic, kafka.Sticky) },
	"cooperative": func(g string) kafka.Config { return groupConfig(g, kafka.Classic, kafka.CooperativeSticky) },
	"modern":      func(g string) kafka.Config { return groupConfig(g, kafka.Modern) },
	"default":     func(g string) kafka.Config { return groupConfig(g, kafka.Classic) },
}

// TestGroup: two share, one leaves, one comes: all is processed, and what was committed is where the next goes on.
func TestGroup(t *testing.T) {
	for name, configured := range protocols {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			topic := "group-" + strings.ReplaceAll(name, " ", "-") + fmt.Sprint(time.Now().UnixNano()%1e6)
			create(t, ctx, topic)
			produce(t, ctx, topic, 300)
			l := &ledger{times: map[string]int{}}
			config := configured(topic)
			one := newConsumer(t, config)
			require.NoError(t, one.Subscribe(topic))
			first := l.work(t, one)
			await(t, func() bool { records, _ := l.count(); return records == 300 })
			all := len(one.Assignment())
			two := newConsumer(t, config)
			require.NoError(t, two.Subscribe(topic))
			second := l.work(t, two)
			await(t, func() bool {
				return len(one.Assignment()) > 0 && len(two.Assignment()) > 0 && len(one.Assignment())+len(two.Assignment()) == all
			})
			for _, p := range one.Assignment() {
				require.NotContains(t, two.Assignment(), p)
			}
			produce(t, ctx, topic, 300)
			await(t, func() bool { records, _ := l.count(); return records == 600 })
			require.NoError(t, one.Close(ctx))
			require.ErrorIs(t, <-first, kafka.ErrClosed)
			await(t, func() bool { return len(two.Assignment()) == all })
			require.NoError(t, two.Close(ctx))
			require.ErrorIs(t, <-second, kafka.ErrClosed)
			produce(t, ctx, topic, 1)
			three := newConsumer(t, config)
			require.NoError(t, three.Subscribe(topic))
			third := l.work(t, three)
			await(t, func() bool { records, _ := l.count(); return records == 601 })
			_, more := l.count()
			require.LessOrEqual(t, more, 2, "no more than where each was closed")
			require.NoError(t, three.Close(ctx))
			require.ErrorIs(t, <-third, kafka.ErrClosed)
		})
	}
}

// await waits for what is bound to happen.
func await(t *testing.T, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, 25*time.Second, 20*time.Millisecond)
}

// TestCallbacks: what is added and removed is told in the loop; an application with an account of its own goes on from there.
func TestCallbacks(t *testing.T) {
	ctx := within(t)
	topic := fmt.Sprint("callbacks", time.Now().UnixNano()%1e6)
	create(t, ctx, topic)
	produce(t, ctx, topic, 30)
	config := groupConfig(topic, kafka.Classic, kafka.CooperativeSticky)
	config.AutoCommitInterval = 0
	var c *kafka.Consumer
	var added, removed []kafka.Partition
	config.OnAssigned = func(list []kafka.Partition) {
		added = append(added, list...)
		for _, p := range list {
			require.NoError(t, c.Seek(p.Topic, p.Number, 2))
		}
	}
	config.OnRevoked = func(list []kafka.Partition, lost bool) {
		require.False(t, lost)
		require.NoError(t, c.Commit(ctx))
		removed = append(removed, list...)
	}
	c = newConsumer(t, config)
	require.NoError(t, c.Subscribe(topic))
	seen := map[int32]int64{}
	for len(added) == 0 || len(seen) < len(added) {
		f, err := c.Poll(ctx)
		require.NoError(t, err)
		if _, again := seen[f.Partition]; !again && len(f.Records) > 0 {
			require.EqualValues(t, 2, f.Records[0].Offset)
		}
		if f.End {
			seen[f.Partition] = f.Position
		}
	}
	require.NoError(t, c.Close(ctx))
	slices.SortFunc(removed, kafka.Partition.Compare)
	require.Equal(t, added, removed)

	again := newConsumer(t, groupConfig(topic, kafka.Classic))
	for _, p := range added {
		again.Assign(p.Topic, p.Number, kafka.AsCommitted)
	}
	for range added {
		f, err := again.Poll(ctx)
		require.NoError(t, err)
		require.True(t, f.End)
		require.Equal(t, seen[f.Partition], f.Position, "what was committed as it was let go")
	}
}

// TestCloseInACallback: it ends with its context at the latest, and so does who waits in Poll.
func TestCloseInACallback(t *testing.T) {
	ctx := within(t)
	topic := fmt.Sprint("closing", time.Now().UnixNano()%1e6)
	create(t, ctx, topic)
	config := groupConfig(topic, kafka.Classic)
	var c *kafka.Consumer
	closed, polled := make(chan error, 1), make(chan error, 1)
	config.OnAssigned = func(list []kafka.Partition) {
		if len(list) > 0 {
			short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
			closed <- c.Close(short)
		}
	}
	c, err := kafka.NewConsumer(config)
	require.NoError(t, err)
	require.NoError(t, c.Subscribe(topic))
	go func() {
		_, err := c.Poll(ctx)
		polled <- err
	}()
	for _, end := range []chan error{closed, polled} {
		select {
		case <-end:
		case <-ctx.Done():
			require.Fail(t, "it has not come back")
		}
	}
}

// processed is a member of a group that has processed the one record of a topic, and has not committed it.
func processed(t *testing.T, address string, config kafka.Config) *kafka.Consumer {
	_, err := newProducer(t, kafka.Default(address)).SendSync(within(t), config.GroupID, 0, kafka.Record{})
	require.NoError(t, err)
	config.OffsetReset, config.AutoCommitInterval = kafka.ResetEarliest, time.Hour
	c, err := kafka.NewConsumer(config)
	require.NoError(t, err)
	require.NoError(t, c.Subscribe(config.GroupID))
	for {
		if f, err := c.Poll(within(t)); err == nil && f != nil && len(f.Records) > 0 {
			break
		}
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = c.Poll(over) // comes back, so the record is processed
	require.ErrorIs(t, err, context.Canceled)
	return c
}

// TestCloseSaysWhatItCouldNotCommit: who closes in order and is told nothing may believe that no record comes again.
func TestCloseSaysWhatItCouldNotCommit(t *testing.T) {
	address, stop := serve(t.TempDir())
	config := kafka.Default(address)
	config.GroupID, config.RequestTimeout, config.OnTrouble = "uncommitted", time.Second, func(*kafka.GroupError) {}
	c := processed(t, address, config)
	stop()
	require.ErrorContains(t, c.Close(within(t)), "not all that was processed is committed: uncommitted-0 at 1: ")
}

// TestCloseIsBounded: a callback may last longer than who closes wants to wait.
func TestCloseIsBounded(t *testing.T) {
	config := kafka.Default(broker)
	release := make(chan struct{})
	defer close(release)
	config.GroupID, config.OnRevoked = "bounded", func([]kafka.Partition, bool) { <-release }
	c := processed(t, broker, config)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, c.Close(ctx), context.DeadlineExceeded)
}

// slow is a member that has processed a record and has not committed it, whose OnRevoked takes longer than it may.
func slow(t *testing.T, address string, at *atomic.Int32) *kafka.Consumer {
	config := kafka.Default(address)
	config.GroupID, config.RequestTimeout, config.OnTrouble = "slow", 500*time.Millisecond, func(*kafka.GroupError) {}
	config.OnRevoked = func([]kafka.Partition, bool) {
		at.Add(1)
		<-time.After(time.Second)
		at.Add(-1)
	}
	return processed(t, address, config)
}

// TestCloseWaitsForCallbacks: whoever has closed a client may give up what its callbacks use.
func TestCloseWaitsForCallbacks(t *testing.T) {
	address, stop := serve(t.TempDir())
	defer stop()
	var at atomic.Int32
	_ = slow(t, address, &at).Close(within(t))
	require.Zero(t, at.Load())
}

// TestCloseSaysWhatWasLost: what nobody could commit, because a callback took too long, is said too.
func TestCloseSaysWhatWasLost(t *testing.T) {
	address, stop := serve(t.TempDir())
	var at atomic.Int32
	c := slow(t, address, &at)
	stop()
	require.ErrorContains(t, c.Close(within(t)), "not all that was processed is committed")
}

// A callback closes the client, without a deadline: that has an end (RequestTimeout), and so has who waits in Poll.
func TestCloseInACallbackWithoutDeadline(t *testing.T) {
	address, stop := serve(t.TempDir())
	defer stop()
	config := kafka.Default(address)
	var c *kafka.Consumer
	closed := make(chan error, 1)
	config.GroupID, config.RequestTimeout, config.OnTrouble = "closes", 500*time.Millisecond, func(*kafka.GroupError) {}
	config.OnRevoked = func([]kafka.Partition, bool) {
		closed <- c.Close(context.Background())
	}
	c = processed(t, address, config)
	require.NoError(t, c.Unsubscribe())
	polled := make(chan error, 1)
	go func() {
		_, err := c.Poll(context.Background())
		polled <- err
	}()
	for _, end := range []chan error{closed, polled} {
		select {
		case err := <-end:
			t.Log(err)
		case <-time.After(10 * time.Second):
			require.Fail(t, "it has not come back")
		}
	}
}

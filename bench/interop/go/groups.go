package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	memberSession = 6 * time.Second
	kafkaGoBatch  = 100 // records in a commit
)

// member is one member of a group. It prints what it has read, commits it, and prints what it was told is committed, until ctx is done.
type member func(ctx context.Context, bootstrap, group, topic string, w *witness) error

var members = map[string]member{
	"franz-go":          franzMember(),
	"franz-go-consumer": franzMember(kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer())),

	"sarama":   saramaMember,
	"kafka-go": kafkaGoMember,
}

// witness prints; a line is p or c, partition, offset (c: the one after the last).
type witness struct {
	mu  sync.Mutex
	out *bufio.Writer
}

func (w *witness) processed(partition int32, offset int64) { w.say("p", partition, offset) }
func (w *witness) committed(partition int32, offset int64) { w.say("c", partition, offset) }

func (w *witness) say(what string, partition int32, offset int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintf(w.out, "%s %d %d\n", what, partition, offset)
	w.out.Flush()
}

// belong runs a member until standard input ends.
func belong(kind, bootstrap, group, topic string) error {
	run := members[kind]
	if run == nil {
		return fmt.Errorf("no member %s", kind)
	}
	ctx, leave := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		leave()
	}()
	return run(ctx, bootstrap, group, topic, &witness{out: bufio.NewWriter(os.Stdout)})
}

func franzMember(more ...kgo.Opt) member {
	return func(ctx context.Context, bootstrap, group, topic string, w *witness) error {
		client, err := kgo.NewClient(append([]kgo.Opt{
			kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.SessionTimeout(memberSession), kgo.HeartbeatInterval(time.Second),
			kgo.FetchMaxWait(100 * time.Millisecond), kgo.DisableClientMetrics(),
			kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }),
		}, more...)...)
		if err != nil {
			return err
		}
		defer client.Close()
		for ctx.Err() == nil {
			fetches := client.PollFetches(ctx)
			var last []*kgo.Record
			fetches.EachPartition(func(p kgo.FetchTopicPartition) {
				for _, r := range p.Records {
					w.processed(r.Partition, r.Offset)
				}
				if len(p.Records) > 0 {
					last = append(last, p.Records[len(p.Records)-1])
				}
			})
			if len(last) > 0 {
				commit, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				err := client.CommitRecords(commit, last...)
				cancel()
				if err == nil {
					for _, r := range last {
						w.committed(r.Partition, r.Offset+1)
					}
				}
			}
			client.AllowRebalance()
		}
		return nil
	}
}

type saramaHandler struct{ w *witness }

func (saramaHandler) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (saramaHandler) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// ConsumeClaim says of nothing that it is committed: its commit has no answer that the caller sees.
func (h saramaHandler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case m, more := <-claim.Messages():
			if !more {
				return nil
			}
			h.w.processed(m.Partition, m.Offset)
			session.MarkMessage(m, "")
		case <-session.Context().Done():
			return nil
		}
	}
}

func saramaMember(ctx context.Context, bootstrap, group, topic string, w *witness) error {
	config := saramaConfig()
	config.Consumer.Group.Session.Timeout, config.Consumer.Group.Heartbeat.Interval = memberSession, time.Second
	config.Consumer.Offsets.Initial, config.Consumer.Offsets.AutoCommit.Interval = sarama.OffsetOldest, 100*time.Millisecond
	config.Consumer.MaxWaitTime = 100 * time.Millisecond
	g, err := sarama.NewConsumerGroup([]string{bootstrap}, group, config)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		if err := g.Consume(ctx, []string{topic}, saramaHandler{w}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			time.Sleep(100 * time.Millisecond)
		}
	}
	return g.Close()
}

func kafkaGoMember(ctx context.Context, bootstrap, group, topic string, w *witness) error {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{bootstrap}, GroupID: group, Topic: topic, MaxBytes: 10 << 20, MaxWait: 100 * time.Millisecond,
		SessionTimeout: memberSession, HeartbeatInterval: time.Second, StartOffset: kafka.FirstOffset, JoinGroupBackoff: 200 * time.Millisecond,
		ErrorLogger: kafka.LoggerFunc(func(format string, a ...any) { fmt.Fprintf(os.Stderr, format+"\n", a...) })})
	for ctx.Err() == nil {
		var got []kafka.Message
		wait, enough := context.WithTimeout(ctx, 200*time.Millisecond)
		for len(got) < kafkaGoBatch {
			m, err := reader.FetchMessage(wait)
			if err != nil {
				break
			}
			w.processed(int32(m.Partition), m.Offset)
			got = append(got, m)
		}
		enough()
		if len(got) == 0 {
			continue
		}
		if err := reader.CommitMessages(context.Background(), got...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		for _, m := range got {
			w.committed(int32(m.Partition), m.Offset+1)
		}
	}
	return reader.Close()
}

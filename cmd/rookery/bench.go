package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/client"
	"rookery/net/kafka"
)

// benching is what bench was asked to do.
type benching struct {
	session
	topic      string
	partitions int32
	configs    []string
	recordSize int
	batchBytes int
	codecName  string
	acksName   string
	duration   time.Duration
	rate       float64
	pingRate   float64
	keep       bool

	progress *progress
	values   [][]byte
	sent     int64
	place    []client.Assign // where each partition stood before anything was sent
}

// phase is one row of the result. Latencies are in milliseconds.
type phase struct {
	Phase     string  `json:"phase"`
	Records   int64   `json:"records"`
	Bytes     int64   `json:"bytes"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"recordsPerSecond"`
	MBPerSec  float64 `json:"mbPerSecond"`
	P50       float64 `json:"p50Millis,omitempty"`
	P99       float64 `json:"p99Millis,omitempty"`
	P999      float64 `json:"p999Millis,omitempty"`
	Max       float64 `json:"maxMillis,omitempty"`
}

func benchCommand() *cobra.Command {
	var b benching
	var form form
	c := &cobra.Command{
		Use:   "bench",
		Short: "measure a broker, any broker, for a few seconds",
		Long: `Write records as fast as they are taken, read them back, then send single records at a steady rate and see how long each
takes to a consumer. Latencies are by records: of produce, from Send to acknowledgement; of end-to-end, from the time that
a record was due to the time that it was read. The topic is made for this and deleted afterwards, unless --topic names one.
A quick look, on one connection a broker and with this client's costs in it; bench/run in the source is the careful one.`,
		Example: `  rookery bench
  rookery bench -b broker.example:9092 --record-bytes 1024 --acks 1 --for 20s
  rookery bench --rate 5000 -z lz4                5,000 records a second instead of all that goes`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			defer b.close()
			b.progress = newProgress(c.ErrOrStderr())
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) // the topic goes even then
			defer stop()
			phases, err := b.run(ctx)
			b.progress.end()
			if err != nil {
				return err
			}
			if form.json() {
				return printJSON(c.OutOrStdout(), phases)
			}
			return printPhases(c, phases)
		},
	}
	b.flags(c)
	f := c.Flags()
	f.StringVarP(&b.topic, "topic", "t", "", "use this topic and leave it (default: one made for this)")
	f.Int32VarP(&b.partitions, "partitions", "p", 6, "partitions of the topic that is made")
	f.StringArrayVarP(&b.configs, "config", "c", nil, "a configuration of the topic that is made, name=value")
	f.IntVar(&b.recordSize, "record-bytes", 100, "bytes of a record's value")
	f.IntVar(&b.batchBytes, "batch-bytes", 64<<10, "bytes of records in one batch, before compression")
	f.StringVarP(&b.codecName, "compression", "z", "none", "none, gzip, snappy, lz4, zstd")
	f.StringVarP(&b.acksName, "acks", "a", "all", "0, 1 or all")
	f.DurationVar(&b.duration, "for", 5*time.Second, "how long to write; end-to-end takes half of it")
	f.Float64Var(&b.rate, "rate", 0, "records a second (0: all that goes)")
	f.Float64Var(&b.pingRate, "end-to-end-rate", 500, "single records a second in the last phase (0: leave it out)")
	f.BoolVar(&b.keep, "keep", false, "do not delete the topic that was made")
	completeFrom(c, "compression", "none", "gzip", "snappy", "lz4", "zstd")
	completeTopicKeys(c, "config")
	completeFrom(c, "acks", "0", "1", "all")
	form.flag(c)
	return c
}

func printPhases(c *cobra.Command, phases []phase) error {
	var rows [][]string
	millis := func(n float64) string {
		if n == 0 {
			return "-"
		}
		return fmt.Sprintf("%.2f", n)
	}
	for _, p := range phases {
		rows = append(rows, []string{p.Phase, number64(p.Records), fmt.Sprintf("%.2f", p.Seconds), fmt.Sprintf("%.0f", p.PerSecond), fmt.Sprintf("%.1f", p.MBPerSec),
			millis(p.P50), millis(p.P99), millis(p.P999), millis(p.Max)})
	}
	return table(c.OutOrStdout(), "PHASE RECORDS SECONDS RECORDS/S MB/S P50/ms P99/ms P99.9/ms MAX/ms", rows)
}

func (b *benching) run(ctx context.Context) (phases []phase, err error) {
	if err := b.prepare(); err != nil {
		return nil, err
	}
	if b.topic == "" {
		if err := b.makeTopic(); err != nil {
			return nil, err
		}
		defer func() {
			if !b.keep {
				err = errors.Join(err, b.dropTopic())
			}
		}()
	}
	if err := b.locate(); err != nil {
		return nil, err
	}
	for _, measure := range []func(context.Context) (phase, error){b.produce, b.consume, b.endToEnd} {
		p, err := measure(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Phase, err)
		}
		if p.Records > 0 {
			phases = append(phases, p)
		}
	}
	return phases, nil
}

// stampSize is what a record of the last phase begins with: when it was due.
const stampSize = 8

func (b *benching) prepare() error {
	switch {
	case b.recordSize < stampSize || b.recordSize > requestBytesMax:
		return fmt.Errorf("--record-bytes is between %d and %d", stampSize, requestBytesMax)
	case b.batchBytes < 1:
		return fmt.Errorf("--batch-bytes %d: a batch has at least one byte", b.batchBytes)
	case b.duration <= 0:
		return advise("for example: --for 5s", "--for %s: nothing is measured in no time", b.duration)
	case !(b.rate >= 0) || !(b.pingRate >= 0): // not a number is none either
		return advise("0 is as fast as they come of --rate, and no such phase of --end-to-end-rate", "records a second are not fewer than none")
	}
	var err error
	if b.config.Codec, err = codecOf(b.codecName); err != nil {
		return err
	}
	if err := setAcks(&b.config, b.acksName); err != nil {
		return err
	}
	b.config.BatchBytes, b.config.RequestBytesMax = b.batchBytes, requestBytesMax
	b.config.BufferBytes = max(b.config.BufferBytes, bufferBytesMin)
	random := rand.New(rand.NewPCG(1, 2)) // the same bytes in every run: codecs see the same
	for range 1000 {
		value := make([]byte, b.recordSize)
		for i := range value {
			value[i] = "abcdefghijklmnopqrstuvwxyz 012345"[random.IntN(33)]
		}
		b.values = append(b.values, value)
	}
	return nil
}

// makeTopic makes a topic of its own, with a name that nobody has.
func (b *benching) makeTopic() error {
	pairs, err := pairsOf(b.configs)
	if err != nil {
		return err
	}
	b.topic = fmt.Sprintf("rookery-bench-%08x", rand.Uint32())
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = int32(b.patience.Milliseconds())
	row := kmsg.NewCreateTopicsRequestTopic()
	row.Topic, row.NumPartitions, row.ReplicationFactor, row.Configs = b.topic, b.partitions, -1, pairs
	request.Topics = append(request.Topics, row)
	answer, err := b.call(request, client.Controller)
	if err != nil {
		return err
	}
	for _, t := range answer.(*kmsg.CreateTopicsResponse).Topics {
		if err := codeError(t.ErrorCode, t.ErrorMessage); err != nil {
			return fmt.Errorf("topic %s: %w", b.topic, err)
		}
	}
	return nil
}

func (b *benching) dropTopic() error {
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.TimeoutMillis, request.TopicNames = int32(b.patience.Milliseconds()), []string{b.topic}
	row := kmsg.NewDeleteTopicsRequestTopic()
	row.Topic = &b.topic
	request.Topics = append(request.Topics, row)
	answer, err := b.call(request, client.Controller)
	if err != nil {
		return err
	}
	for _, t := range answer.(*kmsg.DeleteTopicsResponse).Topics {
		if err := codeError(t.ErrorCode, t.ErrorMessage); err != nil {
			return advise("delete it with: rookery topic delete "+b.topic, "topic %s is still there: %w", b.topic, err)
		}
	}
	return nil
}

// locate notes where each partition ends now.
func (b *benching) locate() error {
	leaders, err := b.leaders(b.topic, false, nil)
	if err != nil {
		return err
	}
	b.place = nil
	all := allOf(leaders)
	ends, err := offsetsAt(&b.session, b.topic, leaders, all, client.Latest).whole()
	for _, p := range all {
		b.place = append(b.place, client.Assign{Topic: b.topic, Partition: p, Offset: ends[p].offset})
	}
	return err
}

// sums are what a phase counts; latencies come one at a time.
type sums struct {
	latency histogram
	longest time.Duration
	failed  error
}

func (s *sums) observe(took time.Duration, times int32) {
	for range times {
		s.latency.observe(int64(took))
	}
	s.longest = max(s.longest, took)
}

func (s *sums) into(p *phase, took time.Duration, size int) {
	p.Seconds, p.Bytes = took.Seconds(), p.Records*int64(size)
	p.PerSecond, p.MBPerSec = float64(p.Records)/p.Seconds, float64(p.Bytes)/p.Seconds/1e6
	if s.latency.count > 0 {
		p.P50, p.P99 = float64(s.latency.quantile(0.5))/1e6, float64(s.latency.quantile(0.99))/1e6
		p.P999, p.Max = float64(s.latency.quantile(0.999))/1e6, float64(s.longest)/1e6
		p.P50, p.P99, p.P999 = min(p.P50, p.Max), min(p.P99, p.Max), min(p.P999, p.Max) // a bucket's bound may be above all that is in it
	}
}

// produce writes for as long as it was told to, in Sends of about a batch.
func (b *benching) produce(ctx context.Context) (phase, error) {
	p, s := phase{Phase: "produce"}, &sums{}
	producer, err := kafka.NewProducer(b.config)
	if err != nil {
		return p, err
	}
	defer giveUp(producer)
	pace := pacer{rate: b.rate, began: time.Now()}
	together := min(max(b.batchBytes/b.recordSize, 1), pace.atOnce())
	at, began := 0, pace.began
	for time.Since(began) < b.duration && ctx.Err() == nil {
		records := make([]kafka.Record, together)
		for i := range records {
			records[i].Value = b.values[at]
			at = (at + 1) % len(b.values)
		}
		from := time.Now()
		if b.rate > 0 {
			from = pace.due() // whoever comes too late for it waits longer
		}
		pace.wait(ctx, together)
		err := producer.Send(ctx, b.topic, kafka.AnyPartition, records, func(d kafka.Delivered, err error) {
			if s.failed == nil {
				s.failed = err
			}
			s.observe(time.Since(from), d.Count)
		})
		if err != nil {
			return p, err
		}
		p.Records += int64(together)
		b.progress.show(int64(time.Since(began)), int64(b.duration), fmt.Sprintf("produce: %d records", p.Records))
	}
	if err := producer.Flush(ctx); err != nil {
		return p, err
	}
	s.into(&p, time.Since(began), b.recordSize)
	b.sent = p.Records
	return p, s.failed
}

// consume reads what was written.
func (b *benching) consume(ctx context.Context) (phase, error) {
	p, s := phase{Phase: "consume"}, &sums{}
	wanted := b.sent
	if b.config.Acks == kafka.AcksNone {
		wanted = min(wanted, 0) // nobody knows what arrived
	}
	if wanted == 0 {
		return p, nil
	}
	enough, cancel := context.WithTimeout(ctx, b.patience+4*b.duration)
	defer cancel()
	began := time.Now()
	consumer, err := b.consumer(b.config)
	if err != nil {
		return p, err
	}
	defer giveUp(consumer)
	for p.Records < wanted {
		f, err := consumer.Poll(enough)
		if err = lasting(err); err != nil {
			return p, err
		}
		p.Records += int64(len(f.Records))
		b.progress.show(p.Records, wanted, fmt.Sprintf("consume: %d records", p.Records))
	}
	s.into(&p, time.Since(began), b.recordSize)
	return p, nil
}

// lasting is what is wrong with a Poll, but for what may pass: the client tries again.
func lasting(err error) error {
	var failed *kafka.FetchError
	if errors.As(err, &failed) && !failed.Fetched.Stopped {
		return nil
	}
	return err
}

// consumer reads all partitions from where they stood before anything was sent.
func (b *benching) consumer(config kafka.Config) (*kafka.Consumer, error) {
	c, err := kafka.NewConsumer(config)
	if err != nil {
		return nil, err
	}
	for _, a := range b.place {
		c.Assign(a.Topic, a.Partition, a.Offset)
	}
	return c, nil
}

// endToEnd sends single records at a steady rate, and reads them with a client of its own.
func (b *benching) endToEnd(ctx context.Context) (phase, error) {
	p, s := phase{Phase: "end-to-end"}, &sums{}
	wanted := int64(b.pingRate * b.duration.Seconds() / 2)
	if wanted == 0 {
		return p, nil
	}
	if err := b.locate(); err != nil {
		return p, err
	}
	reader, err := b.consumer(kafka.Default(b.config.Brokers...))
	if err != nil {
		return p, err
	}
	defer giveUp(reader)
	config := b.config
	config.Linger = 0
	writer, err := kafka.NewProducer(config)
	if err != nil {
		return p, err
	}
	defer giveUp(writer)
	ctx, cancel := context.WithTimeout(ctx, b.patience+2*b.duration)
	defer cancel()
	began := time.Now().Add(100 * time.Millisecond) // the reader is there by then
	sent := make(chan error, 1)
	go func() { sent <- b.ping(ctx, writer, wanted, began) }()
	for p.Records < wanted {
		f, err := reader.Poll(ctx)
		if err = lasting(err); err != nil {
			return p, errors.Join(err, context.Cause(ctx))
		}
		for i := range f.Records {
			due := time.Duration(binary.BigEndian.Uint64(f.Records[i].Value))
			s.observe(max(time.Since(began)-due, 0), 1)
			p.Records++
		}
		b.progress.show(p.Records, wanted, fmt.Sprintf("end-to-end: %d records", p.Records))
	}
	s.into(&p, time.Since(began), b.recordSize)
	return p, <-sent
}

// ping sends records, each with the time it was due since began.
func (b *benching) ping(ctx context.Context, writer *kafka.Producer, count int64, began time.Time) error {
	pace := pacer{rate: b.pingRate, began: began}
	for range count {
		value := append([]byte(nil), b.values[0]...)
		binary.BigEndian.PutUint64(value, uint64(pace.due().Sub(began)))
		pace.wait(ctx, 1)
		partition := b.place[pace.gone%len(b.place)].Partition
		if err := writer.Send(ctx, b.topic, partition, []kafka.Record{{Value: value}}, nil); err != nil {
			return err
		}
	}
	return writer.Flush(ctx)
}

// setAcks takes 0, 1 or all.
func setAcks(config *kafka.Config, name string) error {
	switch name {
	case "0", "1":
		config.Acks, config.Idempotent = int16(name[0]-'0'), false
	case "all", "-1":
	default:
		return fmt.Errorf("--acks %s is none of 0, 1, all", name)
	}
	return nil
}

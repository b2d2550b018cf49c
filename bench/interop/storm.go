package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	stormTopic      = "storm"
	stormPartitions = 6
)

// stormer is one client of the storm. An exact one is idempotent: what it sent is there once and in order.
type stormer struct {
	name   string // of the client in the records
	client string // of the program: its way through the proxy
	share  int    // of a thousand records
	exact  bool
	traits traits
	note   string
	sent   func(r record) record // what becomes of a record in its hands; nil: nothing
	send   func(ctx context.Context, s *session, c stormer, count int) error
}

func stormers() []stormer {
	all := traits{headers: true, nullKeys: true, nulls: true}
	text := traits{textKeys: true, nullKeys: true}
	numbered := traits{headers: true, plainKeys: true, nulls: true}
	numberedText := traits{textKeys: true, plainKeys: true}
	franz := func(options ...kgo.Opt) func(context.Context, *session, stormer, int) error {
		return func(ctx context.Context, s *session, c stormer, count int) error {
			return franzStorm(ctx, s, c, count, options)
		}
	}
	none, lz4 := kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerBatchCompression(kgo.Lz4Compression())
	return []stormer{
		{name: "franz-go none", client: "franz-go", share: 200, exact: true, traits: all, send: franz(none)},
		{name: "franz-go lz4", client: "franz-go", share: 180, exact: true, traits: all, send: franz(lz4)},
		{name: "java none", client: "java", share: 150, exact: true, traits: all, send: fileStorm(javaSend("all", "true", "none"))},
		{name: "java lz4", client: "java", share: 150, exact: true, traits: all, send: fileStorm(javaSend("all", "true", "lz4"))},
		{name: "kcat none", client: "kcat", share: 100, exact: true, traits: text, note: "one header for all, empty is null (-Z)",
			sent: withHeader("kcat none", emptyIsNull), send: kcatStorm("none", "-Z", "-X", "enable.idempotence=true")},
		{name: "kcat lz4", client: "kcat", share: 80, exact: true, traits: traits{textKeys: true}, note: "one header for all, no nulls",
			sent: withHeader("kcat lz4", nil), send: kcatStorm("lz4", "-X", "enable.idempotence=true")},
		{name: "franz-go acks=1", client: "franz-go", share: 50, traits: numbered,
			send: franz(none, kgo.DisableIdempotentWrite(), kgo.RequiredAcks(kgo.LeaderAck()))},
		{name: "kcat plain", client: "kcat", share: 30, traits: numberedText, note: "one header for all, no nulls",
			sent: withHeader("kcat plain", nil), send: kcatStorm("none", "-X", "acks=all")},
		{name: "kafka-python", client: "kafka-python", share: 30, exact: true, traits: all, send: fileStorm(pythonSend),
			note: "no null key with a null value"},
		{name: "kafkajs", client: "kafkajs", share: 30, traits: numbered, send: fileStorm(javascriptSend),
			note: "its idempotence is experimental, so it is not used; it reads nothing without a group"},
	}
}

func withHeader(name string, change func(record) record) func(record) record {
	return func(r record) record {
		if change != nil {
			r = change(r)
		}
		r.headers = []header{{"client", []byte(name)}}
		return r
	}
}

// record is the i-th one that the client sends, as a reader must see it.
func (c stormer) record(s *session, i int) record {
	r := stormRecord(c.name, s.seed, i, stormPartitions, c.traits)
	if c.sent != nil {
		r = c.sent(r)
	}
	return r
}

func (c stormer) count(s *session) int { return s.storm * c.share / 1000 }

// moveStorm lets all clients send at once, stops and starts the broker in the middle, kills it later, and reads back.
func moveStorm(s *session) {
	clients := stormers()
	total, totals := int64(0), map[string]int64{}
	biggest, smallest := 0, valueBytesMax
	for _, c := range clients {
		for i := range c.count(s) {
			size := len(c.record(s, i).value)
			total += int64(size)
			totals[c.name] += int64(size)
			biggest, smallest = max(biggest, size), min(smallest, size)
		}
	}
	s.say("the storm: %d records, %d MB of values from %d B to %d B, over %d partitions", s.storm, total>>20, smallest, biggest, stormPartitions)
	s.check("storm, topic", "franz-go", "", func(ctx context.Context) (string, error) { return "", s.createTopic(ctx, stormTopic, stormPartitions) })
	var running atomic.Int64
	var all sync.WaitGroup
	done := make(chan struct{})
	s.proxies.gate.hold(20, totals)
	began := time.Now()
	for _, c := range clients {
		running.Add(1)
		all.Add(1)
		go func() {
			defer all.Done()
			defer running.Add(-1)
			s.check("storm, written", c.name, c.note, func(ctx context.Context) (string, error) {
				err := c.send(ctx, s, c, c.count(s))
				return fmt.Sprintf("%d records", c.count(s)), err
			})
		}()
	}
	go func() { all.Wait(); close(done) }()
	blow := func(name string, what func() error) {
		s.check("storm, "+name+" in the middle", "broker", "", func(context.Context) (string, error) {
			if err := s.proxies.gate.await(2 * time.Minute); err != nil {
				s.proxies.gate.open()
				return "", err
			}
			s.proxies.gate.open()
			time.Sleep(10 * time.Millisecond)
			clientsLeft := running.Load()
			s.proxies.down()
			if err := what(); err != nil {
				return "", err
			}
			down := time.Now()
			err := s.broker.start(s.patience)
			if err == nil {
				err = s.proxies.up()
			}
			return fmt.Sprintf("%d of %d clients under way, back in %d ms", clientsLeft, len(clients), time.Since(down).Milliseconds()), err
		})
	}
	blow("SIGTERM and start", func() error { s.proxies.gate.hold(50, totals); return s.broker.stop(30 * time.Second) })
	blow("kill -9 and start", func() error { s.broker.kill(); return nil })
	<-done
	s.say("the storm was sent in %.0f s", time.Since(began).Seconds())
	readStormBack(s, clients)
}

func franzStorm(ctx context.Context, s *session, c stormer, count int, options []kgo.Opt) error {
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(s.through[c.name]), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DisableClientMetrics(), kgo.MaxBufferedRecords(500),
		kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }), kgo.MetadataMinAge(100 * time.Millisecond),
	}, options...)...)
	if err != nil {
		return err
	}
	defer client.Close()
	var failure atomic.Pointer[error]
	for i := range count {
		client.Produce(ctx, franzRecord(stormTopic, c.record(s, i)), func(_ *kgo.Record, err error) {
			if err != nil {
				failure.CompareAndSwap(nil, &err)
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	if failure.Load() != nil {
		return *failure.Load()
	}
	return nil
}

// fileStorm writes the client's records to a file and lets another program send it.
func fileStorm(send func(ctx context.Context, s *session, user, topic, path string) (said string, err error)) func(context.Context, *session, stormer, int) error {
	return func(ctx context.Context, s *session, c stormer, count int) error {
		path := filepath.Join(s.work, strings.ReplaceAll(c.name, " ", "-")+".records")
		defer os.Remove(path)
		if err := writeRecords(path, count, func(i int) record { return c.record(s, i) }); err != nil {
			return err
		}
		said, err := send(ctx, s, c.name, stormTopic, path)
		return countIs(said, count, err)
	}
}

func countIs(said string, count int, err error) error {
	if n, _ := strconv.Atoi(strings.TrimSpace(said)); err == nil && n != count {
		return fmt.Errorf("it says that it sent %q, not %d", said, count)
	}
	return err
}

func javaSend(acks, idempotence, codec string) func(context.Context, *session, string, string, string) (string, error) {
	return func(_ context.Context, s *session, user, topic, path string) (string, error) {
		return s.java.obey(checkPatience, "produce", s.through[user], topic, path, acks, idempotence, codec)
	}
}

func pythonSend(ctx context.Context, s *session, user, topic, path string) (string, error) {
	out, err := command(ctx, nil, s.python(), filepath.Join(s.source, "python", "client.py"), "produce", s.through[user], topic, path)
	return string(out), err
}

func javascriptSend(ctx context.Context, s *session, user, topic, path string) (string, error) {
	out, err := command(ctx, nil, "node", filepath.Join(s.source, "js", "client.js"), s.through[user], topic, path)
	return string(out), err
}

// kcatStorm runs kcat for one partition after another. -E: it does not end because the broker is away.
func kcatStorm(codec string, options ...string) func(context.Context, *session, stormer, int) error {
	return func(ctx context.Context, s *session, c stormer, count int) error {
		for partition := range int32(stormPartitions) {
			var mine []record
			for i := range count {
				if r := c.record(s, i); r.partition == partition {
					mine = append(mine, r)
				}
			}
			arguments := append([]string{"-P", "-E", "-b", s.through[c.name], "-t", stormTopic, "-p", fmt.Sprint(partition), "-z", codec,
				"-D", escapedRecord, "-K", escapedKey, "-H", "client=" + c.name, "-X", "message.timeout.ms=300000", "-X", "retries=1000000",
				"-X", "reconnect.backoff.max.ms=200"}, options...)
			if _, err := command(ctx, delimited(mine, recordEnd, ""), "kcat", arguments...); err != nil {
				return err
			}
		}
		return nil
	}
}

// sum tells one record from another: its key, value and headers.
type sum [16]byte

func sumOf(r record) (s sum) {
	h := sha256.New()
	absorb(h, r.key)
	absorb(h, r.value)
	for _, each := range r.headers {
		absorb(h, []byte(each.name))
		absorb(h, each.value)
	}
	copy(s[:], h.Sum(nil))
	return s
}

func absorb(h io.Writer, b []byte) {
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(b)))
	if b == nil {
		binary.BigEndian.PutUint32(length[:], 0xffffffff)
	}
	h.Write(length[:])
	h.Write(b)
}

// wholeLog is what franz-go read: the records of each client, and sums over each partition that other readers must match.
type wholeLog struct {
	mu         sync.Mutex
	of         map[string]map[int32][]sum
	withHeader [stormPartitions]string // count:SHA-256 over offset, key, value, headers
	printed    [stormPartitions]string // SHA-256 over what a console prints
	count      int64
}

const stormFormat = `%o %K %S %k%s\n`

func printWithOffset(out io.Writer, offset int64, r record) {
	fmt.Fprintf(out, "%d ", offset)
	printLengths(out, r)
}

func readStormBack(s *session, clients []stormer) {
	log := &wholeLog{of: map[string]map[int32][]sum{}}
	s.check("storm, read", "franz-go", "", func(ctx context.Context) (string, error) {
		ends, err := s.ends(ctx, stormTopic, stormPartitions)
		if err != nil {
			return "", err
		}
		for partition := range int32(stormPartitions) {
			if err := s.readStormPartition(ctx, log, partition, ends[partition]); err != nil {
				return "", err
			}
		}
		return fmt.Sprintf("%d records", log.count), nil
	})
	for _, c := range clients {
		s.check("storm, what is there", c.name, c.note, func(context.Context) (string, error) { return c.judge(s, log) })
	}
	s.check("storm, read", "java", "", func(context.Context) (string, error) {
		said, err := s.java.obey(checkPatience, "read", s.through["java"], stormTopic, fmt.Sprint(stormPartitions))
		return "", matches(said, err, log.withHeader[:])
	})
	s.check("storm, read", "kafka-python", "one partition", func(ctx context.Context) (string, error) {
		out, err := command(ctx, nil, s.python(), filepath.Join(s.source, "python", "client.py"), "read", s.through["kafka-python"], stormTopic, "0")
		return "", matches(string(out), err, log.withHeader[:1])
	})
	s.check("storm, read", "kcat", "headers are not compared", func(ctx context.Context) (string, error) {
		return "", log.matchesPrinted(ctx, func(partition string) []string {
			return []string{"kcat", "-C", "-b", s.through["kcat"], "-t", stormTopic, "-p", partition, "-o", "beginning", "-e", "-q", "-f", stormFormat}
		})
	})
	s.check("storm, read", "rookery", "headers are not compared", func(ctx context.Context) (string, error) {
		return "", log.matchesPrinted(ctx, func(partition string) []string {
			return []string{s.client, "consume", stormTopic, "-b", s.through["rookery"], "-p", partition, "-o", "start", "-e", "-f", stormFormat}
		})
	})
}

func (s *session) readStormPartition(ctx context.Context, log *wholeLog, partition int32, end int64) error {
	withHeaders, printed, count := sha256.New(), sha256.New(), 0
	var offset [8]byte
	err := s.readPartition(ctx, stormTopic, partition, end, func(r *kgo.Record) {
		mine := received(r)
		binary.BigEndian.PutUint64(offset[:], uint64(r.Offset))
		withHeaders.Write(offset[:])
		absorb(withHeaders, r.Key)
		absorb(withHeaders, r.Value)
		client := ""
		for _, h := range mine.headers {
			absorb(withHeaders, []byte(h.name))
			absorb(withHeaders, h.value)
			if h.name == "client" {
				client = string(h.value)
			}
		}
		printWithOffset(printed, r.Offset, mine)
		if log.of[client] == nil {
			log.of[client] = map[int32][]sum{}
		}
		log.of[client][partition] = append(log.of[client][partition], sumOf(mine))
		count++
	})
	log.count += int64(count)
	log.withHeader[partition] = fmt.Sprintf("%d:%d:%x", partition, count, withHeaders.Sum(nil))
	log.printed[partition] = fmt.Sprintf("%x", printed.Sum(nil))
	return err
}

// judge compares what a client sent with what is there: the same sums in the same order, or each at least once.
func (c stormer) judge(s *session, log *wholeLog) (string, error) {
	want := map[int32][]sum{}
	for i := range c.count(s) {
		r := c.record(s, i)
		want[r.partition] = append(want[r.partition], sumOf(r))
	}
	missing, twice, strangers, misplaced := 0, 0, 0, ""
	for partition := range int32(stormPartitions) {
		got := log.of[c.name][partition]
		seen := map[sum]int{}
		for _, each := range got {
			seen[each]++
		}
		for i, each := range want[partition] {
			if seen[each] == 0 {
				missing++
			}
			seen[each]--
			if misplaced == "" && (i >= len(got) || got[i] != each) {
				misplaced = fmt.Sprintf("partition %d, record %d of %d", partition, i, len(want[partition]))
			}
		}
		known := map[sum]bool{}
		for _, each := range want[partition] {
			known[each] = true
		}
		for each, left := range seen {
			if !known[each] {
				strangers += left
			} else if left > 0 {
				twice += left
			}
		}
	}
	said := fmt.Sprintf("missing %d, duplicates %d", missing, twice)
	switch {
	case missing > 0 || strangers > 0:
		return "", fmt.Errorf("%s, never sent %d", said, strangers)
	case c.exact && (twice > 0 || misplaced != ""):
		return "", fmt.Errorf("%s; the first one out of place: %s", said, misplaced)
	case c.exact:
		return "exact", nil
	}
	return said, nil
}

func matches(said string, err error, want []string) error {
	if err != nil {
		return err
	}
	if got := strings.TrimSpace(said); got != strings.Join(want, " ") {
		return fmt.Errorf("partition:count:sum is %s, not %s", got, strings.Join(want, " "))
	}
	return nil
}

func (log *wholeLog) matchesPrinted(ctx context.Context, commandFor func(partition string) []string) error {
	for partition := range stormPartitions {
		line := commandFor(fmt.Sprint(partition))
		h := sha256.New()
		cmd := exec.CommandContext(ctx, line[0], line[1:]...)
		var complaints bytes.Buffer
		cmd.Stdout, cmd.Stderr = h, &complaints
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("partition %d: %w: %s", partition, err, strings.TrimSpace(complaints.String()))
		}
		if got := fmt.Sprintf("%x", h.Sum(nil)); got != log.printed[partition] {
			return fmt.Errorf("partition %d: what it printed differs from what franz-go read", partition)
		}
	}
	return nil
}

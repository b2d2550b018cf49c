package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
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
	share  int    // per cent of what each client sends
	exact  bool
	traits traits
	codecs []codec // in turn, each for as many records as the others; which is first follows from the seed
	note   string
	sent   func(r record) record // what becomes of a record in its hands; nil: nothing
	send   func(ctx context.Context, s *session, c stormer, count int) error
}

func stormers() []stormer {
	all := traits{headers: true, nullHeaders: true, times: true, nullKeys: true, nulls: true}
	numbered := traits{headers: true, nullHeaders: true, times: true, plainKeys: true, nulls: true}
	valued := func(t traits) traits { t.nullHeaders = false; return t }
	text := traits{textKeys: true, nullKeys: true}
	numberedText := traits{textKeys: true, plainKeys: true}
	const kcatNote = "no time and no header of its own on each record, a codec a partition"
	return []stormer{
		{name: "franz-go", client: "franz-go", share: 100, exact: true, traits: all, codecs: everyCodec, send: franzStorm()},
		{name: "franz-go acks=1", client: "franz-go", share: 25, traits: numbered, codecs: everyCodec,
			send: franzStorm(kgo.DisableIdempotentWrite(), kgo.RequiredAcks(kgo.LeaderAck()))},
		{name: "java", client: "java", share: 100, exact: true, traits: all, codecs: everyCodec, send: fileStorm(javaSend("all", "true"))},
		{name: "kcat -Z", client: "kcat", share: 50, exact: true, traits: text, codecs: everyCodec, note: kcatNote + "; empty is null",
			sent: withHeader("kcat -Z", emptyIsNull), send: kcatStorm("-Z", "-X", "enable.idempotence=true")},
		{name: "kcat", client: "kcat", share: 35, exact: true, traits: traits{textKeys: true}, codecs: everyCodec, note: kcatNote + ", no nulls",
			sent: withHeader("kcat", nil), send: kcatStorm("-X", "enable.idempotence=true")},
		{name: "kcat plain", client: "kcat", share: 15, traits: numberedText, codecs: everyCodec, note: kcatNote + ", no nulls",
			sent: withHeader("kcat plain", nil), send: kcatStorm("-X", "acks=all")},
		{name: "confluent-kafka", client: "confluent-kafka", share: 100, exact: true, traits: all, codecs: everyCodec, send: fileStorm(pythonSend)},
		{name: "kafka-python", client: "kafka-python", share: 100, exact: true, traits: valued(all), codecs: everyCodec, send: fileStorm(pythonSend),
			note: "no null key with a null value, no null in headers"},
		{name: "aiokafka", client: "aiokafka", share: 100, exact: true, traits: all, codecs: everyCodec, send: fileStorm(pythonSend),
			note: "no null key with a null value"},
		{name: "kafkajs", client: "kafkajs", share: 100, traits: valued(numbered), codecs: everyCodec, send: fileStorm(javascriptSend),
			note: "no null in headers; its idempotence is experimental, so it is not used; all but gzip is from plugins"},
		{name: "sarama", client: "sarama", share: 100, exact: true, traits: all, codecs: everyCodec, send: fileStorm(goSend)},
		{name: "kafka-go", client: "kafka-go", share: 100, traits: numbered, codecs: everyCodec, send: fileStorm(goSend), note: "it has no idempotence; the driver sends again what it gives up while nobody listens"},
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
	r := stormRecord(c.name, s.seed, i, stormPartitions, s.newest, c.traits)
	turn := i * len(c.codecs) / c.count(s)
	if c.client == "kcat" {
		turn = int(r.partition)
	}
	r.codec = c.codecs[(turn+int((s.seed^hashOf(c.name))%uint64(len(c.codecs))))%len(c.codecs)]
	if c.sent != nil {
		r = c.sent(r)
	}
	return r
}

// stormShares is how many times the records of one client all send together, in per cent.
func stormShares() (shares int) {
	for _, c := range stormers() {
		shares += c.share
	}
	return shares
}

func (c stormer) count(s *session) int { return s.storm * c.share / 100 }

// moveStorm lets all clients send at once, stops and starts the broker in the middle, kills it later, and reads back.
func moveStorm(s *session) {
	clients := stormers()
	count, total, totals := 0, int64(0), map[string]int64{}
	biggest, smallest := 0, valueBytesMax
	for _, c := range clients {
		count += c.count(s)
		totals[c.name] = int64(c.count(s))
		for i := range c.count(s) {
			_, _, size := stormShape(c.name, s.seed, i, stormPartitions)
			total += int64(size)
			biggest, smallest = max(biggest, size), min(smallest, size)
		}
	}
	s.say("the storm: %d records, %d MB of values from %d B to %d B, over %d partitions", count, total>>20, smallest, biggest, stormPartitions)
	s.check("storm, topic", "franz-go", "", func(ctx context.Context) (string, error) { return "", s.createTopic(ctx, stormTopic, stormPartitions) })
	var running atomic.Int64
	var all sync.WaitGroup
	done := make(chan struct{})
	s.proxies.gate.hold(30, totals) // in the middle of somebody's codec
	began := time.Now()
	for _, c := range clients {
		running.Add(1)
		all.Add(1)
		go func() {
			defer all.Done()
			defer running.Add(-1)
			s.check("storm, written", c.name, c.note, func(ctx context.Context) (string, error) {
				defer s.proxies.gate.leave(c.name)
				err := c.send(ctx, s, c, c.count(s))
				return fmt.Sprintf("%d records", c.count(s)), err
			})
		}()
	}
	go func() { all.Wait(); close(done) }()
	blow := func(name string, what func() error) {
		s.check("storm, "+name+" in the middle", "broker", "", func(context.Context) (string, error) {
			if err := s.proxies.gate.await(3 * time.Minute); err != nil {
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

func franzStorm(options ...kgo.Opt) func(context.Context, *session, stormer, int) error {
	return func(ctx context.Context, s *session, c stormer, count int) error {
		var client *kgo.Client
		var failure atomic.Pointer[error]
		current := codec(-1)
		end := func() error {
			if client == nil {
				return nil
			}
			defer client.Close()
			if err := client.Flush(ctx); err != nil {
				return err
			}
			if failure.Load() != nil {
				return *failure.Load()
			}
			return nil
		}
		for i := range count {
			r := c.record(s, i)
			if r.codec != current {
				if err := end(); err != nil {
					return err
				}
				var err error
				if client, err = kgo.NewClient(append([]kgo.Opt{
					kgo.SeedBrokers(s.through[c.name]), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DisableClientMetrics(), kgo.MaxBufferedRecords(500),
					kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }), kgo.MetadataMinAge(100 * time.Millisecond), franzCodec(r.codec),
				}, options...)...); err != nil {
					return err
				}
				current = r.codec
			}
			client.Produce(ctx, franzRecord(stormTopic, r), func(_ *kgo.Record, err error) {
				if err != nil {
					failure.CompareAndSwap(nil, &err)
				}
			})
		}
		return end()
	}
}

func franzCodec(c codec) kgo.Opt {
	return kgo.ProducerBatchCompression([]kgo.CompressionCodec{
		none: kgo.NoCompression(), gzip: kgo.GzipCompression(), snappy: kgo.SnappyCompression(), lz4: kgo.Lz4Compression(), zstd: kgo.ZstdCompression(),
	}[c])
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

func javaSend(acks, idempotence string) func(context.Context, *session, string, string, string) (string, error) {
	return func(_ context.Context, s *session, user, topic, path string) (string, error) {
		return s.java.obey(checkPatience, "produce", s.through[user], topic, path, acks, idempotence)
	}
}

// The names of the users of these are those of the clients.
func pythonSend(ctx context.Context, s *session, user, topic, path string) (string, error) {
	out, err := command(ctx, nil, s.python(), s.pythonClient(), user, "produce", s.through[user], topic, path)
	return string(out), err
}

func goSend(ctx context.Context, s *session, user, topic, path string) (string, error) {
	out, err := command(ctx, nil, s.goClients(), user, "produce", s.through[user], topic, path)
	return string(out), err
}

func javascriptSend(ctx context.Context, s *session, user, topic, path string) (string, error) {
	out, err := command(ctx, nil, "node", filepath.Join(s.source, "js", "client.js"), "produce", s.through[user], topic, path)
	return string(out), err
}

// kcatStorm runs kcat for one partition after another. -E: it does not end because the broker is away.
func kcatStorm(options ...string) func(context.Context, *session, stormer, int) error {
	return func(ctx context.Context, s *session, c stormer, count int) error {
		for partition := range int32(stormPartitions) {
			var mine []record
			for i := range count {
				if r := c.record(s, i); r.partition == partition {
					mine = append(mine, r)
				}
			}
			arguments := append([]string{"-P", "-E", "-b", s.through[c.name], "-t", stormTopic, "-p", fmt.Sprint(partition),
				"-D", escapedRecord, "-K", escapedKey, "-H", "client=" + c.name, "-X", "message.timeout.ms=300000", "-X", "retries=1000000",
				"-X", "reconnect.backoff.max.ms=200"}, options...)
			if len(mine) == 0 {
				continue
			}
			arguments = append(arguments, "-z", mine[0].codec.String())
			if _, err := command(ctx, delimited(mine, recordEnd, ""), "kcat", arguments...); err != nil {
				return err
			}
		}
		return nil
	}
}

// sum tells one record from another: its time, key, value and headers.
type sum [16]byte

func sumOf(r record) (s sum) {
	h := sha256.New()
	absorbWithOffset(h, 0, r)
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
	of         map[string]map[int32][]sum
	codecs     map[string]map[codec]int
	timed      map[string]bool         // who gives its records times
	withHeader [stormPartitions]string // count:SHA-256 over offset, time, key, value, headers
	nulled     [stormPartitions]string // the same where what is empty is null
	printed    [stormPartitions]string // SHA-256 over what a console prints
	headed     [stormPartitions]string // the same with headers
	count      int64
}

func newWholeLog(clients []stormer) *wholeLog {
	log := &wholeLog{of: map[string]map[int32][]sum{}, codecs: map[string]map[codec]int{}, timed: map[string]bool{}}
	for _, c := range clients {
		log.of[c.name], log.codecs[c.name], log.timed[c.name] = map[int32][]sum{}, map[codec]int{}, c.traits.times
	}
	return log
}

// add keeps what must be compared of a record that a client sent.
func (log *wholeLog) add(client string, partition int32, r record) {
	if log.of[client] == nil {
		log.of[client], log.codecs[client] = map[int32][]sum{}, map[codec]int{}
	}
	if !log.timed[client] {
		r.time = 0
	}
	log.of[client][partition] = append(log.of[client][partition], sumOf(r))
	log.codecs[client][r.codec]++
	log.count++
}

// What consoles print of the storm. Kcat's %h ends a value at its first zero byte, and writes NULL for one that is null; ours writes
// nothing then.
const (
	stormFormat  = `%o %T %K %S %k%s\n`
	headedFormat = `%h ` + stormFormat
)

func printWithOffset(out io.Writer, offset int64, r record) {
	fmt.Fprintf(out, "%d %d ", offset, r.time)
	printLengths(out, r)
}

func printWithHeaders(out io.Writer, offset int64, r record) {
	for i, h := range r.headers {
		if i > 0 {
			_, _ = io.WriteString(out, ",")
		}
		fmt.Fprintf(out, "%s=%s", h.name, h.value)
	}
	_, _ = io.WriteString(out, " ")
	printWithOffset(out, offset, r)
}

func readStormBack(s *session, clients []stormer) {
	log := newWholeLog(clients)
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
		strangers := maps.Clone(log.of)
		for _, c := range clients {
			delete(strangers, c.name)
		}
		if len(strangers) > 0 {
			return "", fmt.Errorf("%d records, and some of who is no client: %q", log.count, slices.Collect(maps.Keys(strangers)))
		}
		return fmt.Sprintf("%d records", log.count), nil
	})
	for _, c := range clients {
		s.check("storm, what is there", c.name, c.note, func(context.Context) (string, error) { return c.judge(s, log) })
	}
	const every = "0,1,2,3,4,5"
	var readers []func()
	reader := func(client, note string, what func(ctx context.Context) (string, error)) {
		readers = append(readers, func() { s.check("storm, read", client, note, what) })
	}
	reader("java", "", func(context.Context) (string, error) {
		said, err := s.java.obey(checkPatience, "read", s.through["java"], stormTopic, fmt.Sprint(stormPartitions))
		return "", matches(said, err, log.withHeader[:])
	})
	for _, each := range []struct{ client, note string }{
		{"confluent-kafka", "it wants the name of a group, which it does not join"}, {"kafka-python", ""}, {"aiokafka", ""},
	} {
		reader(each.client, each.note, func(ctx context.Context) (string, error) {
			out, err := command(ctx, nil, s.python(), s.pythonClient(), each.client, "read", s.through[each.client], stormTopic, every)
			return "", matches(string(out), err, log.withHeader[:])
		})
	}
	for _, each := range []struct {
		client, note string
		want         []string
	}{{"sarama", "", log.withHeader[:]}, {"kafka-go", "an empty key, value or header is read as null", log.nulled[:]}} {
		reader(each.client, each.note, func(ctx context.Context) (string, error) {
			out, err := command(ctx, nil, s.goClients(), each.client, "read", s.through[each.client], stormTopic, every)
			return "", matches(string(out), err, each.want)
		})
	}
	reader("kafkajs", "as the only member of a group", func(ctx context.Context) (string, error) {
		out, err := command(ctx, nil, "node", filepath.Join(s.source, "js", "client.js"), "read", s.through["kafkajs"], stormTopic, every)
		return "", matches(string(out), err, log.withHeader[:])
	})
	reader("kcat", "headers are not compared", func(ctx context.Context) (string, error) {
		return "", matchesPrinted(ctx, log.printed[:], func(partition string) []string {
			return []string{"kcat", "-C", "-b", s.through["kcat"], "-t", stormTopic, "-p", partition, "-o", "beginning", "-e", "-q", "-f", stormFormat}
		})
	})
	reader("rookery", "", func(ctx context.Context) (string, error) {
		return "", matchesPrinted(ctx, log.headed[:], func(partition string) []string {
			return []string{s.client, "consume", stormTopic, "-b", s.through["rookery"], "-p", partition, "-o", "start", "-e", "-f", headedFormat}
		})
	})
	sideBySide(2, readers)
}

// sideBySide runs what is there, a few at a time.
func sideBySide(width int, what []func()) {
	var all sync.WaitGroup
	free := make(chan struct{}, width)
	for _, each := range what {
		free <- struct{}{}
		all.Go(func() {
			each()
			<-free
		})
	}
	all.Wait()
}

func (s *session) readStormPartition(ctx context.Context, log *wholeLog, partition int32, end int64) error {
	whole, nulled, printed, headed, count := sha256.New(), sha256.New(), sha256.New(), sha256.New(), 0
	err := s.readPartition(ctx, stormTopic, partition, end, func(r *kgo.Record) {
		mine := received(r)
		absorbWithOffset(whole, r.Offset, mine)
		printWithOffset(printed, r.Offset, mine)
		printWithHeaders(headed, r.Offset, mine)
		client := ""
		for _, h := range mine.headers {
			if h.name == "client" {
				client = string(h.value)
			}
		}
		log.add(client, partition, mine)
		mine = emptyIsNull(mine)
		for i, h := range mine.headers {
			if len(h.value) == 0 {
				mine.headers[i].value = nil
			}
		}
		absorbWithOffset(nulled, r.Offset, mine)
		count++
	})
	log.withHeader[partition] = fmt.Sprintf("%d:%d:%x", partition, count, whole.Sum(nil))
	log.nulled[partition] = fmt.Sprintf("%d:%d:%x", partition, count, nulled.Sum(nil))
	log.printed[partition] = fmt.Sprintf("%x", printed.Sum(nil))
	log.headed[partition] = fmt.Sprintf("%x", headed.Sum(nil))
	return err
}

func absorbWithOffset(h io.Writer, offset int64, r record) {
	binary.Write(h, binary.BigEndian, [2]int64{offset, r.time})
	absorb(h, r.key)
	absorb(h, r.value)
	for _, each := range r.headers {
		absorb(h, []byte(each.name))
		absorb(h, each.value)
	}
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
	var travelled []string
	for _, each := range c.codecs {
		if log.codecs[c.name][each] == 0 {
			return "", fmt.Errorf("%s; nothing came as %v", said, each)
		}
		travelled = append(travelled, fmt.Sprintf("%v %d", each, log.codecs[c.name][each]))
	}
	codecs := "; " + strings.Join(travelled, ", ")
	switch {
	case missing > 0 || strangers > 0:
		return "", fmt.Errorf("%s, never sent %d", said, strangers)
	case c.exact && (twice > 0 || misplaced != ""):
		return "", fmt.Errorf("%s; the first one out of place: %s", said, misplaced)
	case c.exact:
		return "exact" + codecs, nil
	}
	return said + codecs, nil
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

func matchesPrinted(ctx context.Context, want []string, commandFor func(partition string) []string) error {
	for partition := range stormPartitions {
		line := commandFor(fmt.Sprint(partition))
		h := sha256.New()
		cmd := exec.CommandContext(ctx, line[0], line[1:]...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		var complaints bytes.Buffer
		cmd.Stdout, cmd.Stderr = h, &complaints
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("partition %d: %w: %s", partition, err, strings.TrimSpace(complaints.String()))
		}
		if got := fmt.Sprintf("%x", h.Sum(nil)); got != want[partition] {
			return fmt.Errorf("partition %d: what it printed differs from what franz-go read", partition)
		}
	}
	return nil
}

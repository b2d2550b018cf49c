package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"rookery/core/seam"
	"rookery/io/loop"
)

// running is a whole broker in this process, on a free port.
type running struct {
	address string
	signals chan os.Signal
	ended   chan error
	log     *lines
	notes   *lines
	metrics string // the HTTP port's address
	node    *node
}

// lines is a log that a test can look into.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// begin starts a broker over dir and waits until it answers Metadata.
func begin(t *testing.T, dir string, sets ...string) *running {
	t.Helper()
	s, err := loadSettings("", nil, append([]string{"node.id=1", "listeners=PLAINTEXT://127.0.0.1:0", "log.dirs=" + dir}, sets...))
	require.NoError(t, err)
	require.NoError(t, formatBare(s))
	ids, err := identify(s, never)
	require.NoError(t, err)
	return beginOver(t, s, ids)
}

// beginOver starts a broker over directories as they are.
func beginOver(t *testing.T, s *settings, ids []identity) *running {
	t.Helper()
	r := &running{signals: make(chan os.Signal, 2), ended: make(chan error, 1), log: &lines{}, notes: &lines{}}
	n := &node{settings: s, ids: ids, logger: newLogger(newOutlet(r.log), slog.LevelInfo), notes: newOutlet(r.notes)}
	r.node = n
	go func() { r.ended <- n.run(r.signals) }()
	require.Eventually(t, func() bool {
		for _, line := range strings.Split(r.log.String(), "\n") {
			var ready struct {
				Msg       string
				Addresses []string
				Metrics   string
			}
			if json.Unmarshal([]byte(line), &ready) == nil && ready.Msg == "ready" {
				r.address, r.metrics = ready.Addresses[0], ready.Metrics
			}
		}
		return r.address != ""
	}, 20*time.Second, time.Millisecond, "the broker is not ready: %s", r.log)
	t.Cleanup(func() { r.stop(t) })
	return r
}

// stop ends the broker as SIGTERM does.
func (r *running) stop(t *testing.T) {
	t.Helper()
	if r.ended == nil {
		return
	}
	r.signals <- syscall.SIGTERM
	select {
	case err := <-r.ended:
		require.NoError(t, err)
	case <-time.After(20 * time.Second):
		t.Fatalf("the broker does not stop: %s", r.log)
	}
	r.ended = nil
}

// ask runs a command against the broker.
func (r *running) ask(t *testing.T, input string, args ...string) string {
	t.Helper()
	var out, complaints bytes.Buffer
	root := rootCommand(&out, &complaints)
	root.SetIn(strings.NewReader(input))
	root.SetArgs(append(args, "-b", r.address))
	require.NoError(t, root.Execute(), "%v: %s", args, complaints.String())
	return out.String()
}

// ask0 runs a command that needs no broker.
func (r *running) ask0(t *testing.T, args ...string) string {
	t.Helper()
	out, complaints, err := runCommand(args...)
	require.NoError(t, err, complaints)
	return out
}

func TestRecordsSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	r := begin(t, dir)
	var want strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&want, "key-%d:value %d\n", i%50, i)
	}
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		require.Contains(t, r.ask(t, "", "topic", "create", codec, "-p", "1"), "created "+codec)
		r.ask(t, want.String(), "produce", codec, "-K", ":", "-z", codec, "--batch-bytes", "5000")
		require.Equal(t, want.String(), r.ask(t, "", "consume", codec, "-o", "start", "-e", "-f", `%k:%v\n`))
	}
	r.stop(t)
	r = begin(t, dir)
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		require.Equal(t, want.String(), r.ask(t, "", "consume", codec, "-o", "start", "-e", "-f", `%k:%v\n`), codec)
	}
	require.Equal(t, "value 1998\nvalue 1999\n", r.ask(t, "", "consume", "none", "-o", "-2", "-n", "2"))
	require.Equal(t, "1000\n", r.ask(t, "", "consume", "none", "-o", "1000", "-n", "1", "-f", `%o\n`))
	require.Equal(t, "value 1998\nvalue 1999\n", r.ask(t, "", "consume", "none", "-p", "0", "-p", "0", "-o", "-2", "-e"), "a partition that is named twice is read once")
	r.stop(t)
	reports, err := verify(dir, nil)
	require.NoError(t, err)
	require.Len(t, reports, 6)
	for _, report := range reports {
		require.Empty(t, report.Problems)
	}
}

func TestKeysChoosePartitionsAsJavaDoes(t *testing.T) {
	r := begin(t, t.TempDir())
	r.ask(t, "", "topic", "create", "spread", "-p", "6")
	r.ask(t, "21:a\nfoobar:b\nabc:c\n", "produce", "spread", "-K", ":")
	for key, hash := range map[string]int32{"21": -973932308, "foobar": -790332482, "abc": 479470107} {
		want := fmt.Sprintf("%s %d\n", key, (hash&0x7fffffff)%6)
		require.Contains(t, r.ask(t, "", "consume", "spread", "-o", "start", "-e", "-f", `%k %p\n`), want)
	}
}

func TestTopicCommands(t *testing.T) {
	r := begin(t, t.TempDir())
	r.ask(t, "", "topic", "create", "b", "a", "-p", "2", "--config", "retention.ms=60000")
	require.Regexp(t, `(?s)TOPIC +PARTITIONS +REPLICAS\na +2 +1\nb +2 +1\n`, r.ask(t, "", "topic", "list"))
	r.ask(t, "one\n", "produce", "a", "-p", "1")
	require.NotContains(t, r.ask(t, "", "topic", "list", "-o", "json"), "endOffset", "nobody was asked")
	var rows []topicRow
	require.NoError(t, json.Unmarshal([]byte(r.ask(t, "", "topic", "describe", "a", "-o", "json")), &rows))
	require.Len(t, rows, 1)
	require.Len(t, rows[0].Partitions, 2)
	require.Equal(t, int64(1), *rows[0].Partitions[1].End)
	require.Zero(t, *rows[0].Partitions[1].Start)
	require.Equal(t, []int32{1}, rows[0].Partitions[0].ISR)
	require.Len(t, rows[0].ID, 22)
	require.NoError(t, json.Unmarshal([]byte(r.ask(t, "", "topic", "describe", "-o", "json")), &rows))
	require.Len(t, rows, 2, "of all, if none is named")
	require.Equal(t, "deleted a\n", r.ask(t, "", "topic", "delete", "a"))
	require.NotContains(t, r.ask(t, "", "topic", "list"), "\na ")

	require.Equal(t, "created single: 1 partition, replication factor 1\n", r.ask(t, "", "topic", "create", "single", "-p", "1"))

	for _, test := range []struct {
		args []string
		why  string
	}{
		{[]string{"topic", "describe", "a"}, "there is no topic a"},
		{[]string{"topic", "delete", "a"}, "there is no topic a"},
		{[]string{"topic", "create", "b"}, "TOPIC_ALREADY_EXISTS)\n  to leave it as it is: --if-not-exists"},
		{[]string{"topic", "create", "c/d"}, "INVALID_TOPIC_EXCEPTION"},
		{[]string{"topic", "create", "c", "--config", "retention.ms=soon"}, "INVALID_CONFIG"},
		{[]string{"consume", "nowhere"}, "there is no topic nowhere"},
		{[]string{"consume", "c/d"}, "\"c/d\" is no name for a topic\n  names have ASCII letters"},
		{[]string{"produce", "c/d"}, "\"c/d\" is no name for a topic\n  names have ASCII letters"},
		{[]string{"consume", "b", "-p", "9", "-o", "start"}, "has partitions 0 to 1"},
		{[]string{"consume", "b", "-p", "0", "-o", "77"}, "has no offset 77"},
		{[]string{"consume", "single", "-p", "1", "-o", "start"}, "has one partition, 0, and no 1"},
	} {
		_, _, err := runCommand(append(test.args, "-b", r.address)...)
		require.Error(t, err, "%v", test.args)
		var said strings.Builder
		report(&said, err)
		require.Contains(t, said.String(), test.why, "%v", test.args)
	}
}

// TestConsumeInAGroup: what was printed is committed, so that the next member goes on behind it, to the record.
func TestConsumeInAGroup(t *testing.T) {
	r := begin(t, t.TempDir())
	r.ask(t, "", "topic", "create", "left", "-p", "2")
	r.ask(t, "", "topic", "create", "right", "-p", "1")
	for _, topic := range []string{"left", "right"} {
		var lines strings.Builder
		for i := range 20 {
			fmt.Fprintf(&lines, "%d:%s %d\n", i, topic, i)
		}
		r.ask(t, lines.String(), "produce", topic, "-K", ":")
	}
	group := func(more ...string) []string {
		text := r.ask(t, "", append([]string{"consume", "left", "right", "--group", "g", "-o", "start", "-f", `%t %p %o\n`}, more...)...)
		return strings.Split(strings.TrimSpace(text), "\n")
	}
	seen := group("-n", "7")
	require.Len(t, seen, 7)
	seen = append(seen, group("-n", "5", "--assignor", "cooperative-sticky")...)
	seen = append(seen, group("-e", "--instance-id", "i")...)
	require.Len(t, seen, 40)
	slices.Sort(seen)
	require.Len(t, slices.Compact(seen), 40, "each once")
	require.Equal(t, []string{""}, group("-e", "--instance-id", "i"))
	require.Len(t, strings.Split(r.ask(t, "", "consume", "le.*|none", "--pattern", "-g", "h", "-o", "start", "-e", "--commit-interval", "0"), "\n"), 21)
	require.Len(t, strings.Split(r.ask(t, "", "consume", "left", "-g", "h", "-o", "start", "-e"), "\n"), 21, "nothing was committed")

	for _, test := range []struct {
		args []string
		why  string
	}{
		{[]string{"consume", "left", "right"}, "one topic at a time"},
		{[]string{"consume", "left", "--pattern"}, "--pattern is for members of a group"},
		{[]string{"consume", "left", "-g", "g", "-p", "0"}, "the group says which partitions"},
		{[]string{"consume", "left", "-g", "g", "-o", "5"}, "goes on where it has come to"},
		{[]string{"consume", "left", "-g", "g", "-o", ":end"}, "does not stop at an offset"},
		{[]string{"consume", "left", "-g", "g", "--protocol", "new"}, "no group protocol"},
		{[]string{"consume", "left", "-g", "g", "--assignor", "fair"}, "no assignor"},
		{[]string{"consume", "nowhere", "-g", "g"}, "there is no topic nowhere"},
		{[]string{"consume", "(", "--pattern", "-g", "g"}, "INVALID_REGULAR_EXPRESSION"},
	} {
		_, _, err := runCommand(append(test.args, "-b", r.address)...)
		require.ErrorContains(t, err, test.why, "%v", test.args)
	}
}

func TestARecordThatIsTooLarge(t *testing.T) {
	r := begin(t, t.TempDir())
	root := rootCommand(io.Discard, io.Discard)
	root.SetIn(strings.NewReader(strings.Repeat("x", 2_000_000)))
	root.SetArgs([]string{"produce", "big", "-b", r.address})
	err := root.Execute()
	require.ErrorContains(t, err, "MESSAGE_TOO_LARGE")
	var complaint strings.Builder
	report(&complaint, err)
	require.Contains(t, complaint.String(), "max.message.bytes")
	require.Empty(t, r.ask(t, "", "consume", "big", "-o", "start", "-e"))
}

// What the broker says of a refused batch reaches whoever produced it: why, which record, and what to do next.
func TestWhyABatchIsRefused(t *testing.T) {
	r := begin(t, t.TempDir())
	r.ask(t, "", "topic", "create", "small", "--config", "segment.bytes=1048576", "--config", "max.message.bytes=8000000")
	r.ask(t, "", "topic", "create", "keyed", "--config", "cleanup.policy=compact")
	late := `{"value":"a"}` + "\n" + `{"value":"b"}` + "\n" + `{"value":"c","timestamp":99999999999999}` + "\n" + `{"value":"d"}` + "\n"
	for _, test := range []struct {
		args, input string
		says        []string
	}{
		{"late --input json", late, []string{"INVALID_TIMESTAMP: ", "record 3 of the input: Timestamp is out of range.", "message.timestamp.after.max.ms"}},
		{"keyed -K :", "k:v\nv\nw\n", []string{"INVALID_RECORD: ", "record 2 of the input: Record has no key. (and 1 more)", "-k KEY"}},
		{"small", strings.Repeat("x", 2_000_000), []string{"RECORD_LIST_TOO_LARGE: ", "segment.bytes", "--batch-bytes"}},
		{"big", strings.Repeat("x", 2_000_000), []string{"MESSAGE_TOO_LARGE: the batch is larger", "max.message.bytes"}},
		{"__consumer_offsets", "x\n", []string{"INVALID_TOPIC_EXCEPTION", "by the broker alone"}},
	} {
		if strings.HasPrefix(test.args, "__") { // it is made when a group first commits
			r.ask(t, "x\n", "produce", "read")
			r.ask(t, "", "consume", "read", "-g", "readers", "-o", "start", "-e")
		}
		root := rootCommand(io.Discard, io.Discard)
		root.SetIn(strings.NewReader(test.input))
		root.SetArgs(append([]string{"produce", "-b", r.address}, strings.Fields(test.args)...))
		err := root.Execute()
		require.Error(t, err, test.args)
		var complaint strings.Builder
		report(&complaint, err)
		for _, what := range test.says {
			require.Contains(t, complaint.String(), what)
		}
	}
}

// once is an input that begins with a call.
type once struct {
	io.Reader
	call func()
}

func (o *once) Read(b []byte) (int, error) {
	if o.call != nil {
		o.call()
		o.call = nil
	}
	return o.Reader.Read(b)
}

// A failure that may pass is tried again: for as long as --timeout says.
func TestARecordThatNobodyTakesUntilTheTimeIsUp(t *testing.T) {
	r := begin(t, t.TempDir())
	root := rootCommand(io.Discard, io.Discard)
	root.SetIn(&once{strings.NewReader("one\n"), func() { // by now the topic and its leader are known
		r.signals <- syscall.SIGTERM
		<-r.ended
		r.ended = nil
	}})
	root.SetArgs([]string{"produce", "lonely", "-b", r.address, "--timeout", "1s"})
	began := time.Now()
	err := root.Execute()
	require.ErrorContains(t, err, "the time was up")
	require.Less(t, time.Since(began), time.Minute)
	var complaint strings.Builder
	report(&complaint, err)
	require.Contains(t, complaint.String(), "the broker's log may say more")
}

func TestDirectoryInUse(t *testing.T) {
	dir := t.TempDir()
	begin(t, dir)
	_, _, err := runCommand("dev", "--port", "0", "--data-dir", dir)
	require.ErrorContains(t, err, fmt.Sprintf("in use by process %d", os.Getpid()))
	_, _, err = runCommand("server", "--set", "node.id=2", "--set", "log.dirs="+dir)
	require.ErrorContains(t, err, "belongs to node 1, and this is node 2")
	_, _, err = runCommand("server", "--set", "node.id=2", "--set", "log.dirs="+filepath.Join(dir, "new"))
	require.ErrorContains(t, err, "is not formatted")
	require.Contains(t, err.(*advice).next, "rookery format --set node.id=2 --set log.dirs="+filepath.Join(dir, "new"))
}

// deaf is a machine that never says that it has stopped. Whatever it is told, it has something done.
type deaf struct{}

func (deaf) Step(_ seam.Now, _ seam.Input, fx *seam.Effects) {
	fx.Replies = append(fx.Replies, seam.Reply{Op: 1})
}

// stuck is a driver that never gets it done: a disk that does not answer.
type stuck chan struct{}

func (s stuck) Queue(_ *seam.Effects, ready []loop.Chore) []loop.Chore { return append(ready, s) }
func (s stuck) Finish(seam.Conn) bool                                  { return true }
func (s stuck) Do() bool {
	<-s
	return false
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	disk := make(stuck)
	defer close(disk)
	n := &node{logger: slog.New(slog.DiscardHandler), loop: loop.New(loop.Config{Machine: deaf{}, Conns: disk}), stopped: make(chan struct{}), failed: make(chan error, 1)}
	n.monitor = newMonitor(n)
	signals, ended := make(chan os.Signal), make(chan struct{})
	go func() {
		for tick := time.NewTicker(time.Millisecond); ; <-tick.C {
			select {
			case signals <- syscall.SIGTERM:
			case <-ended:
				return
			}
		}
	}()
	began := time.Now()
	err := n.wait(signals)
	close(ended)
	require.ErrorContains(t, err, "without a clean stop")
	require.Greater(t, time.Since(began), sameSignal, "one that comes twice is one")
}

func TestAFailedDirectoryEndsTheProcess(t *testing.T) {
	n := &node{logger: slog.New(slog.DiscardHandler), settings: &settings{Dirs: []string{"/data/a"}}, stopped: make(chan struct{}), failed: make(chan error, 1)}
	n.monitor = newMonitor(n)
	n.event(seam.Event{Kind: seam.DirFailed, A: 0, Text: "input/output error"})
	n.event(seam.Event{Kind: seam.DirFailed, A: 0, Text: "again"})
	err := n.wait(make(chan os.Signal))
	require.ErrorContains(t, err, "/data/a failed: input/output error")
	require.Contains(t, err.(*advice).next, "dmesg")
}

func TestFranzGo(t *testing.T) {
	r := begin(t, t.TempDir(), "num.partitions=3")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	producer, err := kgo.NewClient(kgo.SeedBrokers(r.address), kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic("franz"), kgo.DisableClientMetrics())
	require.NoError(t, err)
	defer producer.Close()
	sent := map[string]bool{}
	var records []*kgo.Record
	for i := range 3000 {
		value := fmt.Sprintf("value %d %s", i, strings.Repeat("x", i%700))
		sent[value] = true
		records = append(records, &kgo.Record{Key: []byte(fmt.Sprint(i)), Value: []byte(value), Headers: []kgo.RecordHeader{{Key: "n", Value: []byte(fmt.Sprint(i))}}})
	}
	require.NoError(t, producer.ProduceSync(ctx, records...).FirstErr())
	consumer, err := kgo.NewClient(kgo.SeedBrokers(r.address), kgo.ConsumeTopics("franz"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableClientMetrics())
	require.NoError(t, err)
	defer consumer.Close()
	for len(sent) > 0 {
		fetches := consumer.PollFetches(ctx)
		require.NoError(t, fetches.Err())
		fetches.EachRecord(func(got *kgo.Record) {
			require.True(t, sent[string(got.Value)], "twice, or never sent: %.20s", got.Value)
			delete(sent, string(got.Value))
			require.Equal(t, "n", got.Headers[0].Key)
		})
	}
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// What parts records, and keys from values, on a command line's standard input.
const (
	recordEnd     = "\x1e"
	keyEnd        = "\x1f"
	nullMark      = "\x1dnull"
	toolPatience  = 3 * time.Minute
	escapedRecord = `\x1e`
	escapedKey    = `\x1f`
)

// mover is one client of the package index: how it writes, how it reads, and what it cannot say.
type mover struct {
	name    string
	note    string                // what of the records it cannot express
	changes func(r record) record // what becomes of a record in its hands
	produce func(ctx context.Context, s *session, topic string, records []record) error
	// consume returns what it printed; prints is what it must be, for the records that are in the topic.
	consume func(ctx context.Context, s *session, topic string, count int) ([]byte, error)
	prints  func(out io.Writer, r record)
}

func movers() []mover {
	return []mover{
		{name: "kcat", note: "an empty value or key is sent as null (-Z)", changes: emptyIsNull,
			produce: kcatProduce, consume: kcatConsume, prints: printLengths},
		{name: "franz-go", changes: func(r record) record { return r },
			produce: franzProduce, consume: franzConsume, prints: printLengths},
		{name: "java", note: "the console producer ends a record at a line feed: U+001E is sent in its place", changes: linesToMarks,
			produce: javaProduce, consume: javaConsume, prints: printForConsole},
		{name: "rookery", note: "an empty value or key is sent as null (-Z)", changes: emptyIsNull,
			produce: rookeryProduce, consume: rookeryConsume, prints: printLengths},
	}
}

func emptyIsNull(r record) record {
	if len(r.key) == 0 {
		r.key = nil
	}
	if len(r.value) == 0 {
		r.value = nil
	}
	return r
}

func linesToMarks(r record) record {
	if r.value != nil {
		r.value = bytes.ReplaceAll(r.value, []byte("\n"), []byte(recordEnd))
	}
	return r
}

// printLengths is kcat's '%K %S %k%s\n', where -1 is null.
func printLengths(out io.Writer, r record) {
	length := func(b []byte) int {
		if b == nil {
			return -1
		}
		return len(b)
	}
	fmt.Fprintf(out, "%d %d %s%s\n", length(r.key), length(r.value), r.key, r.value)
}

func printForConsole(out io.Writer, r record) {
	text := func(b []byte) []byte {
		if b == nil {
			return []byte(nullMark)
		}
		return b
	}
	fmt.Fprintf(out, "%s%s%s%s", text(r.key), keyEnd, text(r.value), "\n\x1e\n")
}

// movePackageIndex writes the index with each client to a topic of its own, and reads each topic with each client.
func movePackageIndex(s *session) {
	records, from := packageIndex(s.packages)
	s.say("the package index: %d records from %s", len(records), from)
	all := movers()
	for _, writer := range all {
		topic := "packages-" + writer.name
		written := s.check("package index, written", writer.name, writer.note, func(ctx context.Context) (string, error) {
			if err := s.createTopic(ctx, topic, 1); err != nil {
				return "", err
			}
			began := time.Now()
			err := writer.produce(ctx, s, topic, records)
			return fmt.Sprintf("%.1f s", time.Since(began).Seconds()), err
		})
		for _, reader := range all {
			s.check("package index, written by "+writer.name+", read", reader.name, "", func(ctx context.Context) (string, error) {
				if !written {
					return "", errors.New("it was not written")
				}
				began := time.Now()
				out, err := reader.consume(ctx, s, topic, len(records))
				if err != nil {
					return "", err
				}
				return fmt.Sprintf("%.1f s", time.Since(began).Seconds()), compare(out, reader, writer, records)
			})
		}
	}
}

// compare is byte for byte over all that the reader printed.
func compare(got []byte, reader, writer mover, records []record) error {
	var want bytes.Buffer
	ends := make([]int, len(records))
	for i, r := range records {
		reader.prints(&want, writer.changes(r))
		ends[i] = want.Len()
	}
	if bytes.Equal(got, want.Bytes()) {
		return nil
	}
	at := 0
	for at < len(got) && at < want.Len() && got[at] == want.Bytes()[at] {
		at++
	}
	number := 0
	for number < len(ends) && ends[number] <= at {
		number++
	}
	window := func(b []byte) string { return fmt.Sprintf("%q", b[min(at, len(b)):min(at+60, len(b))]) }
	return fmt.Errorf("%d bytes where %d belong; the first that differs is in record %d: %s, not %s",
		len(got), want.Len(), number, window(got), window(want.Bytes()))
}

// delimited is key, mark, value, mark for each record, for the tools that cut their standard input.
func delimited(records []record, end string, null string) *bytes.Buffer {
	var b bytes.Buffer
	for _, r := range records {
		for i, part := range [][]byte{r.key, r.value} {
			if part == nil {
				b.WriteString(null)
			}
			b.Write(part)
			b.WriteString([]string{keyEnd, end}[i])
		}
	}
	return &b
}

func command(ctx context.Context, in io.Reader, name string, arguments ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, arguments...)
	var out, complaints bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, &complaints
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", filepath.Base(name), err, strings.TrimSpace(complaints.String()))
	}
	return out.Bytes(), nil
}

func kcatProduce(ctx context.Context, s *session, topic string, records []record) error {
	_, err := command(ctx, delimited(records, recordEnd, ""), "kcat", "-P", "-b", s.through["kcat"], "-t", topic, "-p", "0",
		"-D", escapedRecord, "-K", escapedKey, "-Z", "-X", "acks=all", "-z", "zstd")
	return err
}

func kcatConsume(ctx context.Context, s *session, topic string, _ int) ([]byte, error) {
	return command(ctx, nil, "kcat", "-C", "-b", s.through["kcat"], "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q", "-f", `%K %S %k%s\n`)
}

func rookeryProduce(ctx context.Context, s *session, topic string, records []record) error {
	_, err := command(ctx, delimited(records, recordEnd, ""), s.client, "produce", topic, "-b", s.through["rookery"], "-p", "0",
		"-D", escapedRecord, "-K", escapedKey, "-Z", "-z", "lz4")
	return err
}

func rookeryConsume(ctx context.Context, s *session, topic string, _ int) ([]byte, error) {
	return command(ctx, nil, s.client, "consume", topic, "-b", s.through["rookery"], "-p", "0", "-o", "start", "-e", "-f", `%K %S %k%s\n`)
}

func javaProduce(_ context.Context, s *session, topic string, records []record) error {
	var changed []record
	for _, r := range records {
		changed = append(changed, linesToMarks(r))
	}
	file := filepath.Join(s.work, topic)
	if err := os.WriteFile(file, delimited(changed, "\n", nullMark).Bytes(), 0o644); err != nil {
		return err
	}
	defer os.Remove(file)
	_, err := s.java.obey(toolPatience, "tool", consoleProducer, file, os.DevNull, "--bootstrap-server", s.through["java"], "--topic", topic,
		"--reader-property", "parse.key=true", "--reader-property", "key.separator="+escapedKey, "--reader-property", `null.marker=\x1dnull`,
		"--command-property", "acks=all", "--command-property", "compression.type=zstd")
	return err
}

func javaConsume(_ context.Context, s *session, topic string, count int) ([]byte, error) {
	file := filepath.Join(s.work, topic+".read")
	defer os.Remove(file)
	_, err := s.java.obey(toolPatience, "tool", consoleConsumer, "", file, "--bootstrap-server", s.through["java"], "--topic", topic,
		"--partition", "0", "--offset", "earliest", "--max-messages", fmt.Sprint(count), "--timeout-ms", "30000",
		"--formatter-property", "print.key=true", "--formatter-property", "key.separator="+escapedKey,
		"--formatter-property", `line.separator=\x0a\x1e\x0a`, "--formatter-property", `null.literal=\x1dnull`)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

func franzProduce(ctx context.Context, s *session, topic string, records []record) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.through["franz-go"]), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DisableClientMetrics(),
		franzCodec(snappy))
	if err != nil {
		return err
	}
	defer client.Close()
	var first error
	for _, r := range records {
		client.Produce(ctx, franzRecord(topic, r), func(_ *kgo.Record, err error) {
			if err != nil && first == nil {
				first = err
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	return first
}

func franzRecord(topic string, r record) *kgo.Record {
	sent := &kgo.Record{Topic: topic, Partition: r.partition, Key: r.key, Value: r.value}
	if r.time != 0 {
		sent.Timestamp = time.UnixMilli(r.time)
	}
	for _, h := range r.headers {
		sent.Headers = append(sent.Headers, kgo.RecordHeader{Key: h.name, Value: h.value})
	}
	return sent
}

func franzConsume(ctx context.Context, s *session, topic string, count int) ([]byte, error) {
	var out bytes.Buffer
	writer := bufio.NewWriter(&out)
	read := 0
	err := s.readPartition(ctx, topic, 0, int64(count), func(r *kgo.Record) {
		printLengths(writer, record{key: r.Key, value: r.Value})
		read++
	})
	writer.Flush()
	return out.Bytes(), err
}

// readPartition calls each for the records of a partition below an offset.
func (s *session) readPartition(ctx context.Context, topic string, partition int32, end int64, each func(*kgo.Record)) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.through["franz-go"]), kgo.DisableClientMetrics(), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(0)}}))
	if err != nil {
		return err
	}
	defer client.Close()
	for next := int64(0); next < end; {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("%s-%d: read up to offset %d of %d: %w", topic, partition, next, end, ctx.Err())
		}
		fetches.EachRecord(func(r *kgo.Record) {
			each(r)
			next = r.Offset + 1
		})
	}
	return nil
}

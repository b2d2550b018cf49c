package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"rookery/core/client"
	"rookery/core/wire"
	"rookery/net/kafka"
)

// producing is what produce was asked to do.
type producing struct {
	session
	topic     string
	partition int32
	delimiter string // between records
	keyEnd    string // between key and value; empty: no keys
	key       string
	hasKey    bool
	emptyNull bool
	wholeFile bool
	bytesMax  int

	codecName string
	acksName  string
	headings  []string // name=value
	input     string   // text or json
	rate      float64  // records a second, 0: as fast as it goes

	progress *progress
	size     int64 // of all files, 0: nobody knows
}

func produceCommand() *cobra.Command {
	var p producing
	command := &cobra.Command{
		Use:   "produce TOPIC [FILE...]",
		Short: "write records: a line each, from files or standard input",
		Example: `  echo hello | rookery produce greetings
  rookery produce users -K : users.txt            key:value lines
  rookery produce pages --whole a.html b.html     a file each
  rookery consume a -o start -e -o json | rookery produce b --input json
  seq 1000 | rookery produce ticks --rate 10      ten a second`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			defer p.close()
			switch {
			case !(p.rate >= 0): // not a number is none either
				return advise("0 is as fast as they come", "--rate %v: records a second are not fewer than none", p.rate)
			case p.partition < -1:
				return advise("leave it out, or -1: by the key's hash", "there is no partition %d", p.partition)
			case p.bytesMax < 1:
				return fmt.Errorf("--batch-bytes %d: a batch has at least one byte", p.bytesMax)
			}
			p.topic, p.hasKey = args[0], command.Flags().Changed("key")
			p.progress = newProgress(command.ErrOrStderr())
			defer p.progress.end()
			return p.run(command.InOrStdin(), args[1:], command.ErrOrStderr())
		},
	}
	p.flags(command)
	f := command.Flags()
	f.Int32VarP(&p.partition, "partition", "p", -1, "the partition (-1: by the key's hash, as Java's client does; in turn without keys)")
	f.StringVarP(&p.delimiter, "delimiter", "D", `\n`, `what ends a record (\n \t \xNN are understood)`)
	f.StringVarP(&p.keyEnd, "key-delimiter", "K", "", "what parts key and value; without it records have no keys")
	f.StringVarP(&p.key, "key", "k", "", "one key for all records")
	f.BoolVarP(&p.emptyNull, "null", "Z", false, "an empty key or value is null")
	f.StringVar(&p.input, "input", "text", "text, or json: an object a line, as consume -o json prints them")
	f.Float64Var(&p.rate, "rate", 0, "records a second (0: as fast as they come)")
	f.BoolVar(&p.wholeFile, "whole", false, "each file is one record; or all of standard input")
	f.StringVarP(&p.codecName, "compression", "z", "none", "none, gzip, snappy, lz4, zstd")
	f.StringVarP(&p.acksName, "acks", "a", "all", "0, 1 or all")
	f.StringArrayVarP(&p.headings, "header", "H", nil, "a header of every record, name=value")
	f.IntVar(&p.bytesMax, "batch-bytes", 256<<10, "bytes of records in one batch, before compression")
	mayBeEmpty(command, "key")
	completeFrom(command, "compression", "none", "gzip", "snappy", "lz4", "zstd")
	completeFrom(command, "acks", "0", "1", "all")
	completeFrom(command, "input", "text", "json")
	return command
}

// run reads records on one goroutine and sends what has come on this one, so that a slow writer's records do not wait
// for company.
func (p *producing) run(in io.Reader, files []string, notes io.Writer) error {
	s, err := p.start()
	if err != nil {
		return err
	}
	defer giveUp(s.producer)
	p.size = sizeOfFiles(files)
	began := time.Now()
	records, done, ahead := make(chan kafka.Record, gatherMax), make(chan error, 1), newAllowance(aheadBytesMax)
	go func() {
		done <- p.feed(in, files, func(line []byte) error {
			record, err := s.recordOf(line)
			if err == nil {
				ahead.take(len(record.Key) + len(record.Value))
				records <- record
			}
			return err
		})
		close(records)
	}()
	pace := pacer{rate: p.rate, began: began}
	for r := range records {
		if s.count == 0 {
			defer s.sayIfQuiet(notes)()
		}
		gathered := gather(r, records, pace.atOnce())
		pace.wait(context.Background(), len(gathered))
		if err := s.send(gathered); err != nil {
			return err
		}
		for i := range gathered {
			ahead.give(len(gathered[i].Key) + len(gathered[i].Value))
		}
		p.progress.show(s.bytes, p.size, fmt.Sprintf("%d records, %s, %s/s", s.count, bytesText(float64(s.bytes)), bytesText(p.progress.rate(s.bytes))))
	}
	if err := errors.Join(<-done, s.producer.Flush(context.Background()), s.failure()); err != nil {
		return err
	}
	if onTerminal(notes) {
		p.progress.end()
		fmt.Fprintf(notes, "%d records, %d bytes, %.1f s\n", s.count, s.bytes, time.Since(began).Seconds())
	}
	return nil
}

// aheadBytesMax is how much is read ahead of what is sent: it may be thousands of short records, or a long one.
const aheadBytesMax = 8 << 20

// allowance is how many bytes there may be; one thing has room, whatever it takes.
type allowance struct {
	mu         sync.Mutex
	less       *sync.Cond
	bytes, max int
}

func newAllowance(most int) *allowance {
	a := &allowance{max: most}
	a.less = sync.NewCond(&a.mu)
	return a
}

// take waits until there is room.
func (a *allowance) take(bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.bytes > 0 && a.bytes+bytes > a.max {
		a.less.Wait()
	}
	a.bytes += bytes
}

func (a *allowance) give(bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bytes -= bytes
	a.less.Signal()
}

// feed cuts the input into records.
func (p *producing) feed(in io.Reader, files []string, add func(record []byte) error) error {
	if p.wholeFile {
		return feedWhole(in, files, add)
	}
	delimiter, err := unescape(p.delimiter)
	if err == nil && delimiter == "" {
		err = errors.New("it has at least one byte")
	}
	if err != nil {
		return fmt.Errorf("--delimiter: %w", err)
	}
	if len(files) == 0 {
		return split(in, delimiter, add)
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		if err := errors.Join(split(f, delimiter, add), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// feedWhole makes a record of each file, or of all that comes in where none is named.
func feedWhole(in io.Reader, files []string, add func(record []byte) error) error {
	if len(files) == 0 {
		text, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		return add(text)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := add(text); err != nil {
			return err
		}
	}
	return nil
}

// split calls add for each record; what follows the last delimiter is a record if it is not empty.
func split(in io.Reader, delimiter string, add func([]byte) error) error {
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 1<<20), requestBytesMax)
	s.Split(func(data []byte, atEnd bool) (int, []byte, error) {
		if i := bytes.Index(data, []byte(delimiter)); i >= 0 {
			return i + len(delimiter), data[:i], nil
		}
		if atEnd && len(data) > 0 {
			return len(data), data, nil
		}
		return 0, nil, nil
	})
	for s.Scan() {
		if err := add(s.Bytes()); err != nil {
			return err
		}
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return advise("records end at a line feed, or at what -D says; a file a record: --whole", "a record of more than %s", bytesText(requestBytesMax))
	}
	return s.Err()
}

const (
	gatherMax       = 1000                                // records handed over at once
	gatherBytesMax  = 256 << 10                           // and their bytes
	bufferBytesMin  = requestBytesMax + requestBytesMax/8 // one record may be as long as a request
	requestBytesMax = 64 << 20                            // the broker is the one to say that a record is too large: it knows the topic's limit
)

// sender hands records to the client and hears what became of them.
type sender struct {
	*producing
	producer  *kafka.Producer
	separator string
	headers   []kafka.Header
	lines     int // of the input, counted where it is read
	count     int
	bytes     int64
	delivered atomic.Bool
	failed    atomic.Pointer[undelivered] // the first
}

// quietMax is how long whoever waits for the first delivery is told nothing.
const quietMax = 5 * time.Second

// sayIfQuiet says once that nothing is acknowledged, and how long it will be tried.
func (s *sender) sayIfQuiet(notes io.Writer) (end func()) {
	over, ended := make(chan struct{}), make(chan struct{})
	quiet := min(quietMax, s.config.DeliveryTimeout/4)
	go func() {
		defer close(ended)
		select {
		case <-time.After(quiet):
			if !s.delivered.Load() {
				fmt.Fprintf(notes, "nothing was acknowledged for %v; it is given up after %v (--timeout). Whether clients are told to go where the broker is: rookery doctor, where it runs\n", quiet, s.config.DeliveryTimeout)
			}
		case <-over:
		}
	}()
	return func() {
		close(over)
		<-ended
	}
}

// undelivered is a failure of some records, of which the first is so many behind the first of the input.
type undelivered struct {
	kafka.ProduceError
	behind int
}

func (p *producing) start() (*sender, error) {
	s := &sender{producing: p}
	var err error
	if s.config.Codec, err = codecOf(p.codecName); err != nil {
		return nil, err
	}
	if s.separator, err = unescape(p.keyEnd); err != nil {
		return nil, err
	}
	if p.input != "text" && p.input != "json" {
		return nil, fmt.Errorf("--input %s is neither text nor json", p.input)
	}
	if p.input == "json" && (p.wholeFile || p.keyEnd != "") {
		return nil, errors.New("--input json has its own keys and records: leave --whole and --key-delimiter out")
	}
	if err := setAcks(&s.config, p.acksName); err != nil {
		return nil, err
	}
	for _, h := range p.headings {
		name, value, ok := strings.Cut(h, "=")
		if !ok {
			return nil, fmt.Errorf("--header %s is not name=value", h)
		}
		s.headers = append(s.headers, kafka.Header{Key: []byte(name), Value: []byte(value)})
	}
	s.config.BatchBytes, s.config.RequestBytesMax = p.bytesMax, requestBytesMax
	s.config.BufferBytes = max(s.config.BufferBytes, bufferBytesMin)
	var wanted []int32
	if p.partition >= 0 {
		wanted = []int32{p.partition}
	}
	leaders, err := p.leaders(p.topic, true, wanted)
	if err == nil && int(p.partition) >= len(leaders) {
		err = noPartition(p.topic, p.partition, len(leaders))
	}
	if err != nil {
		return nil, err
	}
	s.producer, err = kafka.NewProducer(s.config)
	return s, err
}

func codecOf(name string) (kafka.Codec, error) {
	for c := kafka.None; c <= kafka.Zstd; c++ {
		if c.String() == name {
			return c, nil
		}
	}
	return 0, fmt.Errorf("--compression %s is not one of none, gzip, snappy, lz4, zstd", name)
}

// recordOf makes a record of one piece of input.
func (s *sender) recordOf(line []byte) (kafka.Record, error) {
	if s.input == "json" {
		return s.recordOfJSON(line)
	}
	line = append([]byte{}, line...)
	r := kafka.Record{Value: line, Headers: s.headers}
	if s.hasKey {
		r.Key = []byte(s.key)
	}
	if s.separator != "" {
		if k, v, ok := bytes.Cut(line, []byte(s.separator)); ok {
			r.Key, r.Value = k, v
		}
	}
	if s.emptyNull && len(r.Key) == 0 {
		r.Key = nil
	}
	if s.emptyNull && len(r.Value) == 0 {
		r.Value = nil
	}
	return r, nil
}

// gather takes what else has come already.
func gather(first kafka.Record, records <-chan kafka.Record, most int) []kafka.Record {
	gathered, size := []kafka.Record{first}, len(first.Key)+len(first.Value)
	for len(gathered) < most && size < gatherBytesMax {
		select {
		case r, more := <-records:
			if !more {
				return gathered
			}
			gathered = append(gathered, r)
			size += len(r.Key) + len(r.Value)
		default:
			return gathered
		}
	}
	return gathered
}

// send hands records over; it waits while too much is under way. The client gives a delivery up by itself when it takes
// too long, so that ends.
func (s *sender) send(records []kafka.Record) error {
	for i := range records {
		s.bytes += int64(len(records[i].Key) + len(records[i].Value))
	}
	behind := s.count
	s.count += len(records)
	err := s.producer.Send(context.Background(), s.topic, s.partition, records, func(d kafka.Delivered, err error) {
		if err == nil {
			s.delivered.Store(true)
		}
		if r := d.Reason; err == nil || r != nil && r.Others && len(r.Records) == 0 {
			return // the one that is to blame is told of as well
		}
		s.failed.CompareAndSwap(nil, &undelivered{kafka.ProduceError{Delivered: d}, behind})
	})
	return errors.Join(err, s.failure())
}

func (s *sender) failure() error {
	failed := s.failed.Load()
	if failed == nil {
		return nil
	}
	err := failed.inTheInput()
	switch d := &failed.Delivered; {
	case d.Code == wire.MessageTooLarge:
		return advise("the topic's max.message.bytes is the limit (1048588 unless it was set); -z lz4 may bring it below", "%w", err)
	case d.Code == wire.RecordListTooLarge:
		return advise("a batch is no larger than the topic's segment.bytes: send smaller ones with --batch-bytes, or see: rookery config describe topic "+d.Topic, "%w", err)
	case d.Code == wire.InvalidTimestamp:
		return advise("the topic's message.timestamp.before.max.ms and message.timestamp.after.max.ms say how far a timestamp may be from the broker's clock (rookery config describe topic "+d.Topic+" --all); whether that is right: rookery doctor", "%w", err)
	case d.Code == wire.InvalidRecord:
		return advise("a compacted topic takes no record without a key: -K : of key:value lines, or -k KEY; see: rookery config describe topic "+d.Topic, "%w", err)
	case d.Code == wire.InvalidTopicException:
		return advise("an internal topic, as __consumer_offsets is one, is written by the broker alone; other names have letters, digits, dots, _ and -", "%w", err)
	case d.Fault == client.TimedOut:
		return advise("rookery doctor, where the broker runs, goes to every address that it tells clients to go to, and with --data-dir DIR sees whether its disk is full; the broker's log may say more; or wait longer: --timeout 5m", "%w", err)
	}
	return err
}

// inTheInput counts the record that is to blame from the first of the input, which is 1: a line's number, where records are
// lines.
func (f *undelivered) inTheInput() error {
	r := f.Delivered.Reason
	if r == nil || len(r.Records) == 0 {
		return &f.ProduceError
	}
	plain := f.ProduceError
	plain.Delivered.Reason = &kafka.Reason{Message: r.Message}
	number := f.behind + int(r.Records[0].Index) + 1
	if more := len(r.Records) - 1; more > 0 {
		return fmt.Errorf("%w; record %d of the input: %s (and %d more)", &plain, number, r.Records[0].Message, more)
	}
	return fmt.Errorf("%w; record %d of the input: %s", &plain, number, r.Records[0].Message)
}

// unescape reads \n, \r, \t, \0, \\ and \xNN.
func unescape(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case '0':
			b.WriteByte(0)
		case '\\':
			b.WriteByte('\\')
		case 'x':
			if len(s) < i+3 {
				return "", fmt.Errorf("%q: \\x needs two digits", s)
			}
			v, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return "", fmt.Errorf("%q: \\x needs two hexadecimal digits", s)
			}
			b.WriteByte(byte(v))
			i += 2
		default:
			return "", fmt.Errorf("%q: \\%c means nothing", s, s[i])
		}
	}
	return b.String(), nil
}

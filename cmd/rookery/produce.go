package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/wire"
)

// producing is what produce was asked to do.
type producing struct {
	cluster
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
}

func produceCommand() *cobra.Command {
	var p producing
	command := &cobra.Command{
		Use:   "produce TOPIC [FILE...]",
		Short: "write records: a line each, from files or standard input",
		Example: `  echo hello | rookery produce greetings
  rookery produce users -K : users.txt            key:value lines
  rookery produce pages --whole a.html b.html     a file each`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			defer p.close()
			p.topic, p.hasKey = args[0], command.Flags().Changed("key")
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
	f.BoolVar(&p.wholeFile, "whole", false, "each file is one record")
	f.StringVarP(&p.codecName, "compression", "z", "none", "none, gzip, snappy, lz4, zstd")
	f.StringVarP(&p.acksName, "acks", "a", "all", "0, 1 or all")
	f.StringArrayVarP(&p.headings, "header", "H", nil, "a header of every record, name=value")
	f.IntVar(&p.bytesMax, "batch-bytes", 256<<10, "bytes of records in one batch, before compression")
	return command
}

// run reads records and sends them, a batch at a time for each partition.
func (p *producing) run(in io.Reader, files []string, notes io.Writer) error {
	s, err := p.start()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := p.feed(in, files, s.add); err != nil {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	if onTerminal(notes) {
		fmt.Fprintf(notes, "%d records, %d bytes, %.1f s\n", s.count, s.bytes, time.Since(began).Seconds())
	}
	return nil
}

// feed cuts the input into records.
func (p *producing) feed(in io.Reader, files []string, add func(record []byte) error) error {
	if p.wholeFile {
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
	delimiter, err := unescape(p.delimiter)
	if err != nil || delimiter == "" {
		return fmt.Errorf("--delimiter %q: %w", p.delimiter, errors.Join(err, errors.New("it has at least one byte")))
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

// split calls add for each record; what follows the last delimiter is a record if it is not empty.
func split(in io.Reader, delimiter string, add func([]byte) error) error {
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 1<<20), frameBytesMax)
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
	return s.Err()
}

// sender holds a batch under way for each partition, and the producer id that makes sending again harmless.
type sender struct {
	*producing
	codec     batch.Codec
	acks      int16
	separator string
	headers   []batch.Header
	pid       int64
	epoch     int16
	parts     []pending
	turn      int
	count     int
	bytes     int64
}

// pending is the batch under way of one partition.
type pending struct {
	builder  batch.Builder
	begun    bool
	sequence int32
}

func (p *producing) start() (*sender, error) {
	s := &sender{producing: p, pid: batch.NoProducerID, epoch: batch.NoProducerEpoch}
	var err error
	if s.codec, err = codecOf(p.codecName); err != nil {
		return nil, err
	}
	if s.separator, err = unescape(p.keyEnd); err != nil {
		return nil, err
	}
	switch p.acksName {
	case "0", "1":
		s.acks = int16(p.acksName[0] - '0')
	case "all", "-1":
		s.acks = -1
	default:
		return nil, fmt.Errorf("--acks %s is none of 0, 1, all", p.acksName)
	}
	for _, h := range p.headings {
		name, value, ok := strings.Cut(h, "=")
		if !ok {
			return nil, fmt.Errorf("--header %s is not name=value", h)
		}
		s.headers = append(s.headers, batch.Header{Key: []byte(name), Value: []byte(value)})
	}
	layout, err := p.cluster.topic(p.topic, true)
	if err != nil {
		return nil, err
	}
	if int(p.partition) >= len(layout.leaders) {
		return nil, fmt.Errorf("topic %s has partitions 0 to %d", p.topic, len(layout.leaders)-1)
	}
	s.parts = make([]pending, len(layout.leaders))
	if s.acks != -1 {
		return s, nil
	}
	return s, s.identify()
}

// identify asks for a producer id (KIP-98).
func (s *sender) identify() error {
	request := kmsg.NewPtrInitProducerIDRequest()
	answer, err := s.request(request)
	if err != nil {
		return err
	}
	r := answer.(*kmsg.InitProducerIDResponse)
	s.pid, s.epoch = r.ProducerID, r.ProducerEpoch
	return codeError(r.ErrorCode, nil)
}

func codecOf(name string) (batch.Codec, error) {
	for c := batch.None; c <= batch.Zstd; c++ {
		if c.String() == name {
			return c, nil
		}
	}
	return 0, fmt.Errorf("--compression %s is none of none, gzip, snappy, lz4, zstd", name)
}

// add puts one record into its partition's batch.
func (s *sender) add(record []byte) error {
	key, value := []byte(nil), record
	if s.hasKey {
		key = []byte(s.key)
	}
	if s.separator != "" {
		if k, v, ok := bytes.Cut(record, []byte(s.separator)); ok {
			key, value = k, v
		}
	}
	if value == nil {
		value = []byte{}
	}
	if s.emptyNull && len(key) == 0 {
		key = nil
	}
	if s.emptyNull && len(value) == 0 {
		value = nil
	}
	partition := s.choose(key)
	part, now := &s.parts[partition], time.Now().UnixMilli()
	for part.begun && part.builder.SizeWith(now, key, value, s.headers) > s.bytesMax {
		if err := s.send(partition); err != nil {
			return err
		}
		if key == nil && s.partition < 0 { // records without a key stay together until a batch is full (KIP-480)
			s.turn = (s.turn + 1) % len(s.parts)
			partition = int32(s.turn)
			part = &s.parts[partition]
		}
	}
	if !part.begun {
		part.builder.Begin(batch.Spec{Codec: s.codec, ProducerID: s.pid, ProducerEpoch: s.epoch, BaseSequence: s.sequence(part)})
		part.begun = true
	}
	part.builder.Add(now, key, value, s.headers)
	s.count++
	s.bytes += int64(len(key) + len(value))
	return nil
}

func (s *sender) sequence(part *pending) int32 {
	if s.pid == batch.NoProducerID {
		return batch.NoSequence
	}
	return part.sequence
}

// choose is where a record goes: where it was sent, else by its key, else where the others without a key go now.
func (s *sender) choose(key []byte) int32 {
	switch {
	case s.partition >= 0:
		return s.partition
	case key != nil:
		return int32(murmur2(key)&0x7fffffff) % int32(len(s.parts))
	}
	return int32(s.turn)
}

func (s *sender) flush() error {
	for i := range s.parts {
		if s.parts[i].begun {
			if err := s.send(int32(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// send sends one batch until it is acknowledged or patience ends. With acks=all it carries a sequence, so that a batch
// whose answer was lost is not written twice.
func (s *sender) send(partition int32) error {
	part := &s.parts[partition]
	count, records := part.builder.Count(), part.builder.Finish()
	deadline := time.Now().Add(s.patience)
	for {
		err := s.attempt(partition, records)
		if err == nil {
			part.begun, part.sequence = false, batch.AddSequence(part.sequence, count)
			return nil
		}
		if s.acks != -1 || !passes(err) || time.Now().After(deadline) {
			return fmt.Errorf("topic %s, partition %d: %w", s.topic, partition, err)
		}
		s.forget()
		time.Sleep(100 * time.Millisecond)
	}
}

// passes holds for errors that another try may not meet: all but a refusal that is about the records.
func passes(err error) bool {
	var r *refusal
	if !errors.As(err, &r) {
		return true
	}
	return refusedWith(err, wire.NotLeaderOrFollower, wire.LeaderNotAvailable, wire.UnknownTopicOrPartition, wire.RequestTimedOut,
		wire.NotEnoughReplicas, wire.NotEnoughReplicasAfterAppend, wire.KafkaStorageError, wire.NetworkException)
}

// produceVersion is the last version of Produce that names its topics: 13 goes by id (KIP-516).
const produceVersion = 12

func (s *sender) attempt(partition int32, records batch.View) error {
	l, err := s.leader(s.topic, partition)
	if err != nil {
		return err
	}
	request := kmsg.NewPtrProduceRequest()
	request.Acks, request.TimeoutMillis = s.acks, int32(s.patience.Milliseconds())
	t := kmsg.NewProduceRequestTopic()
	t.Topic = s.topic
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, records
	t.Partitions = append(t.Partitions, p)
	request.Topics = append(request.Topics, t)
	if err := l.choose(request, produceVersion); err != nil {
		return err
	}
	if s.acks == 0 {
		return l.tell(request)
	}
	answer, err := l.ask(request)
	if err != nil {
		return err
	}
	for _, t := range answer.(*kmsg.ProduceResponse).Topics {
		for _, p := range t.Partitions {
			return codeError(p.ErrorCode, p.ErrorMessage)
		}
	}
	return errors.New("the broker answered Produce with no partition")
}

// murmur2 is the hash by which Java's client spreads keys (org.apache.kafka.common.utils.Utils.murmur2).
func murmur2(key []byte) uint32 {
	const m, r = 0x5bd1e995, 24
	h := uint32(0x9747b28c) ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		k := uint32(key[0]) | uint32(key[1])<<8 | uint32(key[2])<<16 | uint32(key[3])<<24
		k *= m
		k ^= k >> r
		h = h*m ^ k*m
	}
	for i := len(key) - 1; i >= 0; i-- {
		h ^= uint32(key[i]) << (8 * i)
	}
	if len(key) > 0 {
		h *= m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
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

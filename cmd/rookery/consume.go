package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/wire"
)

// consuming is what consume was asked to do.
type consuming struct {
	cluster
	topic      string
	partitions []int32
	from       string
	max        int64
	untilEnd   bool
	layout     string
	output     string
	bytesMax   int32
}

func consumeCommand() *cobra.Command {
	var c consuming
	command := &cobra.Command{
		Use:   "consume TOPIC",
		Short: "read records",
		Long: `Read records of a topic and print each by a format, in kcat's letters:
  %s or %v  value     %k  key        %t  topic    %p  partition   %o  offset
  %S  value's bytes   %K  key's bytes (-1: null)  %T  timestamp   %h  headers
  %R  value's length as four bytes                %%  a percent sign
and \n \r \t \xNN.`,
		Example: `  rookery consume greetings -o start -e
  rookery consume users -o -5 -f '%k = %v\n'`,
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			defer c.close()
			c.topic = args[0]
			out := bufio.NewWriterSize(command.OutOrStdout(), 1<<16)
			return errors.Join(c.run(out), out.Flush())
		},
	}
	c.flags(command)
	f := command.Flags()
	f.Int32SliceVarP(&c.partitions, "partition", "p", nil, "partitions to read (default: all)")
	f.StringVarP(&c.from, "offset", "o", "end", "where to begin: start, end, an offset, or -N: N before the end")
	f.Int64VarP(&c.max, "number", "n", -1, "stop after so many records")
	f.BoolVarP(&c.untilEnd, "exit", "e", false, "stop at the end")
	f.StringVarP(&c.layout, "format", "f", `%v\n`, "how a record is printed")
	f.StringVar(&c.output, "output", "text", "text (by the format), or json: an object a line")
	f.Int32Var(&c.bytesMax, "fetch-bytes", 4<<20, "bytes of one answer")
	return command
}

// position is how far one partition was read.
type position struct {
	partition int32
	next      int64
	done      bool
}

func (c *consuming) run(out *bufio.Writer) error {
	show, err := printer(c.topic, c.layout, c.output)
	if err != nil {
		return err
	}
	positions, err := c.begin()
	if err != nil {
		return err
	}
	left := c.max
	if left == 0 {
		return nil
	}
	for {
		progress, err := c.round(positions, func(p int32, offset int64, r *batch.Record) (bool, error) {
			if err := show(out, p, offset, r); err != nil {
				return false, err
			}
			left--
			return left != 0, nil
		})
		if err != nil || left == 0 {
			return err
		}
		if !progress {
			if err := out.Flush(); err != nil {
				return err
			}
		}
		if c.untilEnd && !slices.ContainsFunc(positions, func(p position) bool { return !p.done }) {
			return nil
		}
	}
}

// begin finds the partitions and where each is read from.
func (c *consuming) begin() ([]position, error) {
	layout, err := c.cluster.topic(c.topic, false)
	if err != nil {
		return nil, err
	}
	wanted := c.partitions
	if wanted == nil {
		for p := range layout.leaders {
			wanted = append(wanted, int32(p))
		}
	}
	var positions []position
	for _, p := range wanted {
		next, err := c.startOf(p)
		if err != nil {
			return nil, err
		}
		positions = append(positions, position{partition: p, next: next})
	}
	return positions, nil
}

func (c *consuming) startOf(partition int32) (int64, error) {
	switch c.from {
	case "start", "beginning":
		return offsetAt(&c.cluster, c.topic, partition, earliest)
	case "end":
		return offsetAt(&c.cluster, c.topic, partition, latest)
	}
	n, err := strconv.ParseInt(c.from, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("--offset %s is none of start, end, a number", c.from)
	}
	if n >= 0 {
		return n, nil
	}
	end, err := offsetAt(&c.cluster, c.topic, partition, latest)
	if err != nil {
		return 0, err
	}
	start, err := offsetAt(&c.cluster, c.topic, partition, earliest)
	return max(end+n, start), err
}

// visit sees one record; false ends the reading.
type visit func(partition int32, offset int64, r *batch.Record) (bool, error)

// round fetches once from every leader and visits what came. progress says whether any record did.
func (c *consuming) round(positions []position, see visit) (progress bool, err error) {
	asked := map[*link]bool{}
	for i := range positions {
		l, err := c.leader(c.topic, positions[i].partition)
		if err != nil {
			return false, err
		}
		if asked[l] {
			continue
		}
		asked[l] = true
		some, more, err := c.fetch(l, positions, see)
		progress = progress || some
		if err != nil || !more {
			return progress, c.recover(err)
		}
	}
	return progress, nil
}

// recover lets a reader live through a change of leader and a restart of the broker.
func (c *consuming) recover(err error) error {
	var r *refusal
	if err == nil || errors.As(err, &r) && !passes(err) {
		return err
	}
	var failed *printError
	if errors.As(err, &failed) {
		return failed.error
	}
	c.forget()
	time.Sleep(100 * time.Millisecond)
	return nil
}

// printError is a failure of our own output, which no other broker mends.
type printError struct{ error }

// fetchVersion is the last version of Fetch that names its topics: 13 goes by id (KIP-516).
const fetchVersion = 12

func (c *consuming) fetch(l *link, positions []position, see visit) (progress, more bool, err error) {
	request := kmsg.NewPtrFetchRequest()
	request.ReplicaID, request.MaxWaitMillis, request.MinBytes, request.MaxBytes = -1, 500, 1, c.bytesMax
	request.SessionEpoch = -1 // no fetch session (KIP-227)
	t := kmsg.NewFetchRequestTopic()
	t.Topic = c.topic
	for _, at := range positions {
		if mine, err := c.leader(c.topic, at.partition); err != nil || mine != l {
			continue
		}
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.FetchOffset, p.CurrentLeaderEpoch, p.LogStartOffset, p.PartitionMaxBytes = at.partition, at.next, -1, -1, c.bytesMax
		t.Partitions = append(t.Partitions, p)
	}
	request.Topics = append(request.Topics, t)
	if err := l.choose(request, fetchVersion); err != nil {
		return false, false, err
	}
	answer, err := l.ask(request)
	if err != nil {
		return false, true, err
	}
	r := answer.(*kmsg.FetchResponse)
	if err := codeError(r.ErrorCode, nil); err != nil {
		return false, true, err
	}
	for _, t := range r.Topics {
		for i := range t.Partitions {
			p := &t.Partitions[i]
			at := slices.IndexFunc(positions, func(x position) bool { return x.partition == p.Partition })
			if at < 0 {
				return progress, true, fmt.Errorf("the broker answered for partition %d, which was not asked", p.Partition)
			}
			some, more, err := c.take(&positions[at], p, see)
			if progress = progress || some; err != nil || !more {
				return progress, more, err
			}
		}
	}
	return progress, true, nil
}

// take visits one partition's records.
func (c *consuming) take(at *position, p *kmsg.FetchResponseTopicPartition, see visit) (progress, more bool, err error) {
	if err := codeError(p.ErrorCode, nil); err != nil {
		if refusedWith(err, wire.OffsetOutOfRange) {
			err = advise("begin at the start (-o start) or at the end (-o end)", "partition %d has no offset %d: %w", at.partition, at.next, err)
		}
		return false, true, err
	}
	for rest := p.RecordBatches; ; {
		view, behind, whole := batch.Next(rest)
		if !whole {
			break
		}
		rest = behind
		some, more, err := c.visitBatch(at, view, see)
		if progress = progress || some; err != nil || !more {
			return progress, more, err
		}
	}
	at.done = at.next >= p.HighWatermark
	return progress, true, nil
}

func (c *consuming) visitBatch(at *position, view batch.View, see visit) (progress, more bool, err error) {
	if !crcFits(view) {
		return false, false, &refusal{int16(wire.CorruptMessage), fmt.Sprintf("partition %d, offset %d: the batch's CRC is wrong", at.partition, view.BaseOffset())}
	}
	if !view.IsControl() {
		records := batch.Read(view, batch.Limits{}, nil)
		for r := (batch.Record{}); records.Next(&r); {
			offset := view.BaseOffset() + int64(r.OffsetDelta)
			if offset < at.next {
				continue
			}
			progress = true
			more, err := see(at.partition, offset, &r)
			if at.next = offset + 1; err != nil || !more {
				return progress, more, err
			}
		}
		if fault := records.Fault(); fault != batch.Fine {
			return progress, false, &refusal{fault.Code(), fmt.Sprintf("partition %d, offset %d: %s", at.partition, view.BaseOffset(), fault)}
		}
	}
	at.next = max(at.next, view.LastOffset()+1)
	return progress, true, nil
}

// show prints one record.
type show func(out *bufio.Writer, partition int32, offset int64, r *batch.Record) error

// printer turns a format into one pass over a record.
func printer(topic, layout, output string) (show, error) {
	switch output {
	case "json":
		return jsonPrinter(topic), nil
	case "text":
	default:
		return nil, fmt.Errorf("--output %s is neither text nor json", output)
	}
	var parts []func(b []byte, partition int32, offset int64, r *batch.Record) []byte
	for rest := layout; rest != ""; {
		plain, behind, found := strings.Cut(rest, "%")
		text, err := unescape(plain)
		if err != nil {
			return nil, err
		}
		parts = append(parts, func(b []byte, _ int32, _ int64, _ *batch.Record) []byte { return append(b, text...) })
		if !found {
			break
		}
		if behind == "" {
			return nil, fmt.Errorf("--format %q ends in the middle of a letter", layout)
		}
		part := letter(behind[0], topic)
		if part == nil {
			return nil, advise("see: rookery consume --help", "--format %q: %%%c means nothing", layout, behind[0])
		}
		parts, rest = append(parts, part), behind[1:]
	}
	var line []byte
	return func(out *bufio.Writer, partition int32, offset int64, r *batch.Record) error {
		line = line[:0]
		for _, part := range parts {
			line = part(line, partition, offset, r)
		}
		if _, err := out.Write(line); err != nil {
			return &printError{err}
		}
		return nil
	}, nil
}

// letter is what one letter of a format prints; nil: nothing.
func letter(l byte, topic string) func(b []byte, partition int32, offset int64, r *batch.Record) []byte {
	switch l {
	case 's', 'v':
		return func(b []byte, _ int32, _ int64, r *batch.Record) []byte { return append(b, r.Value...) }
	case 'k':
		return func(b []byte, _ int32, _ int64, r *batch.Record) []byte { return append(b, r.Key...) }
	case 'S':
		return func(b []byte, _ int32, _ int64, r *batch.Record) []byte { return appendSize(b, r.Value) }
	case 'K':
		return func(b []byte, _ int32, _ int64, r *batch.Record) []byte { return appendSize(b, r.Key) }
	case 'R':
		return func(b []byte, _ int32, _ int64, r *batch.Record) []byte {
			n := uint32(len(r.Value))
			return append(b, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
		}
	case 't':
		return func(b []byte, _ int32, _ int64, _ *batch.Record) []byte { return append(b, topic...) }
	case 'p':
		return func(b []byte, partition int32, _ int64, _ *batch.Record) []byte {
			return strconv.AppendInt(b, int64(partition), 10)
		}
	case 'o':
		return func(b []byte, _ int32, offset int64, _ *batch.Record) []byte { return strconv.AppendInt(b, offset, 10) }
	case 'T':
		return func(b []byte, _ int32, _ int64, r *batch.Record) []byte { return strconv.AppendInt(b, r.Timestamp, 10) }
	case 'h':
		return func(b []byte, _ int32, _ int64, r *batch.Record) []byte { return appendHeaders(b, r.Headers) }
	case '%':
		return func(b []byte, _ int32, _ int64, _ *batch.Record) []byte { return append(b, '%') }
	}
	return nil
}

func appendSize(b, of []byte) []byte {
	if of == nil {
		return append(b, "-1"...)
	}
	return strconv.AppendInt(b, int64(len(of)), 10)
}

func appendHeaders(b []byte, headers []batch.Header) []byte {
	for i, h := range headers {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, h.Key...), '='), h.Value...)
	}
	return b
}

// recordJSON is one record as a line of JSON. What is no UTF-8 is base64, and said to be.
type recordJSON struct {
	Topic       string       `json:"topic"`
	Partition   int32        `json:"partition"`
	Offset      int64        `json:"offset"`
	Timestamp   int64        `json:"timestamp"`
	Key         *string      `json:"key"`
	Value       *string      `json:"value"`
	KeyBase64   bool         `json:"keyBase64,omitempty"`
	ValueBase64 bool         `json:"valueBase64,omitempty"`
	Headers     []headerJSON `json:"headers,omitempty"`
}

type headerJSON struct {
	Key    string  `json:"key"`
	Value  *string `json:"value"`
	Base64 bool    `json:"base64,omitempty"`
}

func jsonPrinter(topic string) show {
	return func(out *bufio.Writer, partition int32, offset int64, r *batch.Record) error {
		j := recordJSON{Topic: topic, Partition: partition, Offset: offset, Timestamp: r.Timestamp}
		j.Key, j.KeyBase64 = text(r.Key)
		j.Value, j.ValueBase64 = text(r.Value)
		for _, h := range r.Headers {
			value, coded := text(h.Value)
			j.Headers = append(j.Headers, headerJSON{string(h.Key), value, coded})
		}
		line, err := json.Marshal(j)
		if err != nil {
			return err
		}
		if _, err := out.Write(append(line, '\n')); err != nil {
			return &printError{err}
		}
		return nil
	}
}

func text(b []byte) (s *string, coded bool) {
	if b == nil {
		return nil, false
	}
	plain := string(b)
	if !utf8.ValidString(plain) {
		plain, coded = base64.StdEncoding.EncodeToString(b), true
	}
	return &plain, coded
}

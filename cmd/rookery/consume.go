package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"rookery/core/batch"
	"rookery/core/client"
	"rookery/core/wire"
)

// consuming is what consume was asked to do.
type consuming struct {
	session
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

func (c *consuming) run(out *bufio.Writer) error {
	show, err := printer(c.topic, c.layout, c.output)
	if err != nil {
		return err
	}
	c.config.OffsetReset = client.ResetNone
	c.config.FetchMaxBytes, c.config.PartitionFetchBytes = c.bytesMax, c.bytesMax
	from, err := c.begin()
	if err != nil || c.max == 0 {
		return err
	}
	open := map[int32]bool{} // partitions whose end was not reached
	for _, a := range from {
		open[a.Partition] = true
	}
	left := c.max
	for f, err := range c.courier.Consume(context.Background(), from...) {
		if f == nil {
			return err
		}
		enough, err := c.print(out, f, show, &left)
		if err != nil || enough {
			return err
		}
		if err := out.Flush(); err != nil { // whoever watches sees all there is
			return err
		}
		if f.End {
			delete(open, f.Partition)
		}
		if c.untilEnd && len(open) == 0 {
			return nil
		}
	}
	return nil
}

// print shows what one answer brought; enough says that no more is wanted.
func (c *consuming) print(out *bufio.Writer, f *client.Fetched, show show, left *int64) (enough bool, err error) {
	for i := range f.Records {
		if err := show(out, f.Partition, &f.Records[i]); err != nil {
			return false, err
		}
		if *left--; *left == 0 {
			return true, nil
		}
	}
	switch {
	case !f.Stopped:
		return false, nil // what may pass is the client's to try again
	case f.Code == wire.OffsetOutOfRange:
		return false, advise("begin at the start (-o start) or at the end (-o end)", "partition %d has no offset %d: %s", f.Partition, f.Position, f.Code)
	}
	return false, fmt.Errorf("topic %s, partition %d, offset %d: %s", f.Topic, f.Partition, f.Position, f.Code)
}

// begin says which partitions are read, each from where.
func (c *consuming) begin() ([]client.Assign, error) {
	leaders, err := c.leaders(c.topic, false)
	if err != nil {
		return nil, err
	}
	wanted := c.partitions
	if wanted == nil {
		for p := range leaders {
			wanted = append(wanted, int32(p))
		}
	}
	var from []client.Assign
	for _, p := range wanted {
		if p < 0 || int(p) >= len(leaders) {
			return nil, fmt.Errorf("topic %s has partitions 0 to %d, and no %d", c.topic, len(leaders)-1, p)
		}
		offset, err := c.startOf(p)
		if err != nil {
			return nil, err
		}
		from = append(from, client.Assign{Topic: c.topic, Partition: p, Offset: offset})
	}
	return from, nil
}

func (c *consuming) startOf(partition int32) (int64, error) {
	switch c.from {
	case "start", "beginning":
		return client.Earliest, nil
	case "end":
		return client.Latest, nil
	}
	n, err := strconv.ParseInt(c.from, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("--offset %s is none of start, end, a number", c.from)
	}
	if n >= 0 {
		return n, nil
	}
	end, err := offsetAt(&c.session, c.topic, partition, client.Latest)
	if err != nil {
		return 0, err
	}
	start, err := offsetAt(&c.session, c.topic, partition, client.Earliest)
	return max(end+n, start), err
}

// show prints one record.
type show func(out *bufio.Writer, partition int32, r *client.FetchedRecord) error

// printer turns a format into one pass over a record.
func printer(topic, layout, output string) (show, error) {
	switch output {
	case "json":
		return jsonPrinter(topic), nil
	case "text":
	default:
		return nil, fmt.Errorf("--output %s is neither text nor json", output)
	}
	var parts []func(b []byte, partition int32, r *client.FetchedRecord) []byte
	for rest := layout; rest != ""; {
		plain, behind, found := strings.Cut(rest, "%")
		text, err := unescape(plain)
		if err != nil {
			return nil, err
		}
		parts = append(parts, func(b []byte, _ int32, _ *client.FetchedRecord) []byte { return append(b, text...) })
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
	return func(out *bufio.Writer, partition int32, r *client.FetchedRecord) error {
		line = line[:0]
		for _, part := range parts {
			line = part(line, partition, r)
		}
		_, err := out.Write(line)
		return err
	}, nil
}

// letter is what one letter of a format prints; nil: nothing.
func letter(l byte, topic string) func(b []byte, partition int32, r *client.FetchedRecord) []byte {
	switch l {
	case 's', 'v':
		return func(b []byte, _ int32, r *client.FetchedRecord) []byte { return append(b, r.Value...) }
	case 'k':
		return func(b []byte, _ int32, r *client.FetchedRecord) []byte { return append(b, r.Key...) }
	case 'S':
		return func(b []byte, _ int32, r *client.FetchedRecord) []byte { return appendSize(b, r.Value) }
	case 'K':
		return func(b []byte, _ int32, r *client.FetchedRecord) []byte { return appendSize(b, r.Key) }
	case 'R':
		return func(b []byte, _ int32, r *client.FetchedRecord) []byte {
			n := uint32(len(r.Value))
			return append(b, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
		}
	case 't':
		return func(b []byte, _ int32, _ *client.FetchedRecord) []byte { return append(b, topic...) }
	case 'p':
		return func(b []byte, partition int32, _ *client.FetchedRecord) []byte {
			return strconv.AppendInt(b, int64(partition), 10)
		}
	case 'o':
		return func(b []byte, _ int32, r *client.FetchedRecord) []byte { return strconv.AppendInt(b, r.Offset, 10) }
	case 'T':
		return func(b []byte, _ int32, r *client.FetchedRecord) []byte { return strconv.AppendInt(b, r.Timestamp, 10) }
	case 'h':
		return func(b []byte, _ int32, r *client.FetchedRecord) []byte { return appendHeaders(b, r.Headers) }
	case '%':
		return func(b []byte, _ int32, _ *client.FetchedRecord) []byte { return append(b, '%') }
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
	return func(out *bufio.Writer, partition int32, r *client.FetchedRecord) error {
		j := recordJSON{Topic: topic, Partition: partition, Offset: r.Offset, Timestamp: r.Timestamp}
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
		_, err = out.Write(append(line, '\n'))
		return err
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

package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"rookery/core/client"
	"rookery/core/wire"
	"rookery/net/kafka"
)

// consuming is what consume was asked to do.
type consuming struct {
	session
	grouping
	topic      string
	partitions []int32
	from       place
	until      place
	max        int64
	untilEnd   bool
	layout     string
	output     string
	bytesMax   int32

	ends     map[int32]int64 // offsets to stop at, by partition
	shown    int64
	bytes    int64
	progress *progress
}

// placesFlag is -o: where to begin and stop; or, as everywhere else, json.
type placesFlag struct{ *consuming }

func (f placesFlag) String() string { return "end" }

// Type is what help calls the flag's value.
func (f placesFlag) Type() string { return "from[:until]|json" }

// Set takes the flag's value; of several, each adds what it names.
func (f placesFlag) Set(s string) error {
	if s == "json" {
		f.output = s
		return nil
	}
	return parsePlaces(s, time.Now(), &f.from, &f.until)
}

func consumeCommand() *cobra.Command {
	var c consuming
	command := &cobra.Command{
		Use:   "consume TOPIC...",
		Short: "read records",
		Long:  "Read records of a topic, or of several as a member of a group, and print each by a format, or as JSON.\n\n" + placeHelp + "\n\n" + groupHelp + "\n\n" + formatHelp,
		Example: `  rookery consume greetings -o start -e
  rookery consume orders refunds --group billing        share them with the others of the group
  rookery consume users -o -5 -f '%k = %v\n'            the last five of each partition
  rookery consume users -o @-1h:end -o json             the last hour, and stop
  rookery consume users -o 100:200 -p 0 -f '%d{strftime[%F %T]} %v\n'`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			defer c.close()
			switch {
			case command.Flags().Changed("number") && c.max < 0:
				return advise("leave it out to read on for ever, or stop at the end: -e", "--number %d: there are no fewer records than none", c.max)
			case c.bytesMax < 1:
				return fmt.Errorf("--fetch-bytes %d: an answer has at least one byte", c.bytesMax)
			}
			c.topic = args[0]
			out := command.OutOrStdout()
			if !onTerminal(out) {
				c.progress = newProgress(command.ErrOrStderr())
			}
			defer c.progress.end()
			if c.group != "" {
				return c.runGroup(out, command.ErrOrStderr(), args)
			}
			if err := c.isAlone(command, args); err != nil {
				return err
			}
			return c.run(out, command.ErrOrStderr())
		},
	}
	c.session.flags(command)
	c.grouping.flags(command)
	f := command.Flags()
	f.Int32SliceVarP(&c.partitions, "partition", "p", nil, "partitions to read (default: all)")
	c.from = place{kind: atEnd}
	f.VarP(placesFlag{&c}, "offset", "o", "where to begin, and to stop; or json, for --output json")
	f.Int64VarP(&c.max, "number", "n", -1, "stop after so many records")
	f.BoolVarP(&c.untilEnd, "exit", "e", false, "stop at the end")
	f.StringVarP(&c.layout, "format", "f", `%v\n`, "how a record is printed; or json, for --output json")
	f.StringVar(&c.output, "output", "text", "text (by the format), or json: an object a line")
	f.Int32Var(&c.bytesMax, "fetch-bytes", 4<<20, "bytes of one answer")
	mayBeEmpty(command, "format") // who only waits for records
	completeFrom(command, "output", "text", "json")
	return command
}

func (c *consuming) run(to, log io.Writer) (err error) {
	show, err := printer(c.layout, c.output)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(to, 1<<16)
	defer flush(out, &err)
	c.config.OffsetReset, c.config.AutoCreateTopics = kafka.ResetNone, false // one that is deleted meanwhile is not to be there again
	c.config.FetchMaxBytes, c.config.PartitionFetchBytes = c.bytesMax, c.bytesMax
	from, err := c.begin()
	if err == nil {
		err = c.inRange(from)
	}
	if err != nil || c.max == 0 || len(from) == 0 {
		return err
	}
	open := map[int32]bool{} // partitions whose end was not reached
	for _, a := range from {
		open[a.Partition] = true
	}
	consumer, err := kafka.NewConsumer(c.config)
	if err != nil {
		return err
	}
	defer giveUp(consumer)
	for _, a := range from {
		consumer.Assign(a.Topic, a.Partition, a.Offset)
	}
	ctx, end := whileRead(context.Background(), to)
	defer end()
	waiting := map[int32]wire.Code{} // what was said of a partition since it last gave something
	for len(open) > 0 {
		f, err := consumer.Poll(ctx)
		if f == nil {
			return err
		}
		if said, known := waiting[f.Partition]; err == nil {
			delete(waiting, f.Partition)
		} else if lasting(err) == nil && !f.Damaged() && (!known || said != f.Code) {
			waiting[f.Partition] = f.Code
			fmt.Fprintln(log, err, "(tried again)")
		}
		enough, err := c.print(out, f, show)
		if err != nil || enough {
			return err
		}
		if err := out.Flush(); err != nil { // whoever watches sees all there is
			return err
		}
		c.showProgress()
		if c.isOver(f) {
			delete(open, f.Partition)
		}
	}
	return nil
}

func (c *consuming) showProgress() {
	c.progress.show(0, 0, fmt.Sprintf("%d records, %s, %s/s", c.shown, bytesText(float64(c.bytes)), bytesText(c.progress.rate(c.bytes))))
}

// flush is the last that is done with what is printed. One that has failed fails as what was printed before.
func flush(out *bufio.Writer, err *error) {
	if failed := out.Flush(); *err == nil {
		*err = failed
	}
}

// inRange asks for what there is, where an offset was named: one that is not there yet would be waited for, and the broker
// says only that it has it not. Where the client would ask first it asks whether there is anybody.
func (c *consuming) inRange(from []client.Assign) error {
	byOffset := c.from.kind == atOffset
	if len(from) == 0 || !byOffset && (c.until.given || c.from.kind != atStart && c.from.kind != atEnd) {
		return nil // the leaders have been asked
	}
	leaders, err := c.leaders(c.topic, false, c.partitions)
	if err != nil {
		return err
	}
	var wanted []int32
	for _, a := range from {
		wanted = append(wanted, a.Partition)
	}
	if !byOffset {
		return c.isThere(leaders, wanted)
	}
	starts, errStart := offsetsAt(&c.session, c.topic, leaders, wanted, client.Earliest).whole()
	ends, errEnd := offsetsAt(&c.session, c.topic, leaders, wanted, client.Latest).whole()
	if err := cmp.Or(errStart, errEnd); err != nil {
		return err
	}
	for _, a := range from {
		if start, end := starts[a.Partition].offset, ends[a.Partition].offset; a.Offset < start || a.Offset > end {
			return advise("begin at the start (-o start) or at the end (-o end), or read one partition (-p)", "partition %d has no offset %d: %s", a.Partition, a.Offset, offsetsText(start, end))
		}
	}
	return nil
}

// isThere asks the leaders for something, so that none that cannot be reached is waited for without a word.
func (c *consuming) isThere(leaders, wanted []int32) error {
	var failed error
	for _, found := range offsetsAt(&c.session, c.topic, leaders, wanted, client.Latest) {
		var told *refusal
		if found.err == nil || errors.As(found.err, &told) { // the client asks again
			return nil
		}
		failed = found.err
	}
	return advise("rookery doctor, where the broker runs, goes to every address that it tells clients to go to", "topic %s: %w", c.topic, failed)
}

// offsetsText says which offsets there are from start to end.
func offsetsText(start, end int64) string {
	switch end - start {
	case 0:
		return fmt.Sprintf("it is empty, and the next will be %d", end)
	case 1:
		return fmt.Sprintf("it has %d, and the next will be %d", start, end)
	}
	return fmt.Sprintf("it has %d to %d, and the next will be %d", start, end-1, end)
}

// isOver says whether no more is wanted of a partition.
func (c *consuming) isOver(f *kafka.Fetched) bool {
	end, bounded := c.ends[f.Partition]
	return bounded && f.Position >= end || c.untilEnd && f.End
}

// print shows what one answer brought; enough says that no more is wanted.
func (c *consuming) print(out *bufio.Writer, f *kafka.Fetched, show show) (enough bool, err error) {
	end, bounded := c.ends[f.Partition]
	seen := seenRecord{topic: c.topic, partition: f.Partition, start: f.LogStart, stable: f.LastStable, high: f.HighWatermark}
	for i := range f.Records {
		if bounded && f.Records[i].Offset >= end {
			break
		}
		c.shown++
		c.bytes += int64(len(f.Records[i].Key) + len(f.Records[i].Value))
		seen.count, seen.FetchedRecord = c.shown, &f.Records[i]
		if err := show(out, &seen); err != nil {
			return false, err
		}
		if c.shown == c.max {
			return true, nil
		}
	}
	switch {
	case f.Damaged(): // where it lies, as a rule: the client would ask for it for ever
		return false, advise("where the broker runs, rookery log verify DIR names the file; what lies behind it: -p PARTITION -o OFFSET",
			"topic %s, partition %d: the batch at offset %d is damaged", f.Topic, f.Partition, f.Position)
	case !f.Stopped:
		return false, nil // what may pass is the client's to try again
	case f.Code == wire.OffsetOutOfRange:
		return false, advise("begin at the start (-o start) or at the end (-o end)", "partition %d has no offset %d: %s", f.Partition, f.Position, f.Code)
	}
	return false, fmt.Errorf("topic %s, partition %d, offset %d: %s", f.Topic, f.Partition, f.Position, f.Code)
}

// begin says which partitions are read, each from where. One whose end is not behind its beginning is not read at all.
func (c *consuming) begin() ([]client.Assign, error) {
	leaders, err := c.leaders(c.topic, false, c.partitions)
	if err != nil {
		return nil, err
	}
	wanted := slices.Compact(slices.Sorted(slices.Values(c.partitions))) // a broker refuses one that is named twice
	if c.partitions == nil {
		wanted = allOf(leaders)
	}
	for _, p := range wanted {
		if p < 0 || int(p) >= len(leaders) {
			return nil, noPartition(c.topic, p, len(leaders))
		}
	}
	c.ends = map[int32]int64{}
	if c.until.given {
		ends, err := c.until.offsets(&c.session, c.topic, leaders, wanted)
		if err != nil {
			return nil, err
		}
		for p, end := range ends {
			c.ends[p] = end.offset
		}
	}
	return c.assign(leaders, wanted)
}

// assign says where each partition is read from. A client finds the start and the end by itself, but where it matters
// whether an end lies behind them.
func (c *consuming) assign(leaders, wanted []int32) (from []client.Assign, err error) {
	found := located{}
	if c.until.given || c.from.kind != atStart && c.from.kind != atEnd {
		if found, err = c.from.offsets(&c.session, c.topic, leaders, wanted); err != nil {
			return nil, err
		}
	}
	for _, p := range wanted {
		offset := found[p].offset
		switch {
		case c.until.given:
			if offset >= c.ends[p] {
				continue
			}
		case c.from.kind == atStart:
			offset = client.Earliest
		case c.from.kind == atEnd:
			offset = client.Latest
		}
		from = append(from, client.Assign{Topic: c.topic, Partition: p, Offset: offset})
	}
	return from, nil
}

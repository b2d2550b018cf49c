package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"rookery/core/assign"
	"rookery/net/kafka"
)

// grouping is what consume --group was asked for beside what every consume is.
type grouping struct {
	group     string
	instance  string
	protocol  string
	assignors []string
	pattern   bool
	commit    time.Duration
	ended     map[kafka.Partition]bool // the partitions that are read, and whether the end of each was reached
}

// groupHelp is what help says of groups.
const groupHelp = `With --group the topics are shared with the other members of that group, and read from where it has come to; -o start
or -o end (the default) says where to begin in partitions that it has not come to yet. What was printed, and was taken by
whoever reads our output, is committed each --commit-interval, when partitions go to another member, and at the end, ^C
included; so after a crash a little is printed again, and nothing is left out. With --commit-interval 0 nothing is committed.`

func (g *grouping) flags(command *cobra.Command) {
	f := command.Flags()
	f.StringVarP(&g.group, "group", "g", "", "share the topics with the other members of this group")
	f.StringVar(&g.instance, "instance-id", "", "with --group: a static member's name, which keeps its partitions through a restart")
	f.StringVar(&g.protocol, "protocol", "classic", "with --group: classic, or consumer (KIP-848: the broker assigns)")
	f.StringSliceVar(&g.assignors, "assignor", nil, "with --group: range, roundrobin, sticky, cooperative-sticky; of protocol consumer: uniform, range")
	f.BoolVar(&g.pattern, "pattern", false, "with --group: TOPIC is a regular expression for whole names")
	f.DurationVar(&g.commit, "commit-interval", 5*time.Second, "with --group: how often to commit what was printed; 0: never")
	completeFrom(command, "protocol", "classic", "consumer")
	_ = command.RegisterFlagCompletionFunc("group", groupsLike)
	completeNames(command, "assignor", "", func([]string) []string {
		if g.protocol == "consumer" {
			return []string{assign.Uniform, assign.Range}
		}
		return []string{"range", "roundrobin", "sticky", "cooperative-sticky"}
	})
}

// isAlone checks that nothing of a group is asked for without one.
func (g *grouping) isAlone(command *cobra.Command, topics []string) error {
	for _, name := range []string{"instance-id", "protocol", "assignor", "pattern", "commit-interval"} {
		if command.Flags().Changed(name) {
			return advise("name the group: --group NAME", "--%s is for members of a group", name)
		}
	}
	if len(topics) > 1 {
		return advise("read them as a group does: --group NAME "+strings.Join(topics, " "), "one topic at a time is read without a group")
	}
	return nil
}

// configure says what the group's member is like.
func (c *consuming) configureGroup() error {
	switch {
	case c.partitions != nil:
		return advise("leave -p out, or --group", "the group says which partitions are read")
	case c.until.given:
		return advise("stop at the end (-e), or after so many records (-n)", "a group does not stop at an offset")
	case c.from.kind != atStart && c.from.kind != atEnd:
		return advise("begin at the start (-o start) or at the end (-o end); to move a group: rookery group reset-offsets",
			"a group goes on where it has come to: -o says where to begin in partitions that it has not come to")
	}
	c.config.GroupID, c.config.InstanceID, c.config.AutoCommitInterval = c.group, c.instance, c.commit
	if c.config.OffsetReset = kafka.ResetLatest; c.from.kind == atStart {
		c.config.OffsetReset = kafka.ResetEarliest
	}
	switch c.protocol {
	case "consumer":
		c.config.Protocol = kafka.Modern
		if len(c.assignors) > 1 {
			return fmt.Errorf("--protocol consumer takes one --assignor: the broker has it")
		}
		c.config.RemoteAssignor = strings.Join(c.assignors, "")
		return nil
	case "classic":
	default:
		return advise("there are two: classic and consumer", "there is no group protocol %q", c.protocol)
	}
	if len(c.assignors) > 0 {
		c.config.Assignors = nil
	}
	for _, name := range c.assignors {
		a, ok := kafka.AssignorNamed(name)
		if !ok {
			return advise("there are range, roundrobin, sticky and cooperative-sticky", "there is no assignor %q", name)
		}
		c.config.Assignors = append(c.config.Assignors, a)
	}
	return nil
}

// runGroup prints what the group gives this member until it is told to stop.
func (c *consuming) runGroup(to, log io.Writer, topics []string) (err error) {
	show, err := printer(c.layout, c.output)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(to, 1<<16)
	defer flush(out, &err)
	c.config.FetchMaxBytes, c.config.PartitionFetchBytes, c.config.AutoCreateTopics = c.bytesMax, c.bytesMax, false
	if err := c.configureGroup(); err != nil {
		return err
	}
	if !c.pattern {
		for _, topic := range topics {
			if _, err := c.leaders(topic, false, []int32{}); err != nil {
				return err
			}
		}
	} else if err := c.open(); err != nil {
		return err
	}
	if c.max == 0 {
		return nil
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	read, end := whileRead(ctx, to)
	defer end()
	c.ended = map[kafka.Partition]bool{}
	c.config.OnAssigned = func(added []kafka.Partition) {
		for _, p := range added {
			c.ended[p] = false
		}
	}
	c.config.OnRevoked = func(removed []kafka.Partition, _ bool) {
		for _, p := range removed {
			delete(c.ended, p)
		}
	}
	c.config.OnTrouble = func(e *kafka.GroupError) { fmt.Fprintln(log, e, "(tried again)") }
	consumer, err := kafka.NewConsumer(c.config)
	if err != nil {
		return err
	}
	if c.pattern {
		err = consumer.SubscribePattern(strings.Join(topics, "|"))
	} else {
		err = consumer.Subscribe(topics...)
	}
	if err == nil {
		err = c.printGroup(ctx, read, consumer, out, show)
	}
	over, cancel := context.WithTimeout(context.Background(), c.patience)
	defer cancel()
	return errors.Join(err, consumer.Close(over))
}

// printGroup prints until it is enough. What it printed counts as processed when it asks for more, or ends well: the last
// commit does not end with read, because whoever takes the last record may leave with it.
func (c *consuming) printGroup(ctx, read context.Context, consumer *kafka.Consumer, out *bufio.Writer, show show) error {
	for {
		f, err := consumer.Poll(read)
		switch {
		case errors.Is(context.Cause(read), syscall.EPIPE):
			return syscall.EPIPE
		case read.Err() != nil:
			return nil
		case f == nil:
			return err
		}
		before := c.shown
		c.topic = f.Topic
		enough, err := c.print(out, f, show)
		if err = errors.Join(err, out.Flush()); err != nil {
			return err
		}
		p := kafka.Partition{Topic: f.Topic, Number: f.Partition}
		c.ended[p] = f.End
		if enough = enough || c.untilEnd && c.isAllEnded(); enough {
			next := f.Position
			if printed := int(c.shown - before); printed < len(f.Records) {
				next = f.Records[printed].Offset
			}
			if c.commit <= 0 {
				return nil
			}
			return consumer.Commit(ctx, kafka.Place{Partition: p, Offset: next})
		}
		c.showProgress()
	}
}

func (c *consuming) isAllEnded() bool {
	for _, ended := range c.ended {
		if !ended {
			return false
		}
	}
	return true
}

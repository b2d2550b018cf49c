package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/client"
	"rookery/core/wire"
)

// aPlace is what --to takes beside start.
const aPlace = "end, an offset, a time like 2026-01-31T12:00:00Z or @-1h, +N or -N"

func groupResetCommand() *cobra.Command {
	var c session
	var form form
	var topics []string
	var to string
	var dry bool
	command := &cobra.Command{
		Use:   "reset-offsets GROUP --to PLACE [--topic TOPIC]",
		Short: "commit other offsets for a group that has no members",
		Example: "  rookery group reset-offsets billing --topic clicks --to start\n" +
			"  rookery group reset-offsets billing --topic clicks --to 2026-01-31T12:00:00Z --dry-run\n" +
			"  rookery group reset-offsets billing --topic clicks:0 --to 42\n" +
			"  rookery group reset-offsets billing --topic clicks --to -100          a hundred records back",
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, names []string) error {
			defer c.close()
			if to == "" {
				return advise("for example: --to start, or "+aPlace, "group reset-offsets: --to is missing")
			}
			at, err := placeToReset(to)
			if err != nil {
				return err
			}
			rows, err := placesToReset(&c, names[0], topics, at)
			if err != nil {
				return err
			}
			if !dry {
				if err := commitFor(&c, names[0], rows); err != nil {
					return err
				}
			}
			if form.json() {
				return printJSON(command.OutOrStdout(), rows)
			}
			var lines [][]string
			for _, r := range rows {
				lines = append(lines, []string{r.Topic, strconv.Itoa(int(r.Partition)), strconv.FormatInt(r.Committed, 10)})
			}
			return table(command.OutOrStdout(), "TOPIC PARTITION COMMITTED", lines)
		},
	}
	c.flags(command)
	form.flag(command)
	command.Flags().StringSliceVar(&topics, "topic", nil, "topics, or TOPIC:PARTITION; left out: all that the group has committed")
	_ = command.RegisterFlagCompletionFunc("topic", completeTopics) // fails for no flag only
	command.Flags().StringVar(&to, "to", "", "start, end, an offset, a time (2026-01-31T12:00:00Z, @-1h), or +N or -N from where the group is; required")
	command.Flags().BoolVar(&dry, "dry-run", false, "say what would be committed, and commit nothing")
	return command
}

// placesToReset finds the offsets that a group is to have.
func placesToReset(c *session, name string, topics []string, to place) ([]offsetRow, error) {
	committed, err := committedBy(c, name)
	if err != nil && !refusedWith(err, wire.NotCoordinator) {
		return nil, err
	}
	now := map[string]int64{}
	wanted := map[string][]int32{}
	for _, r := range committed {
		now[r.Topic+"-"+strconv.Itoa(int(r.Partition))] = r.Committed
		if len(topics) == 0 {
			wanted[r.Topic] = append(wanted[r.Topic], r.Partition)
		}
	}
	for _, text := range topics {
		topic, number, one := strings.Cut(text, ":")
		if !one {
			wanted[topic] = nil
			continue
		}
		p, err := strconv.ParseInt(number, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("--topic %s: %s is no partition", text, number)
		}
		some, named := wanted[topic]
		if all := named && some == nil; !all && !slices.Contains(some, int32(p)) {
			wanted[topic] = append(some, int32(p))
		}
	}
	if len(wanted) == 0 {
		return nil, advise("name some: --topic TOPIC", "group %s has committed nothing", name)
	}
	rows := []offsetRow{}
	for topic, partitions := range wanted {
		described, err := describe(c, []string{topic})
		if err != nil {
			return nil, err
		}
		leaders := leadersIn(described[0].Partitions)
		if partitions == nil {
			partitions = allOf(leaders)
		}
		for _, p := range partitions {
			if p < 0 || int(p) >= len(leaders) {
				return nil, fmt.Errorf("topic %s has no partition %d", topic, p)
			}
		}
		found, err := resetTo(c, topic, leaders, partitions, to, now)
		if err != nil {
			return nil, err
		}
		for _, p := range partitions {
			rows = append(rows, offsetRow{Topic: topic, Partition: p, Committed: found[p]})
		}
	}
	slices.SortStableFunc(rows, func(a, b offsetRow) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return rows, nil
}

// placeToReset reads where a group is to go: a place as of consume, whose @ may be left out before a date.
func placeToReset(to string) (place, error) {
	now := time.Now()
	at, err := parsePlace(to, now)
	if err == nil {
		return at, nil
	}
	if dated, err := parsePlace("@"+to, now); err == nil {
		return dated, nil
	}
	return place{}, advise("start, "+aPlace, "--to %s is no place", to)
}

// resetTo is the offset of each partition that the place means, held inside its log. +N and -N are from where the group is
// now.
func resetTo(c *session, topic string, leaders, partitions []int32, to place, now map[string]int64) (map[int32]int64, error) {
	start, err := offsetsAt(c, topic, leaders, partitions, -2).whole()
	if err != nil {
		return nil, err
	}
	end, err := offsetsAt(c, topic, leaders, partitions, -1).whole()
	if err != nil {
		return nil, err
	}
	wish := func(p int32) int64 { return start[p].offset }
	switch to.kind {
	case atStart:
	case atEnd:
		wish = func(p int32) int64 { return end[p].offset }
	case atOffset:
		wish = func(int32) int64 { return to.n }
	case atTime:
		found, err := to.offsets(c, topic, leaders, partitions)
		if err != nil {
			return nil, err
		}
		wish = func(p int32) int64 { return found[p].offset }
	case afterStart, beforeEnd:
		wish = func(p int32) int64 {
			from, known := now[topic+"-"+strconv.Itoa(int(p))]
			if !known || from < 0 {
				from = start[p].offset
			}
			if to.kind == beforeEnd {
				return from - to.n
			}
			return from + min(to.n, end[p].offset)
		}
	}
	all := map[int32]int64{}
	for _, p := range partitions {
		all[p] = min(max(wish(p), start[p].offset), end[p].offset)
	}
	return all, nil
}

// commitFor commits as nobody's member, which is taken where there are no members.
func commitFor(c *session, name string, rows []offsetRow) error {
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.CoordinatorKey, find.CoordinatorKeys = name, []string{name}
	request := kmsg.NewPtrOffsetCommitRequest()
	request.Version = 8 // topics by name
	request.Group, request.Generation = name, -1
	for _, r := range rows {
		if n := len(request.Topics); n == 0 || request.Topics[n-1].Topic != r.Topic {
			t := kmsg.NewOffsetCommitRequestTopic()
			t.Topic = r.Topic
			request.Topics = append(request.Topics, t)
		}
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.LeaderEpoch = r.Partition, r.Committed, -1
		t := &request.Topics[len(request.Topics)-1]
		t.Partitions = append(t.Partitions, p)
	}
	for deadline := time.Now().Add(c.patience); ; { // the first use of a group makes the topic that it is kept in
		if _, err := c.call(find, client.AnyBroker); err != nil {
			return err
		}
		answer, err := c.ask(client.Call{Request: request, To: client.AnyBroker, Pinned: true})
		if err != nil {
			return err
		}
		var failed error
		for _, t := range answer.(*kmsg.OffsetCommitResponse).Topics {
			for _, p := range t.Partitions {
				if err := codeError(p.ErrorCode, nil); err != nil && failed == nil {
					failed = err
				}
			}
		}
		again := refusedWith(failed, wire.NotCoordinator) || refusedWith(failed, wire.CoordinatorLoadInProgress)
		if failed == nil || !again || time.Now().After(deadline) {
			if refusedWith(failed, wire.UnknownMemberID) {
				return advise("stop them first: rookery group members "+name, "group %s has members", name)
			}
			if failed != nil {
				return groupAdvice(name, failed)
			}
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
}

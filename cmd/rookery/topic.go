package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/client"
	"rookery/core/wire"
)

func topicCommand() *cobra.Command {
	c := &cobra.Command{Use: "topic", Short: "create, list, describe, alter, move, compact and delete topics"}
	c.AddCommand(topicCreateCommand(), topicListCommand(), topicDescribeCommand(), topicAlterCommand(), topicMoveCommand(), topicCompactCommand(), topicDeleteCommand())
	return c
}

// made is what create answers, one a topic.
type made struct {
	Topic             string            `json:"topic"`
	ID                string            `json:"id,omitempty"`
	Partitions        int32             `json:"partitions"`
	ReplicationFactor int16             `json:"replicationFactor"`
	Configs           map[string]string `json:"configs,omitempty"`
}

func topicCreateCommand() *cobra.Command {
	var c session
	var form form
	var partitions int32
	var factor int16
	var configs []string
	var ifMissing, dry bool
	command := &cobra.Command{
		Use:     "create TOPIC...",
		Short:   "create topics",
		Example: "  rookery topic create clicks -p 6 --config retention.ms=3600000",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, names []string) error {
			defer c.close()
			pairs, err := pairsOf(configs)
			if err != nil {
				return err
			}
			request := kmsg.NewPtrCreateTopicsRequest()
			request.TimeoutMillis, request.ValidateOnly = int32(c.patience.Milliseconds()), dry
			for _, name := range names {
				row := kmsg.NewCreateTopicsRequestTopic()
				row.Topic, row.NumPartitions, row.ReplicationFactor, row.Configs = name, partitions, factor, pairs
				request.Topics = append(request.Topics, row)
			}
			answer, err := c.call(request, client.Controller)
			if err != nil {
				return err
			}
			return printMade(command, form, answer.(*kmsg.CreateTopicsResponse), ifMissing, dry)
		},
	}
	c.flags(command)
	form.flag(command)
	command.Flags().Int32VarP(&partitions, "partitions", "p", -1, "how many partitions (-1: the broker's num.partitions)")
	command.Flags().Int16VarP(&factor, "replication-factor", "r", -1, "replicas of each partition (-1: the broker's default)")
	command.Flags().StringArrayVarP(&configs, "config", "c", nil, "a configuration of the topic, name=value")
	completeTopicKeys(command, "config")
	command.Flags().BoolVar(&ifMissing, "if-not-exists", false, "a topic that is there already is no error")
	command.Flags().BoolVar(&dry, "dry-run", false, "ask whether it could be made, and make nothing")
	return command
}

func pairsOf(configs []string) ([]kmsg.CreateTopicsRequestTopicConfig, error) {
	var pairs []kmsg.CreateTopicsRequestTopicConfig
	for _, config := range configs {
		name, value, ok := strings.Cut(config, "=")
		if !ok {
			return nil, advise("for example: --config retention.ms=3600000", "--config %s has no =", config)
		}
		pair := kmsg.NewCreateTopicsRequestTopicConfig()
		pair.Name, pair.Value = name, &value
		pairs = append(pairs, pair)
	}
	return pairs, nil
}

// printMade lists what was made and joins what was refused into one error.
func printMade(command *cobra.Command, form form, answer *kmsg.CreateTopicsResponse, ifMissing, dry bool) error {
	var failed error
	did := "created"
	if dry {
		did = "could create"
	}
	done := []made{}
	for _, t := range answer.Topics {
		err := codeError(t.ErrorCode, t.ErrorMessage)
		if ifMissing && refusedWith(err, wire.TopicAlreadyExists) {
			continue
		}
		if err != nil {
			failed = errors.Join(failed, notMade(t.Topic, err))
			continue
		}
		m := made{t.Topic, idText(t.TopicID), t.NumPartitions, t.ReplicationFactor, map[string]string{}}
		if dry {
			m.ID = "" // nobody has it
		}
		for _, config := range t.Configs {
			if config.Value != nil {
				m.Configs[config.Name] = *config.Value
			}
		}
		done = append(done, m)
	}
	if form.json() {
		return errors.Join(printJSON(command.OutOrStdout(), done), failed)
	}
	for _, m := range done {
		fmt.Fprintf(command.OutOrStdout(), "%s %s: %s, replication factor %d\n", did, m.Topic, counted(int(m.Partitions), "partition"), m.ReplicationFactor)
	}
	return failed
}

func notMade(topic string, err error) error {
	if refusedWith(err, wire.TopicAlreadyExists) {
		return advise("to leave it as it is: --if-not-exists; to change it: rookery topic alter "+topic, "topic %s: %w", topic, err)
	}
	return fmt.Errorf("topic %s: %w", topic, err)
}

// idText is a topic id as Kafka prints it.
func idText(id [16]byte) string {
	if id == [16]byte{} {
		return ""
	}
	return encodeID(id)
}

// topicRow is one topic as list and describe show it.
type topicRow struct {
	Topic      string            `json:"topic"`
	ID         string            `json:"id,omitempty"`
	Internal   bool              `json:"internal"`
	Configs    map[string]string `json:"configs,omitempty"` // its own
	Partitions []partitionRow    `json:"partitions"`
}

type partitionRow struct {
	Partition int32   `json:"partition"`
	Leader    int32   `json:"leader"`
	Epoch     int32   `json:"leaderEpoch"`
	Replicas  []int32 `json:"replicas"`
	ISR       []int32 `json:"isr"`
	Start     *int64  `json:"startOffset,omitempty"` // nil: it was not asked for, or there is nobody to ask
	End       *int64  `json:"endOffset,omitempty"`
	Error     string  `json:"error,omitempty"`
}

// describe asks for topics (nil: all) and sorts what comes.
func describe(c *session, names []string) ([]topicRow, error) {
	request := kmsg.NewPtrMetadataRequest()
	request.AllowAutoTopicCreation = false
	if names != nil {
		request.Topics = []kmsg.MetadataRequestTopic{}
	}
	for _, name := range names {
		row := kmsg.NewMetadataRequestTopic()
		row.Topic = &name
		request.Topics = append(request.Topics, row)
	}
	answer, err := c.call(request, client.AnyBroker)
	if err != nil {
		return nil, err
	}
	rows := []topicRow{}
	for _, t := range answer.(*kmsg.MetadataResponse).Topics {
		name := ""
		if t.Topic != nil {
			name = *t.Topic
		}
		if err := codeError(t.ErrorCode, nil); err != nil {
			return nil, topicAdvice(name, err)
		}
		row := topicRow{Topic: name, ID: idText(t.TopicID), Internal: t.IsInternal}
		for _, p := range t.Partitions {
			r := partitionRow{Partition: p.Partition, Leader: p.Leader, Epoch: p.LeaderEpoch, Replicas: p.Replicas, ISR: p.ISR}
			if err := codeError(p.ErrorCode, nil); err != nil {
				r.Error = err.Error()
			}
			row.Partitions = append(row.Partitions, r)
		}
		slices.SortStableFunc(row.Partitions, func(a, b partitionRow) int { return int(a.Partition) - int(b.Partition) })
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b topicRow) int { return strings.Compare(a.Topic, b.Topic) })
	return rows, nil
}

func topicListCommand() *cobra.Command {
	var c session
	var form form
	var internal bool
	command := &cobra.Command{
		Use:   "list",
		Short: "list topics",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			defer c.close()
			rows, err := describe(&c, nil)
			if err != nil {
				return err
			}
			rows = slices.DeleteFunc(rows, func(r topicRow) bool { return r.Internal && !internal })
			if form.json() {
				return printJSON(command.OutOrStdout(), rows)
			}
			var lines [][]string
			for _, r := range rows {
				replicas := 0
				if len(r.Partitions) > 0 {
					replicas = len(r.Partitions[0].Replicas)
				}
				lines = append(lines, []string{r.Topic, strconv.Itoa(len(r.Partitions)), strconv.Itoa(replicas)})
			}
			return table(command.OutOrStdout(), "TOPIC PARTITIONS REPLICAS", lines)
		},
	}
	c.flags(command)
	form.flag(command)
	command.Flags().BoolVar(&internal, "internal", false, "show internal topics too")
	return command
}

func topicDescribeCommand() *cobra.Command {
	var c session
	var form form
	command := &cobra.Command{
		Use:   "describe [TOPIC...]",
		Short: "partitions, leaders, offsets and own configurations of topics: of all, if none is named",
		Args:  cobra.ArbitraryArgs,
		RunE: func(command *cobra.Command, names []string) error {
			defer c.close()
			if len(names) == 0 {
				names = nil
			}
			rows, err := describe(&c, names)
			if err != nil {
				return err
			}
			for i := range rows {
				addOffsets(&c, &rows[i])
			}
			if err := addConfigs(&c, rows); err != nil {
				return err
			}
			if form.json() {
				return printJSON(command.OutOrStdout(), rows)
			}
			var lines [][]string
			for _, r := range rows {
				for _, p := range r.Partitions {
					lines = append(lines, []string{r.Topic, number64(int64(p.Partition)), number64(int64(p.Leader)), number64(int64(p.Epoch)),
						numbers(p.Replicas), numbers(p.ISR), offsetText(p.Start), offsetText(p.End), p.Error})
				}
			}
			if err := table(command.OutOrStdout(), "TOPIC PARTITION LEADER EPOCH REPLICAS ISR START END ERROR", lines); err != nil {
				return err
			}
			return printOwnConfigs(command.OutOrStdout(), rows)
		},
	}
	c.flags(command)
	form.flag(command)
	return command
}

func offsetText(offset *int64) string {
	if offset == nil {
		return "-1"
	}
	return number64(*offset)
}

func number64(n int64) string { return strconv.FormatInt(n, 10) }

func numbers(ns []int32) string {
	var texts []string
	for _, n := range ns {
		texts = append(texts, number64(int64(n)))
	}
	return strings.Join(texts, ",")
}

// addOffsets asks each leader where its partitions begin and end.
func addOffsets(c *session, row *topicRow) {
	var leaders, led []int32
	for _, p := range row.Partitions {
		for int(p.Partition) >= len(leaders) {
			leaders = append(leaders, -1)
		}
		if leaders[p.Partition] = p.Leader; p.Leader >= 0 {
			led = append(led, p.Partition)
		}
	}
	starts := offsetsAt(c, row.Topic, leaders, led, client.Earliest)
	ends := offsetsAt(c, row.Topic, leaders, led, client.Latest)
	for i := range row.Partitions {
		p := &row.Partitions[i]
		if p.Leader < 0 {
			continue
		}
		start, end := starts[p.Partition], ends[p.Partition]
		if start.err == nil {
			p.Start = &start.offset
		}
		if end.err == nil {
			p.End = &end.offset
		}
		if err := cmp.Or(start.err, end.err); err != nil && p.Error == "" {
			p.Error = err.Error()
		}
	}
}

func topicDeleteCommand() *cobra.Command {
	var c session
	var ifThere bool
	command := &cobra.Command{
		Use:   "delete TOPIC...",
		Short: "delete topics and everything in them",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, names []string) error {
			defer c.close()
			request := kmsg.NewPtrDeleteTopicsRequest()
			request.TimeoutMillis, request.TopicNames = int32(c.patience.Milliseconds()), names
			for _, name := range names {
				row := kmsg.NewDeleteTopicsRequestTopic()
				row.Topic = &name
				request.Topics = append(request.Topics, row)
			}
			answer, err := c.call(request, client.Controller)
			if err != nil {
				return err
			}
			var failed error
			for _, t := range answer.(*kmsg.DeleteTopicsResponse).Topics {
				name := ""
				if t.Topic != nil {
					name = *t.Topic
				}
				err := codeError(t.ErrorCode, t.ErrorMessage)
				switch {
				case ifThere && refusedWith(err, wire.UnknownTopicOrPartition):
				case err != nil:
					failed = errors.Join(failed, topicAdvice(name, err))
				default:
					fmt.Fprintf(command.OutOrStdout(), "deleted %s\n", name)
				}
			}
			return failed
		},
	}
	c.flags(command)
	command.Flags().BoolVar(&ifThere, "if-exists", false, "a topic that is not there is no error")
	return command
}

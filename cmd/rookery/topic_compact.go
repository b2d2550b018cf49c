package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/client"
	"rookery/core/meta"
	"rookery/net/kafka"
)

const dirtyRatio = "min.cleanable.dirty.ratio"

// savings is what a compaction could leave out of one partition.
type savings struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Records   int64  `json:"records"`
	Keys      int64  `json:"keys"`
	Overtaken int64  `json:"overtaken"` // records that a later one of their key has overtaken
	Keyless   int64  `json:"keyless"`   // records without a key, which a compacted log does not keep
	Bytes     int64  `json:"bytes"`     // of all keys and values
	Free      int64  `json:"free"`      // of those that are overtaken, or have no key
}

func topicCompactCommand() *cobra.Command {
	var c consuming
	var form form
	var now bool
	command := &cobra.Command{
		Use:   "compact TOPIC",
		Short: "say what compaction would free, or begin it",
		Long: "Read a topic and say how many of its records later ones of the same key have overtaken, and how many have no key,\n" +
			"which go too; of a topic that is not compacted, what would go if it were. What lies in a partition's last segment,\n" +
			"is younger than min.compaction.lag.ms or is a tombstone is freed later.\n\n" +
			"With --now the broker compacts at once, whatever share of the log is new: " + dirtyRatio + " is set to 0 and back.",
		Example: "  rookery topic compact users\n  rookery topic compact users --now",
		Args:    cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, names []string) error {
			defer c.close()
			if now {
				return compactNow(command.OutOrStdout(), &c.session, names[0])
			}
			c.topic, c.progress = names[0], newProgress(command.ErrOrStderr())
			rows, err := c.weigh()
			c.progress.end()
			if err != nil {
				return err
			}
			if form.json() {
				return printJSON(command.OutOrStdout(), rows)
			}
			var lines [][]string
			for _, r := range rows {
				lines = append(lines, []string{r.Topic, number64(int64(r.Partition)), number64(r.Records), number64(r.Keys), number64(r.Overtaken), number64(r.Keyless), bytesText(float64(r.Bytes)), bytesText(float64(r.Free))})
			}
			return table(command.OutOrStdout(), "TOPIC PARTITION RECORDS KEYS OVERTAKEN KEYLESS BYTES FREE", lines)
		},
	}
	c.session.flags(command)
	form.flag(command)
	command.Flags().BoolVar(&now, "now", false, "begin, and do not wait for the end")
	return command
}

// weigh reads the topic from its start to its end.
func (c *consuming) weigh() ([]savings, error) {
	c.from, c.untilEnd = place{kind: atStart}, true
	c.config.OffsetReset, c.config.AutoCreateTopics = kafka.ResetNone, false
	from, err := c.begin()
	if err == nil {
		err = c.inRange(from)
	}
	if err != nil || len(from) == 0 {
		return nil, err
	}
	consumer, err := kafka.NewConsumer(c.config)
	if err != nil {
		return nil, err
	}
	defer giveUp(consumer)
	rows, places := []savings{}, map[int32]int{}
	newest := []map[string]int64{} // bytes of each key's last record
	for _, a := range from {
		places[a.Partition] = len(rows)
		rows, newest = append(rows, savings{Topic: a.Topic, Partition: a.Partition}), append(newest, map[string]int64{})
		consumer.Assign(a.Topic, a.Partition, a.Offset)
	}
	for open := len(rows); open > 0; {
		f, err := consumer.Poll(context.Background())
		if f == nil {
			return nil, err
		}
		if f.Stopped || f.Damaged() {
			return nil, fmt.Errorf("topic %s, partition %d, offset %d: %s", f.Topic, f.Partition, f.Position, f.Code)
		}
		r, last := &rows[places[f.Partition]], newest[places[f.Partition]]
		for i := range f.Records {
			key, size := string(f.Records[i].Key), int64(len(f.Records[i].Key)+len(f.Records[i].Value))
			c.shown, c.bytes = c.shown+1, c.bytes+size
			if r.Records, r.Bytes = r.Records+1, r.Bytes+size; f.Records[i].Key == nil {
				r.Keyless, r.Free = r.Keyless+1, r.Free+size
				continue
			}
			if before, overtaken := last[key]; overtaken {
				r.Overtaken, r.Free = r.Overtaken+1, r.Free+before
			}
			last[key] = size
		}
		r.Keys = int64(len(last))
		c.showProgress()
		if c.isOver(f) {
			open--
			consumer.Unassign(f.Topic, f.Partition) // or it comes to its end again
		}
	}
	return rows, nil
}

// compactNow sets the ratio to nothing, upon which the broker looks at once, and puts it back.
func compactNow(out io.Writer, c *session, topic string) error {
	before, own, err := ownRatio(c, topic)
	if err != nil {
		return err
	}
	zero := "0"
	if err := setRatio(c, topic, &zero); err != nil {
		return err
	}
	if !own {
		before = nil
	}
	if err := setRatio(c, topic, before); err != nil {
		return fmt.Errorf("%s of topic %s is 0 now, and could not be put back: %w", dirtyRatio, topic, err)
	}
	fmt.Fprintf(out, "compacting %s: the broker logs a line \"compacted\" for each partition that is done; what was just written waits up to log.cleaner.backoff.ms\n", topic)
	return nil
}

// ownRatio is the topic's own min.cleanable.dirty.ratio, if it has one; a topic that is not compacted is an error.
func ownRatio(c *session, topic string) (value *string, own bool, err error) {
	request := kmsg.NewPtrDescribeConfigsRequest()
	row := kmsg.NewDescribeConfigsRequestResource()
	row.ResourceType, row.ResourceName, row.ConfigNames = kmsg.ConfigResourceType(meta.ResourceTopic), topic, []string{dirtyRatio, "cleanup.policy"}
	request.Resources = append(request.Resources, row)
	answer, err := c.call(request, client.AnyBroker)
	if err != nil {
		return nil, false, err
	}
	for _, resource := range answer.(*kmsg.DescribeConfigsResponse).Resources {
		if err := codeError(resource.ErrorCode, resource.ErrorMessage); err != nil {
			return nil, false, topicAdvice(topic, err)
		}
		for _, config := range resource.Configs {
			switch {
			case config.Name == dirtyRatio:
				value, own = config.Value, config.Source == kmsg.ConfigSourceDynamicTopicConfig
			case config.Value == nil || !strings.Contains(*config.Value, "compact"):
				return nil, false, advise("rookery topic alter "+topic+" --config cleanup.policy=compact", "topic %s is not compacted", topic)
			}
		}
	}
	return value, own, nil
}

func setRatio(c *session, topic string, value *string) error {
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	row := kmsg.NewIncrementalAlterConfigsRequestResource()
	row.ResourceType, row.ResourceName = kmsg.ConfigResourceType(meta.ResourceTopic), topic
	one := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	one.Name, one.Value = dirtyRatio, value
	if value == nil {
		one.Op = kmsg.IncrementalAlterConfigOpDelete
	}
	row.Configs = append(row.Configs, one)
	request.Resources = append(request.Resources, row)
	answer, err := c.call(request, client.Controller)
	if err != nil {
		return err
	}
	for _, resource := range answer.(*kmsg.IncrementalAlterConfigsResponse).Resources {
		if err := codeError(resource.ErrorCode, resource.ErrorMessage); err != nil {
			return topicAdvice(topic, err)
		}
	}
	return nil
}

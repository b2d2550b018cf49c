package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/client"
	"rookery/core/meta"
)

func topicAlterCommand() *cobra.Command {
	var c session
	var edits edits
	var partitions int32
	command := &cobra.Command{
		Use:     "alter TOPIC...",
		Short:   "give topics more partitions, or other configurations",
		Example: "  rookery topic alter clicks -p 12 --config retention.ms=3600000 --delete-config segment.bytes",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, names []string) error {
			defer c.close()
			if partitions == 0 && edits.none() {
				return advise("-p 12, --config retention.ms=3600000 or --delete-config retention.ms, for example", "nothing is to be altered")
			}
			if !edits.none() { // first: partitions cannot be taken back
				if err := alterConfigs(command, &c, meta.ResourceTopic, names, &edits); err != nil {
					return err
				}
			}
			if partitions == 0 {
				return nil
			}
			return addPartitions(command, &c, names, partitions, edits.dry)
		},
	}
	c.flags(command)
	command.Flags().Int32VarP(&partitions, "partitions", "p", 0, "how many partitions there are to be; never fewer than there are")
	edits.flags(command, "config")
	return command
}

func addPartitions(command *cobra.Command, c *session, names []string, partitions int32, dry bool) error {
	request := kmsg.NewPtrCreatePartitionsRequest()
	request.TimeoutMillis, request.ValidateOnly = int32(c.patience.Milliseconds()), dry
	for _, name := range names {
		row := kmsg.NewCreatePartitionsRequestTopic()
		row.Topic, row.Count = name, partitions
		request.Topics = append(request.Topics, row)
	}
	answer, err := c.call(request, client.Controller)
	if err != nil {
		return err
	}
	var failed error
	for _, t := range answer.(*kmsg.CreatePartitionsResponse).Topics {
		if err := codeError(t.ErrorCode, t.ErrorMessage); err != nil {
			failed = errors.Join(failed, topicAdvice(t.Topic, err))
			continue
		}
		fmt.Fprintf(command.OutOrStdout(), "%s topic %s: %d partitions\n", altered(dry), t.Topic, partitions)
	}
	return failed
}

func altered(dry bool) string {
	if dry {
		return "could alter"
	}
	return "altered"
}

// addConfigs asks for the configurations that the topics have of their own.
func addConfigs(c *session, rows []topicRow) error {
	names := make([]string, len(rows))
	for i := range rows {
		names[i] = rows[i].Topic
	}
	resources, err := describeConfigs(c, meta.ResourceTopic, names, false)
	if err != nil {
		return err
	}
	for i, r := range resources {
		for _, config := range r.Configs {
			if config.Source != kmsg.ConfigSourceDynamicTopicConfig || config.Value == nil {
				continue
			}
			if rows[i].Configs == nil {
				rows[i].Configs = map[string]string{}
			}
			rows[i].Configs[config.Name] = *config.Value
		}
	}
	return nil
}

func printOwnConfigs(w io.Writer, rows []topicRow) error {
	var lines [][]string
	for _, row := range rows {
		for _, key := range slices.Sorted(maps.Keys(row.Configs)) {
			lines = append(lines, []string{row.Topic, key, row.Configs[key]})
		}
	}
	if len(lines) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	return table(w, "TOPIC CONFIG VALUE", lines)
}

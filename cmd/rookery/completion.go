package main

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rookery/core/controller"
	"rookery/core/meta"
	"rookery/net/kafka"
)

// completePatience is how long a shell is kept waiting for what only the broker knows.
const completePatience = time.Second

// completeNamesOf has every command complete the groups, topics or resources that it takes, but for the one that makes them.
func completeNamesOf(c *cobra.Command) {
	if c.ValidArgsFunction == nil && c.Name() != "create" {
		switch takes := strings.Fields(c.Use); {
		case len(takes) > 1 && strings.HasPrefix(takes[1], "GROUP"):
			c.ValidArgsFunction = completeGroups
		case strings.Contains(c.Use, "TOPIC"):
			c.ValidArgsFunction = completeTopics
		case strings.Contains(c.Use, "TYPE"):
			c.ValidArgsFunction = completeResources
		}
	}
	for _, sub := range c.Commands() {
		completeNamesOf(sub)
	}
}

// completeTopics offers the broker's topics; none if there is no broker.
func completeTopics(command *cobra.Command, given []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(given) > 0 && strings.HasPrefix(command.Use, "consume") && !command.Flags().Changed("group") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	if len(given) > 0 && strings.HasPrefix(command.Use, "produce") {
		return nil, cobra.ShellCompDirectiveDefault // files
	}
	c := session{patience: completePatience, config: kafka.Default()}
	defer c.close()
	c.bootstrap, _ = command.Flags().GetStringSlice("bootstrap-server")
	rows, err := describe(&c, nil)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []cobra.Completion
	for _, row := range rows {
		if strings.HasPrefix(row.Topic, typed) {
			names = append(names, row.Topic)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeGroups offers the broker's groups; none if there is no broker, or no more is taken.
func completeGroups(command *cobra.Command, given []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(given) > 0 && !strings.Contains(command.Use, "GROUP...") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return groupsLike(command, nil, typed)
}

// groupsLike offers the broker's groups, whatever else is on the line.
func groupsLike(command *cobra.Command, _ []string, typed string) (names []cobra.Completion, next cobra.ShellCompDirective) {
	c := session{patience: completePatience, config: kafka.Default()}
	defer c.close()
	c.bootstrap, _ = command.Flags().GetStringSlice("bootstrap-server")
	rows, _ := listGroups(&c, nil, nil) // a shell has no place for what is wrong
	for _, row := range rows {
		if strings.HasPrefix(row.Group, typed) {
			names = append(names, row.Group)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeNames has a flag offer names, which behind is put at the end of; where that is "=", a value follows. No flag of
// these names a file.
func completeNames(command *cobra.Command, flag, behind string, names func(given []string) []string) {
	next := cobra.ShellCompDirectiveNoFileComp
	if behind != "" {
		next |= cobra.ShellCompDirectiveNoSpace
	}
	_ = command.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, given []string, typed string) (offered []cobra.Completion, _ cobra.ShellCompDirective) {
		for _, name := range names(given) {
			if strings.HasPrefix(name+behind, typed) && name+behind != typed {
				offered = append(offered, name+behind)
			}
		}
		return offered, next
	})
}

// alterable are the names of a resource's keys that match; what does nothing here is no offer.
func alterable(kind int8, match func(controller.Alterable) bool) (names []string) {
	for _, k := range controller.AlterableKeys(kind) {
		if match(k) {
			names = append(names, k.Name)
		}
	}
	return names
}

func hasEffect(k controller.Alterable) bool { return !k.Idle }

// completeTopicKeys has a flag offer the keys of topics.
func completeTopicKeys(command *cobra.Command, flag string) {
	completeNames(command, flag, "=", func([]string) []string { return alterable(meta.ResourceTopic, hasEffect) })
}

// completeServerKeys has a flag offer the keys that a broker can be started with.
func completeServerKeys(command *cobra.Command, flag string) {
	completeNames(command, flag, "=", func([]string) []string {
		names := ownKeys()
		for _, k := range controller.BrokerKeys() {
			if !k.Idle && k.Mode != controller.Rate {
				names = append(names, k.Name)
			}
		}
		slices.Sort(names)
		return names
	})
}

// completeResources offers the types of what has configurations, and then the names of the one that was chosen.
func completeResources(command *cobra.Command, given []string, typed string) (names []cobra.Completion, next cobra.ShellCompDirective) {
	next = cobra.ShellCompDirectiveNoFileComp
	if len(given) == 0 || strings.Contains(command.Use, "TYPE...") {
		for _, kind := range resourceKinds() {
			if name := resourceKind(kind); strings.HasPrefix(name, typed) {
				names = append(names, name)
			}
		}
		return names, next
	}
	kind, err := kindOfResource(given[0])
	if err != nil {
		return nil, next
	}
	c := session{patience: completePatience, config: kafka.Default()}
	defer c.close()
	c.bootstrap, _ = command.Flags().GetStringSlice("bootstrap-server")
	rows, err := listResources(&c, []int8{kind})
	if err != nil {
		return nil, next
	}
	for _, row := range rows {
		if strings.HasPrefix(row.Name, typed) {
			names = append(names, row.Name)
		}
	}
	return names, next
}

// completeFrom offers the few values that a flag has.
func completeFrom(command *cobra.Command, flag string, values ...cobra.Completion) {
	_ = command.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // fails for no flag only
}

package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/client"
	"rookery/core/controller"
	"rookery/core/meta"
)

func configCommand() *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "list, describe and alter configurations"}
	c.AddCommand(configListCommand(), configDescribeCommand(), configAlterCommand(), configShowCommand())
	return c
}

// resourceKind is what a type of resource is called on the command line.
func resourceKind(kind int8) string {
	switch kind {
	case meta.ResourceTopic:
		return "topic"
	case meta.ResourceBroker:
		return "broker"
	case meta.ResourceBrokerLogger:
		return "broker-logger"
	case meta.ResourceClientMetrics:
		return "client-metrics"
	case meta.ResourceGroup:
		return "group"
	}
	return fmt.Sprintf("type %d", kind)
}

// resourceKinds are those that a command can name.
func resourceKinds() []int8 {
	return []int8{meta.ResourceTopic, meta.ResourceBroker, meta.ResourceGroup, meta.ResourceClientMetrics, meta.ResourceBrokerLogger}
}

func kindOfResource(name string) (int8, error) {
	for _, kind := range resourceKinds() {
		if resourceKind(kind) == name {
			return kind, nil
		}
	}
	return 0, advise("one of topic, broker, group, client-metrics, broker-logger", "%s has no configurations", name)
}

// namesOf are those that were named. No name is what holds for all brokers; nothing else has that.
func namesOf(kind int8, named []string) ([]string, error) {
	switch {
	case kind == meta.ResourceBroker && slices.Contains(named, ""):
		return nil, advise("to mean all brokers leave it out", "the name of the broker is empty")
	case len(named) > 0:
		return named, nil
	case kind == meta.ResourceBroker:
		return []string{""}, nil
	}
	text := resourceKind(kind)
	return nil, advise("see what there is: rookery config list "+text, "the name of the %s is missing", text)
}

// resourceRow is something that has, or can have, configurations.
type resourceRow struct {
	Type string `json:"type"`
	Name string `json:"name"`
}

// listResources are those of some kinds, or of all if none is named.
func listResources(c *session, kinds []int8) ([]resourceRow, error) {
	request := kmsg.NewPtrListConfigResourcesRequest()
	request.ResourceTypes = kinds
	answer, err := c.call(request, client.AnyBroker)
	if err != nil {
		return nil, err
	}
	listed := answer.(*kmsg.ListConfigResourcesResponse)
	if err := codeError(listed.ErrorCode, nil); err != nil {
		return nil, err
	}
	rows := []resourceRow{}
	for _, r := range listed.ConfigResources {
		rows = append(rows, resourceRow{resourceKind(r.Type), r.Name})
	}
	return rows, nil
}

func configListCommand() *cobra.Command {
	var c session
	var form form
	command := &cobra.Command{
		Use:   "list [TYPE...]",
		Short: "what there is that has, or can have, configurations: topic, broker, group, client-metrics, broker-logger",
		RunE: func(command *cobra.Command, types []string) error {
			defer c.close()
			var kinds []int8
			for _, name := range types {
				kind, err := kindOfResource(name)
				if err != nil {
					return err
				}
				kinds = append(kinds, kind)
			}
			rows, err := listResources(&c, kinds)
			if err != nil {
				return err
			}
			var lines [][]string
			for _, r := range rows {
				lines = append(lines, []string{r.Type, r.Name})
			}
			if form.json() {
				return printJSON(command.OutOrStdout(), rows)
			}
			return table(command.OutOrStdout(), "TYPE NAME", lines)
		},
	}
	c.flags(command)
	form.flag(command)
	return command
}

// configRow is one configuration as describe shows it.
type configRow struct {
	Type          string       `json:"type"`
	Name          string       `json:"name"`
	Key           string       `json:"key"`
	Value         *string      `json:"value"`
	Source        string       `json:"source"`
	ReadOnly      bool         `json:"readOnly"`
	Sensitive     bool         `json:"sensitive"`
	Synonyms      []synonymRow `json:"synonyms"`
	Documentation string       `json:"documentation,omitempty"`
}

type synonymRow struct {
	Key    string  `json:"key"`
	Value  *string `json:"value"`
	Source string  `json:"source"`
}

func sourceText(source kmsg.ConfigSource) string {
	switch int8(source) {
	case controller.SourceTopic:
		return "topic"
	case controller.SourceBroker:
		return "broker"
	case controller.SourceDefaultBroker:
		return "all-brokers"
	case controller.SourceStatic:
		return "start"
	case controller.SourceDefault:
		return "default"
	case controller.SourceClientMetrics:
		return "client-metrics"
	case controller.SourceGroup:
		return "group"
	}
	return source.String()
}

func configDescribeCommand() *cobra.Command {
	var c session
	var form form
	var all, documented bool
	command := &cobra.Command{
		Use:   "describe TYPE [NAME...]",
		Short: "the configurations of topics, brokers (no name: what holds for all), groups, client-metrics",
		Example: "  rookery config describe topic clicks --all\n" +
			"  rookery config describe broker 1 --all --docs",
		Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			defer c.close()
			kind, err := kindOfResource(args[0])
			if err != nil {
				return err
			}
			names, err := namesOf(kind, args[1:])
			if err != nil {
				return err
			}
			resources, err := describeConfigs(&c, kind, names, documented)
			if err != nil {
				return err
			}
			rows := configRows(resources, all)
			if form.json() {
				return printJSON(command.OutOrStdout(), rows)
			}
			return printConfigs(command, rows, documented)
		},
	}
	c.flags(command)
	form.flag(command)
	command.Flags().BoolVar(&all, "all", false, "show what is not set too, with its default")
	command.Flags().BoolVar(&documented, "docs", false, "say what each is for")
	return command
}

func describeConfigs(c *session, kind int8, names []string, documented bool) ([]kmsg.DescribeConfigsResponseResource, error) {
	request := kmsg.NewPtrDescribeConfigsRequest()
	request.IncludeSynonyms, request.IncludeDocumentation = true, documented
	for _, name := range names {
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName = kmsg.ConfigResourceType(kind), name
		request.Resources = append(request.Resources, r)
	}
	answer, err := c.call(request, client.AnyBroker)
	if err != nil {
		return nil, err
	}
	resources := answer.(*kmsg.DescribeConfigsResponse).Resources
	if len(resources) != len(names) {
		return nil, fmt.Errorf("the broker answered about %d resources, and %d were asked for", len(resources), len(names))
	}
	for i := range resources {
		if err := codeError(resources[i].ErrorCode, resources[i].ErrorMessage); err != nil {
			if kind == meta.ResourceTopic {
				return nil, topicAdvice(names[i], err)
			}
			return nil, fmt.Errorf("%s %s: %w", resourceKind(kind), names[i], err)
		}
	}
	return resources, nil
}

func configRows(resources []kmsg.DescribeConfigsResponseResource, all bool) []configRow {
	rows := []configRow{}
	for _, r := range resources {
		for _, config := range r.Configs {
			if int8(config.Source) == controller.SourceDefault && !all {
				continue
			}
			row := configRow{resourceKind(int8(r.ResourceType)), r.ResourceName, config.Name, config.Value, sourceText(config.Source),
				config.ReadOnly, config.IsSensitive, []synonymRow{}, ""}
			for _, s := range config.ConfigSynonyms {
				row.Synonyms = append(row.Synonyms, synonymRow{s.Name, s.Value, sourceText(s.Source)})
			}
			if config.Documentation != nil {
				row.Documentation = *config.Documentation
			}
			rows = append(rows, row)
		}
	}
	return rows
}

func printConfigs(command *cobra.Command, rows []configRow, documented bool) error {
	var lines [][]string
	heading := "NAME KEY VALUE FROM OVER"
	if documented {
		heading += " FOR"
	}
	for _, row := range rows {
		name, over := row.Name, []string{}
		if name == "" {
			name = "(all)"
		}
		for _, s := range row.Synonyms[min(1, len(row.Synonyms)):] {
			over = append(over, s.Key+"="+shown(s.Value)+" ("+s.Source+")")
		}
		line := []string{name, row.Key, shown(row.Value), row.Source, strings.Join(over, ", ")}
		if documented {
			line = append(line, row.Documentation)
		}
		lines = append(lines, line)
	}
	return table(command.OutOrStdout(), heading, lines)
}

func shown(value *string) string {
	if value == nil {
		return "-"
	}
	return *value
}

// edits are what the flags ask to be altered.
type edits struct {
	set, deleted, added, taken []string
	dry                        bool
}

// flags adds them; word is what a configuration is called there.
func (e *edits) flags(command *cobra.Command, word string) {
	command.Flags().StringArrayVarP(&e.set, word, word[:1], nil, "set a configuration, name=value; may be repeated")
	command.Flags().StringArrayVar(&e.deleted, "delete-config", nil, "take a configuration back: the default holds again")
	command.Flags().StringArrayVar(&e.added, "append", nil, "add to a list, name=value")
	command.Flags().StringArrayVar(&e.taken, "subtract", nil, "take out of a list, name=value")
	command.Flags().BoolVar(&e.dry, "dry-run", false, "ask whether it could be altered, and alter nothing")
	keys := func(match func(controller.Alterable) bool) func([]string) []string {
		return func(given []string) []string {
			if word == "config" { // of topics, which need not be said
				return alterable(meta.ResourceTopic, match)
			}
			if len(given) == 0 {
				return nil
			}
			kind, _ := kindOfResource(given[0]) // no type has no keys
			return alterable(kind, match)
		}
	}
	isList := func(k controller.Alterable) bool { return k.List && !k.Idle }
	completeNames(command, word, "=", keys(hasEffect))
	completeNames(command, "delete-config", "", keys(func(controller.Alterable) bool { return true }))
	completeNames(command, "append", "=", keys(isList))
	completeNames(command, "subtract", "=", keys(isList))
}

func (e *edits) none() bool { return len(e.set)+len(e.deleted)+len(e.added)+len(e.taken) == 0 }

func (e *edits) rows() ([]kmsg.IncrementalAlterConfigsRequestResourceConfig, error) {
	var rows []kmsg.IncrementalAlterConfigsRequestResourceConfig
	for _, group := range []struct {
		op    kmsg.IncrementalAlterConfigOp
		pairs []string
	}{{kmsg.IncrementalAlterConfigOpSet, e.set}, {kmsg.IncrementalAlterConfigOpDelete, e.deleted},
		{kmsg.IncrementalAlterConfigOpAppend, e.added}, {kmsg.IncrementalAlterConfigOpSubtract, e.taken}} {
		for _, pair := range group.pairs {
			row := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
			name, value, ok := strings.Cut(pair, "=")
			if row.Name, row.Op = name, group.op; group.op != kmsg.IncrementalAlterConfigOpDelete {
				if row.Value = &value; !ok {
					return nil, advise("for example: retention.ms=3600000", "%s has no =", pair)
				}
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func configAlterCommand() *cobra.Command {
	var c session
	var edits edits
	command := &cobra.Command{
		Use:   "alter TYPE [NAME...]",
		Short: "alter configurations of topics, brokers (no name: of all), groups, client-metrics",
		Example: "  rookery config alter topic clicks --set retention.ms=3600000\n" +
			"  rookery config alter broker --set log.retention.ms=86400000\n" +
			"  rookery config alter topic clicks --append cleanup.policy=compact",
		Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			defer c.close()
			kind, err := kindOfResource(args[0])
			if err != nil {
				return err
			}
			if edits.none() {
				return advise("--set, --delete-config, --append, --subtract", "nothing is to be altered")
			}
			names, err := namesOf(kind, args[1:])
			if err != nil {
				return err
			}
			return alterConfigs(command, &c, kind, names, &edits)
		},
	}
	c.flags(command)
	edits.flags(command, "set")
	return command
}

func alterConfigs(command *cobra.Command, c *session, kind int8, names []string, edits *edits) error {
	rows, err := edits.rows()
	if err != nil {
		return err
	}
	for _, name := range edits.deleted { // a broker takes what is not there for deleted
		known := slices.Contains(alterable(kind, func(controller.Alterable) bool { return true }), name)
		switch kind { // some that may be set are offered to nobody: of one listener, and internal ones
		case meta.ResourceBroker:
			k, found := controller.FindBrokerKey(name)
			known = known || found && k.Mode.Dynamic()
		case meta.ResourceTopic:
			known = slices.ContainsFunc(controller.TopicKeys(), func(k controller.TopicKey) bool { return k.Name == name })
		}
		if !known {
			return advise("rookery config describe says which there are", "there is no configuration %s of a %s", name, resourceKind(kind))
		}
	}
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	request.ValidateOnly = edits.dry
	for _, name := range names {
		r := kmsg.NewIncrementalAlterConfigsRequestResource()
		r.ResourceType, r.ResourceName, r.Configs = kmsg.ConfigResourceType(kind), name, rows
		request.Resources = append(request.Resources, r)
	}
	answer, err := c.call(request, client.Controller)
	if err != nil {
		return err
	}
	var failed error
	for _, r := range answer.(*kmsg.IncrementalAlterConfigsResponse).Resources {
		name := r.ResourceName
		if name == "" {
			name = "(all)"
		}
		if err := codeError(r.ErrorCode, r.ErrorMessage); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s %s: %w", resourceKind(kind), name, err))
			continue
		}
		fmt.Fprintf(command.OutOrStdout(), "%s %s %s\n", altered(edits.dry), resourceKind(kind), name)
	}
	return failed
}

func configShowCommand() *cobra.Command {
	var form form
	var file string
	var sets []string
	command := &cobra.Command{
		Use:   "show --config FILE",
		Short: "what a server would start with, and where each value comes from: file, environment (KAFKA_...), --set",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			settings, err := loadServer(file, sets)
			if err != nil {
				return err
			}
			for _, x := range settings.strangers {
				fmt.Fprintln(command.ErrOrStderr(), strings.TrimSuffix(noKey+": "+x.variable+"; "+x.meant, "; "))
			}
			layers := settings.Static.Layers()
			values := map[string]controller.Entry{}
			for _, e := range controller.DescribeBroker(&layers, nil) {
				values[e.Name] = e
			}
			type row struct {
				Key    string   `json:"key"`
				Value  string   `json:"value"`
				From   string   `json:"from"`
				Over   []string `json:"over"`
				Effect bool     `json:"effect"`
			}
			rows, lines := []row{}, [][]string{}
			for _, key := range slices.Sorted(maps.Keys(settings.origins)) {
				o, e := settings.origins[key], values[key]
				if e.Name == "" {
					e.Value = settings.values[key] // a key that Kafka does not know
				}
				r := row{key, e.Value, o.from, append([]string{}, o.over...), !slices.Contains(settings.Idle, key)}
				if e.Sensitive {
					r.Value = "[hidden]"
				}
				rows = append(rows, r)
				note := ""
				if !r.Effect {
					note = "no effect here"
				}
				lines = append(lines, []string{r.Key, r.Value, r.From, strings.Join(r.Over, ","), note})
			}
			if form.json() {
				return printJSON(command.OutOrStdout(), rows)
			}
			return table(command.OutOrStdout(), "KEY VALUE FROM OVER NOTE", lines)
		},
	}
	form.flag(command)
	command.Flags().StringVarP(&file, "config", "c", "", "the properties file")
	command.Flags().StringArrayVar(&sets, "set", nil, "a configuration, name=value; may be repeated")
	completeServerKeys(command, "set")
	return command
}

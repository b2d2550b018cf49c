package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/client"
	"rookery/core/group"
	"rookery/core/wire"
)

func groupCommand() *cobra.Command {
	c := &cobra.Command{Use: "group", Short: "list, describe and delete consumer groups, and move what they have committed"}
	c.AddCommand(groupListCommand(), groupDescribeCommand(), groupMembersCommand(), groupDeleteCommand(), groupResetCommand())
	return c
}

// groupRow is one group as it is listed.
type groupRow struct {
	Group    string `json:"group"`
	State    string `json:"state"`
	Type     string `json:"type"`
	Protocol string `json:"protocolType"`
}

func groupListCommand() *cobra.Command {
	var c session
	var form form
	var states, types []string
	command := &cobra.Command{
		Use:   "list",
		Short: "list groups",
		Example: "  rookery group list\n" +
			"  rookery group list --state Empty --type classic -o json",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := areKnown("state", states, groupStates); err != nil {
				return err
			}
			if err := areKnown("type", types, groupTypes); err != nil {
				return err
			}
			defer c.close()
			rows, err := listGroups(&c, states, types)
			if err != nil {
				return err
			}
			if form.json() {
				return printJSON(command.OutOrStdout(), rows)
			}
			var lines [][]string
			for _, r := range rows {
				lines = append(lines, []string{r.Group, r.State, r.Type, dashed(r.Protocol)})
			}
			return table(command.OutOrStdout(), "GROUP STATE TYPE PROTOCOL", lines)
		},
	}
	c.flags(command)
	form.flag(command)
	command.Flags().StringSliceVar(&states, "state", nil, "only groups in these states: "+strings.Join(groupStates, ", "))
	command.Flags().StringSliceVar(&types, "type", nil, "only groups of these types: "+strings.Join(groupTypes, ", "))
	completeFrom(command, "state", groupStates...)
	completeFrom(command, "type", groupTypes...)
	return command
}

// listGroups are the groups of these states and types, or of all, by name.
func listGroups(c *session, states, types []string) ([]groupRow, error) {
	request := kmsg.NewPtrListGroupsRequest()
	request.StatesFilter, request.TypesFilter = states, types
	answer, err := c.call(request, client.AnyBroker)
	if err != nil {
		return nil, err
	}
	listed := answer.(*kmsg.ListGroupsResponse)
	if err := codeError(listed.ErrorCode, nil); err != nil {
		if refusedWith(err, wire.CoordinatorLoadInProgress) {
			return nil, advise("the broker reads what groups have committed; ask again in a moment", "%w", err)
		}
		return nil, err
	}
	rows := []groupRow{}
	for _, g := range listed.Groups {
		rows = append(rows, groupRow{g.Group, g.GroupState, g.GroupType, g.ProtocolType})
	}
	slices.SortStableFunc(rows, func(a, b groupRow) int { return cmp.Compare(a.Group, b.Group) })
	return rows, nil
}

// groupTypes are the protocols that a group can be of.
var groupTypes = []string{"classic", "consumer"}

// areKnown checks the values of a flag, whose case does not matter.
func areKnown(flag string, values, known []string) error {
	for _, v := range values {
		if !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, v) }) {
			return advise("there are "+strings.Join(known, ", "), "--%s %s: groups have no such %s", flag, v, flag)
		}
	}
	return nil
}

func dashed(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// groupDescription is all that is known of a group.
type groupDescription struct {
	Group       string      `json:"group"`
	State       string      `json:"state"`
	Type        string      `json:"type"`
	Protocol    string      `json:"protocol"` // the assignor
	Epoch       int32       `json:"epoch,omitempty"`
	Members     []memberRow `json:"members"`
	Awaited     []string    `json:"awaited,omitempty"`            // who is to join, to assign, or to take up a new assignment
	SinceMillis int64       `json:"awaitedSinceMillis,omitempty"` // how long
	Offsets     []offsetRow `json:"offsets"`
}

type memberRow struct {
	Member     string             `json:"member"`
	Instance   string             `json:"instance,omitempty"`
	Client     string             `json:"client"`
	Host       string             `json:"host"`
	Epoch      int32              `json:"epoch,omitempty"`
	Assignment map[string][]int32 `json:"assignment,omitempty"`
	Target     map[string][]int32 `json:"target,omitempty"` // what it is to have, of a consumer group
}

type offsetRow struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Committed int64  `json:"committed"`     // -1: nothing
	End       *int64 `json:"end,omitempty"` // nil, as Lag: it is not known, or was not asked for
	Lag       *int64 `json:"lag,omitempty"`
	Metadata  string `json:"metadata,omitempty"`
	Owner     string `json:"owner,omitempty"`
	Error     string `json:"error,omitempty"`
}

// describeGroup asks for a group's members: as a classic group first, and then as one of the consumer protocol (KIP-848).
func describeGroup(c *session, name string) (*groupDescription, error) {
	request := kmsg.NewPtrDescribeGroupsRequest()
	request.Groups = []string{name}
	answer, err := c.call(request, client.AnyBroker)
	if err != nil {
		return nil, err
	}
	groups := answer.(*kmsg.DescribeGroupsResponse).Groups
	if len(groups) != 1 {
		return nil, fmt.Errorf("the broker answered DescribeGroups with %d groups", len(groups))
	}
	g := &groups[0]
	err = codeError(g.ErrorCode, g.ErrorMessage)
	if g.State == "Dead" || refusedWith(err, wire.GroupIDNotFound) {
		return describeConsumerGroup(c, name)
	}
	if err != nil {
		return nil, groupAdvice(name, err)
	}
	d := &groupDescription{Group: name, State: g.State, Type: "classic", Protocol: g.Protocol, Members: []memberRow{}, Offsets: []offsetRow{}}
	for _, m := range g.Members {
		row := memberRow{Member: m.MemberID, Client: m.ClientID, Host: strings.TrimPrefix(m.ClientHost, "/"), Assignment: assignmentOf(g.ProtocolType, m.MemberAssignment)}
		if m.InstanceID != nil {
			row.Instance = *m.InstanceID
		}
		d.Members = append(d.Members, row)
	}
	sortMembers(d.Members)
	d.hear(&g.UnknownTags)
	return d, nil
}

// hear takes who is awaited, which only a Rookery says.
func (d *groupDescription) hear(tags *kmsg.Tags) {
	tags.Each(func(key uint32, value []byte) {
		if key == group.AwaitedTag {
			d.SinceMillis, d.Awaited = group.ParseAwaited(value)
		}
	})
}

// describeConsumerGroup asks for the members of a group of the consumer protocol. Those are awaited that have not yet what
// they are to have; since when, the broker says if it is a Rookery.
func describeConsumerGroup(c *session, name string) (*groupDescription, error) {
	request := kmsg.NewPtrConsumerGroupDescribeRequest()
	request.Groups = []string{name}
	answer, err := c.call(request, client.AnyBroker)
	if err != nil {
		return nil, err
	}
	groups := answer.(*kmsg.ConsumerGroupDescribeResponse).Groups
	if len(groups) != 1 {
		return nil, fmt.Errorf("the broker answered ConsumerGroupDescribe with %d groups", len(groups))
	}
	g := &groups[0]
	if err := codeError(g.ErrorCode, g.ErrorMessage); err != nil {
		return nil, groupAdvice(name, err)
	}
	d := &groupDescription{
		Group: name, State: g.State, Type: "consumer", Protocol: g.AssignorName, Epoch: g.Epoch,
		Members: []memberRow{}, Offsets: []offsetRow{},
	}
	for _, m := range g.Members {
		row := memberRow{
			Member: m.MemberID, Client: m.ClientID, Host: strings.TrimPrefix(m.ClientHost, "/"), Epoch: m.MemberEpoch,
			Assignment: partitionsOf(m.Assignment), Target: partitionsOf(m.TargetAssignment),
		}
		if m.InstanceID != nil {
			row.Instance = *m.InstanceID
		}
		if m.MemberEpoch != g.Epoch || !maps.EqualFunc(row.Assignment, row.Target, slices.Equal) {
			d.Awaited = append(d.Awaited, row.Member)
		}
		d.Members = append(d.Members, row)
	}
	sortMembers(d.Members)
	slices.Sort(d.Awaited)
	d.hear(&g.UnknownTags)
	return d, nil
}

func sortMembers(members []memberRow) {
	slices.SortStableFunc(members, func(a, b memberRow) int { return cmp.Compare(a.Member, b.Member) })
}

// partitionsOf is what a member of a consumer group has, or is to have.
func partitionsOf(a kmsg.Assignment) map[string][]int32 {
	all := map[string][]int32{}
	for _, t := range a.TopicPartitions {
		all[t.Topic] = slices.Sorted(slices.Values(t.Partitions))
	}
	return all
}

// groupAdvice says what to do about what is wrong with a group.
func groupAdvice(name string, err error) error {
	switch {
	case refusedWith(err, wire.GroupIDNotFound):
		return advise("see what there is: rookery group list", "there is no group %s", name)
	case refusedWith(err, wire.NotCoordinator):
		return advise("if groups were used on this broker, look for \"coordinator not loaded\" in its log; what it serves: rookery group list",
			"group %s is not served here: %w", name, err)
	case refusedWith(err, wire.CoordinatorLoadInProgress):
		return advise("the broker reads what groups have committed; ask again in a moment", "group %s: %w", name, err)
	case refusedWith(err, wire.NonEmptyGroup):
		return advise("stop its members first: rookery group members "+name, "group %s: %w", name, err)
	}
	return fmt.Errorf("group %s: %w", name, err)
}

// assignmentOf reads what a leader of consumers has assigned; nil if it cannot be read.
func assignmentOf(protocolType string, assignment []byte) map[string][]int32 {
	var a kmsg.ConsumerMemberAssignment
	if protocolType != "consumer" || len(assignment) == 0 || a.ReadFrom(assignment) != nil {
		return nil
	}
	all := map[string][]int32{}
	for _, t := range a.Topics {
		all[t.Topic] = append(all[t.Topic], t.Partitions...)
		slices.Sort(all[t.Topic])
	}
	return all
}

// offsetsOfGroup asks what a group has committed, and where the partitions end.
func offsetsOfGroup(c *session, d *groupDescription) error {
	committed, err := committedBy(c, d.Group)
	if err != nil {
		return err
	}
	owners := map[string]string{}
	for _, m := range d.Members {
		for topic, partitions := range m.Assignment {
			for _, p := range partitions {
				owners[topic+"-"+strconv.Itoa(int(p))] = m.Member
				if !slices.ContainsFunc(committed, func(r offsetRow) bool { return r.Topic == topic && r.Partition == p }) {
					committed = append(committed, offsetRow{Topic: topic, Partition: p, Committed: -1})
				}
			}
		}
	}
	slices.SortStableFunc(committed, func(a, b offsetRow) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	byTopic := map[string][]int32{}
	for _, r := range committed {
		byTopic[r.Topic] = append(byTopic[r.Topic], r.Partition)
	}
	ends := map[string]located{}
	for topic, partitions := range byTopic {
		rows, err := describe(c, []string{topic})
		if err != nil {
			continue // the topic is gone: its offsets are about to be
		}
		ends[topic] = offsetsAt(c, topic, leadersIn(rows[0].Partitions), partitions, -1)
	}
	for i := range committed {
		r := &committed[i]
		r.Owner = owners[r.Topic+"-"+strconv.Itoa(int(r.Partition))]
		at, known := ends[r.Topic][r.Partition]
		switch {
		case !known:
			r.Error = "no such partition"
		case at.err != nil:
			r.Error = at.err.Error()
		default:
			if r.End = &at.offset; r.Committed >= 0 {
				lag := at.offset - r.Committed
				r.Lag = &lag
			}
		}
	}
	d.Offsets = append(d.Offsets, committed...)
	return nil
}

func leadersIn(rows []partitionRow) (leaders []int32) {
	for _, r := range rows {
		leaders = append(leaders, r.Leader)
	}
	return leaders
}

func committedBy(c *session, name string) ([]offsetRow, error) {
	request := kmsg.NewPtrOffsetFetchRequest()
	request.Version = 8 // topics by name, groups in one list
	one := kmsg.NewOffsetFetchRequestGroup()
	one.Group, one.MemberEpoch = name, -1
	request.Groups = append(request.Groups, one)
	answer, err := c.ask(client.Call{Request: request, To: client.AnyBroker, Pinned: true})
	if err != nil {
		return nil, err
	}
	fetched := answer.(*kmsg.OffsetFetchResponse)
	if err := codeError(fetched.ErrorCode, nil); err != nil {
		return nil, groupAdvice(name, err)
	}
	var rows []offsetRow
	for _, g := range fetched.Groups {
		if err := codeError(g.ErrorCode, nil); err != nil {
			return nil, groupAdvice(name, err)
		}
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				row := offsetRow{Topic: t.Topic, Partition: p.Partition, Committed: p.Offset}
				if p.Metadata != nil {
					row.Metadata = *p.Metadata
				}
				rows = append(rows, row)
			}
		}
	}
	return rows, nil
}

func groupDescribeCommand() *cobra.Command {
	var c session
	var form form
	command := &cobra.Command{
		Use:   "describe GROUP...",
		Short: "state, committed offsets and lag of groups, and who is awaited",
		Example: "  rookery group describe billing\n" +
			"  rookery group describe billing mailing -o json",
		Args: cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, names []string) error {
			defer c.close()
			var all []*groupDescription
			for _, name := range names {
				d, err := describeGroup(&c, name)
				if err == nil {
					err = offsetsOfGroup(&c, d)
				}
				if err != nil {
					return err
				}
				all = append(all, d)
			}
			if form.json() {
				return printJSON(command.OutOrStdout(), all)
			}
			for _, d := range all {
				if err := printGroup(command, d); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.flags(command)
	form.flag(command)
	return command
}

func printGroup(command *cobra.Command, d *groupDescription) error {
	out := command.OutOrStdout()
	fmt.Fprintf(out, "%s: %s, %s, %s", d.Group, d.Type, d.State, counted(len(d.Members), "member"))
	if d.Protocol != "" {
		fmt.Fprintf(out, ", assigned by %s", d.Protocol)
	}
	fmt.Fprintln(out)
	if len(d.Awaited) > 0 {
		since := ""
		if d.SinceMillis > 0 {
			since = " for " + (time.Duration(d.SinceMillis) * time.Millisecond).String()
		}
		fmt.Fprintf(out, "awaited%s: %s\n", since, strings.Join(d.Awaited, ", "))
	}
	var lines [][]string
	for _, r := range d.Offsets {
		number := func(n *int64) string {
			if n == nil || *n < 0 {
				return "-"
			}
			return number64(*n)
		}
		lines = append(lines, []string{r.Topic, strconv.Itoa(int(r.Partition)), number(&r.Committed), number(r.End), number(r.Lag), dashed(r.Owner), dashed(r.Error)})
	}
	if len(lines) == 0 {
		return nil
	}
	return table(out, "TOPIC PARTITION COMMITTED END LAG OWNER ERROR", lines)
}

func groupMembersCommand() *cobra.Command {
	var c session
	var form form
	command := &cobra.Command{
		Use:     "members GROUP",
		Short:   "who is in a group, and what each was assigned",
		Example: "  rookery group members billing",
		Args:    cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, names []string) error {
			defer c.close()
			d, err := describeGroup(&c, names[0])
			if err != nil {
				return err
			}
			if form.json() {
				return printJSON(command.OutOrStdout(), d.Members)
			}
			var lines [][]string
			for _, m := range d.Members {
				var parts []string
				for topic, partitions := range m.Assignment {
					for _, p := range partitions {
						parts = append(parts, topic+"-"+strconv.Itoa(int(p)))
					}
				}
				slices.Sort(parts)
				lines = append(lines, []string{m.Member, dashed(m.Instance), m.Client, m.Host, dashed(strings.Join(parts, ","))})
			}
			return table(command.OutOrStdout(), "MEMBER INSTANCE CLIENT HOST ASSIGNMENT", lines)
		},
	}
	c.flags(command)
	form.flag(command)
	return command
}

// deletedRow is what became of a group that was to be deleted.
type deletedRow struct {
	Group   string `json:"group"`
	Deleted bool   `json:"deleted"`
	Error   string `json:"error,omitempty"`
}

func groupDeleteCommand() *cobra.Command {
	var c session
	var form form
	command := &cobra.Command{
		Use:     "delete GROUP...",
		Short:   "delete groups that have no members, with all that they have committed",
		Example: "  rookery group delete billing mailing",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, names []string) error {
			defer c.close()
			request := kmsg.NewPtrDeleteGroupsRequest()
			request.Groups = names
			answer, err := c.call(request, client.AnyBroker)
			if err != nil {
				return err
			}
			var failed error
			rows := []deletedRow{}
			for _, g := range answer.(*kmsg.DeleteGroupsResponse).Groups {
				row := deletedRow{Group: g.Group, Deleted: true}
				if err := codeError(g.ErrorCode, g.ErrorMessage); err != nil {
					err = groupAdvice(g.Group, err)
					failed = errors.Join(failed, err)
					row.Deleted, row.Error = false, err.Error()
				} else if !form.json() {
					fmt.Fprintf(command.OutOrStdout(), "deleted %s\n", g.Group)
				}
				rows = append(rows, row)
			}
			if form.json() {
				failed = errors.Join(printJSON(command.OutOrStdout(), rows), failed)
			}
			return failed
		},
	}
	c.flags(command)
	form.flag(command)
	return command
}

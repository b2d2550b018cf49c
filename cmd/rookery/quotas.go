package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/client"
	"rookery/core/controller"
	"rookery/core/meta"
)

func quotaCommand() *cobra.Command {
	c := &cobra.Command{Use: "quota", Short: "list, alter and delete what clients are held to, by user, client id or address"}
	c.AddCommand(quotaListCommand(), quotaAlterCommand(), quotaDeleteCommand())
	return c
}

// quotaTypes are the parts of an entity that has quotas, in the order in which they are shown. What they are called on the
// command line is theirs in the protocol, with a dash.
func quotaTypes() [3]string { return [3]string{meta.EntityUser, meta.EntityClientID, meta.EntityIP} }

// quotaEntity is whom the flags mean.
type quotaEntity struct {
	names    [3]string // in the order of quotaTypes
	defaults []string
	command  *cobra.Command
}

func (q *quotaEntity) flags(command *cobra.Command) {
	q.command = command
	for i, kind := range quotaTypes() {
		command.Flags().StringVar(&q.names[i], kind, "", "the "+kind+"; for those without a quota of their own: --default "+kind)
	}
	command.Flags().StringSliceVar(&q.defaults, "default", nil, "user, client-id or ip: those that have no quota of their own")
	completeFrom(command, "default", meta.EntityUser, meta.EntityClientID, meta.EntityIP)
}

// parts are what the flags name; of a default one the name is nil.
func (q *quotaEntity) parts() (parts []meta.EntityPart, err error) {
	for i, kind := range quotaTypes() {
		named, ofAll := q.command.Flags().Changed(kind), slices.Contains(q.defaults, kind)
		switch {
		case named && ofAll:
			return nil, advise("one of both", "--%s %s and --default %s", kind, q.names[i], kind)
		case named:
			parts = append(parts, meta.EntityPart{Type: kind, Name: &q.names[i]})
		case ofAll:
			parts = append(parts, meta.EntityPart{Type: kind})
		}
	}
	for _, kind := range q.defaults {
		if kinds := quotaTypes(); !slices.Contains(kinds[:], kind) {
			return nil, advise("user, client-id or ip", "--default %s is nothing that has quotas", kind)
		}
	}
	return parts, nil
}

// whole is parts of an entity that is to be altered.
func (q *quotaEntity) whole() ([]meta.EntityPart, error) {
	parts, err := q.parts()
	if err == nil && len(parts) == 0 {
		err = advise("--user, --client-id, --ip, or --default with one of these", "nobody is named")
	}
	return parts, err
}

// quotaRow is one entity as list shows it. Of a part that stands for those without a quota of their own the name is null.
type quotaRow struct {
	Entity []quotaPart        `json:"entity"`
	Quotas map[string]float64 `json:"quotas"`
}

type quotaPart struct {
	Type string  `json:"type"`
	Name *string `json:"name"`
}

func quotaListCommand() *cobra.Command {
	var c session
	var form form
	var entity quotaEntity
	var exact bool
	command := &cobra.Command{
		Use:   "list",
		Short: "the quotas of clients, all or those that the flags name",
		Example: "  rookery quota list\n" +
			"  rookery quota list --user alice\n" +
			"  rookery quota list --default client-id --exact",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			defer c.close()
			parts, err := entity.parts()
			if err != nil {
				return err
			}
			rows, err := describeQuotas(&c, parts, exact)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(rows, func(row quotaRow) bool { _, set := row.Quotas[controller.RequestPercentage]; return set }) {
				warnOfQuota(command, controller.RequestPercentage)
			}
			if form.json() {
				return printJSON(command.OutOrStdout(), rows)
			}
			return printQuotas(command, rows)
		},
	}
	c.flags(command)
	form.flag(command)
	entity.flags(command)
	command.Flags().BoolVar(&exact, "exact", false, "leave out entities that have another part too")
	return command
}

func describeQuotas(c *session, parts []meta.EntityPart, exact bool) ([]quotaRow, error) {
	request := kmsg.NewPtrDescribeClientQuotasRequest()
	request.Strict = exact
	for _, part := range parts {
		component := kmsg.NewDescribeClientQuotasRequestComponent()
		component.EntityType, component.MatchType, component.Match = part.Type, kmsg.QuotasMatchTypeExact, part.Name
		if part.Name == nil {
			component.MatchType = kmsg.QuotasMatchTypeDefault
		}
		request.Components = append(request.Components, component)
	}
	answer, err := c.call(request, client.AnyBroker)
	if err != nil {
		return nil, err
	}
	described := answer.(*kmsg.DescribeClientQuotasResponse)
	if err := codeError(described.ErrorCode, described.ErrorMessage); err != nil {
		return nil, err
	}
	rows := []quotaRow{}
	for _, e := range described.Entries {
		row := quotaRow{Quotas: map[string]float64{}}
		for _, part := range e.Entity {
			row.Entity = append(row.Entity, quotaPart{part.Type, part.Name})
		}
		for _, v := range e.Values {
			row.Quotas[v.Key] = v.Value
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b quotaRow) int { return slices.Compare(a.cells(), b.cells()) })
	return rows, nil
}

// cells are the entity's parts as the table shows them.
func (r *quotaRow) cells() []string {
	cells := []string{"-", "-", "-"}
	for _, part := range r.Entity {
		kinds := quotaTypes()
		if at := slices.Index(kinds[:], part.Type); at >= 0 {
			if cells[at] = "(default)"; part.Name != nil {
				cells[at] = *part.Name
			}
		}
	}
	return cells
}

func printQuotas(command *cobra.Command, rows []quotaRow) error {
	var lines [][]string
	for i := range rows {
		for _, key := range slices.Sorted(maps.Keys(rows[i].Quotas)) {
			lines = append(lines, append(rows[i].cells(), key, strconv.FormatFloat(rows[i].Quotas[key], 'f', -1, 64)))
		}
	}
	return table(command.OutOrStdout(), "USER CLIENT-ID IP QUOTA VALUE", lines)
}

func quotaAlterCommand() *cobra.Command {
	var c session
	var entity quotaEntity
	var set, deleted []string
	var dry bool
	command := &cobra.Command{
		Use:   "alter",
		Short: "set quotas of a user, a client id, both, or an address, or take them back",
		Long: `Set quotas, or take them back: then the next wider one holds. Without authentication every client's user is ANONYMOUS.

` + quotaKeysText(),
		Example: "  rookery quota alter --client-id loader --set producer_byte_rate=1048576\n" +
			"  rookery quota alter --user alice --default client-id --set consumer_byte_rate=500000\n" +
			"  rookery quota alter --default ip --set connection_creation_rate=20\n" +
			"  rookery quota alter --client-id loader --delete-config producer_byte_rate",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			defer c.close()
			parts, err := entity.whole()
			if err != nil {
				return err
			}
			ops, err := quotaOps(set, deleted)
			if err != nil {
				return err
			}
			return alterQuotas(command, &c, parts, ops, dry, "alter")
		},
	}
	c.flags(command)
	entity.flags(command)
	command.Flags().StringArrayVarP(&set, "set", "s", nil, "set a quota, name=value; may be repeated")
	command.Flags().StringArrayVar(&deleted, "delete-config", nil, "take a quota back")
	command.Flags().BoolVar(&dry, "dry-run", false, "ask whether it could be altered, and alter nothing")
	keys := func([]string) (names []string) {
		for _, k := range quotaKeys() {
			names = append(names, k.name)
		}
		return names
	}
	completeNames(command, "delete-config", "", keys)
	completeNames(command, "set", "=", keys)
	return command
}

type quotaKey struct{ name, what string }

func quotaKeys() []quotaKey {
	return []quotaKey{
		{controller.ProducerByteRate, "bytes a second that a client writes"},
		{controller.ConsumerByteRate, "bytes a second that a client reads"},
		{controller.RequestPercentage, "share of a thread's time, in percent; kept, and held to nowhere"},
		{controller.ControllerMutationRate, "partitions a second that are made or deleted"},
		{controller.ConnectionCreationRate, "connections a second of an address (--ip)"},
	}
}

func quotaKeysText() string {
	var text strings.Builder
	for _, k := range quotaKeys() {
		fmt.Fprintf(&text, "  %-26s%s\n", k.name, k.what)
	}
	return strings.TrimSuffix(text.String(), "\n")
}

func quotaOps(set, deleted []string) (ops []kmsg.AlterClientQuotasRequestEntryOp, err error) {
	for _, pair := range set {
		op := kmsg.NewAlterClientQuotasRequestEntryOp()
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, advise("for example: producer_byte_rate=1048576", "%s has no =", pair)
		}
		if op.Value, err = strconv.ParseFloat(value, 64); err != nil {
			return nil, advise("for example: producer_byte_rate=1048576", "%s: %s is no number", key, value)
		}
		op.Key = key
		ops = append(ops, op)
	}
	for _, key := range deleted {
		op := kmsg.NewAlterClientQuotasRequestEntryOp()
		op.Key, op.Remove = key, true
		ops = append(ops, op)
	}
	if len(ops) == 0 {
		return nil, advise("--set or --delete-config", "nothing is to be altered")
	}
	return ops, nil
}

func alterQuotas(command *cobra.Command, c *session, parts []meta.EntityPart, ops []kmsg.AlterClientQuotasRequestEntryOp, dry bool, deed string) error {
	request := kmsg.NewPtrAlterClientQuotasRequest()
	request.ValidateOnly = dry
	entry := kmsg.NewAlterClientQuotasRequestEntry()
	for _, part := range parts {
		entity := kmsg.NewAlterClientQuotasRequestEntryEntity()
		entity.Type, entity.Name = part.Type, part.Name
		entry.Entity = append(entry.Entity, entity)
	}
	entry.Ops = ops
	request.Entries = append(request.Entries, entry)
	answer, err := c.call(request, client.Controller)
	if err != nil {
		return err
	}
	var failed error
	for _, e := range answer.(*kmsg.AlterClientQuotasResponse).Entries {
		failed = errors.Join(failed, codeError(e.ErrorCode, e.ErrorMessage))
	}
	if failed != nil {
		return fmt.Errorf("quotas of %s: %w", entityText(parts), failed)
	}
	done := deed + "ed" // altered
	if strings.HasSuffix(deed, "e") {
		done = deed + "d" // deleted
	}
	if dry {
		done = "could " + deed
	}
	fmt.Fprintf(command.OutOrStdout(), "%s quotas of %s\n", done, entityText(parts))
	for i := range ops {
		if !ops[i].Remove {
			warnOfQuota(command, ops[i].Key)
		}
	}
	return nil
}

// quotaNoEffect is the broker's line about a quota that does nothing.
const quotaNoEffect = "quota has no effect here: it is kept, and nobody is held to it"

// warnOfQuota says of a key that does nothing here. What asks may be of another house's broker, which holds clients to it.
func warnOfQuota(command *cobra.Command, key string) {
	if controller.QuotaHasNoEffect(key) {
		fmt.Fprintf(command.ErrOrStderr(), "warning: %s: Rookery keeps it, and holds nobody to it\n", key)
	}
}

// entityText is an entity in a sentence: user alice, client-id (default).
func entityText(parts []meta.EntityPart) string {
	var words []string
	for _, part := range parts {
		name := "(default)"
		if part.Name != nil {
			name = *part.Name
		}
		words = append(words, part.Type+" "+name)
	}
	return strings.Join(words, ", ")
}

func quotaDeleteCommand() *cobra.Command {
	var c session
	var entity quotaEntity
	var dry bool
	command := &cobra.Command{
		Use:     "delete",
		Short:   "take back all quotas of a user, a client id, both, or an address",
		Example: "  rookery quota delete --client-id loader\n  rookery quota delete --default user",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			defer c.close()
			parts, err := entity.whole()
			if err != nil {
				return err
			}
			rows, err := describeQuotas(&c, parts, true)
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				return advise("see what there is: rookery quota list", "%s has no quotas", entityText(parts))
			}
			ops, err := quotaOps(nil, slices.Sorted(maps.Keys(rows[0].Quotas)))
			if err != nil {
				return err
			}
			return alterQuotas(command, &c, parts, ops, dry, "delete")
		},
	}
	c.flags(command)
	entity.flags(command)
	command.Flags().BoolVar(&dry, "dry-run", false, "ask whether they could be deleted, and delete nothing")
	return command
}

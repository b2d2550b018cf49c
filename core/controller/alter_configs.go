package controller

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/meta"
	"rookery/core/ordered"
	"rookery/core/wire"
)

// Change is what a request wants of one resource's configuration.
type Change struct {
	Kind    int8 // of the resource
	Name    string
	Replace bool // what is not named goes (AlterConfigs)
	Edits   []Edit
}

// Edit is what is wanted of one key.
type Edit struct {
	Key   string
	Op    Op
	Value *string
}

// Op is how a key is altered, as IncrementalAlterConfigs numbers it (KIP-339).
type Op int8

// The ways to alter a key. The last two are for lists.
const (
	Put      Op = 0
	Unset    Op = 1
	Append   Op = 2
	Subtract Op = 3
)

func (o Op) String() string {
	switch o {
	case Put:
		return "SET"
	case Unset:
		return "DELETE"
	case Append:
		return "APPEND"
	case Subtract:
		return "SUBTRACT"
	}
	return strconv.Itoa(int(o))
}

// IncrementalChanges are those of an IncrementalAlterConfigs (44).
func IncrementalChanges(req *kmsg.IncrementalAlterConfigsRequest) []Change {
	all := make([]Change, len(req.Resources))
	for i := range req.Resources {
		r := &req.Resources[i]
		all[i] = Change{Kind: int8(r.ResourceType), Name: r.ResourceName}
		for _, edit := range r.Configs {
			all[i].Edits = append(all[i].Edits, Edit{edit.Name, Op(edit.Op), edit.Value})
		}
	}
	return all
}

// ReplacingChanges are those of an AlterConfigs (33).
func ReplacingChanges(req *kmsg.AlterConfigsRequest) []Change {
	all := make([]Change, len(req.Resources))
	for i := range req.Resources {
		r := &req.Resources[i]
		all[i] = Change{Kind: int8(r.ResourceType), Name: r.ResourceName, Replace: true}
		for _, edit := range r.Configs {
			all[i].Edits = append(all[i].Edits, Edit{edit.Name, Put, edit.Value})
		}
	}
	return all
}

// Altered is what became of a Change.
type Altered struct {
	Code    wire.Code
	Message string
}

// Twice are the changes whose resource stands in the request more than once: each is refused.
func Twice(changes []Change) []bool {
	type resource struct {
		kind int8
		name string
	}
	count := make(map[resource]int, len(changes))
	for i := range changes {
		count[resource{changes[i].Kind, changes[i].Name}]++
	}
	twice := make([]bool, len(changes))
	for i := range changes {
		twice[i] = count[resource{changes[i].Kind, changes[i].Name}] > 1
	}
	return twice
}

// AlterConfigs judges one change; the checks and their order are Kafka's. Either all its edits are in the records, or
// none is. A value that stays as it is needs no record.
func (c *Controller) AlterConfigs(ch *Change) ([]meta.Record, Altered) {
	rs, no := c.alterConfigs(ch)
	if no != nil {
		return nil, Altered{no.code, no.message}
	}
	return rs, Altered{}
}

func (c *Controller) alterConfigs(ch *Change) ([]meta.Record, *refusal) {
	if no := malformed(ch); no != nil {
		return nil, no
	}
	switch ch.Kind {
	case meta.ResourceBrokerLogger:
		if !ch.Replace {
			return nil, c.alterLoggers(ch)
		}
	case meta.ResourceBroker:
		if no := c.anotherBroker("Node", ch.Name); no != nil && ch.Name != "" {
			return nil, no
		}
		return c.edited(ch, c.checkBroker)
	case meta.ResourceTopic:
		return c.edited(ch, c.checkTopic)
	case meta.ResourceClientMetrics:
		return c.edited(ch, c.checkSubscription)
	case meta.ResourceGroup:
		return c.edited(ch, c.checkGroup)
	}
	return nil, refuse(wire.InvalidRequest, "Unknown resource type %d", ch.Kind)
}

// malformed is what is wrong with a change whatever it is about.
func malformed(ch *Change) *refusal {
	seen := make(map[string]bool, len(ch.Edits))
	var null []string
	for i := range ch.Edits {
		edit := &ch.Edits[i]
		if seen[edit.Key] {
			return refuse(wire.InvalidRequest, "Error due to duplicate config keys")
		}
		seen[edit.Key] = true
		if edit.Value == nil && edit.Op != Unset {
			null = append(null, edit.Key)
		}
	}
	if len(null) > 0 {
		return refuse(wire.InvalidRequest, "Null value not supported for : %s", strings.Join(null, ", "))
	}
	for i := range ch.Edits {
		if op := ch.Edits[i].Op; op < Put || op > Subtract {
			return refuse(wire.InvalidRequest, "Unknown operations type %d", op)
		}
	}
	return nil
}

// OwnBroker says what is wrong with a broker's name in a request that only this broker can answer.
func (c *Controller) OwnBroker(word, name string) (wire.Code, string) {
	if no := c.anotherBroker(word, name); no != nil {
		return no.code, no.message
	}
	return wire.None, ""
}

// anotherBroker refuses what is asked of a broker that is not this one.
func (c *Controller) anotherBroker(word, name string) *refusal {
	id, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return refuse(wire.InvalidRequest, "%s id must be an integer, but it is: %s", word, name)
	}
	if int32(id) != c.config.NodeID {
		return refuse(wire.InvalidRequest, "Unexpected broker id, expected %d, but received %s", c.config.NodeID, name)
	}
	return nil
}

// alterLoggers (KIP-412): there is no logger here whose level could be changed, so that whatever is named is unknown.
func (c *Controller) alterLoggers(ch *Change) *refusal {
	if no := c.anotherBroker("Node", ch.Name); no != nil {
		return no
	}
	for i := range ch.Edits {
		switch op := ch.Edits[i].Op; op {
		case Put, Unset:
			return refuse(wire.InvalidConfig, "Logger %s does not exist!", ch.Edits[i].Key)
		default:
			return refuse(wire.InvalidRequest, "%s operation is not allowed for the BROKER_LOGGER resource", op)
		}
	}
	return nil
}

// edited applies the edits to what the resource has, has the outcome checked, and says what differs.
func (c *Controller) edited(ch *Change, check func(ch *Change, values *ordered.Map[string, string]) *refusal) ([]meta.Record, *refusal) {
	before := c.image.Configs(ch.Kind, ch.Name)
	var values ordered.Map[string, string]
	if !ch.Replace {
		for key, text := range before.All() {
			values.Put(key, text)
		}
	}
	for i := range ch.Edits {
		edit := &ch.Edits[i]
		if no := apply(ch.Kind, edit, &values); no != nil {
			return nil, no
		}
		if text, set := values.Find(edit.Key); set && len(text) > configValueMax {
			return nil, refuse(wire.InvalidConfig, "The configuration value cannot be added because it exceeds the maximum value size of %d bytes.", configValueMax)
		}
	}
	if no := check(ch, &values); no != nil {
		return nil, no
	}
	return differences(ch, before, &values), nil
}

func apply(kind int8, edit *Edit, values *ordered.Map[string, string]) *refusal {
	switch edit.Op {
	case Put:
		values.Put(edit.Key, *edit.Value)
		return nil
	case Unset:
		values.Delete(edit.Key)
		return nil
	}
	def, list := listDefault(kind, edit.Key)
	if !list {
		return refuse(wire.InvalidConfig, "Can't %s to key %s because its type is not LIST.", edit.Op, edit.Key)
	}
	text, set := values.Find(edit.Key)
	if !set {
		text = def
	}
	parts := slices.DeleteFunc(strings.Split(text, ","), func(part string) bool { return part == "" })
	values.Put(edit.Key, strings.Join(changed(parts, edit.Op, split(*edit.Value)), ","))
	return nil
}

// changed is a list with what it lacks of others, or without them: of what stands in it twice the first goes.
func changed(parts []string, op Op, others []string) []string {
	there := make(map[string]int, len(parts))
	for _, part := range parts {
		there[part]++
	}
	if op == Append {
		for _, part := range others {
			if there[part] == 0 {
				there[part] = 1
				parts = append(parts, part)
			}
		}
		return parts
	}
	gone := map[string]int{}
	for _, part := range others {
		if gone[part] < there[part] {
			gone[part]++
		}
	}
	return slices.DeleteFunc(parts, func(part string) bool {
		gone[part]--
		return gone[part] >= 0
	})
}

// split cuts at commas as Java does: empty parts at the end are none, but nothing at all is one.
func split(list string) []string {
	parts := strings.Split(list, ",")
	for n := len(parts); n > 1 && parts[n-1] == ""; n-- {
		parts = parts[:n-1]
	}
	return parts
}

// listDefault says whether a key is a list that can be added to and taken from, and what it is where it is not set.
func listDefault(kind int8, key string) (def string, list bool) {
	switch kind {
	case meta.ResourceTopic:
		if k := findTopicKey(TopicKeys(), key); k != nil && k.Kind == KindList {
			return k.Default, true
		}
	case meta.ResourceBroker:
		if k, known := FindBrokerKey(key); known && k.Kind == KindList {
			return k.Default, true
		}
	}
	return "", false
}

func differences(ch *Change, before, after *ordered.Map[string, string]) []meta.Record {
	var rs []meta.Record
	record := func(key string, value *string) {
		rs = append(rs, &meta.ConfigRecord{ResourceType: ch.Kind, ResourceName: ch.Name, Name: key, Value: value})
	}
	for key, text := range after.All() {
		if old, set := before.Find(key); !set || old != text {
			record(key, &text)
		}
	}
	for key := range before.All() {
		if _, kept := after.Find(key); !kept {
			record(key, nil)
		}
	}
	return rs
}

func (c *Controller) checkTopic(ch *Change, values *ordered.Map[string, string]) *refusal {
	if ch.Name == "" {
		return refuse(wire.InvalidRequest, "Default topic resources are not allowed.")
	}
	if why := InvalidName(ch.Name); why != "" {
		return refuse(wire.InvalidTopicException, "Topic name is invalid: %s", why)
	}
	if err := Check(&c.defaults, values); err != nil {
		return refuse(wire.InvalidConfig, "%s", err.Error())
	}
	if c.image.Topic(ch.Name) == nil {
		return refuse(wire.UnknownTopicOrPartition, "The topic '%s' does not exist.", ch.Name)
	}
	return nil
}

// checkBroker judges what a broker, or all of them, is to have (DynamicBrokerConfig.validateConfigs). A key that Kafka
// lets pass for the sake of plugins is unknown here. What an earlier build took, and is refused now, may stay: it does nothing.
func (c *Controller) checkBroker(ch *Change, values *ordered.Map[string, string]) *refusal {
	var fixed, bare, single []string
	var wrong error
	for name, text := range values.All() {
		key, known := FindBrokerKey(name)
		small := InSmallLetters(name)
		if known && (!key.Mode.Dynamic() || small != name) && !slices.ContainsFunc(ch.Edits, func(e Edit) bool { return e.Key == name }) {
			continue
		}
		if err := key.Check(text); err != nil && wrong == nil {
			wrong = err
		}
		switch {
		case !known:
			return refuse(wire.InvalidConfig, "Unknown broker config name: %s", asking(name))
		case small != name:
			return refuse(wire.InvalidConfig, "Unknown broker config name: %s; did you mean %s?", name, small)
		case !key.Mode.Dynamic():
			fixed = append(fixed, name)
		case key.Name == name && perListener(name):
			bare = append(bare, name)
		case key.Mode == PerBroker || key.Name != name && !limitsListener(key.Name):
			single = append(single, name)
		}
	}
	switch {
	case len(fixed) > 0:
		return refuse(wire.InvalidRequest, "Cannot update these configs dynamically: %s", set(fixed))
	case len(bare) > 0:
		return refuse(wire.InvalidRequest, "These security configs can be dynamically updated only per-listener using the listener prefix: %s", set(bare))
	case wrong != nil:
		return refuse(wire.InvalidRequest, "%s", wrong.Error())
	case len(single) > 0 && ch.Name == "":
		return refuse(wire.InvalidRequest, "Cannot update these configs at default cluster level, broker id must be specified: %s", set(single))
	}
	return c.locksOut(ch, values)
}

// locksOut refuses limits under which nobody could come any more, and so nobody alter them again, by what is in force once
// values are. What was written before this was refused lets one in, or one of each address.
func (c *Controller) locksOut(ch *Change, values *ordered.Map[string, string]) *refusal {
	zero := func(key string) bool {
		n, err := strconv.ParseInt(strings.TrimSpace(values.At(key)), 10, 64)
		return err == nil && n == 0
	}
	if zero("max.connections") {
		return refuse(wire.InvalidConfig, "Invalid value 0 for configuration max.connections: nobody could connect to alter it again")
	}
	before := c.config.Layers(c.image)
	after := before
	if after.Broker = values; ch.Name == "" {
		after.Broker, after.Cluster = before.Broker, values
	}
	letsIn := func(layers *Layers) bool {
		text, _ := layers.Own(connectionOverrides)
		overrides, _ := AddressLimits(text)
		return LetsIn(&overrides)
	}
	if letsIn(&after) || !zero("max.connections.per.ip") && (after.Number("max.connections.per.ip") > 0 || !letsIn(&before)) {
		return nil
	}
	return refuse(wire.InvalidConfig, "Invalid value 0 for configuration max.connections.per.ip: nobody could connect to alter it again without max.connections.per.ip.overrides")
}

func set(names []string) string { return fmt.Sprintf("[%s]", strings.Join(names, ", ")) }

// perListener: the stores of keys and certificates can be altered behind a listener's name only.
func perListener(key string) bool {
	return strings.HasPrefix(key, "ssl.keystore.") || strings.HasPrefix(key, "ssl.truststore.") || key == "ssl.key.password"
}

// limitsListener: these can be altered for a listener of all brokers.
func limitsListener(key string) bool {
	return key == "max.connections" || key == "max.connection.creation.rate" || key == "num.network.threads"
}

func (c *Controller) checkSubscription(ch *Change, values *ordered.Map[string, string]) *refusal {
	if ch.Name == "" {
		return refuse(wire.InvalidRequest, "Subscription name can't be empty")
	}
	config, request := checkClientMetrics(values)
	if request != nil {
		return refuse(wire.InvalidRequest, "%s", request.Error())
	}
	if config != nil {
		return refuse(wire.InvalidConfig, "%s", config.Error())
	}
	return nil
}

func (c *Controller) checkGroup(ch *Change, values *ordered.Map[string, string]) *refusal {
	if ch.Name == "" {
		return refuse(wire.InvalidRequest, "Default group resources are not allowed.")
	}
	layers := c.config.Layers(c.image)
	if err := checkGroup(&layers, values); err != nil {
		return refuse(wire.InvalidConfig, "%s", err.Error())
	}
	return nil
}

package controller

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/meta"
	"rookery/core/ordered"
	"rookery/core/wire"
)

const (
	partitionsMax  = 10_000 // a request may ask for no more
	configValueMax = 1<<15 - 1
	nameMax        = 249
)

// NamesMax bounds the keys that a request may name for one resource: ten times as many as there are.
const NamesMax = 4000

// refusal is why one topic of a request got nothing. A nil refusal is none.
type refusal struct {
	code    wire.Code
	message string
}

func refuse(code wire.Code, format string, args ...any) *refusal {
	return &refusal{code, wire.Clip(fmt.Sprintf(format, args...))}
}

// text is nil where the code says it all.
func (r *refusal) text() *string {
	if r.message == "" {
		return nil
	}
	return &r.message
}

// CreateTopics (19, versions 2 to 7) makes the topics that can be made; the others get their own errors. The records,
// all topics' together, are one atomic batch; under ValidateOnly there are none.
func (c *Controller) CreateTopics(req *kmsg.CreateTopicsRequest) ([]meta.Record, *kmsg.CreateTopicsResponse) {
	resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
	once, twice := createdOnce(req.Topics)
	if c.partitionsAsked(once) > partitionsMax {
		for _, t := range req.Topics {
			resp.Topics = append(resp.Topics, refused(t.Topic, refuse(wire.PolicyViolation, "Excessively large number of partitions per request.")))
		}
		return nil, resp
	}
	var rs []meta.Record
	on := placing{controller: c}
	for _, t := range once {
		made, answer := c.createTopic(t, &on)
		resp.Topics = append(resp.Topics, answer)
		rs = append(rs, made...)
	}
	for _, name := range twice {
		resp.Topics = append(resp.Topics, refused(name, refuse(wire.InvalidRequest, "Duplicate topic name.")))
	}
	if req.ValidateOnly {
		return nil, resp
	}
	return rs, resp
}

// createdOnce parts the topics named once from the names that stand more than once.
func createdOnce(topics []kmsg.CreateTopicsRequestTopic) (once []*kmsg.CreateTopicsRequestTopic, twice []string) {
	count := make(map[string]int, len(topics))
	for i := range topics {
		if count[topics[i].Topic]++; count[topics[i].Topic] == 2 {
			twice = append(twice, topics[i].Topic)
		}
	}
	for i := range topics {
		if count[topics[i].Topic] == 1 {
			once = append(once, &topics[i])
		}
	}
	return once, twice
}

// partitionsAsked counts what cannot be made as one: it is looked at too.
func (c *Controller) partitionsAsked(topics []*kmsg.CreateTopicsRequestTopic) int64 {
	total := int64(0)
	for _, t := range topics {
		switch {
		case len(t.ReplicaAssignment) > 0:
			total += int64(len(t.ReplicaAssignment))
		case t.NumPartitions == -1:
			total += int64(c.config.NumPartitions)
		default:
			total += int64(max(t.NumPartitions, 1))
		}
	}
	return total
}

// AutoCreate makes a topic because somebody asked for its metadata, or an internal one because it is needed.
func (c *Controller) AutoCreate(name string) ([]meta.Record, wire.Code) {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, -1, -1
	switch name {
	case ConsumerOffsets:
		c.internal(&t, c.config.Offsets)
	case TransactionState:
		c.internal(&t, c.config.TransactionState)
	}
	rs, answer := c.createTopic(&t, &placing{controller: c})
	return rs, wire.Code(answer.ErrorCode)
}

func (c *Controller) internal(t *kmsg.CreateTopicsRequestTopic, as InternalTopic) {
	registered := 0
	for range c.image.Brokers() {
		registered++
	}
	t.NumPartitions, t.ReplicationFactor = as.NumPartitions, int16(max(1, min(int(as.ReplicationFactor), registered)))
	set := func(name, value string) {
		t.Configs = append(t.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: name, Value: &value})
	}
	set("cleanup.policy", "compact")
	set("compression.type", "producer")
	set("segment.bytes", strconv.Itoa(int(as.SegmentBytes)))
	set("flush.messages", "1") // internal topics are durable always
	if as.MinInsyncReplicas > 0 {
		set("min.insync.replicas", strconv.Itoa(int(as.MinInsyncReplicas)))
	}
}

func (c *Controller) createTopic(t *kmsg.CreateTopicsRequestTopic, on *placing) ([]meta.Record, kmsg.CreateTopicsResponseTopic) {
	if no := c.nameTaken(t.Topic); no != nil {
		return nil, refused(t.Topic, no)
	}
	configs, no := c.topicConfigs(t)
	if no != nil {
		return nil, refused(t.Topic, no)
	}
	replicas, no := c.place(t)
	if no != nil {
		return nil, refused(t.Topic, no)
	}
	id := c.newTopicID()
	return c.topicRecords(t.Topic, id, configs, replicas, on), c.created(t.Topic, id, configs, replicas)
}

func refused(name string, no *refusal) kmsg.CreateTopicsResponseTopic {
	answer := kmsg.NewCreateTopicsResponseTopic()
	answer.Topic, answer.ErrorCode, answer.ErrorMessage = name, int16(no.code), no.text()
	answer.NumPartitions, answer.ReplicationFactor = -1, -1
	answer.Configs = []kmsg.CreateTopicsResponseTopicConfig{} // not null
	return answer
}

// The internal topics. ClusterMetadata is no topic of the Image at all.
const (
	ClusterMetadata  = "__cluster_metadata"
	ConsumerOffsets  = "__consumer_offsets"
	TransactionState = "__transaction_state"
	ShareGroupState  = "__share_group_state"
)

// Internal says whether clients may not write to a topic.
func Internal(name string) bool {
	return name == ConsumerOffsets || name == TransactionState || name == ShareGroupState
}

func (c *Controller) nameTaken(name string) *refusal {
	if name == ClusterMetadata {
		return refuse(wire.InvalidRequest, "Creation of internal topic %s is prohibited.", name)
	}
	if c.image.Topic(name) != nil {
		return refuse(wire.TopicAlreadyExists, "Topic '%s' already exists.", name)
	}
	if why := InvalidName(name); why != "" {
		return refuse(wire.InvalidTopicException, "Topic name is invalid: %s", why)
	}
	if other := c.image.Collision(name); other != "" {
		return refuse(wire.InvalidTopicException, "Topic '%s' collides with existing topic: %s", name, other)
	}
	return nil
}

// InvalidName says why a name cannot be a topic's, or "".
func InvalidName(name string) string {
	switch {
	case name == "":
		return "the empty string is not allowed"
	case name == "." || name == "..":
		return "'" + name + "' is not allowed"
	case len(name) > nameMax:
		return "the length of '" + name + "' is longer than the max allowed length " + strconv.Itoa(nameMax)
	case strings.ContainsFunc(name, func(r rune) bool { return !legal(r) }):
		return "'" + name + "' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
	}
	return ""
}

func legal(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '_' || r == '-'
}

// topicConfigs are the configurations that a topic is to have. One name twice is no error: the later value counts.
func (c *Controller) topicConfigs(t *kmsg.CreateTopicsRequestTopic) (*ordered.Map[string, string], *refusal) {
	if len(t.Configs) > NamesMax {
		return nil, refuse(wire.InvalidRequest, "More keys are named than there are.")
	}
	var configs ordered.Map[string, string]
	var null []string
	for _, config := range t.Configs {
		if config.Value == nil {
			null = append(null, config.Name)
			continue
		}
		configs.Put(config.Name, *config.Value)
	}
	if len(null) > 0 {
		return nil, refuse(wire.InvalidConfig, "Null value not supported for topic configs: %s", strings.Join(null, ","))
	}
	for _, value := range configs.All() {
		if len(value) > configValueMax {
			return nil, refuse(wire.InvalidConfig, "The configuration value cannot be added because it exceeds the maximum value size of %d bytes.", configValueMax)
		}
	}
	if err := Check(&c.defaults, &configs); err != nil {
		return nil, refuse(wire.InvalidConfig, "%s", err.Error())
	}
	return &configs, nil
}

// place says which brokers hold which partition, the preferred leader first.
func (c *Controller) place(t *kmsg.CreateTopicsRequestTopic) ([][]int32, *refusal) {
	if len(t.ReplicaAssignment) > 0 {
		return c.assigned(t)
	}
	if t.ReplicationFactor < -1 || t.ReplicationFactor == 0 {
		return nil, refuse(wire.InvalidReplicationFactor, "Replication factor must be larger than 0, or -1 to use the default value.")
	}
	if t.NumPartitions < -1 || t.NumPartitions == 0 {
		return nil, refuse(wire.InvalidPartitions, "Number of partitions was set to an invalid non-positive value.")
	}
	partitions, factor := t.NumPartitions, t.ReplicationFactor
	if partitions == -1 {
		partitions = c.config.NumPartitions
	}
	if factor == -1 {
		factor = c.config.DefaultReplicationFactor
	}
	return c.spread(int(partitions), int(factor))
}

// spread gives each partition the next broker in turn as its leader, beginning anywhere; brokers out of service come
// last, and never lead.
func (c *Controller) spread(partitions, factor int) ([][]int32, *refusal) {
	var active, away []int32
	for id, b := range c.image.Brokers() {
		if b.Active() {
			active = append(active, id)
		} else {
			away = append(away, id)
		}
	}
	if factor > len(active)+len(away) {
		return nil, refuse(wire.InvalidReplicationFactor, "Unable to replicate the partition %d time(s): The target replication factor of %d cannot be reached because only %d broker(s) are registered.", factor, factor, len(active)+len(away))
	}
	if len(active) == 0 {
		return nil, refuse(wire.InvalidReplicationFactor, "Unable to replicate the partition %d time(s): All brokers are currently fenced.", factor)
	}
	begin := c.random.Intn(len(active))
	placed := make([][]int32, partitions)
	for p := range placed {
		turn := (begin + p) % len(active)
		all := slices.Concat(active[turn:], active[:turn], away)
		placed[p] = all[:factor:factor]
	}
	return placed, nil
}

func (c *Controller) assigned(t *kmsg.CreateTopicsRequestTopic) ([][]int32, *refusal) {
	if t.ReplicationFactor != -1 {
		return nil, refuse(wire.InvalidRequest, "A manual partition assignment was specified, but replication factor was not set to -1.")
	}
	if t.NumPartitions != -1 {
		return nil, refuse(wire.InvalidRequest, "A manual partition assignment was specified, but numPartitions was not set to -1.")
	}
	wrong := func(format string, args ...any) ([][]int32, *refusal) {
		return nil, refuse(wire.InvalidReplicaAssignment, format, args...)
	}
	all := slices.Clone(t.ReplicaAssignment)
	slices.SortStableFunc(all, func(a, b kmsg.CreateTopicsRequestTopicReplicaAssignment) int {
		return cmp.Compare(a.Partition, b.Partition)
	})
	placed := make([][]int32, len(all))
	for i, a := range all {
		if i > 0 && a.Partition == all[i-1].Partition {
			return wrong("Found multiple manual partition assignments for partition %d", a.Partition)
		}
		if why := c.unassignable(a.Replicas, len(all[0].Replicas)); why != "" {
			return wrong("%s", why)
		}
		if !slices.ContainsFunc(a.Replicas, c.active) {
			return wrong("All brokers specified in the manual partition assignment for partition %d are fenced or in controlled shutdown.", a.Partition)
		}
		if int(a.Partition) != i {
			return wrong("partitions should be a consecutive 0-based integer sequence")
		}
		placed[i] = a.Replicas
	}
	return placed, nil
}

// unassignable says why a list of replicas will not do, or "".
func (c *Controller) unassignable(replicas []int32, factor int) string {
	if len(replicas) == 0 {
		return "The manual partition assignment includes an empty replica list."
	}
	for i, id := range replicas {
		if c.image.Broker(id) == nil {
			return fmt.Sprintf("The manual partition assignment includes broker %d, but no such broker is registered.", id)
		}
		if slices.Contains(replicas[:i], id) {
			return fmt.Sprintf("The manual partition assignment includes the broker %d more than once.", id)
		}
	}
	if len(replicas) != factor {
		return fmt.Sprintf("The manual partition assignment includes a partition with %d replica(s), but this is not consistent with previous partitions, which have %d replica(s).", len(replicas), factor)
	}
	return ""
}

func (c *Controller) active(id int32) bool { return c.image.Broker(id).Active() }

// newTopicID draws a random UUID (version 4) that is nobody's, and that no command line takes for an option: Kafka
// prints ids in base64, and draws again when one begins with a dash.
func (c *Controller) newTopicID() meta.UUID {
	for {
		var id meta.UUID
		c.random.Fill(id[:])
		id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
		if id[0]>>2 != dash && c.image.TopicByID(id) == nil {
			return id
		}
	}
}

const dash = 62 // '-' in the base64 of URLs

func (c *Controller) topicRecords(name string, id meta.UUID, configs *ordered.Map[string, string], replicas [][]int32, on *placing) []meta.Record {
	rs := []meta.Record{&meta.TopicRecord{Name: name, TopicID: id}}
	for key, value := range configs.All() {
		rs = append(rs, &meta.ConfigRecord{ResourceType: meta.ResourceTopic, ResourceName: name, Name: key, Value: &value})
	}
	return append(rs, c.partitionRecords(id, 0, replicas, on)...)
}

// partitionRecords makes partitions from a number on.
func (c *Controller) partitionRecords(id meta.UUID, first int32, replicas [][]int32, on *placing) []meta.Record {
	var rs []meta.Record
	for p, brokers := range replicas {
		r := &meta.PartitionRecord{PartitionID: first + int32(p), TopicID: id, Replicas: brokers}
		for _, broker := range brokers {
			r.Directories = append(r.Directories, on.directory(broker))
			if c.active(broker) {
				r.ISR = append(r.ISR, broker)
			}
		}
		r.Leader = r.ISR[0]
		rs = append(rs, r)
	}
	return rs
}

func (c *Controller) created(name string, id meta.UUID, configs *ordered.Map[string, string], replicas [][]int32) kmsg.CreateTopicsResponseTopic {
	answer := kmsg.NewCreateTopicsResponseTopic()
	answer.Topic, answer.TopicID = name, id
	answer.NumPartitions, answer.ReplicationFactor = int32(len(replicas)), int16(len(replicas[0]))
	layers := c.config.Layers(c.image)
	for _, e := range DescribeTopic(&layers, configs, nil, false) {
		if given, set := configs.Find(e.Name); set {
			e.Value = given // as it came: only DescribeConfigs shows it as it was understood
		}
		answer.Configs = append(answer.Configs, kmsg.CreateTopicsResponseTopicConfig{Name: e.Name, Value: &e.Value, Source: e.Source})
	}
	return answer
}

package main

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/magiconair/properties"

	"rookery/core/assign"
	"rookery/core/controller"
)

// settings is what a node is told by its properties file, its environment and --set, in Kafka's names and with Kafka's defaults but
// for one: log.flush.interval.messages is 1, so that an acknowledgement by all survives a power cut.
type settings struct {
	NodeID     int32
	Broker     bool // process.roles
	Controller bool
	Dirs       []string
	Listeners  []endpoint // what is bound
	Advertised []endpoint // what clients of the listener of that name are told; none: the address they came by

	AutoCreateTopics  bool
	NumPartitions     int32
	ReplicationFactor int16
	RequestBytesMax   int32
	FetchBytesMax     int32
	DescribedMax      int32
	FetchSessions     int32
	ProducerExpiry    int64 // milliseconds
	RetentionCheck    int64 // milliseconds
	InitialTaskDelay  int64 // milliseconds
	ProducerLook      int64 // likewise: how often idle producers are looked for
	CheckpointEvery   int64 // likewise
	DeleteTopics      bool
	Rack              string
	QueuedBytes       int64 // -1: the broker's own bound
	Backlog           int32 // 0: the system's
	Recoveries        int32 // 0: the broker's own number
	Static            controller.Static

	Idle []string // keys that Kafka knows and that have no effect here

	config    string // the file it was read from, and what was set over it: for the line that formats
	sets      []string
	values    map[string]string // as they were set
	origins   map[string]origin
	strangers []stranger

	metadataDir string   // metadata.log.dir; empty: not set
	controllers []string // controller.listener.names
	voter       int32    // the one of controller.quorum.voters; -1: none is named
	protocols   []string // listener.security.protocol.map: NAME:PROTOCOL

	watching
}

// endpoint is one entry of listeners or advertised.listeners.
type endpoint struct {
	Name string
	Host string
	Port int32
}

func (e endpoint) named(other endpoint) bool { return e.Name == other.Name }

func (e endpoint) address() string { return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))) }

// loadSettings reads a properties file (none if file is empty), and what the environment and --set put over it.
func loadSettings(file string, environ, sets []string) (*settings, error) {
	first, err := readProperties(file)
	if err != nil {
		return nil, err
	}
	return settledLayers(first, environ, layer{}, sets)
}

func readProperties(file string) (layer, error) {
	if file == "" {
		return layer{}, nil
	}
	loader := properties.Loader{Encoding: properties.UTF8, DisableExpansion: true} // to Kafka ${ is two letters, of a password perhaps
	p, err := loader.LoadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return layer{}, advise("without a file, this starts a broker: rookery dev", "%w", err)
	}
	if err != nil {
		return layer{}, fmt.Errorf("%s: %w", file, err)
	}
	return layer{from: file, values: p.Map()}, nil
}

// settledLayers lays environment, flags and --set over what there is, and judges the outcome.
func settledLayers(first layer, environ []string, flags layer, sets []string) (*settings, error) {
	env, strangers := environment(environ)
	set, err := setLayer(sets)
	if err != nil {
		return nil, err
	}
	values, origins := lay(first, env, flags, set)
	s, err := settingsOf(values, origins)
	if err != nil {
		return nil, err
	}
	s.sets, s.origins, s.strangers = sets, origins, strangers
	return s, nil
}

// settingsOf judges every key, in one order, so that the first complaint is always the same, and says who set it.
func settingsOf(values map[string]string, origins map[string]origin) (*settings, error) {
	s := &settings{
		NodeID: -1, Broker: true, Controller: true, Dirs: []string{"/tmp/kafka-logs"},
		AutoCreateTopics: true, NumPartitions: 1, ReplicationFactor: 1, RequestBytesMax: 100 << 20, FetchBytesMax: 55 << 20, DescribedMax: 2000, FetchSessions: 1000,
		ProducerExpiry: 86400000, ProducerLook: 600000, CheckpointEvery: 5000, DeleteTopics: true, QueuedBytes: -1,
		RetentionCheck: 300_000, InitialTaskDelay: 30_000,
		controllers: []string{"CONTROLLER"}, voter: -1, values: values,
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := s.take(name, strings.TrimSpace(values[name])); err != nil {
			if by := origins[name].from; by != "" {
				err = fmt.Errorf("%w (set by: %s)", err, by)
			}
			return nil, err
		}
	}
	var err error
	if s.Static, err = controller.NewStatic(s.described(values)); err != nil {
		return nil, err
	}
	return s, s.settle()
}

// described is what the broker says of itself: the keys as they were set, and its id under the older name too.
func (s *settings) described(values map[string]string) iter.Seq2[string, string] {
	all := maps.Clone(values)
	maps.DeleteFunc(all, func(name, _ string) bool { return isOwnKey(name) }) // no business of the core's
	if id, set := values["node.id"]; set && values["broker.id"] == "" {
		all["broker.id"] = id
	}
	return maps.All(all)
}

// settle judges what more than one key has a say in: which listeners are for clients, and that we can serve them.
func (s *settings) settle() error {
	if s.QueuedBytes > 0 && s.QueuedBytes < int64(s.RequestBytesMax) {
		return fmt.Errorf("queued.max.request.bytes=%d is less than one request may have (socket.request.max.bytes=%d)", s.QueuedBytes, s.RequestBytesMax)
	}
	if s.voter >= 0 && s.NodeID >= 0 && s.voter != s.NodeID {
		return fmt.Errorf("controller.quorum.voters names node %d alone, and this is node.id=%d", s.voter, s.NodeID)
	}
	if err := s.settleConsumerGroups(); err != nil {
		return err
	}
	if s.Listeners == nil {
		s.Listeners = []endpoint{{"PLAINTEXT", "", 9092}}
	}
	internal := func(e endpoint) bool { return slices.Contains(s.controllers, e.Name) }
	s.Listeners = slices.DeleteFunc(s.Listeners, internal)
	s.Advertised = slices.DeleteFunc(s.Advertised, internal)
	if len(s.Listeners) == 0 {
		return errors.New("listeners names none for clients (controller.listener.names takes them all)")
	}
	if err := s.settleMechanisms(); err != nil {
		return err
	}
	for _, e := range s.Advertised {
		if ip := net.ParseIP(e.Host); ip != nil && ip.IsUnspecified() {
			return advise("name an address that clients can reach, or leave advertised.listeners out: then it is the one they came by",
				"advertised.listeners: nobody can connect to %s", e.Host)
		}
	}
	for _, e := range s.Listeners {
		if _, err := s.security(e); err != nil {
			return err
		}
	}
	for i, e := range s.Listeners {
		if at := slices.IndexFunc(s.Listeners, e.named); at != i {
			return fmt.Errorf("listeners: there are two of the name %s", e.Name)
		}
	}
	for i, e := range s.Advertised {
		if at := slices.IndexFunc(s.Advertised, e.named); at != i {
			return fmt.Errorf("advertised.listeners: there are two of the name %s", e.Name)
		}
		if !slices.ContainsFunc(s.Listeners, e.named) {
			return advise("names are those of listeners", "advertised.listeners: there is no listener %s", e.Name)
		}
	}
	return nil
}

// voterOf reads the id of a voter, id@host:port.
func voterOf(text string) (id int32, err error) {
	number, address, found := strings.Cut(text, "@")
	n, errNumber := strconv.ParseInt(number, 10, 32)
	if _, port, err := net.SplitHostPort(address); !found || errNumber != nil || n < 0 || err != nil || port == "" {
		return 0, fmt.Errorf("%s is not id@host:port", text)
	}
	return int32(n), nil
}

// settleConsumerGroups compares what the coordinator is told of consumer groups' timeouts, as Kafka's GroupCoordinatorConfig
// does: a broker whose own timeout is outside the bounds that it sets for groups does not start.
func (s *settings) settleConsumerGroups() error {
	layers := s.Static.Layers()
	number := func(name string) int64 { return layers.Number("group.consumer." + name + ".ms") }
	for _, rising := range [...][3]string{
		{"min.heartbeat.interval", "heartbeat.interval", "max.heartbeat.interval"},
		{"min.session.timeout", "session.timeout", "max.session.timeout"},
	} {
		for i := range 2 {
			if low, high := rising[i], rising[i+1]; number(low) > number(high) {
				return fmt.Errorf("group.consumer.%s.ms=%d is more than group.consumer.%s.ms=%d", low, number(low), high, number(high))
			}
		}
	}
	if beat, session := number("heartbeat.interval"), number("session.timeout"); beat >= session {
		return fmt.Errorf("group.consumer.heartbeat.interval.ms=%d is not less than group.consumer.session.timeout.ms=%d", beat, session)
	}
	return nil
}

// settleMechanisms refuses SASL of all listeners, and of one that clients come to: a controller's, or one that there is not,
// is nobody's to connect to. Kafka takes the mechanisms of a PLAINTEXT listener and asks for nothing there; whoever names some
// wants to know who its clients are.
func (s *settings) settleMechanisms() error {
	const key = "sasl.enabled.mechanisms"
	names := []string{key}
	for _, e := range s.Listeners {
		names = append(names, listenerPrefix+strings.ToLower(e.Name)+"."+key)
	}
	next := "leave it out if clients need not say who they are"
	if len(s.controllers) > 0 {
		next += "; for a controller's listener alone: " + listenerPrefix + strings.ToLower(s.controllers[0]) + "." + key
	}
	for _, name := range names {
		if value := strings.TrimSpace(s.values[name]); value != "" {
			return advise(next, "%s=%s: there is no SASL here yet", name, value)
		}
	}
	return nil
}

// advertised is where clients of a listener are told to go; nowhere: where they came by.
func (s *settings) advertised(of endpoint) endpoint {
	if at := slices.IndexFunc(s.Advertised, of.named); at >= 0 {
		return s.Advertised[at]
	}
	return endpoint{}
}

// take judges one key.
func (s *settings) take(name, value string) error {
	if own, err := s.takeOwn(name, value); own {
		return err
	}
	key, known := controller.FindBrokerKey(name)
	if !known && strings.HasPrefix(name, "zookeeper.") {
		return advise("take it out: since Kafka 4.0 there is no ZooKeeper, and a node here is its own controller", "unknown configuration key %s", name)
	}
	if !known {
		return advise(cmp.Or(controller.MeantBrokerKey(name), "all keys: rookery config describe broker 1 --all --docs, against a broker that runs"), "unknown configuration key %s", name)
	}
	if err := key.Check(value); err != nil {
		next := "leave it out, or set what it takes"
		if key.Default != "" {
			next = "leave it out for the default, " + key.Default
		}
		return advise(next+": "+key.Documentation, "%w", err)
	}
	if _, err := s.apply(name, value); err != nil {
		return fmt.Errorf("%s=%s: %w", name, value, err)
	}
	if key.Idle {
		s.Idle = append(s.Idle, name)
	}
	return nil
}

// apply puts a key where it has its effect, and says whether there is such a place.
func (s *settings) apply(name, value string) (bool, error) {
	var err error
	switch name {
	case "node.id", "broker.id":
		older := s.NodeID // keys come in order: broker.id first
		if err = number(value, 0, math.MaxInt32, &s.NodeID); err == nil && older >= 0 && older != s.NodeID {
			err = fmt.Errorf("broker.id=%d is its older name, and says otherwise: leave it out", older)
		}
	case "process.roles":
		s.Broker, s.Controller, err = roles(value)
	case "log.dir", "log.dirs":
		s.Dirs = list(value)
		if len(s.Dirs) == 0 {
			err = errors.New("no directory is named")
		}
	case "listeners":
		s.Listeners, err = endpoints(value)
	case "advertised.listeners":
		s.Advertised, err = endpoints(value)
	case "controller.listener.names":
		s.controllers = list(value) // a node with both roles talks to its controller without a socket
	case "listener.security.protocol.map":
		s.protocols = list(value)
	case "authorizer.class.name":
		if value != "" {
			err = advise("leave it out if nobody is to be refused anything; otherwise this is no broker for it yet", "there are no ACLs here, and whoever reaches this broker may do everything")
		}
	case "controller.quorum.voters", "controller.quorum.bootstrap.servers":
		if nodes := list(value); len(nodes) > 1 {
			err = fmt.Errorf("%d controllers are named, and a cluster here has one node", len(nodes))
		} else if len(nodes) == 1 && name == "controller.quorum.voters" {
			s.voter, err = voterOf(nodes[0])
		}
	case "auto.create.topics.enable":
		s.AutoCreateTopics, err = strconv.ParseBool(strings.ToLower(value))
	case "delete.topic.enable":
		s.DeleteTopics, err = strconv.ParseBool(strings.ToLower(value))
	case "broker.rack":
		s.Rack = value
	case "num.partitions":
		err = number(value, 1, math.MaxInt32, &s.NumPartitions)
	case "default.replication.factor":
		err = number(value, 1, math.MaxInt16, &s.ReplicationFactor)
	case "socket.request.max.bytes":
		err = number(value, 1, math.MaxInt32, &s.RequestBytesMax)
	case "queued.max.request.bytes":
		err = number(value, -1, math.MaxInt64, &s.QueuedBytes)
	case "fetch.max.bytes":
		err = number(value, 1024, math.MaxInt32, &s.FetchBytesMax)
	case "max.request.partition.size.limit":
		err = number(value, 1, math.MaxInt32, &s.DescribedMax)
	case "max.incremental.fetch.session.cache.slots":
		err = number(value, 0, math.MaxInt32, &s.FetchSessions)
	case "producer.id.expiration.ms":
		err = number(value, 1, math.MaxInt32, &s.ProducerExpiry)
	case "log.retention.check.interval.ms":
		err = number(value, 1, math.MaxInt64/1_000_000, &s.RetentionCheck)
	case "log.initial.task.delay.ms":
		err = number(value, 0, math.MaxInt64/1_000_000, &s.InitialTaskDelay)
	case "producer.id.expiration.check.interval.ms":
		err = number(value, 1, math.MaxInt32, &s.ProducerLook)
	case "replica.high.watermark.checkpoint.interval.ms":
		err = number(value, 1, math.MaxInt32, &s.CheckpointEvery)
	case "num.recovery.threads.per.data.dir":
		err = number(value, 1, math.MaxInt32, &s.Recoveries)
	case "log.cleaner.enable", "log.cleaner.threads", "log.cleaner.backoff.ms", "log.cleaner.dedupe.buffer.size",
		"log.cleaner.io.buffer.load.factor", "log.cleaner.io.max.bytes.per.second",
		"replica.alter.log.dirs.io.max.bytes.per.second": // Static carries them to core/cleaning.go and core/move.go
	case "socket.listen.backlog.size":
		err = number(value, 1, math.MaxInt32, &s.Backlog)
	case "connections.max.idle.ms", "max.connections", "max.connections.per.ip", "max.connections.per.ip.overrides", "max.connection.creation.rate":
		// the core reads them out of what is described: most may be altered
	case "metadata.log.dir":
		s.metadataDir = value
	case "group.coordinator.rebalance.protocols":
		if !slices.Contains(list(value), "classic") {
			err = advise("add classic to it", "the classic protocol cannot be switched off")
		}
	case "group.consumer.assignors":
		for _, assignor := range list(value) {
			if assign.Named(assignor) == nil && !strings.Contains(assignor, ".") { // a class of Java's is left out by the core
				return true, advise("there are "+assign.Uniform+" and "+assign.Range, "there is no assignor %q", assignor)
			}
		}
	default:
		if small := controller.InSmallLetters(name); small != name {
			return true, advise(small, "a listener's name stands there in small letters: nobody would read this")
		}
		if key, own := strings.CutPrefix(name, listenerPrefix); own {
			_, name, _ = strings.Cut(key, ".")
			return slices.Contains(tlsKeys, name), nil
		}
		return slices.Contains(tlsKeys, name) || controller.IsTopicDefault(name) || name == "telemetry.max.bytes" || slices.Contains(groupKeys(), name), nil
	}
	return true, err
}

// groupKeys are those of the group coordinator, which the core reads off what the broker was started with.
func groupKeys() []string {
	return []string{
		"group.initial.rebalance.delay.ms", "group.min.session.timeout.ms", "group.max.session.timeout.ms", "group.max.size",
		"offset.metadata.max.bytes", "offsets.retention.minutes", "offsets.retention.check.interval.ms",
		"offsets.topic.num.partitions", "offsets.topic.replication.factor", "offsets.topic.segment.bytes",
		"group.consumer.session.timeout.ms", "group.consumer.heartbeat.interval.ms", "group.consumer.max.size",
		"group.consumer.migration.policy", "group.consumer.regex.refresh.interval.ms",
		"group.consumer.min.session.timeout.ms", "group.consumer.max.session.timeout.ms", // of what a group's may be altered to
		"group.consumer.min.heartbeat.interval.ms", "group.consumer.max.heartbeat.interval.ms",
	}
}

// list is a value of several, apart by commas.
func list(value string) []string {
	var items []string
	for _, item := range strings.Split(value, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// number reads an integer within bounds.
func number[N int16 | int32 | int64](value string, low, high int64, into *N) error {
	n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	if err != nil {
		return errors.New("not a whole number")
	}
	if n < low || n > high {
		return fmt.Errorf("not between %d and %d", low, high)
	}
	*into = N(n)
	return nil
}

func roles(value string) (broker, controller bool, err error) {
	for _, role := range list(value) {
		switch role {
		case "broker":
			broker = true
		case "controller":
			controller = true
		default:
			return false, false, fmt.Errorf("%s is no role: broker, controller", role)
		}
	}
	if !broker || !controller {
		return false, false, errors.New("a node has both roles: broker,controller")
	}
	return broker, controller, nil
}

// endpoints reads listeners: NAME://host:port, comma separated.
func endpoints(value string) ([]endpoint, error) {
	var all []endpoint
	for _, item := range list(value) {
		name, rest, ok := strings.Cut(item, "://")
		if !ok {
			return nil, fmt.Errorf("%s is not NAME://host:port", item)
		}
		host, port, err := net.SplitHostPort(rest)
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("%s is no port", port)
		}
		all = append(all, endpoint{name, host, int32(n)})
	}
	return all, nil
}

// absolute makes the directories' names independent of the folder we were started in, and finds one that is named twice, lies within
// another, or is to hold the metadata log and cannot.
func (s *settings) absolute() error {
	for i, dir := range s.Dirs {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		if slices.Contains(s.Dirs[:i], abs) {
			return advise("name each directory once", "log.dirs names %s twice", abs)
		}
		s.Dirs[i] = abs
	}
	for _, dir := range s.Dirs {
		for _, within := range s.Dirs {
			if within != dir && strings.HasPrefix(within, strings.TrimSuffix(dir, "/")+"/") {
				return advise("put them beside each other: what lies in a log directory is taken for a partition's", "log.dirs has %s within %s", within, dir)
			}
		}
	}
	if s.metadataDir == "" {
		return nil
	}
	if abs, err := filepath.Abs(s.metadataDir); err != nil || abs != s.Dirs[0] {
		return advise("leave it out, or name that directory first in log.dirs", "metadata.log.dir=%s: the metadata log lies in the first of log.dirs, %s", s.metadataDir, s.Dirs[0])
	}
	return nil
}

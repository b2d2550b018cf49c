package main

import (
	_ "embed"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/magiconair/properties"
)

// settings is what a node is told by its properties file and by --set, in Kafka's names and with Kafka's defaults but
// for one: log.flush.interval.messages is 1, so that an acknowledgement by all survives a power cut.
type settings struct {
	NodeID     int32
	Broker     bool // process.roles
	Controller bool
	Dirs       []string
	Listeners  []endpoint // what is bound
	Advertised []endpoint // what clients are told; empty: the address they came by

	AutoCreateTopics  bool
	NumPartitions     int32
	ReplicationFactor int16
	RequestBytesMax   int32
	FetchBytesMax     int32
	ProducerExpiry    int64             // milliseconds
	Topic             map[string]string // defaults of topics, by the topic's own key (segment.bytes)

	Idle []string // keys that Kafka knows and that have no effect here

	config string // the file it was read from, and what was set over it: for the line that formats
	sets   []string

	controllers []string // controller.listener.names
	protocols   []string // listener.security.protocol.map: NAME:PROTOCOL
}

// endpoint is one entry of listeners or advertised.listeners.
type endpoint struct {
	Name string
	Host string
	Port int32
}

func (e endpoint) address() string { return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))) }

// keys.tsv: every broker configuration of Kafka 4.2 (name, type, default), as KafkaConfig.configDef lists them.
//
//go:embed keys.tsv
var kafkaKeys string

// key is one line of keys.tsv.
type key struct{ name, kind, preset string }

func knownKeys() []key {
	var keys []key
	for line := range strings.Lines(kafkaKeys) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		keys = append(keys, key{fields[0], fields[1], fields[2]})
	}
	return keys
}

// loadSettings reads a properties file (none if file is empty) and what --set puts over it.
func loadSettings(file string, sets []string) (*settings, error) {
	values := map[string]string{}
	if file != "" {
		p, err := properties.LoadFile(file, properties.UTF8)
		if errors.Is(err, os.ErrNotExist) {
			return nil, advise("without a file, this starts a broker: rookery dev", "%w", err)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		p.DisableExpansion = true
		values = p.Map()
	}
	for _, set := range sets {
		name, value, ok := strings.Cut(set, "=")
		if !ok {
			return nil, advise("for example: --set num.partitions=3", "--set %s has no =", set)
		}
		values[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	s, err := settingsOf(values)
	if err == nil {
		s.sets = sets
	}
	return s, err
}

// settingsOf judges every key, in one order, so that the first complaint is always the same.
func settingsOf(values map[string]string) (*settings, error) {
	s := &settings{
		NodeID: -1, Broker: true, Controller: true, Dirs: []string{"/tmp/kafka-logs"},
		AutoCreateTopics: true, NumPartitions: 1, ReplicationFactor: 1, RequestBytesMax: 100 << 20, FetchBytesMax: 55 << 20,
		ProducerExpiry: 86400000,
		Topic:          map[string]string{"flush.messages": "1"},
		controllers:    []string{"CONTROLLER"},
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.SortStableFunc(names, inOrder)
	known := knownKeys()
	for _, name := range names {
		if err := s.take(name, strings.TrimSpace(values[name]), known); err != nil {
			return nil, err
		}
	}
	return s, s.settle()
}

// settle judges what more than one key has a say in: which listeners are for clients, and that we can serve them.
func (s *settings) settle() error {
	if s.Listeners == nil {
		s.Listeners = []endpoint{{"PLAINTEXT", "", 9092}}
	}
	internal := func(e endpoint) bool { return slices.Contains(s.controllers, e.Name) }
	s.Listeners = slices.DeleteFunc(s.Listeners, internal)
	s.Advertised = slices.DeleteFunc(s.Advertised, internal)
	if len(s.Listeners) == 0 {
		return errors.New("listeners names none for clients (controller.listener.names takes them all)")
	}
	for _, e := range s.Listeners {
		protocol := strings.ToUpper(e.Name)
		for _, pair := range s.protocols {
			if name, mapped, _ := strings.Cut(pair, ":"); name == e.Name {
				protocol = strings.ToUpper(mapped)
			}
		}
		if strings.HasPrefix(protocol, "SSL") || strings.HasPrefix(protocol, "SASL") {
			return fmt.Errorf("listener %s asks for %s, and only PLAINTEXT is served", e.Name, protocol)
		}
	}
	return nil
}

// inOrder sorts by name, but puts the coarser unit of a triple (hours, minutes, ms) before the finer one that overrides
// it, and log.dir before log.dirs.
func inOrder(a, b string) int {
	rank := func(name string) int {
		switch {
		case strings.HasSuffix(name, ".hours"):
			return 0
		case strings.HasSuffix(name, ".minutes"):
			return 1
		}
		return 2
	}
	if d := rank(a) - rank(b); d != 0 {
		return d
	}
	return strings.Compare(a, b)
}

// take judges one key.
func (s *settings) take(name, value string, known []key) error {
	i := slices.IndexFunc(known, func(k key) bool { return k.name == name })
	if i < 0 {
		if strings.HasPrefix(name, "listener.name.") {
			s.Idle = append(s.Idle, name)
			return nil
		}
		return advise("did you mean "+nearest(name, known)+"?", "unknown configuration key %s", name)
	}
	if err := kindOf(known[i].kind, value); err != nil {
		return fmt.Errorf("%s=%s: %w", name, value, err)
	}
	switch effect, err := s.apply(name, value); {
	case err != nil:
		return fmt.Errorf("%s=%s: %w", name, value, err)
	case !effect:
		s.Idle = append(s.Idle, name)
	}
	return nil
}

// apply puts a key where it has its effect, and says whether it has any.
func (s *settings) apply(name, value string) (bool, error) {
	var err error
	switch name {
	case "node.id", "broker.id":
		err = number(value, 0, math.MaxInt32, &s.NodeID)
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
	case "controller.quorum.voters", "controller.quorum.bootstrap.servers":
		if nodes := list(value); len(nodes) > 1 {
			err = fmt.Errorf("%d controllers are named, and a cluster here has one node", len(nodes))
		}
	case "auto.create.topics.enable":
		s.AutoCreateTopics, err = strconv.ParseBool(strings.ToLower(value))
	case "num.partitions":
		err = number(value, 1, math.MaxInt32, &s.NumPartitions)
	case "default.replication.factor":
		err = number(value, 1, math.MaxInt16, &s.ReplicationFactor)
	case "socket.request.max.bytes":
		err = number(value, 1, math.MaxInt32, &s.RequestBytesMax)
	case "fetch.max.bytes":
		err = number(value, 1024, math.MaxInt32, &s.FetchBytesMax)
	case "producer.id.expiration.ms":
		err = number(value, 1, math.MaxInt32, &s.ProducerExpiry)
	default:
		return s.applyTopic(name, value)
	}
	return true, err
}

// applyTopic takes the keys that are defaults of topics (LogConfig's synonyms in Kafka's ServerTopicConfigSynonyms).
func (s *settings) applyTopic(name, value string) (bool, error) {
	topic, unit := topicKey(name)
	if topic == "" {
		return false, nil
	}
	if unit > 1 {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return true, err
		}
		if n > 0 {
			n *= unit
		}
		value = strconv.FormatInt(n, 10)
	}
	s.Topic[topic] = value
	return true, nil
}

// topicKey is the topic's name of a broker's key, and how many of the topic's units one of the broker's is.
func topicKey(name string) (topic string, unit int64) {
	const minute, hour = 60_000, 3_600_000
	switch name {
	case "log.segment.bytes":
		return "segment.bytes", 1
	case "log.roll.hours":
		return "segment.ms", hour
	case "log.roll.ms":
		return "segment.ms", 1
	case "log.retention.hours":
		return "retention.ms", hour
	case "log.retention.minutes":
		return "retention.ms", minute
	case "log.retention.ms":
		return "retention.ms", 1
	case "log.retention.bytes":
		return "retention.bytes", 1
	case "log.flush.interval.messages":
		return "flush.messages", 1
	case "log.flush.interval.ms":
		return "flush.ms", 1
	case "log.index.interval.bytes":
		return "index.interval.bytes", 1
	case "log.index.size.max.bytes":
		return "segment.index.bytes", 1
	case "message.max.bytes":
		return "max.message.bytes", 1
	case "log.message.timestamp.type":
		return "message.timestamp.type", 1
	case "log.message.timestamp.before.max.ms":
		return "message.timestamp.before.max.ms", 1
	case "log.message.timestamp.after.max.ms":
		return "message.timestamp.after.max.ms", 1
	case "log.cleanup.policy":
		return "cleanup.policy", 1
	case "min.insync.replicas", "compression.type":
		return name, 1
	}
	return "", 0
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

// kindOf holds a value against Kafka's type of its key, also where the key has no effect.
func kindOf(kind, value string) error {
	var err error
	switch kind {
	case "int":
		_, err = strconv.ParseInt(value, 10, 32)
	case "short":
		_, err = strconv.ParseInt(value, 10, 16)
	case "long":
		_, err = strconv.ParseInt(value, 10, 64)
	case "double":
		_, err = strconv.ParseFloat(value, 64)
	case "boolean":
		if v := strings.ToLower(value); v != "true" && v != "false" {
			return errors.New("neither true nor false")
		}
	}
	if err != nil {
		return fmt.Errorf("not of type %s", kind)
	}
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

// nearest is the known key that takes the fewest letters to change.
func nearest(name string, known []key) string {
	best, least := "", math.MaxInt
	for _, k := range known {
		if d := distance(name, k.name); d < least {
			best, least = k.name, d
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// absolute makes the directories' names independent of the folder we were started in.
func (s *settings) absolute() error {
	for i, dir := range s.Dirs {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		s.Dirs[i] = abs
	}
	return nil
}

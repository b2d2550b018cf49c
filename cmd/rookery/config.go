package main

import (
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

	"rookery/core/controller"
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
	ProducerExpiry    int64 // milliseconds
	RetentionCheck    int64 // milliseconds
	InitialTaskDelay  int64 // milliseconds
	Topics            controller.Defaults

	Idle []string // keys that Kafka knows and that have no effect here

	config string // the file it was read from, and what was set over it: for the line that formats
	sets   []string

	controllers []string // controller.listener.names
	protocols   []string // listener.security.protocol.map: NAME:PROTOCOL

	watching
}

// endpoint is one entry of listeners or advertised.listeners.
type endpoint struct {
	Name string
	Host string
	Port int32
}

func (e endpoint) address() string { return net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))) }

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
		ProducerExpiry: 86400000, RetentionCheck: 300_000, InitialTaskDelay: 30_000,
		controllers: []string{"CONTROLLER"},
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := s.take(name, strings.TrimSpace(values[name])); err != nil {
			return nil, err
		}
	}
	var err error
	s.Topics, err = controller.NewDefaults(func(name string) (string, bool) {
		value, set := values[name]
		return strings.TrimSpace(value), set
	})
	if err != nil {
		return nil, err
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
	for _, e := range s.Advertised {
		if ip := net.ParseIP(e.Host); ip != nil && ip.IsUnspecified() {
			return advise("name an address that clients can reach, or leave advertised.listeners out: then it is the one they came by",
				"advertised.listeners: nobody can connect to %s", e.Host)
		}
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

// take judges one key.
func (s *settings) take(name, value string) error {
	if own, err := s.takeOwn(name, value); own {
		return err
	}
	key, known := controller.FindBrokerKey(name)
	if !known {
		return advise("did you mean "+controller.NearestBrokerKey(name)+"?", "unknown configuration key %s", name)
	}
	if err := fits(key.Kind, value); err != nil {
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
	case "log.retention.check.interval.ms":
		err = number(value, 1, math.MaxInt64/1_000_000, &s.RetentionCheck)
	case "log.initial.task.delay.ms":
		err = number(value, 0, math.MaxInt64/1_000_000, &s.InitialTaskDelay)
	default:
		return isTopicDefault(name), nil // their values are judged and taken by controller.NewDefaults
	}
	return true, err
}

// isTopicDefault holds for the keys that are defaults of topics and have an effect there.
func isTopicDefault(name string) bool {
	switch name {
	case "log.segment.bytes", "log.roll.ms", "log.roll.hours", "log.retention.ms", "log.retention.minutes", "log.retention.hours",
		"log.retention.bytes", "log.flush.interval.messages", "log.flush.interval.ms", "log.index.interval.bytes",
		"log.index.size.max.bytes", "message.max.bytes", "log.message.timestamp.type", "log.message.timestamp.before.max.ms",
		"log.message.timestamp.after.max.ms", "log.cleanup.policy", "min.insync.replicas", "compression.type":
		return true
	}
	return false
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

// fits holds a value against Kafka's type of its key, also where the key has no effect.
func fits(kind controller.ConfigKind, value string) error {
	var err error
	name := "int"
	switch kind {
	case controller.KindInt:
		_, err = strconv.ParseInt(value, 10, 32)
	case controller.KindShort:
		_, err = strconv.ParseInt(value, 10, 16)
		name = "short"
	case controller.KindLong:
		_, err = strconv.ParseInt(value, 10, 64)
		name = "long"
	case controller.KindDouble:
		_, err = strconv.ParseFloat(value, 64)
		name = "double"
	case controller.KindBoolean:
		if v := strings.ToLower(value); v != "true" && v != "false" {
			return errors.New("neither true nor false")
		}
	}
	if err != nil {
		return fmt.Errorf("not of type %s", name)
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

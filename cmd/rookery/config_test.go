package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/controller"
	"rookery/core/ordered"
)

// topicOf is the configuration of a topic that sets nothing itself.
func topicOf(t *testing.T, s *settings) controller.TopicConfig {
	t.Helper()
	var none ordered.Map[string, string]
	layers := s.Static.Layers()
	defaults, err := controller.NewDefaults(&layers)
	require.NoError(t, err)
	c, err := controller.Resolve(&defaults, &none)
	require.NoError(t, err)
	return c
}

func TestSettingsDefaults(t *testing.T) {
	s, err := settingsOf(nil, nil)
	require.NoError(t, err)
	topic := topicOf(t, s)
	require.True(t, topic.Durable(), "durable is the default")
	require.Equal(t, []endpoint{{"PLAINTEXT", "", 9092}}, s.Listeners)
	require.Equal(t, int32(1), s.NumPartitions)
	require.True(t, s.AutoCreateTopics)
	require.Empty(t, s.Idle)
}

func TestSettingsTakeKafkasNames(t *testing.T) {
	s, err := settingsOf(map[string]string{
		"node.id":                     "7",
		"process.roles":               "broker,controller",
		"listeners":                   "PLAINTEXT://:9092,CONTROLLER://:9093",
		"controller.listener.names":   "CONTROLLER",
		"controller.quorum.voters":    "7@localhost:9093",
		"advertised.listeners":        "PLAINTEXT://host.example:19092",
		"log.dirs":                    "/a, /b",
		"num.partitions":              "6",
		"log.retention.hours":         "2",
		"log.retention.ms":            "5000",
		"log.roll.hours":              "1",
		"log.flush.interval.messages": "9223372036854775807",
		"auto.create.topics.enable":   "FALSE",
		"num.network.threads":         "3",
	}, nil)
	require.NoError(t, err)
	require.Equal(t, int32(7), s.NodeID)
	require.Equal(t, []string{"/a", "/b"}, s.Dirs)
	require.Equal(t, []endpoint{{"PLAINTEXT", "", 9092}}, s.Listeners, "the controller's listener is nobody's to connect to")
	require.Equal(t, []endpoint{{"PLAINTEXT", "host.example", 19092}}, s.Advertised)
	topic := topicOf(t, s)
	require.Equal(t, int64(5000), topic.RetentionMillis, "the finer unit wins")
	require.Equal(t, int64(3600000), topic.SegmentMillis)
	require.False(t, topic.Durable())
	require.False(t, s.AutoCreateTopics)
	require.Equal(t, []string{"num.network.threads"}, s.Idle)
}

func TestSettingsRefuse(t *testing.T) {
	for _, test := range []struct{ name, value, why string }{
		{"num.partitons", "3", "unknown configuration key num.partitons"},
		{"num.partitions", "0", "Value must be at least 1"},
		{"num.partitions", "three", "Not a number of type INT"},
		{"auto.create.topics.enable", "yes", "either true or false"},
		{"group.consumer.assignors", "uniform,sticky", "there is no assignor"},
		{"group.consumer.migration.policy", "sideways", "must be one of"},
		{"group.coordinator.rebalance.protocols", "consumer", "cannot be switched off"},
		{"group.coordinator.rebalance.protocols", "classic,modern", "must be one of"},
		{"max.request.partition.size.limit", "0", "Value must be at least 1"},
		{"num.network.threads", "many", "Not a number of type INT"},
		{"process.roles", "broker", "both roles"},
		{"process.roles", "observer", "one of: broker, controller"},
		{"listeners", "9092", "not NAME://host:port"},
		{"listeners", "PLAINTEXT://:port", "no port"},
		{"listeners", "SASL_SSL://:9092", "only PLAINTEXT and SSL"},
		{"listeners", "INSIDE://:9092", "nothing says what listener INSIDE speaks"},
		{"listeners", "PLAINTEXT://:9092,PLAINTEXT://:9093", "two of the name PLAINTEXT"},
		{"advertised.listeners", "PLAINTEXT://a:1,PLAINTEXT://b:2", "two of the name PLAINTEXT"},
		{"advertised.listeners", "OUTSIDE://a:1", "there is no listener OUTSIDE"},
		{"listeners", "CONTROLLER://:9093", "none for clients"},
		{"advertised.listeners", "PLAINTEXT://0.0.0.0:9092", "nobody can connect to 0.0.0.0"},
		{"log.dirs", " , ", "no directory"},
		{"log.retention.ms", "0", "unlimited"},
		{"queued.max.request.bytes", "5", "less than one request"},
		{"group.consumer.session.timeout.ms", "6000", "min.session.timeout.ms=45000 is more than group.consumer.session.timeout.ms=6000"},
		{"group.consumer.session.timeout.ms", "70000", "more than group.consumer.max.session.timeout.ms=60000"},
		{"group.consumer.heartbeat.interval.ms", "1000", "min.heartbeat.interval.ms=5000 is more than"},
		{"group.consumer.max.heartbeat.interval.ms", "4999", "more than group.consumer.max.heartbeat.interval.ms=4999"},
		{"log.segment.bytes", "1", "log.segment.bytes"},
		{"log.message.timestamp.type", "Whenever", "log.message.timestamp.type"},
		{"controller.quorum.voters", "1@a:1,2@b:1,3@c:1", "3 controllers"},
		{"controller.quorum.voters", "a:1", "a:1 is not id@host:port"},
		{"controller.quorum.voters", "1@a", "1@a is not id@host:port"},
	} {
		_, err := settingsOf(map[string]string{test.name: test.value}, nil)
		require.ErrorContains(t, err, test.why, "%s=%s", test.name, test.value)
	}
}

// A node whose two names for its id differ, or that is not the voter that it names, is somebody else's configuration.
func TestSettingsThatDoNotAgree(t *testing.T) {
	for _, values := range []map[string]string{
		{"node.id": "7", "broker.id": "3"},
		{"node.id": "7", "controller.quorum.voters": "3@localhost:9093"},
	} {
		_, err := settingsOf(values, nil)
		require.ErrorContains(t, err, "3", "%v", values)
		require.ErrorContains(t, err, "node.id=7", "%v", values)
	}
	s, err := settingsOf(map[string]string{"node.id": "7", "broker.id": "7", "controller.quorum.voters": "7@[::1]:9093"}, nil)
	require.NoError(t, err)
	require.EqualValues(t, 7, s.NodeID)
	_, err = settingsOf(map[string]string{"controller.quorum.voters": "7@localhost:9093"}, nil)
	require.NoError(t, err, "a node without an id is refused for that")
}

// Whoever asks for clients to be known, or refused anything, does not get a broker that does neither.
func TestSecurityThatIsNotServedIsNoStart(t *testing.T) {
	for _, test := range []struct {
		values map[string]string
		why    string
	}{
		{map[string]string{"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users": "User:admin"}, "no ACLs"},
		{map[string]string{"sasl.enabled.mechanisms": "SCRAM-SHA-256"}, "no SASL"},
		{map[string]string{"listener.name.plaintext.sasl.enabled.mechanisms": "PLAIN"}, "no SASL"},
		{map[string]string{"controller.listener.names": "", "sasl.enabled.mechanisms": "PLAIN"}, "no SASL"},
		{map[string]string{"listeners": "plaintext://:9092", "listener.security.protocol.map": "PLAINTEXT:SASL_PLAINTEXT"}, "asks for SASL_PLAINTEXT"},
		{map[string]string{"listener.name.SSL.ssl.client.auth": "required"}, "small letters"},
		{map[string]string{"listeners": "CLIENTS://:9092", "listener.security.protocol.map": "clients:sasl_ssl"}, "asks for SASL_SSL"},
	} {
		_, err := settingsOf(test.values, nil)
		require.ErrorContains(t, err, test.why, "%v", test.values)
		var said *advice
		require.ErrorAs(t, err, &said)
	}
	for _, values := range []map[string]string{
		{"authorizer.class.name": "", "super.users": "User:admin;User:other", "allow.everyone.if.no.acl.found": "true"},
		{"sasl.enabled.mechanisms": "", "listener.name.controller.sasl.enabled.mechanisms": "PLAIN"},
		{"listeners": "PLAINTEXT://:9092", "listener.name.sasl_plaintext.sasl.enabled.mechanisms": "PLAIN", "listener.name.outside.sasl.enabled.mechanisms": "PLAIN"},
	} {
		s, err := settingsOf(values, nil)
		require.NoError(t, err, "%v", values)
		require.NotContains(t, s.Idle, "authorizer.class.name")
		require.Len(t, s.Idle, 2)
	}
}

func TestUnknownKeysNameTheNearest(t *testing.T) {
	for name, next := range map[string]string{
		"advertized.listeners": "did you mean advertised.listeners?",
		"zookeeper.connect":    "take it out: since Kafka 4.0 there is no ZooKeeper, and a node here is its own controller",
	} {
		_, err := settingsOf(map[string]string{name: "x"}, nil)
		var b strings.Builder
		report(&b, err)
		require.Equal(t, "rookery: unknown configuration key "+name+"\n  "+next+"\n", b.String())
	}
}

func TestPropertiesFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "server.properties")
	require.NoError(t, os.WriteFile(file, []byte("# a comment\nnode.id = 3\nlog.dirs=${not.expanded}\nssl.key.password=ab${cd\nnum.partitions=2   \n"), 0o644))
	s, err := loadSettings(file, nil, []string{"num.partitions=4"})
	require.NoError(t, err)
	require.Equal(t, int32(3), s.NodeID)
	require.Equal(t, int32(4), s.NumPartitions, "--set comes last")
	require.Equal(t, []string{"${not.expanded}"}, s.Dirs)
	require.Equal(t, "ab${cd", s.values["ssl.key.password"], "not even looked at")
	sets := append(s.sets, "ssl.keystore.key=secret")
	require.Equal(t, "rookery format --config x --set num.partitions=4", (&settings{config: "x", sets: sets}).formatLine(""), "a secret is not repeated")
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSettingsDefaults(t *testing.T) {
	s, err := settingsOf(nil)
	require.NoError(t, err)
	require.Equal(t, "1", s.Topic["flush.messages"], "durable is the default")
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
	})
	require.NoError(t, err)
	require.Equal(t, int32(7), s.NodeID)
	require.Equal(t, []string{"/a", "/b"}, s.Dirs)
	require.Equal(t, []endpoint{{"PLAINTEXT", "", 9092}}, s.Listeners, "the controller's listener is nobody's to connect to")
	require.Equal(t, []endpoint{{"PLAINTEXT", "host.example", 19092}}, s.Advertised)
	require.Equal(t, "5000", s.Topic["retention.ms"], "the finer unit wins")
	require.Equal(t, "3600000", s.Topic["segment.ms"])
	require.Equal(t, "9223372036854775807", s.Topic["flush.messages"])
	require.False(t, s.AutoCreateTopics)
	require.Equal(t, []string{"num.network.threads"}, s.Idle)
}

func TestSettingsRefuse(t *testing.T) {
	for _, test := range []struct{ name, value, why string }{
		{"num.partitons", "3", "unknown configuration key num.partitons"},
		{"num.partitions", "0", "not between 1 and"},
		{"num.partitions", "three", "not of type int"},
		{"auto.create.topics.enable", "yes", "neither true nor false"},
		{"num.network.threads", "many", "not of type int"},
		{"process.roles", "broker", "both roles"},
		{"process.roles", "observer", "no role"},
		{"listeners", "9092", "not NAME://host:port"},
		{"listeners", "PLAINTEXT://:port", "no port"},
		{"listeners", "SSL://:9092", "only PLAINTEXT"},
		{"listeners", "CONTROLLER://:9093", "none for clients"},
		{"log.dirs", " , ", "no directory"},
		{"controller.quorum.voters", "1@a:1,2@b:1,3@c:1", "3 controllers"},
	} {
		_, err := settingsOf(map[string]string{test.name: test.value})
		require.ErrorContains(t, err, test.why, "%s=%s", test.name, test.value)
	}
}

func TestNearestKey(t *testing.T) {
	known := knownKeys()
	require.Greater(t, len(known), 300)
	for wrong, right := range map[string]string{
		"num.partitons": "num.partitions", "node.ids": "node.id", "log.dirss": "log.dirs", "advertized.listeners": "advertised.listeners",
	} {
		require.Equal(t, right, nearest(wrong, known))
	}
	_, err := settingsOf(map[string]string{"advertized.listeners": "x"})
	var b strings.Builder
	report(&b, err)
	require.Equal(t, "rookery: unknown configuration key advertized.listeners\n  did you mean advertised.listeners?\n", b.String())
}

func TestPropertiesFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "server.properties")
	require.NoError(t, os.WriteFile(file, []byte("# a comment\nnode.id = 3\nlog.dirs=${not.expanded}\nnum.partitions=2   \n"), 0o644))
	s, err := loadSettings(file, []string{"num.partitions=4"})
	require.NoError(t, err)
	require.Equal(t, int32(3), s.NodeID)
	require.Equal(t, int32(4), s.NumPartitions, "--set comes last")
	require.Equal(t, []string{"${not.expanded}"}, s.Dirs)
	require.Equal(t, "rookery format --config x --set num.partitions=4", (&settings{config: "x", sets: s.sets}).formatLine(""))
}

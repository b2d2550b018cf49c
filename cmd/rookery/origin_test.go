package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/controller"
)

// TestLayersGoOverEachOther: file, environment, --set.
func TestLayersGoOverEachOther(t *testing.T) {
	file := filepath.Join(t.TempDir(), "server.properties")
	require.NoError(t, os.WriteFile(file, []byte("node.id=3\nnum.partitions=2\nlog.retention.hours=5\nnum.io.threads=4\n"), 0o644))
	s, err := loadSettings(file, []string{"PATH=/bin", "KAFKA_NUM_PARTITIONS=4", "KAFKA_LOG_RETENTION_HOURS=6", "KAFKA_CFG_BROKER_RACK=r1",
		"KAFKA_HEAP_OPTS=-Xmx1g", "KAFKA_NUM_PARTITIONSS=3", "KAFKA_LISTENER_NAME_SASL__SSL_SSL_KEYSTORE_LOCATION=/x", "kafka_num_partitions=9"}, []string{"num.partitions=7"})
	require.NoError(t, err)
	require.Equal(t, int32(7), s.NumPartitions)
	require.Equal(t, "r1", s.Rack)
	require.Equal(t, int64(6*3600_000), topicOf(t, s).RetentionMillis)
	require.Equal(t, map[string]origin{
		"node.id": {from: file}, "num.partitions": {fromSet, []string{file, fromEnvironment}}, "log.retention.hours": {fromEnvironment, []string{file}},
		"broker.rack": {from: fromEnvironment}, "num.io.threads": {from: file}, "listener.name.sasl_ssl.ssl.keystore.location": {from: fromEnvironment},
	}, s.origins)
	require.Equal(t, []stranger{{"KAFKA_HEAP_OPTS", ""}, {"KAFKA_NUM_PARTITIONSS", "did you mean num.partitions?"}}, s.strangers)

	var text bytes.Buffer
	s.tell(slog.New(slog.NewJSONHandler(&text, nil)))
	said, strange := map[string]map[string]any{}, map[any]map[string]any{}
	for decoder := json.NewDecoder(&text); decoder.More(); {
		line := map[string]any{}
		require.NoError(t, decoder.Decode(&line))
		said[line["msg"].(string)] = line
		if line["msg"] == noKey {
			strange[line["variable"]] = line
		}
	}
	require.Equal(t, []any{"log.retention.hours: environment over " + file, "num.partitions: --set over " + file + ", environment"}, said["configuration"]["overridden"])
	require.Equal(t, []any{"num.partitions"}, said["configuration"][fromSet])
	require.Equal(t, "num.io.threads", said["configuration key has no effect here"]["key"])
	require.Equal(t, "INFO", strange["KAFKA_HEAP_OPTS"]["level"])
	require.Equal(t, "WARN", strange["KAFKA_NUM_PARTITIONSS"]["level"], "who mistypes a key means it to hold")
	require.Equal(t, "did you mean num.partitions?", strange["KAFKA_NUM_PARTITIONSS"]["next"])

	_, err = loadSettings(file, []string{"KAFKA_NUM_PARTITIONS=many"}, nil)
	require.ErrorContains(t, err, "num.partitions: Not a number of type INT (set by: environment)")
}

// Kafka's scripts and images, and Kubernetes for a service of that name, set variables that are no keys. None is taken for one.
func TestVariablesOfKafkasScriptsAreNearNoKey(t *testing.T) {
	for name := range strings.FieldsSeq("OPTS HEAP_OPTS JMX_OPTS JMX_PORT GC_LOG_OPTS GC_LOG_ENABLED LOG4J_OPTS LOG4J_CMD_OPTS LOG4J_ROOT_LOGLEVEL LOG4J_LOGGERS " +
		"TOOLS_LOG4J_LOGLEVEL JVM_PERFORMANCE_OPTS DEBUG DEBUG_PORT HOME DIR VERSION MODE CLUSTER_ID PORT HOST SERVICE_HOST SERVICE_PORT PORT_9092_TCP PORT_9092_TCP_ADDR USER DATA") {
		_, strangers := environment([]string{environmentPrefix + name + "=x"})
		require.Equal(t, []stranger{{environmentPrefix + name, ""}}, strangers)
	}
}

// TestEveryKeyWithAnEffectHasAPlace: the table that users are told from, and the place where a key does something.
func TestEveryKeyWithAnEffectHasAPlace(t *testing.T) {
	for _, key := range controller.BrokerKeys() {
		value := key.Default
		switch key.Name {
		case "node.id", "broker.id":
			value = "1"
		case "process.roles":
			value = "broker,controller"
		case "log.dirs":
			value = "/x"
		}
		place, err := (&settings{NodeID: -1}).apply(key.Name, value)
		require.NoError(t, err, key.Name)
		if key.Idle {
			require.Equal(t, controller.IsTopicDefault(key.Name), place, "%s is said to have no effect", key.Name)
		} else {
			require.True(t, place, "%s is said to have an effect", key.Name)
		}
	}
}

// TestTheEnvironmentAlone: a container's server needs no file.
func TestTheEnvironmentAlone(t *testing.T) {
	_, _, err := runCommand("format")
	require.ErrorContains(t, err, "no configuration is named")
	dir := filepath.Join(t.TempDir(), "data")
	t.Setenv("KAFKA_LOG_DIRS", dir)
	_, _, err = runCommand("format")
	require.ErrorContains(t, err, "node.id is not set")
	t.Setenv("KAFKA_NODE_ID", "4")
	out, _, err := runCommand("format")
	require.NoError(t, err)
	require.Regexp(t, "^formatted "+dir+": cluster .*, node 4\n$", out)
}

func TestConfigShow(t *testing.T) {
	file := filepath.Join(t.TempDir(), "server.properties")
	require.NoError(t, os.WriteFile(file, []byte("node.id=3\nssl.key.password=secret\n"), 0o644))
	t.Setenv("KAFKA_NUM_PARTITIONS", "4")
	t.Setenv("KAFKA_SLOW_REQUEST_MS", "50")
	t.Setenv("KAFKA_NUM_PARTITIONSS", "3")
	var out, complaints bytes.Buffer
	root := rootCommand(&out, &complaints)
	root.SetArgs([]string{"config", "show", "--config", file, "--set", "node.id=5", "-o", "json"})
	require.NoError(t, root.Execute())
	var rows []map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &rows))
	require.Equal(t, []map[string]any{
		{"key": "node.id", "value": "5", "from": "--set", "over": []any{file}, "effect": true},
		{"key": "num.partitions", "value": "4", "from": "environment", "over": []any{}, "effect": true},
		{"key": "slow.request.ms", "value": "50", "from": "environment", "over": []any{}, "effect": true},
		{"key": "ssl.key.password", "value": "[hidden]", "from": file, "over": []any{}, "effect": false},
	}, rows)
	require.Equal(t, noKey+": KAFKA_NUM_PARTITIONSS; did you mean num.partitions?\n", complaints.String())
	for set, why := range map[string]string{
		"metadata.log.dir=/elsewhere": "the metadata log lies in the first of log.dirs",
		"log.dirs=/a,/a":              "names /a twice",
	} {
		said, _, err := runCommand("config", "show", "--config", file, "--set", set)
		require.ErrorContains(t, err, why)
		require.Empty(t, said, "what a server refuses it does not start with")
	}
	_, _, err := runCommand("config", "show", "--set", "num.partitions=3")
	require.ErrorContains(t, err, "node.id is not set")
}

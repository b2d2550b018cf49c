package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/controller"
)

// TestLayersGoOverEachOther: file, environment, --set.
func TestLayersGoOverEachOther(t *testing.T) {
	file := filepath.Join(t.TempDir(), "server.properties")
	require.NoError(t, os.WriteFile(file, []byte("node.id=3\nnum.partitions=2\nlog.retention.hours=5\nnum.io.threads=4\n"), 0o644))
	s, err := loadSettings(file, []string{"PATH=/bin", "KAFKA_NUM_PARTITIONS=4", "KAFKA_LOG_RETENTION_HOURS=6", "KAFKA_BROKER_RACK=r1",
		"KAFKA_HEAP_OPTS=-Xmx1g", "KAFKA_LISTENER_NAME_SASL__SSL_SSL_KEYSTORE_LOCATION=/x", "kafka_num_partitions=9"}, []string{"num.partitions=7"})
	require.NoError(t, err)
	require.Equal(t, int32(7), s.NumPartitions)
	require.Equal(t, "r1", s.Rack)
	require.Equal(t, int64(6*3600_000), topicOf(t, s).RetentionMillis)
	require.Equal(t, map[string]origin{
		"node.id": {from: file}, "num.partitions": {fromSet, []string{file, fromEnvironment}}, "log.retention.hours": {fromEnvironment, []string{file}},
		"broker.rack": {from: fromEnvironment}, "num.io.threads": {from: file}, "listener.name.sasl_ssl.ssl.keystore.location": {from: fromEnvironment},
	}, s.origins)
	require.Equal(t, []string{"KAFKA_HEAP_OPTS"}, s.strangers)

	var text bytes.Buffer
	s.tell(slog.New(slog.NewJSONHandler(&text, nil)))
	said := map[string]map[string]any{}
	for decoder := json.NewDecoder(&text); decoder.More(); {
		line := map[string]any{}
		require.NoError(t, decoder.Decode(&line))
		said[line["msg"].(string)] = line
	}
	require.Equal(t, []any{"log.retention.hours: environment over " + file, "num.partitions: --set over " + file + ", environment"}, said["configuration"]["overridden"])
	require.Equal(t, []any{"num.partitions"}, said["configuration"][fromSet])
	require.Equal(t, "num.io.threads", said["configuration key has no effect here"]["key"])
	require.Equal(t, "KAFKA_HEAP_OPTS", said["environment variable names no configuration key"]["variable"])

	_, err = loadSettings(file, []string{"KAFKA_NUM_PARTITIONS=many"}, nil)
	require.ErrorContains(t, err, "num.partitions: Not a number of type INT (set by: environment)")
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
	var out bytes.Buffer
	root := rootCommand(&out, io.Discard)
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
}

package main

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConfigCommands(t *testing.T) {
	r := begin(t, t.TempDir(), "log.retention.hours=5")
	r.ask(t, "", "topic", "create", "a", "-p", "2", "--config", "segment.ms=60000")
	rows := func(args ...string) []configRow {
		var all []configRow
		require.NoError(t, json.Unmarshal([]byte(r.ask(t, "", append([]string{"config", "describe", "-o", "json"}, args...)...)), &all))
		return all
	}
	row := func(all []configRow, key string) configRow {
		i := slices.IndexFunc(all, func(row configRow) bool { return row.Key == key })
		require.GreaterOrEqual(t, i, 0, key)
		return all[i]
	}

	require.Equal(t, "altered topic a\naltered topic a: 5 partitions\n", r.ask(t, "", "topic", "alter", "a", "-p", "5", "--config", "retention.ms=7000", "--delete-config", "segment.ms"))
	require.Equal(t, "could alter topic a: 9 partitions\n", r.ask(t, "", "topic", "alter", "a", "-p", "9", "--dry-run"))
	require.Equal(t, "could create b: 2 partitions, replication factor 1\n", r.ask(t, "", "topic", "create", "b", "-p", "2", "--dry-run"))
	var described []topicRow
	require.NoError(t, json.Unmarshal([]byte(r.ask(t, "", "topic", "describe", "a", "-o", "json")), &described))
	require.Len(t, described[0].Partitions, 5)
	require.Equal(t, map[string]string{"retention.ms": "7000"}, described[0].Configs)
	require.Regexp(t, `(?s)TOPIC +PARTITION.*TOPIC +CONFIG +VALUE\na +retention.ms +7000\n$`, r.ask(t, "", "topic", "describe", "a"))

	require.Equal(t, "altered topic a\n", r.ask(t, "", "config", "alter", "topic", "a", "--append", "cleanup.policy=compact"))
	own := rows("topic", "a")
	require.Len(t, own, 2, "what is set, by whomever")
	require.Equal(t, "delete,compact", *row(own, "cleanup.policy").Value)
	require.Equal(t, []synonymRow{{"retention.ms", row(own, "retention.ms").Value, "topic"}, {"log.retention.hours", row(own, "retention.ms").Synonyms[1].Value, "start"}},
		row(own, "retention.ms").Synonyms[:2])
	r.ask(t, "", "config", "alter", "topic", "a", "--subtract", "cleanup.policy=compact")
	all := rows("topic", "a", "--all", "--docs")
	require.Len(t, all, 33)
	require.NotEmpty(t, row(all, "segment.ms").Documentation)
	require.Contains(t, r.ask(t, "", "config", "describe", "topic", "a"), "log.retention.hours=5 (start)")

	require.Equal(t, "altered broker (all)\n", r.ask(t, "", "config", "alter", "broker", "--set", "message.max.bytes=5000"))
	require.Equal(t, "all-brokers", row(rows("broker", "1"), "message.max.bytes").Source)
	require.Len(t, rows("broker"), 1)
	require.Equal(t, "all-brokers", row(rows("topic", "a"), "max.message.bytes").Source)
	r.ask(t, "", "config", "alter", "group", "g", "--set", "consumer.session.timeout.ms=50000")
	r.ask(t, "", "config", "alter", "client-metrics", "m", "--set", "interval.ms=1000")
	require.Regexp(t, `(?s)TYPE +NAME\ngroup +g\nclient-metrics +m\nbroker-logger +1\nbroker +1\ntopic +a\n`, r.ask(t, "", "config", "list"))
	require.JSONEq(t, `[{"type": "topic", "name": "a"}]`, r.ask(t, "", "config", "list", "topic", "-o", "json"))

	for _, test := range []struct {
		args []string
		why  string
	}{
		{[]string{"topic", "alter", "a"}, "nothing is to be altered"},
		{[]string{"topic", "alter", "a", "-p", "2"}, "INVALID_PARTITIONS"},
		{[]string{"topic", "alter", "a", "-p", "6", "--config", "segment.mss=1"}, "INVALID_CONFIG"},
		{[]string{"topic", "alter", "a", "-p", "6", "--config", "segment.mss=1"}, "INVALID_CONFIG"}, // and not that there are six already
		{[]string{"topic", "alter", "a", "--delete-config", "retention.mss"}, "there is no configuration retention.mss of a topic"},
		{[]string{"config", "alter", "broker", "1", "--delete-config", "node.id"}, "there is no configuration node.id of a broker"},
		{[]string{"topic", "alter", "nope", "-p", "2"}, "there is no topic nope"},
		{[]string{"topic", "alter", "a", "--config", "retention.ms=soon"}, "INVALID_CONFIG"},
		{[]string{"topic", "alter", "a", "--config", "retention.ms"}, "has no ="},
		{[]string{"config", "alter", "topic", "nope", "--set", "retention.ms=5"}, "UNKNOWN_TOPIC_OR_PARTITION"},
		{[]string{"config", "alter", "broker", "1", "--set", "node.id=5"}, "INVALID_REQUEST"},
		{[]string{"config", "alter", "broker", "1"}, "nothing is to be altered"},
		{[]string{"config", "alter", "shelf", "1", "--set", "a=b"}, "shelf has no configurations"},
		{[]string{"config", "describe", "topic", "nope"}, "there is no topic nope"},
		{[]string{"config", "describe", "broker", "7"}, "INVALID_REQUEST"},
	} {
		_, _, err := runCommand(append(test.args, "-b", r.address)...)
		require.ErrorContains(t, err, test.why, "%v", test.args)
	}
}

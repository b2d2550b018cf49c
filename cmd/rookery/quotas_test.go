package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestQuotaCommands: quotas of each kind of entity are altered, listed, and taken back, in words and in JSON.
func TestQuotaCommands(t *testing.T) {
	r := begin(t, t.TempDir())
	ask := func(args ...string) string {
		t.Helper()
		return r.ask(t, "", append([]string{"quota"}, args...)...)
	}
	require.Equal(t, "[]\n", ask("list", "-o", "json"))
	require.Equal(t, "USER  CLIENT-ID  IP  QUOTA  VALUE\n", ask("list"))

	require.Equal(t, "altered quotas of client-id loader\n", ask("alter", "--client-id", "loader", "--set", "producer_byte_rate=1048576", "-s", "request_percentage=12.5"))
	require.Equal(t, "altered quotas of user alice, client-id (default)\n", ask("alter", "--user", "alice", "--default", "client-id", "--set", "consumer_byte_rate=500000"))
	require.Equal(t, "altered quotas of user (default)\n", ask("alter", "--default", "user", "--set", "controller_mutation_rate=10"))
	require.Equal(t, "altered quotas of ip 127.0.0.9\n", ask("alter", "--ip", "127.0.0.9", "--set", "connection_creation_rate=20"))
	require.Equal(t, "could alter quotas of ip (default)\n", ask("alter", "--default", "ip", "--set", "connection_creation_rate=5", "--dry-run"))
	require.Equal(t, strings.TrimPrefix(`
USER       CLIENT-ID  IP         QUOTA                     VALUE
(default)  -          -          controller_mutation_rate  10
-          -          127.0.0.9  connection_creation_rate  20
-          loader     -          producer_byte_rate        1048576
-          loader     -          request_percentage        12.5
alice      (default)  -          consumer_byte_rate        500000
`, "\n"), ask("list"))

	of := func(args ...string) (rows []quotaRow) {
		t.Helper()
		require.NoError(t, json.Unmarshal([]byte(ask(append([]string{"list", "-o", "json"}, args...)...)), &rows))
		return rows
	}
	alice := "alice"
	require.Equal(t, []quotaRow{{[]quotaPart{{"client-id", nil}, {"user", &alice}}, map[string]float64{"consumer_byte_rate": 500000}}}, sorted(of("--user", "alice")))
	require.Empty(t, of("--user", "alice", "--exact"))
	require.Len(t, of("--default", "client-id"), 1)
	require.Len(t, of("--default", "user", "--exact"), 1)
	require.Empty(t, of("--default", "ip"))

	ask("alter", "--client-id", "loader", "--delete-config", "producer_byte_rate", "--set", "consumer_byte_rate=7")
	require.Equal(t, map[string]float64{"consumer_byte_rate": 7, "request_percentage": 12.5}, of("--client-id", "loader")[0].Quotas)
	require.Equal(t, "could delete quotas of client-id loader\n", ask("delete", "--client-id", "loader", "--dry-run"))
	require.Equal(t, "deleted quotas of client-id loader\n", ask("delete", "--client-id", "loader"))
	require.Equal(t, "deleted quotas of user alice, client-id (default)\n", ask("delete", "--user", "alice", "--default", "client-id"))
	ask("delete", "--default", "user")
	ask("delete", "--ip", "127.0.0.9")
	require.Empty(t, of())

	for _, test := range []struct {
		args []string
		why  string
	}{
		{[]string{"alter", "--set", "producer_byte_rate=1"}, "nobody is named"},
		{[]string{"delete"}, "nobody is named"},
		{[]string{"delete", "--user", "bob"}, "user bob has no quotas"},
		{[]string{"alter", "--user", "bob"}, "nothing is to be altered"},
		{[]string{"alter", "--user", "bob", "--set", "producer_byte_rate"}, "has no ="},
		{[]string{"alter", "--user", "bob", "--set", "producer_byte_rate=much"}, "is no number"},
		{[]string{"alter", "--user", "bob", "--set", "producer_byte_rate=-1"}, "quotas of user bob: "},
		{[]string{"alter", "--user", "bob", "--set", "speed=1"}, "INVALID_REQUEST"},
		{[]string{"alter", "--user", "", "--set", "producer_byte_rate=1"}, "--user is empty"},
		{[]string{"alter", "--user", "bob", "--default", "user", "--set", "producer_byte_rate=1"}, "--user bob and --default user"},
		{[]string{"alter", "--default", "shelf", "--set", "producer_byte_rate=1"}, "--default shelf is nothing"},
		{[]string{"alter", "--ip", "10.0.0.1", "--user", "bob", "--set", "connection_creation_rate=1"}, "Invalid quota entity combination"},
	} {
		_, _, err := runCommand(append(append([]string{"quota"}, test.args...), "-b", r.address)...)
		require.ErrorContains(t, err, test.why, "%v", test.args)
	}
	for typed, offered := range map[string][]string{"--default": {"user", "client-id", "ip"}, "--delete-config": {"producer_byte_rate", "request_percentage"}} {
		out, _, err := runCommand("__complete", "quota", "alter", typed, "")
		require.NoError(t, err)
		for _, word := range offered {
			require.Contains(t, strings.Split(out, "\n"), word)
		}
	}
}

// Whoever sets a quota to which nobody is held is told so, and so is whoever looks at it, and the log; of no other, and not
// where it is taken back.
func TestAQuotaWithoutAnEffectIsToldOf(t *testing.T) {
	r := begin(t, t.TempDir())
	ask := func(args ...string) (told bool) {
		t.Helper()
		_, complaints, err := runCommand(append(append([]string{"quota"}, args...), "-b", r.address)...)
		require.NoError(t, err, complaints)
		return strings.Contains(complaints, "request_percentage: Rookery keeps it, and holds nobody to it")
	}
	loader := []string{"alter", "--client-id", "loader"}
	require.False(t, ask(append(loader, "--set", "producer_byte_rate=1048576")...))
	require.False(t, ask("list"))
	require.True(t, ask(append(loader, "--set", "consumer_byte_rate=7", "--set", "request_percentage=12.5")...))
	require.True(t, ask("list"))
	require.True(t, ask("list", "-o", "json"))
	require.False(t, ask(append(loader, "--delete-config", "request_percentage")...))
	require.False(t, ask("list"))
	require.Eventually(t, func() bool { return strings.Count(r.log.String(), `"quotas altered"`) == 3 }, 10*time.Second, time.Millisecond, "%s", r.log)
	require.Equal(t, 1, strings.Count(r.log.String(), quotaNoEffect+`","key":"request_percentage"`), "%s", r.log)
}

// sorted puts the parts of entities in the order of their types: no order is promised of them.
func sorted(rows []quotaRow) []quotaRow {
	for i := range rows {
		slices.SortFunc(rows[i].Entity, func(a, b quotaPart) int { return strings.Compare(a.Type, b.Type) })
	}
	return rows
}

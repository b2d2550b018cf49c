package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rookery/net/kafka"
)

// attend is a member that reads a topic in a group, and has been given all of it, until it is closed.
func attend(t *testing.T, r *running, group string, protocol kafka.GroupProtocol, topic string, partitions int) *kafka.Consumer {
	t.Helper()
	config := kafka.Default(r.address)
	config.GroupID, config.Protocol, config.OffsetReset = group, protocol, kafka.ResetEarliest
	given := make(chan int, 100)
	config.OnAssigned = func(added []kafka.Partition) { given <- len(added) }
	consumer, err := kafka.NewConsumer(config)
	require.NoError(t, err)
	require.NoError(t, consumer.Subscribe(topic))
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	for read, all := 0, 0; all < partitions || read < 9; {
		f, err := consumer.Poll(ctx)
		require.NoError(t, err)
		read += len(f.Records)
		for more := true; more; {
			select {
			case n := <-given:
				all += n
			default:
				more = false
			}
		}
	}
	require.NoError(t, consumer.Commit(ctx))
	return consumer
}

// TestGroupCommands: groups of both protocols are listed, described, moved and deleted, in words and in JSON.
func TestGroupCommands(t *testing.T) {
	r := begin(t, t.TempDir(), "metrics.listener=http://127.0.0.1:0")
	refused := func(why, next string, args ...string) {
		t.Helper()
		_, _, err := runCommand(append(args, "-b", r.address)...)
		require.ErrorContains(t, err, why, "%v", args)
		var complaint strings.Builder
		report(&complaint, err)
		require.Contains(t, complaint.String(), next, "%v", args)
	}
	ask := func(into any, args ...string) {
		t.Helper()
		require.NoError(t, json.Unmarshal([]byte(r.ask(t, "", append(args, "-o", "json")...)), into), "%v", args)
	}
	require.Equal(t, "[]\n", r.ask(t, "", "group", "list", "-o", "json"))
	refused("group nobody is not served here", "rookery group list", "group", "describe", "nobody")

	r.ask(t, "", "topic", "create", "clicks", "-p", "2")
	r.ask(t, "a\nb\nc\nd\ne\nf\n", "produce", "clicks", "-p", "0")
	r.ask(t, "g\nh\ni\n", "produce", "clicks", "-p", "1")
	old := attend(t, r, "old", kafka.Classic, "clicks", 2)
	modern := attend(t, r, "modern", kafka.Modern, "clicks", 2)
	r.ask(t, "j\n", "produce", "clicks", "-p", "1")

	var listed []groupRow
	ask(&listed, "group", "list")
	require.Equal(t, []groupRow{{"modern", "Stable", "consumer", "consumer"}, {"old", "Stable", "classic", "consumer"}}, listed)
	ask(&listed, "group", "list", "--type", "Consumer")
	require.Equal(t, []groupRow{{"modern", "Stable", "consumer", "consumer"}}, listed)
	ask(&listed, "group", "list", "--state", "empty")
	require.Empty(t, listed)
	refused("groups have no such state", "Reconciling", "group", "list", "--state", "Asleep")
	refused("groups have no such type", "classic, consumer", "group", "list", "--type", "share")

	var described []groupDescription
	ask(&described, "group", "describe", "old", "modern")
	require.Len(t, described, 2)
	for i, want := range []groupDescription{{Group: "old", Type: "classic", Protocol: "range"}, {Group: "modern", Type: "consumer", Protocol: "uniform"}} {
		d := described[i]
		require.Equal(t, []string{want.Group, want.Type, "Stable", want.Protocol}, []string{d.Group, d.Type, d.State, d.Protocol})
		require.Empty(t, d.Awaited)
		require.Len(t, d.Members, 1, want.Group)
		require.Equal(t, map[string][]int32{"clicks": {0, 1}}, d.Members[0].Assignment)
		require.Equal(t, "127.0.0.1", d.Members[0].Host)
		owner := d.Members[0].Member
		some := func(n int64) *int64 { return &n }
		require.Equal(t, []offsetRow{
			{Topic: "clicks", Partition: 0, Committed: 6, End: some(6), Lag: some(0), Owner: owner},
			{Topic: "clicks", Partition: 1, Committed: 3, End: some(4), Lag: some(1), Owner: owner},
		}, d.Offsets)
		var members []memberRow
		ask(&members, "group", "members", want.Group)
		require.Equal(t, d.Members, members)
		require.Regexp(t, `(?m)^`+owner+` +- +rookery.* clicks-0,clicks-1$`, r.ask(t, "", "group", "members", want.Group))
		require.Regexp(t, `(?s)^`+want.Group+`: `+want.Type+`, Stable, 1 member, assigned by `+want.Protocol+`\n.*\nclicks +1 +3 +4 +1 +`+owner,
			r.ask(t, "", "group", "describe", want.Group))

		refused("NON_EMPTY_GROUP", "rookery group members "+want.Group, "group", "delete", want.Group)
		refused("has members", "rookery group members "+want.Group, "group", "reset-offsets", want.Group, "--to", "start")

		f := r.families(t, "/metrics")
		at := []string{"group", want.Group, "topic", "clicks", "partition", "1"}
		require.Equal(t, 3.0, valueOf(t, f["rookery_group_committed_offset"], at...))
		require.Equal(t, 1.0, valueOf(t, f["rookery_group_lag"], at...))
		require.Equal(t, 1.0, valueOf(t, f["rookery_group_members"], "group", want.Group))
		require.Equal(t, 2.0, valueOf(t, f["rookery_groups"], "state", "Stable"))
		f = r.families(t, "/metrics?style=jmx")
		at = []string{"consumergroup", want.Group, "topic", "clicks", "partition", "1"}
		require.Equal(t, 3.0, valueOf(t, f["kafka_consumergroup_current_offset"], at...))
		require.Equal(t, 1.0, valueOf(t, f["kafka_consumergroup_lag"], at...))
		require.Equal(t, 9.0, valueOf(t, f["kafka_consumergroup_current_offset_sum"], at[:4]...))
		require.Equal(t, 1.0, valueOf(t, f["kafka_consumergroup_lag_sum"], at[:4]...))
		require.Equal(t, 1.0, valueOf(t, f["kafka_consumergroup_members"], "consumergroup", want.Group))
	}
	refused("there is no group nobody", "rookery group list", "group", "members", "nobody")
	refused("there is no group nobody", "rookery group list", "group", "describe", "old", "nobody")
	refused("there is no group nobody", "rookery group list", "group", "delete", "nobody")

	for _, consumer := range []*kafka.Consumer{old, modern} {
		require.NoError(t, consumer.Close(t.Context()))
	}
	ask(&listed, "group", "list", "--state", "Empty")
	require.Len(t, listed, 2, "whoever closes leaves")
	reset := func(want []int64, args ...string) {
		t.Helper()
		var rows []offsetRow
		ask(&rows, append([]string{"group", "reset-offsets"}, args...)...)
		var got []int64
		for _, row := range rows {
			got = append(got, row.Committed)
		}
		require.Equal(t, want, got, "%v", args)
	}
	committed := func(group string) (all []int64) {
		t.Helper()
		ask(&described, "group", "describe", group)
		for _, row := range described[0].Offsets {
			all = append(all, row.Committed)
		}
		return all
	}
	for _, group := range []string{"old", "modern", "made"} {
		reset([]int64{0, 0}, group, "--to", "start", "--topic", "clicks", "--dry-run")
		if group == "made" {
			refused("has committed nothing", "--topic TOPIC", "group", "reset-offsets", group, "--to", "start")
		} else {
			require.Equal(t, []int64{6, 3}, committed(group), "nothing was committed")
		}
		reset([]int64{6, 4}, group, "--to", "end", "--topic", "clicks")
		reset([]int64{4, 2}, group, "--to", "-2")
		reset([]int64{5}, group, "--to", "+1", "--topic", "clicks:0", "--topic", "clicks:0")
		reset([]int64{3}, group, "--to", "3", "--topic", "clicks:1")
		require.Equal(t, []int64{5, 3}, committed(group))
		reset([]int64{0, 0}, group, "--to", "2020-01-31T12:00:00Z")
		require.Equal(t, []int64{0, 0}, committed(group))
		reset([]int64{0, 0}, group, "--to", "1969-12-31T23:59:59.999Z") // which ListOffsets would take for the end
		for to, want := range map[string][]int64{
			"latest": {6, 4}, "earliest": {0, 0}, "@-1h": {0, 0}, "2020-01-31": {0, 0}, "2099-01-31T12:00:00.000": {6, 4},
			"+9223372036854775807": {6, 4}, "-9223372036854775808": {0, 0},
		} {
			reset(want, group, "--to", to, "--dry-run")
		}
		reset([]int64{6, 4}, group, "--to", "end", "--topic", "clicks", "--topic", "clicks:0", "--dry-run")
	}
	require.JSONEq(t, `[{"topic": "clicks", "partition": 1, "committed": 3}]`,
		r.ask(t, "", "group", "reset-offsets", "old", "--to", "3", "--topic", "clicks:1", "--dry-run", "-o", "json"), "what nobody has asked for is left out")
	refused("--to is missing", "--to start", "group", "reset-offsets", "old")
	refused("is no place", "2026-01-31T12:00:00Z", "group", "reset-offsets", "old", "--to", "yesterday")
	refused("there is no topic nowhere", "rookery topic list", "group", "reset-offsets", "old", "--to", "start", "--topic", "nowhere")
	refused("has no partition 2", "", "group", "reset-offsets", "old", "--to", "start", "--topic", "clicks:2")
	refused("x is no partition", "", "group", "reset-offsets", "old", "--to", "start", "--topic", "clicks:x")

	require.Equal(t, "deleted old\ndeleted modern\n", r.ask(t, "", "group", "delete", "old", "modern"))
	out, _, err := runCommand("group", "delete", "made", "nobody", "-o", "json", "-b", r.address)
	require.ErrorContains(t, err, "there is no group nobody")
	require.JSONEq(t, `[{"group": "made", "deleted": true}, {"group": "nobody", "deleted": false, "error": "there is no group nobody"}]`, out)
	require.Equal(t, "[]\n", r.ask(t, "", "group", "list", "-o", "json"))
}

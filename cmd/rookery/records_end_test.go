package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestJSONThereAndBack copies a topic through JSON: keys, nulls, headers, bytes that are no UTF-8 and timestamps come out
// as they went in.
func TestJSONThereAndBack(t *testing.T) {
	r := begin(t, t.TempDir())
	r.ask(t, "k:v\n:\nbin:\xff\xfe\n", "produce", "a", "-K", ":", "-Z", "-H", "h=1", "-H", "empty=", "-p", "0")
	r.ask(t, `{"timestamp":1577836800000,"value":"old"}`+"\n", "produce", "a", "--input", "json", "-p", "0")
	lines := r.ask(t, "", "consume", "a", "-o", "start", "-e", "-o", "json")
	require.Equal(t, 4, strings.Count(lines, "\n"))
	require.Contains(t, lines, "1577836800000")
	require.Contains(t, lines, `"valueBase64":true`)
	r.ask(t, lines, "produce", "b", "--input", "json", "-p", "0")
	require.Equal(t, strings.ReplaceAll(lines, `"topic":"a"`, `"topic":"b"`), r.ask(t, "", "consume", "b", "-o", "start", "-e", "--output", "json"))
	r.ask(t, `{"value":"x"}`+"\n", "produce", "c", "--input", "json", "-k", "key", "-H", "a=b")
	require.Equal(t, "key x a=b\n", r.ask(t, "", "consume", "c", "-o", "start", "-e", "-f", `%k %v %h\n`))
	for _, wrong := range [][]string{{"--input", "json", "--whole"}, {"--input", "xml"}} {
		_, _, err := runCommand(append([]string{"produce", "c", "-b", r.address}, wrong...)...)
		require.Error(t, err)
	}
	file := filepath.Join(t.TempDir(), "bad")
	require.NoError(t, os.WriteFile(file, []byte("{\"value\":\"fine\"}\nnot json\n"), 0o644))
	_, _, err := runCommand("produce", "c", file, "--input", "json", "-b", r.address)
	require.ErrorContains(t, err, "--input json: line 2")
	before := r.ask(t, "", "consume", "c", "-o", "start", "-e", "-o", "json")
	for line, why := range map[string]string{`{"key":"k","vallue":"v"}`: `unknown field "vallue"`, `{"key":"k"} {"key":"l"}`: "more than one object"} {
		require.NoError(t, os.WriteFile(file, []byte(line), 0o644))
		_, _, err := runCommand("produce", "c", file, "--input", "json", "-b", r.address)
		require.ErrorContains(t, err, why, "it would have been a null")
	}
	require.Equal(t, before, r.ask(t, "", "consume", "c", "-o", "start", "-e", "-o", "json"))
}

// TestWholeFiles: a file is one record, and so is what comes in where no file is named.
func TestWholeFiles(t *testing.T) {
	r := begin(t, t.TempDir())
	file := filepath.Join(t.TempDir(), "page")
	require.NoError(t, os.WriteFile(file, []byte("a\nb\n"), 0o644))
	r.ask(t, "", "produce", "pages", "--whole", file, file)
	r.ask(t, "c\nd\n", "produce", "pages", "--whole")
	require.Equal(t, "a\nb\n|a\nb\n|c\nd\n|", r.ask(t, "", "consume", "pages", "-o", "start", "-e", "-f", "%v|"))
}

// What produce cannot send is said with what to do about it.
func TestProduceAdvises(t *testing.T) {
	r := begin(t, t.TempDir(), "auto.create.topics.enable=false")
	r.ask(t, "", "topic", "create", "compacted", "--config", "cleanup.policy=compact")
	refused := func(input, next string, args ...string) {
		t.Helper()
		var out, said strings.Builder
		root := rootCommand(&out, &said)
		root.SetIn(strings.NewReader(input))
		root.SetArgs(append([]string{"produce", "-b", r.address}, args...))
		report(&said, root.Execute())
		require.Contains(t, said.String(), next)
	}
	refused("no key\n", "record 1 of the input: Record has no key.\n  a compacted topic takes no record without a key", "compacted")
	refused("x\n", "there is no topic nowhere\n  see what there is", "nowhere", "--timeout", "50ms")
	refused(strings.Repeat("x", requestBytesMax+1), "a record of more than 64 MiB\n  records end at a line feed", "compacted")
}

// TestPlacesInATopic reads pieces of three partitions: by offset, by time, up to what there is.
func TestPlacesInATopic(t *testing.T) {
	r := begin(t, t.TempDir())
	r.ask(t, "", "topic", "create", "t", "-p", "3")
	line := func(n int) string {
		return fmt.Sprintf(`{"timestamp":%d,"value":"%d"}`+"\n", time.Now().Add(time.Duration(n-20)*time.Hour).UnixMilli(), n)
	}
	for n := range 20 {
		r.ask(t, line(n), "produce", "t", "-p", "0", "--input", "json")
	}
	r.ask(t, line(19), "produce", "t", "-p", "1", "--input", "json")
	read := func(args ...string) string {
		return strings.TrimSpace(r.ask(t, "", append([]string{"consume", "t", "-f", "%v "}, args...)...))
	}
	require.Equal(t, "5 6 7", read("-p", "0", "-o", "5:8"))
	require.Equal(t, "17 18 19", read("-p", "0", "-o", "-3:end"))
	require.Equal(t, "2 3", read("-p", "0", "-o", "+2:4"))
	require.Equal(t, "0 1", read("-p", "0", "-o", ":2"))
	require.Equal(t, "18 19", read("-p", "0", "-o", "@-150m", "-n", "2"))
	require.Equal(t, "16 17", read("-p", "0", "-o", "@-270m:@-150m"))
	require.Equal(t, "16 17", read("-p", "0", "-o", fmt.Sprintf("s@%d", time.Now().Add(-270*time.Minute).UnixMilli()), "-o", fmt.Sprintf("e@%d", time.Now().Add(-150*time.Minute).UnixMilli())))
	require.ElementsMatch(t, []string{"19", "19"}, strings.Fields(read("-o", "@-61m:end")), "an empty partition is over before it begins")
	require.Empty(t, read("-o", "@2030-01-01:end"))
	require.Empty(t, read("-p", "2", "-o", "start:end"))
	require.Empty(t, read("-p", "0", "-o", "5:5"))
	require.Equal(t, "1 0 20", strings.TrimSpace(r.ask(t, "", "consume", "t", "-p", "0", "-o", "start", "-n", "1", "-f", "%i %[ %]")))
}

// TestRate: at 100 a second 30 records take most of the 0.29 s until the last is due.
func TestRate(t *testing.T) {
	r := begin(t, t.TempDir())
	began := time.Now()
	r.ask(t, strings.Repeat("x\n", 30), "produce", "paced", "--rate", "100")
	require.GreaterOrEqual(t, time.Since(began), 280*time.Millisecond)
	require.Equal(t, 30, strings.Count(r.ask(t, "", "consume", "paced", "-o", "start", "-e"), "x"))
	pace := pacer{rate: 1000}
	require.Equal(t, 20, pace.atOnce())
	require.Equal(t, 1, (&pacer{rate: 0.5}).atOnce())
	require.Equal(t, gatherMax, (&pacer{}).atOnce())
}

// TestCompletion offers topics of the broker, and nothing where there is none.
func TestCompletion(t *testing.T) {
	r := begin(t, t.TempDir())
	r.ask(t, "", "topic", "create", "clicks", "clocks", "views")
	require.Contains(t, r.ask0(t, "__complete", "consume", "-b", r.address, "cl"), "clicks\nclocks\n:4")
	require.NotContains(t, r.ask0(t, "__complete", "topic", "describe", "-b", r.address, "cl"), "views")
	require.Contains(t, r.ask0(t, "__complete", "produce", "x", "-z", ""), "zstd")
	require.Contains(t, r.ask0(t, "__complete", "config", "alter", "-b", r.address, ""), "topic\nbroker\ngroup\nclient-metrics\nbroker-logger\n:4")
	require.Contains(t, r.ask0(t, "__complete", "config", "describe", "-b", r.address, "topic", "cl"), "clicks\nclocks\n:4")
	require.Contains(t, r.ask0(t, "__complete", "group", "reset-offsets", "-b", r.address, "g", "--topic", "cl"), "clicks\nclocks\n:4")
	require.Contains(t, r.ask0(t, "__complete", "topic", "list", "-o", ""), "text\njson\n:4")
	out, _, err := runCommand("__complete", "consume", "-b", "127.0.0.1:1", "cl")
	require.NoError(t, err)
	require.Equal(t, ":4\n", out)
	r.ask(t, "x\n", "produce", "clicks")
	r.ask(t, "", "consume", "clicks", "-g", "readers", "-o", "start", "-e")
	for line, offered := range map[string]string{ // :4 is no files, :6 no space behind it either
		"topic alter clicks --config ret":                 "retention.bytes=\nretention.ms=\n:6",
		"topic alter clicks --delete-config segment.j":    "segment.jitter.ms\n:4",
		"topic alter clicks --config segment.j":           ":6",
		"topic create new -c max.m":                       "max.message.bytes=\n:6",
		"topic alter clicks --append c":                   "cleanup.policy=\n:6",
		"config alter topic clicks --set ret":             "retention.bytes=\nretention.ms=\n:6",
		"config alter broker --set log.ret":               "log.retention.bytes=\nlog.retention.ms=\n:6",
		"config alter broker --set ssl.c":                 ":6",
		"config alter broker --append ssl.e":              ":6",
		"config alter group g --set consumer.s":           "consumer.session.timeout.ms=\n:6",
		"config alter --set ret":                          ":6",
		"config alter topic clicks --set retention.ms=":   ":6",
		"server --set num.":                               "num.partitions=\nnum.recovery.threads.per.data.dir=\n:6",
		"dev --set slow":                                  "slow.request.ms=\n:6",
		"format --set nod":                                "node.id=\n:6",
		"consume clicks -b " + r.address + " --group r":   "readers\n:4",
		"consume clicks -b 127.0.0.1:1 --group r":         ":4",
		"consume clicks --assignor r":                     "range\nroundrobin\n:4",
		"consume clicks --protocol consumer --assignor r": "range\n:4",
		"quota alter --set prod":                          "producer_byte_rate=\n:6",
	} {
		require.Equal(t, offered+"\n", r.ask0(t, append([]string{"__complete"}, strings.Fields(line)...)...), line)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		require.Contains(t, r.ask0(t, "completion", shell), "rookery")
	}
}

package main

import (
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// What is wrong with the arguments goes to standard error, with what to do next, and the status is not zero.
func TestArgumentsThatDoNotFit(t *testing.T) {
	for line, want := range map[string]string{
		"topik":                         "unknown command topik\n  did you mean rookery topic?\n",
		"serve":                         "unknown command serve\n  did you mean rookery server?\n",
		"frobnicate":                    "unknown command frobnicate\n  see: rookery --help\n",
		"topic crate":                   "unknown command topic crate\n  did you mean rookery topic create?\n",
		"topic crate x -p 3":            "unknown command topic crate\n  did you mean rookery topic create?\n",
		"topic desc":                    "unknown command topic desc\n  did you mean rookery topic describe?\n",
		"log foo":                       "unknown command log foo\n  see: rookery log --help\n",
		"log veryfy d":                  "unknown command log veryfy\n  did you mean rookery log verify?\n",
		"config foo":                    "unknown command config foo\n  see: rookery config --help\n",
		"config lst -o json":            "unknown command config lst\n  did you mean rookery config list?\n",
		"help topik":                    "unknown command topik\n  did you mean rookery topic?\n",
		"help topic crate":              "unknown command topic crate\n  did you mean rookery topic create?\n",
		"completion basch":              "unknown command completion basch\n  did you mean rookery completion bash?\n",
		"topic -p 3":                    "unknown shorthand flag: 'p' in -p\n  see: rookery topic --help\n",
		"topic consume":                 "unknown command topic consume\n  did you mean rookery consume?\n",
		"topic create --topic x":        "unknown flag: --topic\n  usage: rookery topic create TOPIC... [flags]\n",
		"produce x --keydelim :":        "unknown flag: --keydelim\n  did you mean --key-delimiter? see: rookery produce --help\n",
		"topic alter --delete x":        "unknown flag: --delete\n  did you mean --delete-config? see: rookery topic alter --help\n",
		"dev --port 99999":              "invalid argument \"99999\" for \"--port\" flag: value out of range\n  see: rookery dev --help\n",
		"consume x -n many":             "invalid argument \"many\" for \"-n, --number\" flag: invalid syntax\n  see: rookery consume --help\n",
		"produce x --frobnicate":        "unknown flag: --frobnicate\n  see: rookery produce --help\n",
		"produce":                       "produce: TOPIC is missing\n  usage: rookery produce TOPIC [FILE...] [flags]\n",
		"produce -K :":                  "produce: TOPIC is missing\n  usage: rookery produce TOPIC [FILE...] [flags]\n",
		"consume":                       "consume: TOPIC is missing\n  usage: rookery consume TOPIC... [flags]\n",
		"consume a b":                   "one topic at a time is read without a group\n  read them as a group does: --group NAME a b\n",
		"topic create":                  "topic create: TOPIC is missing\n  usage: rookery topic create TOPIC... [flags]\n",
		"log dump":                      "log dump: FILE is missing\n  usage: rookery log dump FILE... [flags]\n",
		"config describe":               "config describe: TYPE is missing\n  usage: rookery config describe TYPE [NAME...] [flags]\n",
		"config describe topic":         "the name of the topic is missing\n  see what there is: rookery config list topic\n",
		"config alter group --set a=b":  "the name of the group is missing\n  see what there is: rookery config list group\n",
		"man":                           "man: DIR is missing\n  usage: rookery man DIR [flags]\n",
		"dev now":                       "dev does not take \"now\"\n  usage: rookery dev [flags]\n",
		"consume x -n -5":               "--number -5: there are no fewer records than none\n  leave it out to read on for ever, or stop at the end: -e\n",
		"produce x --rate -1":           "--rate -1: records a second are not fewer than none\n  0 is as fast as they come\n",
		"produce x --rate nan":          "--rate NaN: records a second are not fewer than none\n  0 is as fast as they come\n",
		"bench --for 0s":                "--for 0s: nothing is measured in no time\n  for example: --for 5s\n",
		"bench --end-to-end-rate nan":   "records a second are not fewer than none\n  0 is as fast as they come of --rate, and no such phase of --end-to-end-rate\n",
		"bench --batch-bytes 0":         "--batch-bytes 0: a batch has at least one byte\n",
		"produce x -p -7":               "there is no partition -7\n  leave it out, or -1: by the key's hash\n",
		"group reset-offsets g h":       "group reset-offsets does not take \"h\"\n  usage: rookery group reset-offsets GROUP --to PLACE [--topic TOPIC] [flags]\n",
		"server mine.properties others": "server does not take \"others\"\n  usage: rookery server [FILE] [flags]\n",
	} {
		out, _, err := runCommand(strings.Fields(line)...)
		require.Error(t, err, line)
		var said strings.Builder
		report(&said, err)
		require.Equal(t, "rookery: "+want, said.String(), line)
		require.Empty(t, out, line)
	}
}

// TestFlagsThatAreEmpty: nothing is done with a variable that was never set, by any command, as if the flag had been left out.
func TestFlagsThatAreEmpty(t *testing.T) {
	meant := []string{"produce --key", "consume --format"}
	var walk func(c *cobra.Command, path []string)
	walk = func(c *cobra.Command, path []string) {
		for _, sub := range c.Commands() {
			walk(sub, append(path[:len(path):len(path)], sub.Name()))
		}
		c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			takesText := slices.Contains([]string{"string", "stringSlice", "stringArray"}, f.Value.Type())
			if line := strings.Join(path, " ") + " --" + f.Name; !takesText || slices.Contains(meant, line) {
				return
			}
			line := append(append(path[:len(path):len(path)], placesOf(c)...), "--"+f.Name, "")
			out, _, err := runCommand(line...)
			require.ErrorContains(t, err, "--"+f.Name+" is empty", line)
			require.Empty(t, out, line)
			if _, list := f.Value.(pflag.SliceValue); list && f.Name != "bootstrap-server" { // there a comma too many is none
				for _, parts := range [][2]string{{"x", ""}, {"", "x"}} {
					line = append(line[:len(path)+len(placesOf(c))], "--"+f.Name, parts[0], "--"+f.Name, parts[1])
					_, _, err = runCommand(line...)
					require.ErrorContains(t, err, "--"+f.Name+" has a part that is empty", line)
				}
			}
		})
	}
	walk(rootCommand(nil, nil), nil)

	for want, line := range map[string][]string{
		"--bootstrap-server is empty\n  give it a value, or leave it out: brokers to ask first, HOST:PORT\n": {"topic", "list", "-b", ""},
		"--topic has a part that is empty\n  give it a value, or leave it out: topics, or TOPIC:PARTITION; left out: all that the group has committed\n": {
			"group", "reset-offsets", "g", "--to", "start", "--topic", "a,"},
		"the name of the broker is empty\n  to mean all brokers leave it out\n": {"config", "alter", "broker", "", "--set", "a=b"},
		"no broker listens at 127.0.0.1:1":                                      {"produce", "t", "-k", "", "-b", "127.0.0.1:1"},
	} {
		_, _, err := runCommand(line...)
		var said strings.Builder
		report(&said, err)
		require.Contains(t, said.String(), want, line)
	}
	for line, want := range map[string]string{
		"-b 127.0.0.1:1,":     "no broker listens at 127.0.0.1:1",
		"-b ,127.0.0.1:1,,":   "no broker listens at 127.0.0.1:1",
		"-b 127.0.0.1:1 -b ,": "no broker listens at 127.0.0.1:1",
		"-b , -b ,":           "--bootstrap-server is empty",
	} {
		_, _, err := runCommand(append([]string{"topic", "list"}, strings.Fields(line)...)...)
		require.ErrorContains(t, err, want, line)
	}
	out, _, err := runCommand("__complete", "consume", "-b", "", "")
	require.NoError(t, err, "whoever completes is told nothing, and finds no topic")
	require.Equal(t, ":4\n", out)
}

// A family of commands alone is a question, and its answer goes to standard output.
func TestFamiliesAlonePrintTheirHelp(t *testing.T) {
	for _, family := range []string{"", "topic", "config", "log", "help", "help topic"} {
		out, complaints, err := runCommand(strings.Fields(family)...)
		require.NoError(t, err, family)
		require.Contains(t, out, "Available Commands:", family)
		require.Empty(t, complaints, family)
	}
}

// Every command that requires arguments says which in its usage line, and every family knows its own.
func TestEveryCommandRefusesPlainly(t *testing.T) {
	var walk func(c *cobra.Command, path []string)
	walk = func(c *cobra.Command, path []string) {
		for _, sub := range c.Commands() {
			walk(sub, append(path[:len(path):len(path)], sub.Name()))
		}
		if len(path) == 0 {
			return
		}
		if c.HasSubCommands() {
			_, _, err := runCommand(append(path, "no-such-command")...)
			require.ErrorContains(t, err, "unknown command "+strings.Join(append(path, "no-such-command"), " "), path)
		} else if len(placesOf(c)) > 0 {
			_, _, err := runCommand(path...)
			require.ErrorContains(t, err, placesOf(c)[0]+" is missing", path)
		}
	}
	walk(rootCommand(nil, nil), nil)
}

func TestDevOnATakenPortFormatsNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	dir := filepath.Join(t.TempDir(), "data")
	t.Setenv("KAFKA_LISTENERS", "PLAINTEXT://256.0.0.1:9092") // a flag goes over it
	_, _, err = runCommand("dev", "--port", strconv.Itoa(l.Addr().(*net.TCPAddr).Port), "--data-dir", dir)
	require.ErrorContains(t, err, "is taken by another process")
	require.NoDirExists(t, dir)
}

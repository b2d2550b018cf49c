package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestADirectoryThatIsMissing: the others serve without it, everybody is told, and nothing is made anew elsewhere.
func TestADirectoryThatIsMissing(t *testing.T) {
	first, second := filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "second")
	begun := func() *running {
		return begin(t, first+","+second, "metrics.listener=http://127.0.0.1:0")
	}
	r := begun()
	r.ask(t, "", "topic", "create", "clicks", "-p", "2")
	for _, partition := range []string{"0", "1"} {
		r.ask(t, "of "+partition+"\n", "produce", "clicks", "-p", partition)
	}
	require.DirExists(t, filepath.Join(first, "clicks-0"))
	require.DirExists(t, filepath.Join(second, "clicks-1"))
	r.stop(t)

	away := second + ".away"
	require.NoError(t, os.Rename(second, away))
	s, err := loadSettings("", nil, []string{"node.id=1", "listeners=PLAINTEXT://127.0.0.1:0", "metrics.listener=http://127.0.0.1:0", "log.dirs=" + first + "," + second})
	require.NoError(t, err)
	ids, err := identify(s, never)
	require.NoError(t, err)
	require.Equal(t, identity{}, ids[1])
	r = beginOver(t, s, ids)
	require.Contains(t, r.log.String(), "log directory failed")
	require.Equal(t, "of 0\n", r.ask(t, "", "consume", "clicks", "-p", "0", "-o", "start", "-e"))
	require.NoDirExists(t, filepath.Join(first, "clicks-1"))
	require.NoDirExists(t, second)
	for _, page := range []string{"/healthz", "/readyz"} {
		status, text := r.look(t, page)
		require.Equal(t, http.StatusOK, status, "the others serve")
		require.Contains(t, text, second+" has failed")
	}
	found, err := examine(t, "-b", r.address, "--data-dir", first)
	require.ErrorContains(t, err, "2 of", "and its partitions have no leader")
	require.Equal(t, broken, found["offline directories"].Verdict)
	require.Contains(t, found["offline directories"].What, "goes without 1 of 2: "+second)
	require.Contains(t, found["offline directories"].Advice, "start the broker again")
	up := map[string]float64{}
	for _, m := range r.families(t, "/metrics")["rookery_log_directory_up"].Metric {
		up[m.Label[0].GetValue()] = m.Gauge.GetValue()
	}
	require.Equal(t, map[string]float64{first: 1, second: 0}, up)
	require.Equal(t, 1.0, valueOf(t, r.families(t, "/metrics?style=jmx")["kafka_log_logmanager_offlinelogdirectorycount"]))
	r.stop(t)

	require.NoError(t, os.Rename(away, second))
	r = begun()
	require.Equal(t, "of 1\n", r.ask(t, "", "consume", "clicks", "-p", "1", "-o", "start", "-e"))
	r.stop(t)

	require.NoError(t, os.Rename(first, first+".away"))
	_, err = identify(s, never)
	require.ErrorContains(t, err, "not formatted", "without the first there is no metadata")
}

// TestTopicMove: a partition goes to the other log directory, is read there, and whoever names what is not there is told what is.
func TestTopicMove(t *testing.T) {
	first, second := filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "second")
	r := begin(t, first+","+second)
	r.ask(t, "", "topic", "create", "clicks", "-p", "2")
	r.ask(t, "a\nb\n", "produce", "clicks", "-p", "1")
	require.Regexp(t, `clicks +0 +1 +\S+first +0 +- +-\nclicks +1 +1 +\S+second +\d+ +- +-\n`, r.ask(t, "", "topic", "move", "clicks"))
	var rows []lyingRow
	require.NoError(t, json.Unmarshal([]byte(r.ask(t, "", "topic", "move", "clicks:1", "--to", first, "--wait", "-o", "json")), &rows))
	require.Len(t, rows, 1)
	require.Equal(t, first, rows[0].Directory)
	require.Empty(t, rows[0].MovingTo)
	require.DirExists(t, filepath.Join(first, "clicks-1"))
	require.Equal(t, "a\nb\n", r.ask(t, "", "consume", "clicks", "-p", "1", "-o", "start", "-e"))
	require.Contains(t, r.ask(t, "", "topic", "move", "clicks", "--to", second), "clicks")
	for why, args := range map[string][]string{
		"topic clicks has no partition 2":        {"clicks:2"},
		"x is no partition":                      {"clicks:x"},
		"there is no topic nowhere":              {"nowhere"},
		"broker 1 has no log directory /nowhere": {"clicks", "--to", "/nowhere"},
		"--wait waits for a move":                {"clicks", "--wait"},
	} {
		_, _, err := runCommand(append(append([]string{"topic", "move"}, args...), "-b", r.address)...)
		require.ErrorContains(t, err, why)
	}
	r.stop(t)
}

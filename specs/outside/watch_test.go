package outside

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// watchedAt is where the ready line says that the HTTP port is.
func watchedAt(t *testing.T, n *Node) string {
	t.Helper()
	for line := range strings.Lines(n.Log.String()) {
		var ready struct{ Msg, Metrics string }
		if json.Unmarshal([]byte(line), &ready) == nil && ready.Msg == "ready" {
			return ready.Metrics
		}
	}
	t.Fatalf("no ready line: %s", n.Log)
	return ""
}

func page(t *testing.T, address, path, accept string) (status int, text string) {
	t.Helper()
	request, err := http.NewRequest("GET", "http://"+address+path, nil)
	require.NoError(t, err)
	request.Header.Set("Accept", accept)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(body)
}

// TestTheShippedBinaryIsWatched: its port by its flags, OpenMetrics to its end, profiles, and SIGQUIT to a real process.
func TestTheShippedBinaryIsWatched(t *testing.T) {
	n := Start(t, binaryPath, t.TempDir(), "--metrics-listener", "127.0.0.1:0", "--pprof")
	at := watchedAt(t, n)
	status, text := page(t, at, "/readyz", "")
	require.Equal(t, []any{200, "ok\n"}, []any{status, text})
	_, text = page(t, at, "/metrics", "application/openmetrics-text; version=1.0.0")
	require.True(t, strings.HasSuffix(text, "# EOF\n"), "OpenMetrics says where it ends")
	require.Contains(t, text, "rookery_ready 1")
	status, text = page(t, at, "/debug/pprof/goroutine?debug=1", "")
	require.Equal(t, 200, status)
	require.Contains(t, text, "goroutine profile")
	_, text = page(t, at, "/", "")
	require.Contains(t, text, "/debug/pprof/")

	require.NoError(t, n.process.Signal(syscall.SIGQUIT))
	Await(t, func() bool { return strings.Contains(n.Log.String(), "the broker goes on") }, "a dump: %s", n.Log)
	require.Contains(t, n.Log.String(), "net/server")
	n.Alive(t)
	status, _ = page(t, at, "/healthz", "")
	require.Equal(t, 200, status)
	n.Stop(t)

	n = Start(t, binaryPath, t.TempDir(), "--metrics-listener", "none")
	require.Empty(t, watchedAt(t, n))
	n.Stop(t)
}

// TestATerminalThatIsClosed: SIGHUP ends a broker cleanly, unless nohup has it ignored. What is debug is logged if it is asked
// for.
func TestATerminalThatIsClosed(t *testing.T) {
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP) // whatever runs the tests: a child begins with what the system does
	defer signal.Reset(syscall.SIGHUP)
	n := Start(t, binaryPath, t.TempDir(), "--log-level", "debug")
	Create(t, Dial(t, n), "t")
	Await(t, func() bool { return strings.Contains(n.Log.String(), `"level":"DEBUG"`) }, "a line at debug: %s", n.Log)
	require.NoError(t, n.process.Signal(syscall.SIGHUP))
	require.NoError(t, n.Ended(t))
	require.Contains(t, n.Log.String(), `"msg":"stopped"`)

	signal.Ignore(syscall.SIGHUP)
	n = Start(t, binaryPath, t.TempDir(), "--metrics-listener", "127.0.0.1:0")
	require.NoError(t, n.process.Signal(syscall.SIGHUP))
	Create(t, Dial(t, n), "t")
	require.NotContains(t, n.Log.String(), `"level":"DEBUG"`)
	status, _ := page(t, watchedAt(t, n), "/readyz", "")
	require.Equal(t, 200, status)
	n.Stop(t)
}

// TestTwoDevsShowThemselves: the second finds dev's usual port taken, or the first did, and each has one.
func TestTwoDevsShowThemselves(t *testing.T) {
	first, second := Start(t, binaryPath, t.TempDir()), Start(t, binaryPath, t.TempDir())
	a, b := watchedAt(t, first), watchedAt(t, second)
	require.NotEqual(t, a, b)
	for _, address := range []string{a, b} {
		status, _ := page(t, address, "/readyz", "")
		require.Equal(t, 200, status)
	}
	taken := Run(t, binaryPath, "dev", "--port", "0", "--data-dir", t.TempDir(), "--metrics-listener", a)
	require.Error(t, taken.Ended(t))
	require.Contains(t, taken.Log.String(), "is taken by another process")
	require.Contains(t, taken.Log.String(), "--metrics-listener 127.0.0.1:N")
}

package outside

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var binaryPath string

func TestMain(m *testing.M) {
	if os.Getenv(abuserIs) != "" {
		becomeAbuser()
		return
	}
	built, remove, err := Build()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binaryPath = built
	status := m.Run()
	remove()
	os.Exit(status)
}

// start runs a broker over a new directory.
func start(t *testing.T, args ...string) *Node {
	t.Helper()
	return Start(t, binaryPath, t.TempDir(), args...)
}

// bothWays runs a test over the plain socket and over TLS.
func bothWays(t *testing.T, test func(t *testing.T, start func(args ...string) *Node)) {
	t.Run("PLAINTEXT", func(t *testing.T) {
		test(t, func(args ...string) *Node { return start(t, args...) })
	})
	t.Run("SSL", func(t *testing.T) {
		authority := NewAuthority(t)
		test(t, func(args ...string) *Node {
			n := start(t, append(authority.Sets(t, "SSL://127.0.0.1:0"), args...)...)
			n.TLS = authority.Believer()
			return n
		})
	})
}

// within fails a test that took longer than something that has a time of its own.
func within(t *testing.T, most time.Duration, do func()) {
	t.Helper()
	began := time.Now()
	do()
	require.Less(t, time.Since(began), most)
}

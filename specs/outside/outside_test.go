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

// within fails a test that took longer than something that has a time of its own.
func within(t *testing.T, most time.Duration, do func()) {
	t.Helper()
	began := time.Now()
	do()
	require.Less(t, time.Since(began), most)
}

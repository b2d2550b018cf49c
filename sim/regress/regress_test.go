package regress

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/sim/workload"
	"rookery/sim/world"
)

func TestNothingFailsAgain(t *testing.T) {
	traces, err := filepath.Glob("*.trace")
	require.NoError(t, err)
	require.NotEmpty(t, traces)
	for _, name := range traces {
		t.Run(name, func(t *testing.T) {
			file, err := os.Open(name)
			require.NoError(t, err)
			defer file.Close()
			trace, err := world.ReadTrace(file)
			require.NoError(t, err)
			result := workload.Do(world.Recorded(trace), workload.Core(), workload.Options{})
			require.NoError(t, result.Failure)
		})
	}
}

package regress

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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

func TestSeedsStayWell(t *testing.T) {
	file, err := os.Open("seeds.txt")
	require.NoError(t, err)
	defer file.Close()
	seeds := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		number, found, _ := strings.Cut(lines.Text(), " ")
		if number == "#" {
			continue
		}
		seed, err := strconv.ParseUint(number, 10, 64)
		require.NoError(t, err)
		require.NotEmpty(t, strings.TrimSpace(found))
		t.Run(number, func(t *testing.T) {
			require.NoError(t, workload.Do(world.NewTape(seed), workload.Core(), workload.Options{}).Failure)
		})
		seeds++
	}
	require.NotZero(t, seeds)
}

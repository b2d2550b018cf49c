package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// TestManualPages: a page a command, with its flags and its examples; twice the same.
func TestManualPages(t *testing.T) {
	dir, again := t.TempDir(), t.TempDir()
	out, _, err := runCommand("man", dir)
	require.NoError(t, err)
	require.Contains(t, out, "pages; read one with")
	_, _, err = runCommand("man", again)
	require.NoError(t, err)
	count := 0
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		if c.IsAvailableCommand() || c.HasAvailableSubCommands() {
			name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
			page, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			require.Contains(t, string(page), roffText(c.Short))
			c.Flags().VisitAll(func(f *pflag.Flag) {
				require.Contains(t, string(page), roffText("--"+f.Name), name)
			})
			same, err := os.ReadFile(filepath.Join(again, name))
			require.NoError(t, err)
			require.Equal(t, string(page), string(same))
			count++
		}
		for _, sub := range c.Commands() {
			look(sub)
		}
	}
	look(rootCommand(os.Stdout, os.Stderr))
	require.Greater(t, count, 15)
}

// TestRoff: what roff would take for its own is written so that it is not.
func TestRoff(t *testing.T) {
	require.Equal(t, `\&.x \-f '\en' a`, roffText(".x -f '\\n'\na"))
	require.Equal(t, "a\n\\&'b", roffLines("a\n'b"))
}

// TestEveryCommandSaysWhatItIs: a line on each, without a full stop, and nothing that begins with a capital but names.
func TestEveryCommandSaysWhatItIs(t *testing.T) {
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		require.NotEmpty(t, c.Short, c.CommandPath())
		require.False(t, strings.HasSuffix(c.Short, "."), c.CommandPath())
		for _, sub := range c.Commands() {
			look(sub)
		}
	}
	look(rootCommand(os.Stdout, os.Stderr))
}

// Command rookery is the broker and its command line.
//
//	rookery dev                        one node, no file, data in ./rookery-data
//	rookery server --config FILE       a node by Kafka's server.properties
//	rookery format --config FILE       make its directories ready
//	rookery topic create|list|describe|delete
//	rookery config, quota              configurations, and what clients are held to
//	rookery cluster describe           its id, its brokers
//	rookery group list|describe|members|delete|reset-offsets
//	rookery produce, consume           records in and out, in kcat's letters and rpk's
//	rookery log dump|index|verify      segment files, offline: ours or Kafka's
//	rookery doctor                     what is wrong with a broker and its machine
//	rookery bench                      a quick measurement, of any broker
//	rookery dashboard                  for Grafana
//	rookery completion, man            for shells and manuals
//
// The command wires: core.Broker to io/loop, io/disk and net/server (wire.go), the configuration to core's (config.go),
// events to the log (events.go), a meter around the broker to an HTTP port (meter.go, monitor.go). What it decides itself
// is how all that looks to a human.
//
// Rules: an error goes to standard error, says what to do next and makes the exit status 1; what lists can list as JSON
// (-o json); data goes to standard output and nothing else does.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	signal.Ignore(syscall.SIGPIPE)
	if err := rootCommand(os.Stdout, os.Stderr).ExecuteContext(context.Background()); err != nil {
		report(os.Stderr, err)
		os.Exit(1)
	}
}

// advice is an error that knows what to do next.
type advice struct {
	what error
	next string
}

func (a *advice) Error() string { return a.what.Error() }
func (a *advice) Unwrap() error { return a.what }

// advise makes an error whose second line says what to do next.
func advise(next, format string, args ...any) error {
	return &advice{fmt.Errorf(format, args...), next}
}

// reported is an error that a broker has told its log of: its process ends, whether anybody reads that or not.
type reported struct{ error }

func (r *reported) Unwrap() error { return r.error }

// report prints an error for a human.
func report(w io.Writer, err error) {
	var told *reported
	if errors.Is(err, syscall.EPIPE) || errors.As(err, &told) {
		return // whoever read our output has enough of it, or knows
	}
	fmt.Fprintln(w, paint(w, red, "rookery:"), err)
	var a *advice
	if errors.As(err, &a) && a.next != "" {
		fmt.Fprintln(w, " ", a.next)
	}
}

// rootCommand is the whole command line over two streams.
func rootCommand(out, complaints io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:           "rookery",
		Short:         "a Kafka broker whose whole mind runs in a simulator",
		Long:          "Rookery is a Kafka broker. Start one with: rookery dev",
		Version:       thisBuild().String(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetOut(out)
	root.SetErr(complaints)
	root.PersistentPreRunE = refuseEmpty
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if args := c.Flags().Args(); c.HasSubCommands() && len(args) > 0 {
			return unknownCommand(c, args[0]) // whose flags nobody knows
		}
		next := flagAdvice(c, err)
		var number *strconv.NumError
		if errors.As(err, &number) { // in words that are not Go's
			return advise(next, "%s", strings.Replace(err.Error(), number.Error(), number.Err.Error(), 1))
		}
		return advise(next, "%w", err)
	})
	root.AddCommand(devCommand(), serverCommand(), formatCommand(), topicCommand(), groupCommand(), configCommand(), quotaCommand(), produceCommand(), consumeCommand(),
		logCommand(), versionCommand())
	root.AddCommand(clusterCommand(), doctorCommand(), benchCommand(), dashboardCommand(), manCommand())
	completeNamesOf(root)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		c.Short = strings.ToLower(c.Short[:1]) + c.Short[1:] // of cobra's own, as ours are
	}
	sayWhatIsMissing(root)
	rememberNothing(root)
	return root
}

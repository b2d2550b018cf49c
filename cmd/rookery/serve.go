package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"rookery/core"
	"rookery/core/controller"
	"rookery/net/server"
)

// serving is what dev and server have in common.
type serving struct {
	sets     []string
	record   string
	profile  string
	metrics  string
	profiles bool
	level    slog.Level
	usual    string // where the HTTP port is if nobody says; empty: nowhere
}

func (s *serving) flags(c *cobra.Command) {
	c.Flags().StringArrayVar(&s.sets, "set", nil, "a configuration, name=value; may be repeated")
	completeServerKeys(c, "set")
	c.Flags().StringVar(&s.record, "record", "", "write every input of the broker to this file, to be replayed")
	c.Flags().StringVar(&s.metrics, "metrics-listener", "", "HTTP address of /metrics, /healthz and /readyz, or none (dev: "+metricsDefault+")")
	c.Flags().BoolVar(&s.profiles, "pprof", false, "serve Go's profiles there too, at /debug/pprof/")
	c.Flags().TextVar(&s.level, "log-level", slog.LevelInfo, "log what is of this `LEVEL`, or worse: debug, info, warn, error")
	completeFrom(c, "log-level", "debug", "info", "warn", "error")
	c.Flags().StringVar(&s.profile, "cpu-profile", "", "write a processor profile to this file")
}

func devCommand() *cobra.Command {
	var s serving
	var port uint16
	var dir string
	c := &cobra.Command{
		Use:   "dev",
		Short: "start a broker for yourself: one node, no configuration",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			first, flags := devLayer(port, dir), layer{from: fromDev, values: map[string]string{}}
			for flag, key := range map[string]string{"port": "listeners", "data-dir": "log.dirs"} {
				if c.Flags().Changed(flag) { // it goes over the environment
					flags.values[key] = first.values[key]
					delete(first.values, key)
				}
			}
			settings, err := settledLayers(first, os.Environ(), flags, s.sets)
			if err != nil {
				return err
			}
			if err := settings.absolute(); err != nil {
				return err
			}
			out := newOutlet(c.ErrOrStderr())
			defer out.flush(flushMax)
			listeners, err := bind(settings, newLogger(out, s.level)) // first: a refused start leaves nothing behind
			if err != nil {
				return err
			}
			defer closeAll(listeners)
			if err := formatBare(settings); err != nil {
				return err
			}
			return s.serve(settings, listeners, out)
		},
	}
	s.flags(c)
	s.usual = metricsDefault
	c.Flags().Uint16Var(&port, "port", 9092, "where clients connect (0: any free port)")
	c.Flags().StringVar(&dir, "data-dir", "rookery-data", "where the data lies")
	return c
}

const (
	devNode = 1
	local6  = "LOCAL6" // dev's second listener
)

// devLayer is what dev has instead of a file. It listens on both addresses that localhost may mean; a client is told the
// one that it came by.
func devLayer(port uint16, dir string) layer {
	return layer{from: fromDev, values: map[string]string{
		"node.id": strconv.Itoa(devNode), "log.dirs": dir,
		"listeners":                        fmt.Sprintf("PLAINTEXT://127.0.0.1:%d,%s://[::1]:%d", port, local6, port),
		"listener.security.protocol.map":   "PLAINTEXT:PLAINTEXT," + local6 + ":PLAINTEXT",
		"group.initial.rebalance.delay.ms": "0", // nobody waits for more members at a desk
	}}
}

// formatBare formats what dev finds empty.
func formatBare(s *settings) error {
	_, _, err := formatDirs(s, "", true)
	return err
}

func serverCommand() *cobra.Command {
	var s serving
	var file string
	c := &cobra.Command{
		Use:   "server [FILE]",
		Short: "start a broker by Kafka's server.properties",
		Example: `  rookery server server.properties
  rookery server --config server.properties --set num.partitions=3`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			file, err := theFile(file, args)
			if err != nil {
				return err
			}
			settings, err := loadServer(file, s.sets)
			if err != nil {
				return err
			}
			out := newOutlet(c.ErrOrStderr())
			defer out.flush(flushMax)
			return s.serve(settings, nil, out)
		},
	}
	s.flags(c)
	c.Flags().StringVarP(&file, "config", "c", "", "the properties file")
	return c
}

// theFile is the properties file, as a flag or, as Kafka's own scripts have it, as the one argument.
func theFile(flag string, args []string) (string, error) {
	if len(args) == 0 || flag == args[0] {
		return flag, nil
	}
	if flag != "" {
		return "", fmt.Errorf("two configurations are named: %s and %s", flag, args[0])
	}
	return args[0], nil
}

func loadServer(file string, sets []string) (*settings, error) {
	if env, _ := environment(os.Environ()); file == "" && len(sets) == 0 && len(env.values) == 0 {
		return nil, advise("for one node without a file: rookery dev", "no configuration is named: --config server.properties, --set, or KAFKA_NODE_ID=1 and others in the environment")
	}
	settings, err := loadSettings(file, os.Environ(), sets)
	if err != nil {
		return nil, err
	}
	if settings.NodeID < 0 {
		return nil, advise("for example: --set node.id=1", "node.id is not set")
	}
	settings.config = file
	return settings, settings.absolute()
}

func formatCommand() *cobra.Command {
	var sets []string
	var file, cluster string
	var ignore bool
	c := &cobra.Command{
		Use:   "format [FILE]",
		Short: "make log directories ready for a server, as kafka-storage format does",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			file, err := theFile(file, args)
			if err != nil {
				return err
			}
			settings, err := loadServer(file, sets)
			if err != nil {
				return err
			}
			if cluster != "" {
				if _, err := parseID(cluster); err != nil {
					return fmt.Errorf("--cluster-id: %w", err)
				}
			}
			id, made, err := formatDirs(settings, cluster, ignore)
			if err != nil {
				return err
			}
			for _, dir := range settings.Dirs {
				if !slices.Contains(made, dir) {
					fmt.Fprintf(c.OutOrStdout(), "left %s as it is: formatted already, cluster %s\n", dir, id)
					continue
				}
				fmt.Fprintf(c.OutOrStdout(), "formatted %s: cluster %s, node %d\n", dir, id, settings.NodeID)
			}
			return nil
		},
	}
	c.Flags().StringArrayVar(&sets, "set", nil, "a configuration, name=value; may be repeated")
	completeServerKeys(c, "set")
	c.Flags().StringVarP(&file, "config", "c", "", "the properties file")
	c.Flags().StringVar(&cluster, "cluster-id", "", "the cluster to belong to (default: a new one)")
	c.Flags().BoolVar(&ignore, "ignore-formatted", false, "leave directories alone that are formatted already")
	return c
}

// formatLine is the command that formats what this configuration names.
func (s *settings) formatLine(cluster string) string {
	line := "rookery format"
	if s.config != "" {
		line += " --config " + s.config
	}
	for _, set := range s.sets {
		name, _, _ := strings.Cut(set, "=")
		if key, _ := controller.FindBrokerKey(strings.TrimSpace(name)); !key.Sensitive() { // format has no use for keys of TLS
			line += " --set " + set
		}
	}
	if cluster != "" {
		line += " --ignore-formatted --cluster-id " + cluster
	}
	return line
}

// serve runs a node until it is told to stop. Where no listeners are open it opens them, once the directories are known
// to be ours.
func (s *serving) serve(settings *settings, listeners []server.Listener, out *outlet) error {
	logger := newLogger(out, s.level)
	settings.tell(logger)
	ids, err := identify(settings, settings.formatLine)
	if err != nil {
		return err
	}
	n := &node{settings: settings, ids: ids, logger: logger, notes: out, record: s.record, profile: s.profile}
	n.profiles, n.listeners = s.profiles, listeners
	if err := settings.listen(s.metrics, s.usual); err != nil {
		return err
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, stopSignals()...)
	if err := n.run(signals); err != nil {
		report(out, err)
		return &reported{err}
	}
	return nil
}

// stopSignals are those that end a broker cleanly: a terminal that is closed sends SIGHUP, which nohup has us ignore.
func stopSignals() []os.Signal {
	if signal.Ignored(syscall.SIGHUP) {
		return []os.Signal{syscall.SIGTERM, syscall.SIGINT}
	}
	return []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP}
}

// bind opens every listener. One that names no address of this machine (dev's ::1 where there is no IPv6) is skipped
// if another works.
func bind(s *settings, logger *slog.Logger) ([]server.Listener, error) {
	var all []server.Listener
	for i, e := range s.Listeners {
		l, err := bindOne(s, e, all)
		if err == nil {
			l.Position = int32(i)
			all = append(all, l)
			continue
		}
		if i > 0 && e.Name == local6 {
			logger.Debug("listener skipped", "address", e.address(), "why", err.Error())
			continue
		}
		closeAll(all)
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, advise("take another port: --port N (dev) or listeners=PLAINTEXT://:N (server)", "%s is taken by another process", e.address())
		}
		if at := (*net.OpError)(nil); errors.As(err, &at) {
			return nil, advise("a listener names an address of this machine, or none for all of them: "+e.Name+"://:9092; ports below 1024 are for root", "%w", err)
		}
		return nil, err
	}
	return all, nil
}

func bindOne(s *settings, e endpoint, others []server.Listener) (l server.Listener, err error) {
	if security, _ := s.security(e); security == core.TLS { // was judged when the settings were
		if l.TLS, err = s.tls(e.Name); err != nil {
			return l, err
		}
	}
	if e.Port == 0 && e.Name == local6 && len(others) > 0 {
		e.Port = portOf(others[0]) // localhost is one place
	}
	if l.Listener, err = net.Listen("tcp", e.address()); err == nil && s.Backlog > 0 {
		err = shorten(l.Listener.(*net.TCPListener), int(s.Backlog))
	}
	return l, err
}

func portOf(l server.Listener) int32 { return int32(l.Addr().(*net.TCPAddr).Port) }

// shorten lets fewer connections wait to be accepted than Go asks for, which is as many as the system allows:
// listen(2) on a socket that listens sets that anew.
func shorten(l *net.TCPListener, backlog int) error {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.Listen(int(fd), backlog) })
	return errors.Join(err, failed)
}

func closeAll(listeners []server.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

// banner tells whoever started us where to go from here.
func (n *node) banner(addresses []string) {
	if !onTerminal(n.notes) {
		return
	}
	fmt.Fprintf(n.notes, "\n  Rookery is ready, cluster %s, node %d.\n\n", n.ids[0].ClusterID, n.ids[0].NodeID)
	for _, a := range addresses {
		fmt.Fprintf(n.notes, "  clients    %s\n", a)
	}
	if n.metricsAt != "" {
		fmt.Fprintf(n.notes, "  metrics    http://%s/metrics\n", n.metricsAt)
	}
	for _, dir := range n.settings.Dirs {
		fmt.Fprintf(n.notes, "  data       %s\n", dir)
	}
	at := ""
	if n.port != 9092 {
		at = fmt.Sprintf(" -b %s", addresses[0])
	}
	fmt.Fprintf(n.notes, "  try        echo hello | %s produce greetings%s\n", os.Args[0], at)
	fmt.Fprintf(n.notes, "             %s consume greetings -o start -e%s\n  stop       Ctrl-C\n\n", os.Args[0], at)
}

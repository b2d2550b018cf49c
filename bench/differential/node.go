package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// node is a broker's process, in a folder of its own.
type node struct {
	address string
	process *exec.Cmd
	output  bytes.Buffer
	log     string // a file for the output, at the end
}

// settings are what both brokers are started with: one node with both roles, a log that is not synced at every batch, as
// Kafka's is not, sessions of groups that are longer than any case, room for more fetch sessions than all cases begin (who is
// refused one depends on the moment), and no second look for what is too old: Kafka's cleaner looks for that, too, where a topic is
// compact,delete.
func settings(dir string, port int) []string {
	return []string{
		"process.roles=broker,controller", "node.id=1",
		fmt.Sprintf("controller.quorum.voters=1@127.0.0.1:%d", port+1),
		fmt.Sprintf("listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", port, port+1),
		"controller.listener.names=CONTROLLER",
		"log.dirs=" + filepath.Join(dir, "data"),
		"log.flush.interval.messages=9223372036854775807",
		"log.retention.check.interval.ms=86400000",
		"log.cleaner.backoff.ms=86400000",
		"max.incremental.fetch.session.cache.slots=100000",
		"group.initial.rebalance.delay.ms=0",
		"group.consumer.max.session.timeout.ms=3600000",
		"group.consumer.session.timeout.ms=3600000",
		"offsets.topic.replication.factor=1",
		"transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1",
	}
}

// configured writes a server.properties: the settings and what else a broker has to be told.
func configured(dir string, port int, more string) (file string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	file = filepath.Join(dir, "server.properties")
	return file, os.WriteFile(file, []byte(strings.Join(append(settings(dir, port), more), "\n")+"\n"), 0o644)
}

// receiver starts Kafka with a plugin for clients' telemetry. It is run from its source, as java does.
//
//go:embed Receiver.java
var receiver []byte

const cluster = "ZGlmZmVyZW50aWFsLTAwMA"

// startKafka formats a folder and starts Apache Kafka in it, without eligible leader replicas (KIP-966), which are not on
// here; more are settings of its own. The jars are those that bench/interop/install.sh puts into its folder.
func startKafka(jars, dir string, port int, more string) (*node, error) {
	file, err := configured(dir, port, "metric.reporters=Receiver\n"+more)
	if err != nil {
		return nil, err
	}
	source, classpath := filepath.Join(dir, "Receiver.java"), filepath.Join(jars, "*")
	if err := os.WriteFile(source, receiver, 0o644); err != nil {
		return nil, err
	}
	if err := format("java", "-Xmx256m", "-cp", classpath, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", file,
		"--feature", "eligible.leader.replicas.version=0"); err != nil {
		return nil, err
	}
	// The first tier of compilation only would be slower after a minute, and a run takes several.
	return start(port, 3*time.Minute, filepath.Join(dir, "log"), "java", "-Xms512m", "-Xmx512m", "-XX:+UseSerialGC",
		"-cp", classpath, source, file)
}

func startRookery(binary, dir string, port int, more string) (*node, error) {
	file, err := configured(dir, port, "client.telemetry.enable=true\nmetrics.listener=none\n"+more)
	if err != nil {
		return nil, err
	}
	if err := format(binary, "format", "--cluster-id", cluster, "--config", file); err != nil {
		return nil, err
	}
	return start(port, time.Minute, filepath.Join(dir, "log"), binary, "server", "--config", file)
}

func format(arguments ...string) error {
	if out, err := exec.Command(arguments[0], arguments[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(arguments, " "), err, out)
	}
	return nil
}

func start(port int, within time.Duration, log string, arguments ...string) (*node, error) {
	n := &node{log: log, address: fmt.Sprintf("127.0.0.1:%d", port), process: exec.Command(arguments[0], arguments[1:]...)}
	n.process.Stdout, n.process.Stderr = &n.output, &n.output
	n.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := n.process.Start(); err != nil {
		return nil, err
	}
	probe := link{address: n.address}
	defer probe.close()
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		answer, _, err := probe.ask(kmsg.NewPtrMetadataRequest(), 12)
		if err == nil && len(answer.(*kmsg.MetadataResponse).Brokers) == 1 {
			return n, nil
		}
	}
	n.stop()
	return nil, fmt.Errorf("%s does not serve within %v\n%s", arguments[0], within, n.output.String())
}

func (n *node) stop() {
	if n == nil || n.process.ProcessState != nil {
		return
	}
	_ = n.process.Process.Kill()
	_ = n.process.Wait()
	_ = os.WriteFile(n.log, n.output.Bytes(), 0o644)
	if status := n.process.ProcessState; !status.Sys().(syscall.WaitStatus).Signaled() {
		fmt.Printf("%s ended by itself (%v):\n%s", n.process.Args[0], status, n.output.String())
	}
}

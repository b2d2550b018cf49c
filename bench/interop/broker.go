package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// broker is the binary under test: one process at a time, always on the same port and folder.
type broker struct {
	binary   string
	port     int
	data     string
	settings []string
	process  *exec.Cmd
	output   bytes.Buffer
}

func (b *broker) address() string { return fmt.Sprintf("127.0.0.1:%d", b.port) }

// monitor is where /metrics is.
func (b *broker) monitor() string { return fmt.Sprintf("127.0.0.1:%d", b.port+1000) }

// metric is what /metrics says of one series, 0 if nothing.
func (b *broker) metric(series string) (float64, error) {
	response, err := http.Get("http://" + b.monitor() + "/metrics")
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if value, is := strings.CutPrefix(lines.Text(), series+" "); is {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, lines.Err()
}

// start returns when the broker answers Metadata.
func (b *broker) start(patience time.Duration) error {
	arguments := []string{"dev", "--port", fmt.Sprint(b.port), "--data-dir", b.data, "--metrics-listener", b.monitor()}
	for _, each := range b.settings {
		arguments = append(arguments, "--set", each)
	}
	b.process = exec.Command(b.binary, arguments...)
	b.process.Stdout, b.process.Stderr = &b.output, &b.output
	b.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := b.process.Start(); err != nil {
		return err
	}
	if err := reachable(b.address(), patience); err != nil {
		b.kill()
		return fmt.Errorf("%w\n%s", err, b.lastWords())
	}
	return nil
}

func reachable(address string, patience time.Duration) error {
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		conn, dialError := net.DialTimeout("tcp", address, time.Second)
		if err = dialError; err != nil {
			continue
		}
		conn.Close()
		client, clientError := kgo.NewClient(kgo.SeedBrokers(address), kgo.DisableClientMetrics())
		if clientError != nil {
			return clientError
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		err = client.Ping(ctx)
		cancel()
		client.Close()
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("no broker on %s within %v: %w", address, patience, err)
}

// stop asks politely and insists on a clean end.
func (b *broker) stop(patience time.Duration) error {
	syscall.Kill(b.process.Process.Pid, syscall.SIGTERM)
	ended := make(chan error, 1)
	go func() { ended <- b.process.Wait() }()
	select {
	case err := <-ended:
		// 143 is how a JVM ends on SIGTERM; Rookery ends with 0.
		if b.process.ProcessState.ExitCode() == 143 {
			return nil
		}
		return err
	case <-time.After(patience):
		syscall.Kill(-b.process.Process.Pid, syscall.SIGKILL)
		<-ended
		return fmt.Errorf("still there %v after SIGTERM", patience)
	}
}

func (b *broker) kill() {
	if b.process == nil || b.process.ProcessState != nil {
		return
	}
	syscall.Kill(-b.process.Process.Pid, syscall.SIGKILL)
	b.process.Wait()
}

func (b *broker) lastWords() string {
	lines := strings.Split(strings.TrimSpace(b.output.String()), "\n")
	return "the broker's last words:\n  " + strings.Join(lines[max(0, len(lines)-25):], "\n  ")
}

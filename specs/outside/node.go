package outside

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take that is bound to come.
const patience = 20 * time.Second

// Build makes the binary that is shipped, in a directory that remove deletes.
func Build() (binary string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "rookery-outside-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	binary = filepath.Join(dir, "rookery")
	list, err := exec.Command("go", "list", "-f", "{{.Module.Dir}}", "rookery/cmd/rookery").Output()
	if err != nil {
		return "", remove, fmt.Errorf("go list: %w", err)
	}
	sources = strings.TrimSpace(string(list))
	if out, err := exec.Command("go", "build", "-o", binary, "rookery/cmd/rookery").CombinedOutput(); err != nil {
		return "", remove, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, remove, nil
}

// sources is the module that Build has built.
var sources string

// looked is done once a process, by a test: go test notes nothing of what happens before the first of them runs.
var looked sync.Once

// look asks for the state of every source file, which go test notes: a result is kept only until one of them changes.
func look(root string) error {
	for _, folder := range []string{"cmd", "core", "io", "net"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(name string, d fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(name, ".go") {
				_, err = os.Stat(name)
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Node is one broker process.
type Node struct {
	Address string
	TLS     *tls.Config // what clients speak; nil: none
	Log     *Log
	process *os.Process
	done    chan struct{} // closed when the process is gone
	status  error
	closed  int // connections that it was right to close
}

// Start runs rookery dev over a directory and waits until it is ready; the arguments come after --data-dir.
func Start(t testing.TB, binary, dir string, args ...string) *Node {
	t.Helper()
	n := Run(t, binary, append([]string{"dev", "--port", "0", "--data-dir", dir}, args...)...)
	Await(t, func() bool { n.Address = n.Log.ready(); return n.Address != "" || n.gone() }, "the broker is ready: %s", n.Log)
	if n.Address == "" {
		t.Fatalf("the broker ended before it was ready: %v\n%s", n.status, n.Log)
	}
	return n
}

// Run starts the binary with any arguments.
func Run(t testing.TB, binary string, args ...string) *Node {
	t.Helper()
	looked.Do(func() {
		if err := look(sources); err != nil {
			t.Fatal(err)
		}
	})
	n := &Node{Log: &Log{}, done: make(chan struct{})}
	command := exec.Command(binary, args...)
	command.Stderr = n.Log
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	n.process = command.Process
	go func() {
		n.status = command.Wait()
		close(n.done)
	}()
	t.Cleanup(func() {
		n.Kill()
		if t.Failed() {
			t.Logf("the last that the process said:\n%s", n.Log.tail())
		}
	})
	return n
}

// Kill ends the process as kill -9 does.
func (n *Node) Kill() {
	_ = n.process.Kill()
	<-n.done
}

// Stop ends the process as SIGTERM does, and asks for a clean end.
func (n *Node) Stop(t testing.TB) {
	t.Helper()
	_ = n.process.Signal(syscall.SIGTERM)
	if err := n.Ended(t); err != nil {
		t.Fatalf("not a clean stop: %v\n%s", err, n.Log)
	}
}

// Ended waits for the process to end by itself, and says how.
func (n *Node) Ended(t testing.TB) error {
	t.Helper()
	select {
	case <-n.done:
		return n.status
	case <-time.After(patience):
		t.Fatalf("the process does not end\n%s", n.Log)
		return nil
	}
}

// Alive fails the test if the process is gone.
func (n *Node) Alive(t testing.TB) {
	t.Helper()
	if n.gone() {
		t.Fatalf("the process has ended: %v\n%s", n.status, n.Log)
	}
}

func (n *Node) gone() bool {
	select {
	case <-n.done:
		return true
	default:
		return false
	}
}

// Await polls until something holds.
func Await(t testing.TB, holds func() bool, what string, args ...any) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain: "+what, append([]any{patience}, args...)...)
		}
	}
}

// Log is what a process writes to standard error: lines of JSON, and what is printed for a human.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write takes some of it.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// tail is as much of the end as somebody reads.
func (l *Log) tail() string {
	const most = 8 << 10
	all := l.String()
	return all[max(0, len(all)-most):]
}

// Lines are the whole lines that hold every one of these words.
func (l *Log) Lines(words ...string) []string {
	var found []string
	all := strings.SplitAfter(l.String(), "\n")
	for _, line := range all[:len(all)-1] {
		holds := true
		for _, word := range words {
			holds = holds && strings.Contains(line, word)
		}
		if holds {
			found = append(found, strings.TrimSuffix(line, "\n"))
		}
	}
	return found
}

// ready is the first of the addresses.
func (l *Log) ready() string {
	if addresses := l.Addresses(); len(addresses) > 0 {
		return addresses[0]
	}
	return ""
}

// Addresses are where the listeners are, once the process is ready.
func (l *Log) Addresses() []string {
	for _, line := range l.Lines(`"ready"`) {
		var said struct {
			Msg       string
			Addresses []string
		}
		if json.Unmarshal([]byte(line), &said) == nil && said.Msg == "ready" {
			return said.Addresses
		}
	}
	return nil
}

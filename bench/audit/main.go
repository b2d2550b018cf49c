// Audit watches the real broker's system calls and proves its promises from them.
//
// The broker runs under strace. Clients of ours, whose ports and correlation ids we know, produce with acks=all,
// create topics, and fill segments until they roll. Then, for each answer, the trace is asked for the proof:
//
//	pwrite came back ──▶ fdatasync of that file asked for ──▶ it came back ──▶ the answer left
//	create, rename   ──▶ fsync of its folder asked for    ──▶ it came back ──▶ the answer left
//
// Rules:
//
//   - A produce answered acks=all rests on its append, and on every name that leads to the file.
//   - A topic's creation or deletion and a producer id rest on a record in the metadata log, judged the same way; a
//     deletion also on the new names of the topic's folders.
//   - An answer without a proof fails the audit; so does an answer that is missing from the trace.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

var (
	brokerBinary  = flag.String("binary", "bin/rookery", "the broker")
	port          = flag.Int("port", 29192, "of the broker")
	requests      = flag.Int("requests", 60, "produce requests a connection")
	connections   = flag.Int("connections", 4, "connections that produce")
	startTimeout  = flag.Duration("start-timeout", 20*time.Second, "how long the start may take under strace")
	expectFailure = flag.Bool("expect-failure", false, "succeed if, and only if, a law is broken: for a binary with a planted bug")
	keepTrace     = flag.String("keep-trace", "", "keep the trace there")
)

func main() {
	flag.Parse()
	broken, err := run()
	switch {
	case err != nil:
		fmt.Fprintf(os.Stderr, "audit: FAILED: %v\n", err)
		os.Exit(1)
	case *expectFailure && !slices.ContainsFunc(broken, func(err error) bool { return errors.Is(err, errNoSync) }):
		fmt.Fprintln(os.Stderr, "audit: FAILED: a promise without a sync was expected, and none was seen")
		os.Exit(1)
	case *expectFailure:
		fmt.Printf("audit: passed: the planted bug was seen, %d promises without proof\n", len(broken))
	case len(broken) > 0:
		fmt.Fprintf(os.Stderr, "audit: FAILED: %d promises without proof\n", len(broken))
		os.Exit(1)
	default:
		fmt.Println("audit: passed")
	}
}

func run() (broken []error, err error) {
	folder, err := os.MkdirTemp("", "audit-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	data, trace := filepath.Join(folder, "data"), filepath.Join(folder, "trace")
	if *keepTrace != "" {
		trace = *keepTrace
	}
	if err := os.Mkdir(data, 0o755); err != nil {
		return nil, err
	}
	did, err := loadUnderStrace(data, trace)
	if err != nil {
		return nil, err
	}
	in, err := os.Open(trace)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	calls, err := parseTrace(in)
	if err != nil {
		return nil, err
	}
	e, err := understand(calls, data, *port)
	if err != nil {
		return nil, err
	}
	return e.judgeAll(did)
}

// judgeAll also refuses a load that proves too little.
func (e *evidence) judgeAll(did *deeds) (broken []error, err error) {
	for _, each := range did.produced {
		if err := e.checkProduce(each); err != nil {
			broken = append(broken, err)
		}
	}
	for _, each := range did.recorded {
		if err := e.checkRecord(each); err != nil {
			broken = append(broken, err)
		}
	}
	for _, each := range did.deleted {
		if err := e.checkDeletion(each.recorded, each.topic, each.partitions); err != nil {
			broken = append(broken, err)
		}
	}
	sayFirst(broken, true)
	sayFirst(broken, false)
	segments := e.segments(did)
	syncs := 0
	for path, list := range e.syncs {
		if strings.HasSuffix(path, ".log") {
			syncs += len(list)
		}
	}
	fmt.Printf("audit: %d produce answers with acks=all, %d creations and producer ids, %d deletions, %d appends, %d syncs of logs, %d names made and %d renamed, %d segments of one partition: %d without proof (%d for want of a sync of the file, %d of a folder)\n",
		len(did.produced), len(did.recorded), len(did.deleted), e.counts["appended"], syncs, e.counts["created"], e.counts["renamed"], segments, len(broken),
		e.counts["without a sync of the file"], e.counts["without a sync of a folder"])
	switch {
	case len(did.produced) < *requests**connections:
		return broken, fmt.Errorf("only %d answers", len(did.produced))
	case segments < 2:
		return broken, fmt.Errorf("no segment rolled")
	}
	return broken, nil
}

// sayFirst prints the first few promises that lack a folder's sync, or those that lack something else.
func sayFirst(broken []error, folders bool) {
	said := 0
	for _, each := range broken {
		ofFolders := strings.Contains(each.Error(), "no sync of the folder")
		if said < 5 && ofFolders == folders {
			fmt.Println("  without proof:", each)
			said++
		}
	}
}

func (e *evidence) segments(did *deeds) int {
	count := 0
	for path := range e.writes {
		if filepath.Dir(path) == filepath.Join(e.root, rollTopic+"-0") {
			count++
		}
	}
	return count
}

const tracedCalls = "openat,pwrite64,pwritev,pwritev2,write,fdatasync,fsync,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,ftruncate,writev,sendto,sendmsg,sendfile"

// loadUnderStrace runs the broker, the load, and a clean stop. The strings of the trace are whole (-s): the proof needs the offsets in
// each append and the correlation ids in each answer, wherever they were joined with others.
func loadUnderStrace(data, trace string) (*deeds, error) {
	cmd := exec.Command("strace", "-f", "--seccomp-bpf", "-ttt", "-yy", "-s", "4000000", "-o", trace, "-e", "trace="+tracedCalls, "--",
		*brokerBinary, "dev", "--port", fmt.Sprint(*port), "--data-dir", data)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	did, err := load(ended)
	if err != nil {
		err = fmt.Errorf("%w\nthe broker's output:\n%s", err, output.String())
	}
	syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
		if err == nil {
			err = fmt.Errorf("the broker did not stop within 20 s of SIGTERM")
		}
	}
	return did, err
}

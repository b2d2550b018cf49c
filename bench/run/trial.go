package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// process is a broker that has answered ApiVersions.
type process struct {
	*exec.Cmd
	address string
	port    int
	dir     string
	output  bytes.Buffer
	ended   chan struct{}
	answer  time.Duration // from exec to the answer to ApiVersions
}

// start runs a command in an empty directory.
func (b *bench) start(command string) (*process, error) {
	port, err := b.freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.dataDir, "data-")
	if err != nil {
		return nil, err
	}
	return b.launch(command, dir, port)
}

// launch runs a command in which {port} and {dir} are filled in.
func (b *bench) launch(command, dir string, port int) (*process, error) {
	fields := strings.Fields(strings.NewReplacer("{port}", fmt.Sprint(port), "{dir}", dir).Replace(command))
	p := &process{Cmd: exec.Command(fields[0], fields[1:]...), address: fmt.Sprintf("127.0.0.1:%d", port), port: port, dir: dir, ended: make(chan struct{})}
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // of the main thread: one that is held could not be asked
	p.Dir, p.Stdout, p.Stderr = b.root, &p.output, &p.output
	begin := time.Now()
	if err := p.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.Wait()
		close(p.ended)
	}()
	for {
		if err := askVersions(p.address); err == nil {
			p.answer = time.Since(begin)
			return p, nil
		} else if time.Since(begin) > 5*time.Minute {
			return nil, p.fail(fmt.Errorf("no answer to ApiVersions in 5 minutes: %w", err))
		}
		select {
		case <-p.ended:
			return nil, p.fail(errors.New("ended by itself"))
		case <-time.After(500 * time.Microsecond):
		}
	}
}

// fail ends the process and returns the error with the last the process said.
func (p *process) fail(err error) error {
	p.end()
	said := p.output.Bytes()
	return fmt.Errorf("%s: %w\n%s", strings.Join(p.Args, " "), err, said[max(0, len(said)-2000):])
}

// end asks, waits, insists, and removes the data.
func (p *process) end() {
	p.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
		p.kill()
	}
	os.RemoveAll(p.dir)
}

func (p *process) kill() {
	p.Process.Kill()
	<-p.ended
}

func (b *bench) freePort() (int, error) {
	for tries := 0; ; tries++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", b.ports))
		if b.ports > 0 {
			b.ports++
		}
		if err == nil {
			defer l.Close()
			return l.Addr().(*net.TCPAddr).Port, nil
		} else if b.ports == 0 || tries == 1000 {
			return 0, err
		}
	}
}

// prober dials from an address of its own: from the broker's, an attempt on a port that is not open yet may be given that
// very port and meet itself, and the broker then finds it taken.
var prober = net.Dialer{Timeout: time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}

// askVersions sends an ApiVersions request of version 0, client id null, correlation id 7.
func askVersions(address string) error {
	conn, err := prober.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := conn.Write([]byte{0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff}); err != nil {
		return err
	}
	head := make([]byte, 10)
	if _, err := io.ReadFull(conn, head); err != nil {
		return err
	}
	if head[7] != 7 || head[8] != 0 || head[9] != 0 {
		return fmt.Errorf("ApiVersions answered % x", head)
	}
	return nil
}

func (b *bench) baseline(w workload, t *trial) error {
	if w.Bare == nil {
		return b.measure(w, "bin/reference --port {port} --data-dir {dir}", t)
	}
	warm, err := prewarm(w.Bytes)
	if err != nil {
		return err
	}
	defer warm.follow(b.dataDir)()
	return w.Bare.run(b.dataDir, t)
}

// with is our broker's command with the workload's settings.
func (w workload) with(command string) string {
	for _, each := range w.Settings {
		command += " --set " + each
	}
	return command
}

func (b *bench) underTest(w workload, t *trial) error { return b.measure(w, b.broker, t) }

// measure starts a broker, loads it once and takes its costs.
func (b *bench) measure(w workload, command string, t *trial) error {
	p, err := b.start(w.with(command))
	if err != nil {
		return err
	}
	warm, err := prewarm(w.Bytes)
	if err != nil {
		return p.fail(err)
	}
	defer warm.follow(p.dir)()
	if err := b.take(p, w, t); err != nil {
		return p.fail(err)
	}
	p.end()
	return nil
}

// take loads a broker and takes its costs.
func (b *bench) take(p *process, w workload, t *trial) error {
	if w.Before != nil {
		if err := b.load(p, w.Program, w.Before, &trial{}); err != nil {
			return err
		}
	}
	before, err := cpuTime(p.Process.Pid)
	if err != nil {
		return err
	}
	if err := b.load(p, w.Program, w.Load, t); err != nil {
		return err
	}
	after, err := cpuTime(p.Process.Pid)
	if err != nil {
		return err
	}
	if t.CPUSeconds = (after - before).Seconds(); t.Bytes > 0 {
		t.CPUNanosPerKB = float64((after - before).Nanoseconds()) / (float64(t.Bytes) / 1000)
	}
	if t.PeakMB, t.PeakPrivateMB = memoryMB(p.Process.Pid, "VmHWM"), memoryMB(p.Process.Pid, "RssAnon"); t.PeakMB == 0 {
		return errors.New("it was gone when its memory was to be read")
	}
	return nil
}

func (b *bench) load(p *process, program string, arguments []string, t *trial) error {
	var complaint bytes.Buffer
	load := exec.Command(filepath.Join(b.bin, cmp.Or(program, "load")), append([]string{"--address", p.address}, arguments...)...)
	load.Stderr = &complaint
	out, err := load.Output()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", cmp.Or(program, "load"), strings.Join(arguments, " "), err, complaint.String())
	}
	if err := json.Unmarshal(out, t); err != nil {
		return fmt.Errorf("load said %q: %w", out, err)
	}
	return nil
}

// starts is what coldStarts found.
type starts struct {
	Report       report    `json:"report"`
	Milliseconds []float64 `json:"milliseconds_to_api_versions"`
	Median       float64   `json:"median_milliseconds"`
	Worst        float64   `json:"worst_milliseconds"`
	IdleMB       float64   `json:"idle_rss_mb"`
	Failed       []string  `json:"failed,omitempty"`
}

// coldStarts measures exec to ApiVersions in empty directories, and the memory of a broker that nobody talks to.
func (b *bench) coldStarts() ([]string, error) {
	s := starts{Report: b.report}
	for i := range b.starts {
		p, err := b.start(b.broker)
		if err != nil {
			return nil, err
		}
		s.Milliseconds = append(s.Milliseconds, float64(p.answer.Microseconds())/1000)
		if i == b.starts-1 {
			time.Sleep(3 * time.Second)
			if s.IdleMB = memoryMB(p.Process.Pid, "VmRSS"); s.IdleMB == 0 {
				return nil, p.fail(errors.New("it was gone when its memory was to be read"))
			}
		}
		p.end()
	}
	s.Median, s.Worst = quantile(s.Milliseconds, 0.5), slices.Max(s.Milliseconds)
	fmt.Printf("\nstart: %d empty directories, exec to ApiVersions: median %.1f ms, worst %.1f ms; RSS idle %.1f MB\n%.1f\n",
		b.starts, s.Median, s.Worst, s.IdleMB, s.Milliseconds)
	for _, bar := range []struct {
		what       string
		found, bar float64
	}{{"median start, ms", s.Median, 100}, {"worst start, ms", s.Worst, 400}, {"RSS idle, MB", s.IdleMB, 25}} {
		if bar.found > bar.bar {
			s.Failed = append(s.Failed, fmt.Sprintf("start: %s: %.1f, at most %.0f", bar.what, bar.found, bar.bar))
		}
	}
	return s.Failed, b.write("start", s)
}

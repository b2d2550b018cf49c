package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The figures of crowds. Most of a settling is waiting that both sides' defaults prescribe: three seconds in which the first
// members of a classic group wait for more, once or twice, and then a heartbeat's pace. What the broker adds is its CPU time.
var (
	cpuSeconds = figure{What: "broker CPU, s", of: func(t trial) float64 { return t.CPUSeconds }, AtMost: true}
	settled    = []figure{
		{What: "settled, ms", of: func(t trial) float64 { return t.SettleMillis }, AtMost: true},
		{What: "settled again, ms", of: func(t trial) float64 { return t.ResettleMillis }, AtMost: true},
		cpuSeconds, peak(0)}
	reloaded = []figure{
		{What: "exec to last group, ms", of: func(t trial) float64 { return t.RestartMillis }, AtMost: true},
		{What: "worst heartbeat, ms", of: func(t trial) float64 { return t.WorstBeat }, AtMost: true},
		{What: "commit of all, ms", of: func(t trial) float64 { return t.FillMillis }, AtMost: true},
		cpuSeconds, peak(0)}
)

// crowdRows are groups of many members, many groups, and many committed offsets. They take part by their names only.
func crowdRows() (rows []peerRow) {
	delay := []string{"group.initial.rebalance.delay.ms=3000"} // Kafka's default; that of `rookery dev` is none
	for _, shape := range []struct {
		name, protocol              string
		groups, members, partitions int
	}{
		{"groups-1000-classic", "classic", manyGroups(10), 10, 10},
		{"groups-1000-consumer", "consumer", manyGroups(10), 10, 10},
		{"group-of-1000-classic", "classic", 1, 1000, 1000},
		{"group-of-1000-consumer", "consumer", 1, 1000, 1000},
	} {
		rows = append(rows, peerRow{kind: (*peerRun).loads, Named: true, Figures: settled, workload: workload{
			Name: shape.name, Bytes: 64 << 20, Program: "crowd", Settings: delay,
			Load: []string{"--mode", "settle", "--protocol", shape.protocol, "--groups", fmt.Sprint(shape.groups),
				"--members", fmt.Sprint(shape.members), "--partitions", fmt.Sprint(shape.partitions)}}})
	}
	return append(rows, peerRow{kind: (*peerRun).reloads, Named: true, Cold: true, Figures: reloaded, workload: workload{
		Name: "offsets-1000000", Bytes: 512 << 20, Program: "crowd", Settings: delay,
		Load: []string{"--mode", "reload", "--groups", "10000", "--partitions", "100"}}})
}

// manyGroups is a thousand, or as many as there may be connections for: a broker keeps near to half of its open files for logs.
func manyGroups(members int) int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 1000
	}
	return min(1000, max(int(min(limit.Max, 1<<30))*21/40-100, members)/members)
}

// reloads compares how soon the last of the groups is served again after a clean stop: a broker that is held would not be
// restarted, so each run has a process of its own on both sides.
func (r *peerRun) reloads(row *peerRow) (ours, theirs func(*trial) error, err error) {
	of := func(begin func() (*process, error), command string) func(*trial) error {
		return func(t *trial) error {
			p, err := begin()
			if err != nil {
				return err
			}
			defer os.RemoveAll(p.dir)
			return r.reload(p, row, command, t)
		}
	}
	command := row.with(r.broker)
	return of(func() (*process, error) { return r.start(command) }, command), of(r.begin, r.here()), nil
}

// reload has a crowd commit, stops the broker, starts it anew and lets the crowd go on.
func (r *peerRun) reload(p *process, row *peerRow, command string, t *trial) error {
	var complaint bytes.Buffer
	crowd := exec.Command(filepath.Join(r.bin, row.Program), append([]string{"--address", p.address}, row.Load...)...)
	crowd.Stderr = &complaint
	crowd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	word, err := crowd.StdinPipe()
	if err != nil {
		return p.fail(err)
	}
	said, err := crowd.StdoutPipe()
	if err != nil {
		return p.fail(err)
	}
	if err := crowd.Start(); err != nil {
		return p.fail(err)
	}
	lines := bufio.NewReader(said)
	failed := func(err error) error {
		crowd.Process.Kill()
		crowd.Wait()
		return p.fail(fmt.Errorf("%s %s: %w: %s", row.Program, strings.Join(row.Load, " "), err, complaint.String()))
	}
	if line, err := lines.ReadString('\n'); err != nil || line != "filled\n" {
		return failed(fmt.Errorf("it said %q: %w", line, err))
	}
	p.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		return failed(fmt.Errorf("the broker did not stop within a minute"))
	}
	if p, err = r.launch(command, p.dir, p.port); err != nil {
		return failed(err)
	}
	if _, err := word.Write([]byte("\n")); err != nil {
		return failed(err)
	}
	line, err := lines.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, t)
	}
	if err != nil {
		return failed(err)
	}
	if err := crowd.Wait(); err != nil {
		return failed(err)
	}
	t.RestartMillis = millis(p.answer) + t.ReloadMillis
	used, err := cpuTime(p.Process.Pid)
	if err != nil {
		return p.fail(err)
	}
	t.CPUSeconds, t.PeakMB = used.Seconds(), memoryMB(p.Process.Pid, "VmHWM")
	p.end()
	return nil
}

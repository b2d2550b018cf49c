package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const warmPiece = 64 << 20

// warmth is memory that the hypervisor has backed, held until a run needs it. Given back all at once it would be handed
// to the host within seconds (free page reporting), so it is given back little by little, ahead of the run's files.
type warmth struct {
	pieces [][]byte
	given  int64
}

// prewarm touches as many fresh pages as a run will fill, and some, but never more than half of what is free.
func prewarm(size int64) (*warmth, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return nil, err
	}
	w := &warmth{}
	for left := min(size+size/4+256<<20, int64(info.Freeram)*int64(info.Unit)/2); left > 0; left -= warmPiece {
		piece, err := unix.Mmap(-1, 0, warmPiece, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err == nil {
			unix.Madvise(piece, unix.MADV_HUGEPAGE) // only cheaper
			err = unix.Madvise(piece, unix.MADV_POPULATE_WRITE)
		}
		if err != nil {
			return nil, fmt.Errorf("pre-warm: %w", err)
		}
		w.pieces = append(w.pieces, piece)
	}
	return w, nil
}

// follow gives back what the files under dir are about to need, until the returned function is called. It looks a
// twentieth of the time at most: with ten thousand partitions one look takes a tenth of a second.
func (w *warmth) follow(dir string) (stop func()) {
	const ahead = 384 << 20
	ending, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			begin := time.Now()
			w.give(logBytes(dir) + ahead)
			select {
			case <-ending:
				w.give(1 << 62)
				return
			case <-time.After(max(10*time.Millisecond, 20*time.Since(begin))):
			}
		}
	}()
	return func() { close(ending); <-ended }
}

func (w *warmth) give(upTo int64) {
	for w.given < upTo && len(w.pieces) > 0 {
		unix.Munmap(w.pieces[0])
		w.pieces, w.given = w.pieces[1:], w.given+warmPiece
	}
}

// logBytes is the size of all segments under dir.
func logBytes(dir string) (sum int64) {
	filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".log") {
			if info, err := entry.Info(); err == nil {
				sum += info.Size()
			}
		}
		return nil
	})
	return sum
}

// bareLoop is the most that a durable log could do: batches written one after another, a sync always under way beside
// them, and no more than a window of bytes that are not yet on the disk. No network, no checksum, no answer.
type bareLoop struct {
	batch, window, total int64
}

func (l *bareLoop) run(dir string, t *trial) error {
	path := filepath.Join(dir, "bare.log")
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer os.Remove(path)
	defer file.Close()
	s := &bareState{bareLoop: l, file: file, batchBytes: make([]byte, l.batch)}
	s.moved.L = &s.mu
	for i := range s.batchBytes {
		s.batchBytes[i] = byte(i * 7)
	}
	start := time.Now()
	var both sync.WaitGroup
	both.Go(s.write)
	both.Go(s.sync)
	both.Wait()
	if s.failure != nil {
		return s.failure
	}
	t.Bytes = s.durable
	t.MBPerSecond = float64(s.durable) / 1e6 / time.Since(start).Seconds()
	t.P50Micros, t.P99Micros, t.P999Micros = quantile(s.latency, 0.5), quantile(s.latency, 0.99), quantile(s.latency, 0.999)
	return nil
}

// bareState is shared by the goroutine that writes and the one that syncs.
type bareState struct {
	*bareLoop
	file             *os.File
	batchBytes       []byte
	mu               sync.Mutex
	moved            sync.Cond
	written, durable int64
	begun            []time.Time // of batches written and not yet durable
	latency          []float64   // microseconds from the start of a batch's write to the end of its sync
	failure          error
}

func (s *bareState) write() {
	for at := int64(0); at < s.total; at += s.batch {
		s.mu.Lock()
		for s.written-s.durable+s.batch > s.window && s.failure == nil {
			s.moved.Wait()
		}
		failure := s.failure
		s.mu.Unlock()
		if failure != nil {
			return
		}
		begun := time.Now()
		_, err := s.file.WriteAt(s.batchBytes, at)
		s.mu.Lock()
		s.failure = err
		s.written += s.batch
		s.begun = append(s.begun, begun)
		s.moved.Broadcast()
		s.mu.Unlock()
	}
}

func (s *bareState) sync() {
	for {
		s.mu.Lock()
		for s.written == s.durable && s.written < s.total && s.failure == nil {
			s.moved.Wait()
		}
		upTo, failure := s.written, s.failure
		s.mu.Unlock()
		if failure != nil || upTo == s.durable {
			return
		}
		err := unix.Fdatasync(int(s.file.Fd()))
		now := time.Now()
		s.mu.Lock()
		if err != nil {
			s.failure = err
		}
		n := int((upTo - s.durable) / s.batch)
		for _, begun := range s.begun[:n] {
			s.latency = append(s.latency, float64(now.Sub(begun).Nanoseconds())/1000)
		}
		s.begun = slices.Delete(s.begun, 0, n)
		s.durable = upTo
		s.moved.Broadcast()
		s.mu.Unlock()
	}
}

// onMemory tells whether a directory is a tmpfs, where a sync costs nothing.
func onMemory(dir string) bool {
	var system unix.Statfs_t
	return unix.Statfs(dir, &system) == nil && system.Type == unix.TMPFS_MAGIC
}

// cpuTime is user and system time of all threads of a process, in the kernel's ticks of 10 ms.
func cpuTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // the name may hold blanks
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat: %q", pid, stat)
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, nil
}

// memoryMB reads a line of /proc/PID/status in MB; 0 if there is none.
func memoryMB(pid int, name string) float64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb * 1024 / 1e6
		}
	}
	return 0
}

// niceness is how far this process, and all that it starts, steps back from others.
func niceness() int {
	priority, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return 0
	}
	return 20 - priority // the system call answers 40 to 1
}

func loadAverage() float64 {
	text, _ := os.ReadFile("/proc/loadavg")
	one, _, _ := strings.Cut(string(text), " ")
	v, _ := strconv.ParseFloat(one, 64)
	return v
}

// machine names the processor, the number of its cores and the kernel.
func machine() string {
	cpu, cores := "unknown processor", 0
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			cpu = strings.TrimSpace(value)
			cores++
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%s, %d cores, Linux %s", cpu, cores, strings.TrimSpace(string(kernel)))
}

// dropFiles writes out what the page cache has of the files in dir, and has it forget them. Nobody may have them mapped.
func dropFiles(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		return errors.Join(file.Sync(), unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED))
	})
}

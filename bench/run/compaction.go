package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The figures of a compaction. The load beside it is the same before it begins, on a topic of its own.
var compacted = []figure{
	{What: "cleaner, MB/s", of: func(t trial) float64 { return t.CleanerMB }},
	{What: "cleaned to, MB", of: func(t trial) float64 { return t.CleanedMB }, AtMost: true},
	{What: "ack p50 without, us", of: func(t trial) float64 { return t.Quiet.AckP50Micros }, AtMost: true},
	{What: "ack p50 beside it, us", of: func(t trial) float64 { return t.AckP50Micros }, AtMost: true},
	{What: "ack p99 without, us", of: func(t trial) float64 { return t.Quiet.AckP99Micros }, AtMost: true},
	{What: "ack p99 beside it, us", of: func(t trial) float64 { return t.AckP99Micros }, AtMost: true},
	{What: "read p50 without, us", of: func(t trial) float64 { return t.Quiet.P50Micros }, AtMost: true},
	{What: "read p50 beside it, us", of: func(t trial) float64 { return t.P50Micros }, AtMost: true},
	{What: "read p99 without, us", of: func(t trial) float64 { return t.Quiet.P99Micros }, AtMost: true},
	{What: "read p99 beside it, us", of: func(t trial) float64 { return t.P99Micros }, AtMost: true},
	cpuSeconds, peak(0),
}

// besideRate and besideBatch are the load of a compaction: 20 MB/s in batches of 16 KiB, sent and read at once, paced.
const besideRate, besideBatch = 1220, 16 << 10

// compactionRow has so many bytes of so many keys, in segments of 128 MiB, and a cleaner that looks for work each second. Ours
// compacts what is on the disk only, and leaves closed segments in the page cache for a second: here it syncs at once, as its
// default is, and Kafka is at its own.
func compactionRow(bytes int64, keys int) peerRow {
	return peerRow{kind: (*peerRun).compactions, Named: true, Cold: true, Figures: compacted, workload: workload{
		Name: "compaction", Bytes: bytes, Program: "load", Settings: []string{"log.cleaner.backoff.ms=1000"},
		Load: []string{"--mode", "keyed", "--topic", "keyed", "--keys", fmt.Sprint(keys), "--bytes", fmt.Sprint(bytes),
			"--topic-configs", "segment.bytes=134217728,file.delete.delay.ms=1000"}}}
}

func (r *peerRun) compactions(row *peerRow) (ours, theirs func(*trial) error, err error) {
	of := func(begin func() (*process, error)) func(*trial) error {
		return func(t *trial) error {
			p, err := begin()
			if err != nil {
				return err
			}
			defer os.RemoveAll(p.dir)
			if err := r.compaction(p, row, t); err != nil {
				return p.fail(err)
			}
			p.end()
			return nil
		}
	}
	theirProperties := properties + strings.Join(row.Settings, "\n") + "\n"
	return of(func() (*process, error) { return r.start(row.with(r.broker)) }), of(func() (*process, error) { return r.beginWith(theirProperties) }), nil
}

// compaction fills a topic, loads another one, lets the first be compacted, and loads the other again meanwhile.
func (r *peerRun) compaction(p *process, row *peerRow, t *trial) error {
	warm, err := prewarm(row.Bytes)
	if err != nil {
		return err
	}
	defer warm.follow(p.dir)()
	if err := r.load(p, "load", row.Load, &trial{}); err != nil {
		return err
	}
	beside := func(t *trial, duration time.Duration) error {
		return r.load(p, "load", []string{"--mode", "end-to-end", "--topic", "beside", "--record-bytes", "1024", "--batch-bytes", fmt.Sprint(besideBatch),
			"--acks", "1", "--rate", fmt.Sprint(besideRate), "--topic-configs", pageCache, "--duration", duration.String()}, t)
	}
	if err := beside(&trial{}, 8*time.Second); err != nil { // it warms a virtual machine
		return err
	}
	t.Quiet = &trial{}
	if err := beside(t.Quiet, 8*time.Second); err != nil {
		return err
	}
	folder, err := p.folderOf("keyed-0")
	if err != nil {
		return err
	}
	before := logBytes(folder)
	used, err := cpuTime(p.Process.Pid)
	if err != nil {
		return err
	}
	if err := p.compact("keyed"); err != nil {
		return err
	}
	w := watchCleaner(folder)
	defer w.end.Store(true)
	if err := w.await(w.began, 90*time.Second); err != nil {
		return err
	}
	began := time.Now()
	if err := beside(t, 6*time.Second); err != nil {
		return err
	}
	if err := w.await(w.over, 3*time.Minute); err != nil {
		return err
	}
	took := w.last.Sub(began)
	if took < 3*time.Second {
		return fmt.Errorf("the cleaner was at work for %v only, of the six seconds of the load beside it: more bytes are needed", took)
	}
	after, err := cpuTime(p.Process.Pid)
	if err != nil {
		return err
	}
	t.CPUSeconds, t.PeakMB = (after - used).Seconds(), memoryMB(p.Process.Pid, "VmHWM")
	t.CleanerMB, t.CleanedMB = float64(before)/1e6/took.Seconds(), float64(logBytes(folder))/1e6
	return nil
}

// cleanerWatch sees a cleaner at work by the files that it writes.
type cleanerWatch struct {
	began, over chan struct{}
	last        time.Time // that there was one
	end         atomic.Bool
}

// settledFor is how long there has to be no such file: between one group of segments and the next there is none for a moment.
const settledFor = 4 * time.Second

func watchCleaner(folder string) *cleanerWatch {
	w := &cleanerWatch{began: make(chan struct{}), over: make(chan struct{})}
	go func() {
		for ; !w.end.Load(); time.Sleep(10 * time.Millisecond) {
			files, _ := filepath.Glob(filepath.Join(folder, "*.cleaned"))
			switch {
			case len(files) > 0 && w.last.IsZero():
				w.last = time.Now()
				close(w.began)
			case len(files) > 0:
				w.last = time.Now()
			case !w.last.IsZero() && time.Since(w.last) > settledFor:
				close(w.over)
				return
			}
		}
	}()
	return w
}

func (w *cleanerWatch) await(event chan struct{}, patience time.Duration) error {
	select {
	case <-event:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("the cleaner has not begun, or not ended, within %v", patience)
	}
}

// folderOf finds a partition's folder, wherever under its directory a broker has put it.
func (p *process) folderOf(partition string) (string, error) {
	for _, pattern := range []string{"*", "*/*"} {
		found, _ := filepath.Glob(filepath.Join(p.dir, pattern))
		for _, each := range found {
			if filepath.Base(each) == partition {
				return each, nil
			}
		}
	}
	return "", fmt.Errorf("no folder %s under %s", partition, p.dir)
}

// compact turns a topic into one that is compacted, as soon as there is anything to be compacted.
func (p *process) compact(topic string) error {
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	for _, each := range [][2]string{{"cleanup.policy", "compact"}, {"min.cleanable.dirty.ratio", "0.01"}} {
		one := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		one.Name, one.Value = each[0], &each[1]
		resource.Configs = append(resource.Configs, one)
	}
	request.Resources = append(request.Resources, resource)
	response, err := ask(p.address, request, 0)
	if err != nil {
		return err
	}
	for _, r := range response.(*kmsg.IncrementalAlterConfigsResponse).Resources {
		if r.ErrorCode != 0 {
			return fmt.Errorf("IncrementalAlterConfigs %s: error %d", topic, r.ErrorCode)
		}
	}
	return nil
}

// Command load drives a Kafka broker as hard as one cheap process can, or at a steady pace, and prints one line of JSON.
//
//	one batch encoded beforehand ─▶ writev of up to N frames ─▶ broker ─▶ answers, each one's error code checked
//
// Rules:
//   - Nothing is encoded, compressed or checksummed while the clock runs; a frame differs from the one before it by its
//     correlation id. What is measured is the broker, not a client library.
//   - Unpaced, a connection keeps --in-flight requests on the wire and latency is from send to answer. Paced (--rate),
//     requests leave at their intended times, slept for with nanosleep on a locked thread (Go's own timers wake up to a
//     millisecond late), and latency is counted from the intended time, so a stall is charged to every request it delays.
//   - End to end, one connection sends paced and another fetches: latency is from a record's intended time to its arrival.
//   - Any error code ends the run with exit status 1: a fast refusal is not throughput.
//   - Timestamps are milliseconds of now: Kafka refuses records more than an hour ahead (message.timestamp.after.max.ms).
//
// It speaks Produce 7, Fetch 11, Metadata 5, CreateTopics 4, ListOffsets 5 (and CreatePartitions 1 for very many) and so runs against bench/reference,
// Apache Kafka and the broker of this repository.
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

type options struct {
	address      string
	topic        string
	mode         string
	topicConfigs string
	connections  int
	idle         int
	partitions   int
	inFlight     int
	recordBytes  int
	batchBytes   int
	fetchBytes   int
	acks         int
	rate         float64
	bytes        int64
	duration     time.Duration
	tls          *tls.Config // nil: none
}

// result is what one run found out. Bytes are bytes of record batches; MB are 10^6 bytes.
type result struct {
	Mode            string  `json:"mode"`
	Seconds         float64 `json:"seconds"`
	Bytes           int64   `json:"bytes"`
	Records         int64   `json:"records"`
	Requests        int64   `json:"requests"`
	MBPerSecond     float64 `json:"mb_per_second"`
	RecordsPerSec   float64 `json:"records_per_second"`
	RequestsPerSec  float64 `json:"requests_per_second"`
	P50Micros       float64 `json:"p50_us"`
	P99Micros       float64 `json:"p99_us"`
	P999Micros      float64 `json:"p999_us"`
	MaxMicros       float64 `json:"max_us"`
	ClientNanosPerK float64 `json:"client_cpu_ns_per_kb"`
}

func main() {
	var o options
	flag.StringVar(&o.address, "address", "127.0.0.1:9092", "broker to ask first")
	flag.StringVar(&o.topic, "topic", "load", "topic; made when missing")
	flag.StringVar(&o.mode, "mode", "produce", "produce, consume or end-to-end")
	flag.StringVar(&o.topicConfigs, "topic-configs", "", "key=value,... for a topic that is made")
	flag.IntVar(&o.connections, "connections", 1, "connections")
	flag.IntVar(&o.idle, "idle", 0, "connections beside these that ask one question each before the clock runs, and no more")
	flag.IntVar(&o.partitions, "partitions", 1, "partitions, dealt to the connections in turn")
	flag.IntVar(&o.inFlight, "in-flight", 16, "produce: requests on the wire a connection")
	flag.IntVar(&o.recordBytes, "record-bytes", 1024, "bytes of a record's value")
	flag.IntVar(&o.batchBytes, "batch-bytes", 64<<10, "produce: size of a batch, filled with as many records as fit, one at least")
	flag.IntVar(&o.fetchBytes, "fetch-bytes", 1<<20, "consume: max bytes of a fetch and of a partition")
	flag.IntVar(&o.acks, "acks", 1, "1 or -1")
	flag.Float64Var(&o.rate, "rate", 0, "produce, end-to-end: requests a second over all connections; 0 is as fast as answers come")
	flag.Int64Var(&o.bytes, "bytes", 1<<30, "stop after so many bytes")
	flag.DurationVar(&o.duration, "duration", 0, "stop after this time instead")
	authorities := flag.String("tls-ca", "", "PEM file of those who vouch for the broker: TLS is spoken")
	flag.Parse()
	var err error
	var r *result
	if o.tls, err = trust(*authorities); err == nil {
		r, err = run(&o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(r)
}

// worker is one connection's share of the run.
type worker struct {
	*options
	link       *link
	leader     string // of the partitions
	partitions []int32
	budget     int64 // bytes left to move
	deadline   time.Time
	latency    histogram
	bytes      int64
	records    int64
	requests   int64
}

func run(o *options) (*result, error) {
	leaders, err := ensureTopic(o)
	if err != nil {
		return nil, err
	}
	work := map[string]func(*worker) error{"produce": (*worker).produce, "consume": (*worker).consume, "end-to-end": (*worker).endToEnd}[o.mode]
	if work == nil || (o.acks != 1 && o.acks != -1) || o.inFlight < 1 {
		return nil, fmt.Errorf("--mode produce|consume|end-to-end, --acks 1|-1, --in-flight >= 1; got %s, %d, %d", o.mode, o.acks, o.inFlight)
	}
	for range o.idle {
		l, err := o.dial(leaders[0])
		if err != nil {
			return nil, err
		}
		defer l.Close()
		if _, err := l.ask(kmsg.NewPtrMetadataRequest(), 5); err != nil {
			return nil, err
		}
	}
	workers := make([]*worker, o.connections)
	for i := range workers {
		w := &worker{options: o, budget: o.bytes / int64(o.connections), partitions: deal(i, o.connections, o.partitions)}
		w.leader = leaders[w.partitions[0]]
		if w.link, err = o.dial(w.leader); err != nil {
			return nil, err
		}
		defer w.link.Close()
		for _, p := range w.partitions {
			if leaders[p] != w.leader {
				return nil, fmt.Errorf("partitions of one connection have leaders %s and %s: use one connection a partition", leaders[p], w.leader)
			}
		}
		workers[i] = w
	}
	cpu, start := cpuTime(), time.Now()
	failures := make([]error, len(workers))
	var all sync.WaitGroup
	for i, w := range workers {
		if o.duration > 0 {
			w.budget, w.deadline = 1<<62, start.Add(o.duration)
		}
		all.Go(func() { failures[i] = work(w) })
	}
	all.Wait()
	for _, err := range failures {
		if err != nil {
			return nil, err
		}
	}
	return summary(o.mode, workers, time.Since(start), cpuTime()-cpu), nil
}

// deal gives connection i its partitions; with more connections than partitions some share one.
func deal(i, connections, partitions int) (mine []int32) {
	if i >= partitions {
		return []int32{int32(i % partitions)}
	}
	for p := i; p < partitions; p += connections {
		mine = append(mine, int32(p))
	}
	return mine
}

func summary(mode string, workers []*worker, took, cpu time.Duration) *result {
	var all histogram
	r := &result{Mode: mode, Seconds: took.Seconds()}
	for _, w := range workers {
		all.merge(&w.latency)
		r.Bytes += w.bytes
		r.Records += w.records
		r.Requests += w.requests
	}
	r.MBPerSecond = float64(r.Bytes) / 1e6 / r.Seconds
	r.RecordsPerSec = float64(r.Records) / r.Seconds
	r.RequestsPerSec = float64(r.Requests) / r.Seconds
	r.P50Micros, r.P99Micros, r.P999Micros = all.at(0.5), all.at(0.99), all.at(0.999)
	r.MaxMicros = all.at(1)
	r.ClientNanosPerK = float64(cpu.Nanoseconds()) / (float64(r.Bytes) / 1000)
	return r
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func configs(list string) (pairs [][2]string) {
	for _, item := range strings.Split(list, ",") {
		if key, value, ok := strings.Cut(item, "="); ok {
			pairs = append(pairs, [2]string{key, value})
		}
	}
	return pairs
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"rookery/core"
	"rookery/core/seam"
	"rookery/core/xxh"
	"rookery/io/disk"
	"rookery/io/loop"
	"rookery/net/server"
)

// monitor is what is known of a node from outside, and the HTTP port that shows it:
//
//	/metrics              our names; histograms are native for whoever takes them
//	/metrics?style=jmx    the names that the JMX exporter and kafka_exporter give Kafka's, for dashboards that exist
//	/healthz, /readyz     200, or 503 and why
//	/debug/pprof/         behind --pprof
//
// Drivers and the core know nothing of Prometheus: they count, and a scrape looks at what they counted.
type monitor struct {
	node     *node
	broker   *core.Broker
	patience time.Duration // how long the machine may be busy before a probe says so
	meter    *meter
	turns    histogram    // of one turn in some; touched inside turns only
	busy     int64        // nanoseconds of all turns, by those; likewise
	failed   atomic.Int64 // syncs
	events   [eventKinds]atomic.Int64

	syncsMu sync.Mutex
	syncs   histogram

	mu       sync.Mutex
	free     chan struct{} // closed when the probe under way has had its turn; nil: none is
	ready    bool
	stopping bool
	dead     map[string]string // log directories, and why
	ended    bool              // with the first of them
	refusing map[string]string // partitions that take no writes, and why
	past     []moment          // the oldest first

	scraping sync.Mutex
	snapshot snapshot
}

// snapshot is what a scrape sees.
type snapshot struct {
	core       core.Status
	apis       []apiReading
	turns      histogram
	busy       int64
	syncs      histogram
	partitions []core.PartitionStatus
	groups     []core.GroupStatus
	states     map[string]int // of all groups, those too that are not listed
	offsets    []core.OffsetStatus
	loop       loop.Status
	server     server.Status
	disk       disk.Status
}

// observe puts a meter around the broker, and has the disk tell of its syncs.
func (n *node) observe(broker *core.Broker, mono func() seam.Mono) {
	if threshold := n.settings.slowRequest(); threshold > 0 {
		n.slow = newSlowLog(threshold)
	}
	n.monitor = newMonitor(n)
	n.monitor.broker, n.monitor.meter = broker, newMeter(broker, mono, n.slow)
	n.disk.Synced(n.monitor.synced)
}

func newMonitor(n *node) *monitor {
	return &monitor{node: n, patience: healthPatience, dead: map[string]string{}, refusing: map[string]string{}}
}

// turned is told of one turn in every by the loop.
func (m *monitor) turned(_, every int, took seam.Mono) {
	m.turns.observe(int64(took))
	m.busy += int64(took) * int64(every)
}

// synced is told of each sync by the disk.
func (m *monitor) synced(took time.Duration, ok bool) {
	m.syncsMu.Lock()
	m.syncs.observe(int64(took))
	m.syncsMu.Unlock()
	if !ok {
		m.failed.Add(1)
	}
}

func (m *monitor) syncsNow() histogram {
	m.syncsMu.Lock()
	defer m.syncsMu.Unlock()
	return m.syncs
}

// see is told of each event of the broker.
func (m *monitor) see(e seam.Event) {
	m.events[min(int(e.Kind), eventKinds-1)].Add(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch e.Kind {
	case seam.Ready:
		m.ready = true
	case seam.WriteRefused:
		if e.Topic != "" {
			m.refusing[fmt.Sprintf("%s-%d", e.Topic, e.Partition)] = e.Text
		}
	case seam.WritesResumed, seam.ReplicaMoved:
		delete(m.refusing, fmt.Sprintf("%s-%d", e.Topic, e.Partition))
	case seam.TopicDeleted:
		for partition := range m.refusing {
			if at := strings.LastIndexByte(partition, '-'); partition[:at] == e.Topic {
				delete(m.refusing, partition)
			}
		}
	case seam.DirFailed:
		m.dead[m.node.dirName(e.A)] = e.Text
		m.ended = true
	case seam.DirFenced:
		m.dead[m.node.dirName(e.A)] = e.Text
	default:
	}
}

// hasServed says whether the broker was ready once.
func (m *monitor) hasServed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ready
}

// isRefusing says whether a partition's last write was refused.
func (m *monitor) isRefusing(topic string, partition int32) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, refusing := m.refusing[fmt.Sprintf("%s-%d", topic, partition)]
	return refusing
}

func (m *monitor) stop() {
	m.mu.Lock()
	m.stopping = true
	m.mu.Unlock()
}

// partitionsAPage is how many partitions one turn looks at: a Step is bounded, and so is this.
const partitionsAPage = 1000

// look takes a snapshot, in turns. m.scraping is held.
func (m *monitor) look() *snapshot {
	s := &m.snapshot
	s.partitions = s.partitions[:0]
	for next, first := uint32(0), true; first || next != 0; first = false {
		m.node.loop.Look(func(l loop.Status) {
			if first {
				m.broker.Status(&s.core)
				s.loop, s.turns, s.busy, s.apis = l, m.turns, m.busy, m.meter.read(s.apis[:0])
			}
			s.partitions, next = m.broker.PartitionStatuses(next, partitionsAPage, s.partitions)
		})
	}
	m.lookAtGroups(s)
	s.syncs = m.syncsNow()
	s.server, s.disk = m.node.server.Status(), m.node.disk.Status()
	return s
}

// lookAtGroups takes groups and what they have committed, as many as are listed by name.
func (m *monitor) lookAtGroups(s *snapshot) {
	s.groups, s.offsets, s.states = s.groups[:0], s.offsets[:0], map[string]int{}
	var page []core.GroupStatus
	for next, more := (core.GroupPlace{}), true; more; {
		m.node.loop.Look(func(loop.Status) { page, next, more = m.broker.GroupStatuses(next, partitionsAPage, page[:0]) })
		for _, g := range page {
			s.states[g.State]++
		}
		s.groups = append(s.groups, page[:min(len(page), partitionsMax-len(s.groups))]...)
	}
	for next, more := (core.GroupPlace{}), true; more && len(s.offsets) < partitionsMax; {
		m.node.loop.Look(func(loop.Status) { s.offsets, next, more = m.broker.OffsetStatuses(next, partitionsAPage, s.offsets) })
	}
}

// healthPatience is a second more than a lot: no turn comes near it.
const healthPatience = 5 * time.Second

// health is nil if the machine can be stepped.
func (m *monitor) health() error {
	select {
	case <-m.probe():
		return nil
	case <-time.After(m.patience):
		return fmt.Errorf("the broker's machine has not been free for %s", m.patience)
	}
}

// probe waits for a turn on a goroutine of its own, one for all who ask meanwhile.
func (m *monitor) probe() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.free == nil {
		free := make(chan struct{})
		m.free = free
		go func() {
			m.node.loop.Look(func(loop.Status) {})
			m.mu.Lock()
			m.free = nil
			m.mu.Unlock()
			close(free)
		}()
	}
	return m.free
}

// readiness is nil if clients may be sent here.
func (m *monitor) readiness() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var why []error
	if !m.ready {
		why = append(why, errors.New("the broker is starting: partitions are being recovered"))
	}
	if m.stopping {
		why = append(why, errors.New("the broker is stopping"))
	}
	if m.ended {
		for _, text := range m.deadDirs() {
			why = append(why, errors.New(text))
		}
	}
	return errors.Join(why...)
}

// deadDirs says what is out of service. m.mu is held.
func (m *monitor) deadDirs() []string {
	dead := make([]string, 0, len(m.dead))
	for dir, fault := range m.dead {
		dead = append(dead, fmt.Sprintf("log directory %s has failed: %s", dir, fault))
	}
	slices.Sort(dead)
	return dead
}

// refusedWrites is what whoever asks should know although the answer is yes. Writes that are refused are no reason to say
// no: what is there is still read, and nobody finds out that there is room again but by writing. m.mu is held.
func (m *monitor) refusedWrites() string {
	first := slices.Min(slices.Collect(maps.Keys(m.refusing)))
	return fmt.Sprintf("writes are refused on %d partitions, %s: %s", len(m.refusing), first, m.refusing[first])
}

// answered is 200 and ok, and beside that which log directories are out of service while the others serve, and which
// partitions take no writes; or 503 and why.
func (m *monitor) answered(check func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if err := check(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintln(w, err)
			return
		}
		m.mu.Lock()
		lines := append([]string{"ok"}, m.deadDirs()...)
		if len(m.refusing) > 0 {
			lines = append(lines, m.refusedWrites())
		}
		m.mu.Unlock() // before it is written: whoever asks may be slow to read, and events wait for the lock
		fmt.Fprintln(w, strings.Join(lines, "\n"))
	}
}

// handler is the whole port.
func (m *monitor) handler(profiles bool) http.Handler {
	mux := http.NewServeMux()
	native, jmx := m.scrape(false), m.scrape(true)
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, r *http.Request) {
		switch style := r.URL.Query().Get("style"); style {
		case "", "native":
			native.ServeHTTP(w, r)
		case "jmx":
			jmx.ServeHTTP(w, r)
		default:
			http.Error(w, fmt.Sprintf("style=%q is neither native nor jmx", style), http.StatusBadRequest)
		}
	})
	mux.HandleFunc("/healthz", m.answered(m.health))
	mux.HandleFunc("/readyz", m.answered(func() error { return errors.Join(m.readiness(), m.health()) }))
	pages := "/metrics\n/metrics?style=jmx\n/healthz\n/readyz\n"
	if profiles {
		pages += "/debug/pprof/\n"
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, pages) })
	return mux
}

func (m *monitor) scrape(jmx bool) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector(func(ch chan<- prometheus.Metric) {
		m.scraping.Lock()
		defer m.scraping.Unlock()
		if p := (page{ch}); jmx {
			m.tellJMX(p, m.look())
		} else {
			m.tell(p, m.look())
		}
	}), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if !jmx {
		registry.MustRegister(collectors.NewGoCollector())
	}
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true, MaxRequestsInFlight: 4})
}

// collector is a Collector whose metrics are known when they are collected.
type collector func(ch chan<- prometheus.Metric)

// Describe says nothing: topics come and go.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect tells all there is.
func (c collector) Collect(ch chan<- prometheus.Metric) { c(ch) }

// page is one scrape.
type page struct{ ch chan<- prometheus.Metric }

// labelMax is more than a topic's name has. Of longer ones (of groups, clients) a scrape has the beginning, and a hash.
const labelMax = 255

func labels(pairs []string) (names, values []string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		names, values = append(names, pairs[i]), append(values, label(pairs[i+1]))
	}
	return names, values
}

// label is a name as it may stand in a scrape. What is no text is quoted, and so is what looks as if it were: two names that
// came to one would be one metric twice, and the scrape none at all.
func label(name string) string {
	if len(name) > labelMax {
		return strconv.Quote(name[:labelMax]) + fmt.Sprintf("~%016x", xxh.Sum64([]byte(name)))
	}
	if utf8.ValidString(name) && !strings.HasPrefix(name, `"`) {
		return name
	}
	return strconv.Quote(name)
}

// gauge and counter tell one number; pairs are names and values of labels in turn.
func (p page) gauge(name, help string, value float64, pairs ...string) {
	p.number(prometheus.GaugeValue, name, help, value, pairs)
}

func (p page) counter(name, help string, value float64, pairs ...string) {
	p.number(prometheus.CounterValue, name, help, value, pairs)
}

func (p page) number(kind prometheus.ValueType, name, help string, value float64, pairs []string) {
	names, values := labels(pairs)
	p.ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), kind, value, values...)
}

// seconds tells a histogram, unless it is empty.
func (p page) seconds(name, help string, h *histogram, pairs ...string) {
	if h.count == 0 {
		return
	}
	names, values := labels(pairs)
	p.ch <- &measured{desc: prometheus.NewDesc(name, help, names, nil), values: values, histogram: h}
}

// serve opens the port. It is closed by done.
func (m *monitor) serve(address string, profiles bool) (at net.Addr, done func(), err error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, nil, err
	}
	port := newPort(m.handler(profiles))
	port.ErrorLog = slog.NewLogLogger(m.node.logger.Handler(), slog.LevelWarn)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = port.Serve(newFew(listener.(*net.TCPListener))) // it ends when it is closed
	}()
	return listener.Addr(), func() {
		soon, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = errors.Join(port.Shutdown(soon), port.Close())
		<-ended
	}, nil
}

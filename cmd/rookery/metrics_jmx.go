package main

import (
	"cmp"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"rookery/core"
	"rookery/core/wire"
	"rookery/io/loop"
)

// moment is what is remembered to tell rates and recent quantiles from, which Kafka's metrics are.
type moment struct {
	at        time.Time
	busy      int64
	processor time.Duration
	apis      map[int]api // by key
	syncs     histogram
	metadata  int64 // end offset of the metadata log
}

const (
	momentEvery = 10 * time.Second
	momentsKept = 6 // the window is a minute
)

func (m *monitor) moment() moment {
	now := moment{at: time.Now(), processor: processorTime(), apis: map[int]api{}, syncs: m.syncsNow()}
	var broker core.Status
	m.node.loop.Look(func(loop.Status) {
		m.broker.Status(&broker)
		now.busy, now.metadata = m.busy, broker.Metadata.End
		for key := range m.meter.apis {
			if a := &m.meter.apis[key]; a.total.count > 0 {
				now.apis[key] = *a
			}
		}
	})
	return now
}

func processorTime() time.Duration {
	var use unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &use)
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// remember takes a moment now and then until done. The first is the caller's to note, before anything happens.
func (m *monitor) remember(done <-chan struct{}) {
	ticker := time.NewTicker(momentEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			m.note()
		case <-done:
			return
		}
	}
}

// note remembers this moment, and forgets what is older than the window.
func (m *monitor) note() {
	now := m.moment()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.past = append(m.past, now); len(m.past) > momentsKept {
		m.past = append(m.past[:0], m.past[1:]...)
	}
}

// window is the oldest moment that is remembered, and now.
func (m *monitor) window() (then, now moment) {
	now = m.moment()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.past) == 0 {
		return now, now
	}
	return m.past[0], now
}

// idle is the share of the window in which a thing was not in use.
func idle(used time.Duration, window time.Duration) float64 {
	if window <= 0 {
		return 1
	}
	return min(max(1-used.Seconds()/window.Seconds(), 0), 1)
}

// tellJMX is a scrape in the names that the JMX exporter's usual rules (Strimzi's among them) make of Kafka's beans, and
// in kafka_exporter's for offsets. What a broker of one node cannot have (an under-replicated partition, an unclean
// election) is told as 0, because alerts are written on it.
func (m *monitor) tellJMX(p page, s *snapshot) {
	const help = "As in Kafka."
	gauge := func(name string, value float64, pairs ...string) { p.gauge(name, help, value, pairs...) }
	counter := func(name string, value float64, pairs ...string) { p.counter(name, help, value, pairs...) }
	then, now := m.window()
	m.jmxBroker(gauge, counter, s, then, now)
	m.jmxRequests(gauge, counter, s, then, now)
	m.jmxTopics(gauge, counter, s)
	jmxGroups(gauge, s)
	m.jmxRaft(gauge, counter, s, then, now)
}

// told takes one value.
type told = func(name string, value float64, pairs ...string)

func (m *monitor) jmxBroker(gauge, counter told, s *snapshot, then, now moment) {
	failed := 0
	for i := range s.partitions {
		failed += int(number01(s.partitions[i].Failed))
	}
	const manager = "kafka_server_replicamanager_"
	gauge(manager+"leadercount", float64(len(s.partitions)-failed))
	gauge(manager+"partitioncount", float64(len(s.partitions)))
	gauge(manager+"offlinereplicacount", float64(failed))
	for _, name := range []string{"underreplicatedpartitions", "underminisrpartitioncount", "reassigningpartitions"} {
		gauge(manager+name, 0)
	}
	gauge(manager+"atminisrpartitioncount", float64(len(s.partitions)-failed)) // one in-sync replica, and one is asked for
	gauge("kafka_server_kafkaserver_brokerstate", brokerState(s))
	const controller = "kafka_controller_kafkacontroller_"
	gauge(controller+"activecontrollercount", number01(s.core.Ready))
	gauge(controller+"activebrokercount", number01(s.core.Ready))
	gauge(controller+"fencedbrokercount", 0)
	gauge(controller+"offlinepartitionscount", float64(failed))
	gauge(controller+"preferredreplicaimbalancecount", 0)
	gauge(controller+"globaltopiccount", float64(s.core.Topics))
	gauge(controller+"globalpartitioncount", float64(len(s.partitions)))
	counter("kafka_controller_controllerstats_uncleanleaderelections_total", 0)
	for _, name := range []string{"isrshrinks", "isrexpands", "failedisrupdates"} {
		counter(manager+name+"_total", 0)
	}
	gauge("kafka_brokers", number01(s.core.Ready))
	if s.core.Ready {
		gauge("kafka_broker_info", 1, "id", strconv.Itoa(int(m.node.ids[0].NodeID)), "address", m.address())
	}
	const sessions = "kafka_server_fetchsessioncache_"
	gauge(sessions+"numincrementalfetchsessions", float64(s.core.Sessions.Count))
	gauge(sessions+"numincrementalfetchpartitionscached", float64(s.core.Sessions.Partitions))
	counter(sessions+"incrementalfetchsessionevictions_total", float64(s.core.Sessions.Evictions))

	listener := m.node.settings.Listeners[0].Name
	gauge("kafka_server_socket_server_metrics_connection_count", float64(s.server.Conns), "listener", listener, "networkProcessor", "0")
	counter("kafka_server_socket_server_metrics_connection_creation_total", float64(s.server.Opened), "listener", listener, "networkProcessor", "0")
	window := now.at.Sub(then.at)
	// There are no handler threads and no network processors here: the machine's turn is the one, the process's
	// processor time the other.
	gauge("kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent", idle(time.Duration(now.busy-then.busy), window))
	gauge("kafka_network_socketserver_networkprocessoravgidle_percent", idle((now.processor-then.processor)/time.Duration(runtime.GOMAXPROCS(0)), window))
	gauge("kafka_network_requestchannel_requestqueuesize", float64(s.loop.Waiting))
	read, written := diskBytes()
	counter("kafka_server_kafkaserver_linux_disk_read_bytes", read)
	counter("kafka_server_kafkaserver_linux_disk_write_bytes", written)
	m.jmxDirectories(gauge)
	recent := now.syncs.since(&then.syncs)
	for _, q := range quantiles {
		gauge("kafka_log_logflushstats_logflushrateandtimems", float64(recent.quantile(q.share))/1e6, "quantile", q.text)
	}
	counter("kafka_log_logflushstats_logflushrateandtimems_count", float64(now.syncs.count))
}

// address is where clients of the first listener go; of one that tells no host, this machine.
func (m *monitor) address() string {
	told := m.node.introduce()[0]
	host, _ := os.Hostname() // where there is none there is none to tell
	return net.JoinHostPort(cmp.Or(told.Host, m.node.settings.Listeners[0].Host, host), strconv.Itoa(int(told.Port)))
}

// brokerState is Kafka's: 1 starting, 2 recovering, 3 running, 7 shutting down.
func brokerState(s *snapshot) float64 {
	switch {
	case s.core.Stopping:
		return 7
	case s.core.Ready:
		return 3
	case s.core.Partitions > 0:
		return 2
	}
	return 1
}

func (m *monitor) jmxDirectories(gauge told) {
	m.mu.Lock()
	defer m.mu.Unlock()
	gauge("kafka_log_logmanager_offlinelogdirectorycount", float64(len(m.dead)))
	for _, dir := range m.node.settings.Dirs {
		_, dead := m.dead[dir]
		gauge("kafka_log_logmanager_logdirectoryoffline", number01(dead), "logDirectory", dir)
	}
}

// diskBytes are what this process's reads and writes have moved between memory and device, by the kernel's account.
func diskBytes() (read, written float64) {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0, 0
	}
	for _, line := range strings.Split(string(text), "\n") {
		name, value, _ := strings.Cut(line, ": ")
		switch n, _ := strconv.ParseFloat(value, 64); name {
		case "read_bytes":
			read = n
		case "write_bytes":
			written = n
		}
	}
	return read, written
}

// quantiles are the percentiles of Kafka's histograms, as the exporter's rules write them: 0. and their digits.
var quantiles = []struct {
	share float64
	text  string
}{{0.5, "0.50"}, {0.75, "0.75"}, {0.95, "0.95"}, {0.98, "0.98"}, {0.99, "0.99"}, {0.999, "0.999"}}

// phases are what Kafka calls the parts of a request's time. A Step is timed once in a while: of a rare API its local time is 0.
var phases = []struct {
	name string
	of   func(*api) *histogram
}{
	{"totaltimems", func(a *api) *histogram { return &a.total }},
	{"requestqueuetimems", func(a *api) *histogram { return &a.queue }},
	{"localtimems", func(a *api) *histogram { return &a.step }},
	{"remotetimems", func(a *api) *histogram { return &a.wait }},
	{"responsesendtimems", func(a *api) *histogram { return &a.send }},
}

// jmxRequests: a Fetch counts as a Fetch, and as a consumer's: of followers there are none.
func (m *monitor) jmxRequests(gauge, counter told, s *snapshot, then, now moment) {
	for i := range s.apis {
		a, before := &s.apis[i], then.apis[s.apis[i].key]
		jmxRequest(gauge, counter, apiName(a.key), &a.api, &before)
		if a.key == int(wire.KeyFetch) {
			jmxRequest(gauge, counter, "FetchConsumer", &a.api, &before)
		}
	}
	for _, r := range s.core.Refusals {
		counter("kafka_network_requestmetrics_errors_total", float64(r.Count), "request", apiName(int(r.Key)), "error", r.Code.String())
	}
}

func jmxRequest(gauge, counter told, name string, a, before *api) {
	const request = "kafka_network_requestmetrics_"
	for version, n := range a.requests {
		if n > 0 {
			counter(request+"requests_total", float64(n), "request", name, "version", strconv.Itoa(version))
		}
	}
	if a.total.count == 0 {
		return
	}
	for _, phase := range phases {
		all := phase.of(a)
		recent := all.since(phase.of(before))
		for _, q := range quantiles {
			gauge(request+phase.name, float64(recent.quantile(q.share))/1e6, "request", name, "quantile", q.text)
		}
		gauge(request+phase.name+"_mean", float64(all.sum)/1e6/float64(max(all.count, 1)), "request", name)
		counter(request+phase.name+"_count", float64(all.count), "request", name)
	}
}

func (m *monitor) jmxTopics(gauge, counter told, s *snapshot) {
	const stats = "kafka_server_brokertopicmetrics_"
	topics := topicsOf(s.partitions)
	for _, t := range append(topics, topicTraffic{"", s.core.Traffic}) {
		var of []string
		if t.name != "" { // without the label: all topics, those that are gone too
			of = []string{"topic", t.name}
		}
		counter(stats+"messagesin_total", float64(t.Records), of...)
		counter(stats+"bytesin_total", float64(t.BytesIn), of...)
		counter(stats+"bytesout_total", float64(t.BytesOut), of...)
		counter(stats+"totalproducerequests_total", float64(t.Produces), of...)
		counter(stats+"totalfetchrequests_total", float64(t.Fetches), of...)
		counter(stats+"failedproducerequests_total", float64(t.FailedProduces), of...)
		counter(stats+"failedfetchrequests_total", float64(t.FailedFetches), of...)
	}
	partitions := map[string]int{}
	for i := range s.partitions {
		partitions[s.partitions[i].Topic]++
	}
	for _, t := range topics {
		gauge("kafka_topic_partitions", float64(partitions[t.name]), "topic", t.name)
	}
	for i := range s.partitions[:min(len(s.partitions), partitionsMax)] {
		part := &s.partitions[i]
		at := []string{"topic", part.Topic, "partition", strconv.Itoa(int(part.Index))}
		gauge("kafka_log_log_size", float64(part.Bytes), at...)
		gauge("kafka_log_log_logstartoffset", float64(part.Start), at...)
		gauge("kafka_log_log_logendoffset", float64(part.End), at...)
		gauge("kafka_log_log_numlogsegments", float64(part.Segments), at...)
		gauge("kafka_cluster_partition_replicascount", 1, at...)
		gauge("kafka_cluster_partition_insyncreplicascount", number01(part.Open), at...)
		gauge("kafka_cluster_partition_atminisr", number01(part.Open), at...)
		gauge("kafka_cluster_partition_underminisr", number01(part.Failed), at...)
		gauge("kafka_cluster_partition_underreplicated", 0, at...)
		gauge("kafka_topic_partition_current_offset", float64(part.High), at...)
		gauge("kafka_topic_partition_oldest_offset", float64(part.Start), at...)
		gauge("kafka_topic_partition_leader", float64(m.node.ids[0].NodeID), at...)
		gauge("kafka_topic_partition_leader_is_preferred", 1, at...)
		gauge("kafka_topic_partition_replicas", 1, at...)
		gauge("kafka_topic_partition_in_sync_replica", number01(part.Open), at...)
		gauge("kafka_topic_partition_under_replicated_partition", 0, at...)
	}
}

// jmxGroups are kafka_exporter's names for groups, and the coordinator's own.
func jmxGroups(gauge told, s *snapshot) {
	lags, offsets := map[[2]string]float64{}, map[[2]string]float64{}
	var order [][2]string
	for i := range s.offsets {
		o := &s.offsets[i]
		at := []string{"consumergroup", o.Group, "topic", o.Topic, "partition", strconv.Itoa(int(o.Partition))}
		gauge("kafka_consumergroup_current_offset", float64(o.Offset), at...)
		gauge("kafka_consumergroup_lag", float64(o.Lag), at...)
		key := [2]string{o.Group, o.Topic}
		if _, known := lags[key]; !known {
			order = append(order, key)
		}
		lags[key] += float64(max(o.Lag, 0))
		offsets[key] += float64(o.Offset)
	}
	for _, key := range order {
		gauge("kafka_consumergroup_lag_sum", lags[key], "consumergroup", key[0], "topic", key[1])
		gauge("kafka_consumergroup_current_offset_sum", offsets[key], "consumergroup", key[0], "topic", key[1])
	}
	total := 0
	for _, n := range s.states {
		total += n
	}
	for i := range s.groups {
		gauge("kafka_consumergroup_members", float64(s.groups[i].Members), "consumergroup", s.groups[i].Group)
	}
	const manager = "kafka_coordinator_group_groupmetadatamanager_numgroups"
	gauge(manager, float64(total))
	for _, state := range groupStates {
		gauge(manager+strings.ToLower(state), float64(s.states[state]))
	}
}

// jmxRaft: a quorum of one voter commits what its own disk has, and talks to nobody.
func (m *monitor) jmxRaft(gauge, counter told, s *snapshot, then, now moment) {
	const raft = "kafka_server_raftmetrics_"
	gauge(raft+"current_leader", float64(m.node.ids[0].NodeID))
	gauge(raft+"current_vote", float64(m.node.ids[0].NodeID))
	gauge(raft+"current_epoch", float64(s.core.Epoch))
	gauge(raft+"current_state", 1, "current_state", "leader")
	gauge(raft+"high_watermark", float64(s.core.Metadata.High))
	gauge(raft+"log_end_offset", float64(s.core.Metadata.End))
	gauge(raft+"append_records_rate", float64(now.metadata-then.metadata)/max(now.at.Sub(then.at).Seconds(), 1))
	gauge(raft+"fetch_records_rate", 0)
	recent := now.syncs.since(&then.syncs)
	gauge(raft+"commit_latency_avg", float64(recent.sum)/1e6/float64(max(recent.count, 1)))
	for _, name := range []string{"request", "response", "incoming_byte", "outgoing_byte"} {
		counter("kafka_server_raftchannelmetrics_"+name+"_total", 0)
	}
}

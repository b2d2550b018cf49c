package main

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	dto "github.com/prometheus/client_model/go"

	"rookery/core/seam"
	"rookery/io/loop"
)

// beginWatched is a broker with its HTTP port open, and a client's traffic behind it.
func beginWatched(t *testing.T, sets ...string) *running {
	r := begin(t, t.TempDir(), append([]string{"metrics.listener=http://127.0.0.1:0"}, sets...)...)
	require.NotEmpty(t, r.metrics, "the ready line says where the metrics are")
	r.ask(t, "", "topic", "create", "clicks", "-p", "2")
	r.ask(t, "a\nb\nc\n", "produce", "clicks", "-p", "1")
	require.Equal(t, "a\nb\nc\n", r.ask(t, "", "consume", "clicks", "-o", "start", "-e"))
	_, _, err := runCommand("topic", "describe", "nowhere", "-b", r.address)
	require.Error(t, err)
	require.Eventually(t, func() bool { // the machine hears of what was sent a moment after the client
		f := r.families(t, "/metrics")
		for _, api := range []string{"CreateTopics", "Produce", "Fetch", "Metadata"} {
			if metricOf(f["rookery_request_seconds"], "api", api) == nil {
				return false // the socket itself has not said so yet: both sums lack the answer
			}
		}
		return sum(f["rookery_request_bytes_total"]) == sum(f["rookery_network_received_bytes_total"]) &&
			sum(f["rookery_response_bytes_total"]) == sum(f["rookery_network_sent_bytes_total"])
	}, 10*time.Second, time.Millisecond, "every byte received belongs to a request, every byte sent to an answer")
	return r
}

// look fetches a page of the HTTP port.
func (r *running) look(t *testing.T, page string) (status int, text string) {
	t.Helper()
	answer, err := http.Get("http://" + r.metrics + page)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(body)
}

// families reads a scrape in Prometheus's protocol-buffer form.
func (r *running) families(t *testing.T, page string) map[string]*dto.MetricFamily {
	t.Helper()
	request, err := http.NewRequest("GET", "http://"+r.metrics+page, nil)
	require.NoError(t, err)
	request.Header.Set("Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	families := map[string]*dto.MetricFamily{}
	for decoder := expfmt.NewDecoder(answer.Body, expfmt.ResponseFormat(answer.Header)); ; {
		family := &dto.MetricFamily{}
		err := decoder.Decode(family)
		if errors.Is(err, io.EOF) {
			return families
		}
		require.NoError(t, err)
		families[family.GetName()] = family
	}
}

// metricOf is the metric that has these labels, among others; nil: none has.
func metricOf(family *dto.MetricFamily, pairs ...string) *dto.Metric {
	for _, m := range family.GetMetric() {
		found := 0
		for _, l := range m.Label {
			for i := 0; i < len(pairs); i += 2 {
				if l.GetName() == pairs[i] && l.GetValue() == pairs[i+1] {
					found++
				}
			}
		}
		if found == len(pairs)/2 {
			return m
		}
	}
	return nil
}

func valueOf(t *testing.T, family *dto.MetricFamily, pairs ...string) float64 {
	t.Helper()
	m := metricOf(family, pairs...)
	require.NotNil(t, m, "%s has no metric with %v", family.GetName(), pairs)
	return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
}

func TestMetrics(t *testing.T) {
	r := beginWatched(t)
	f := r.families(t, "/metrics")
	for _, want := range []struct {
		value float64
		name  string
		pairs []string
	}{
		{1, "rookery_ready", nil},
		{3, "rookery_records_received_total", nil},
		{3, "rookery_topic_records_received_total", []string{"topic", "clicks"}},
		{3, "rookery_partition_high_watermark", []string{"topic", "clicks", "partition", "1"}},
		{3, "rookery_partition_durable_end_offset", []string{"topic", "clicks", "partition", "1"}},
		{0, "rookery_partition_log_end_offset", []string{"topic", "clicks", "partition", "0"}},
		{2, "rookery_partitions", []string{"state", "open"}},
		{1, "rookery_topics", nil},
		{1, "rookery_requests_total", []string{"api", "CreateTopics"}},
		{1, "rookery_request_seconds", []string{"api", "CreateTopics"}},
		{1, "rookery_events_total", []string{"event", "topic_created"}},
		{1, "rookery_log_directory_up", nil},
	} {
		require.Equal(t, want.value, valueOf(t, f[want.name], want.pairs...), "%s %v", want.name, want.pairs)
	}
	require.Positive(t, valueOf(t, f["rookery_request_errors_total"], "api", "Metadata", "code", "UNKNOWN_TOPIC_OR_PARTITION"))
	require.Equal(t, valueOf(t, f["rookery_topic_received_bytes_total"], "topic", "clicks"), valueOf(t, f["rookery_partition_size_bytes"], "topic", "clicks", "partition", "1"))
	require.Positive(t, valueOf(t, f["rookery_disk_sync_seconds"]))
	native := f["rookery_request_seconds"].Metric[0].Histogram
	require.Equal(t, int32(schema), native.GetSchema())
	require.NotEmpty(t, native.PositiveSpan)

	_, text := r.look(t, "/metrics")
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	require.NoError(t, err)
	for _, p := range problems {
		require.NotContains(t, p.Metric, "rookery_", p.Text)
	}
	status, _ := r.look(t, "/metrics?style=xml")
	require.Equal(t, http.StatusBadRequest, status)
	status, _ = r.look(t, "/debug/pprof/")
	require.Equal(t, http.StatusNotFound, status, "nobody asked for profiles")
}

// TestNamesThatAreNoText: clients name themselves and their groups by whatever bytes they like. Two whose names differ only in
// what is no UTF-8 are two, and whatever they are called, a scrape has all the rest.
func TestNamesThatAreNoText(t *testing.T) {
	r := beginWatched(t, "group.initial.rebalance.delay.ms=0")
	named := kversion.Stable()
	named.SetMaxKeyVersion(int16(kmsg.OffsetCommit), 9) // the newest that names topics
	client, err := kgo.NewClient(kgo.SeedBrokers(r.address), kgo.MaxVersions(named))
	require.NoError(t, err)
	defer client.Close()
	names := []string{"g\xff", "g\xfe", "g?", "\"g\\xff\""}
	for i, name := range names {
		commit := kmsg.NewPtrOffsetCommitRequest()
		commit.Group, commit.Generation = name, -1
		commit.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "clicks", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Partition: 1, Offset: int64(i), LeaderEpoch: -1}}}}
		answer, err := commit.RequestWith(t.Context(), client)
		require.NoError(t, err)
		require.NoError(t, kerr.ErrorForCode(answer.Topics[0].Partitions[0].ErrorCode))
	}
	status, text := r.look(t, "/metrics")
	require.Equal(t, http.StatusOK, status, text)
	f := r.families(t, "/metrics")
	require.Len(t, f["rookery_group_committed_offset"].Metric, len(names))
	require.Equal(t, 2.0, valueOf(t, f["rookery_group_committed_offset"], "group", "g?"))
	require.Equal(t, 0.0, valueOf(t, f["rookery_group_committed_offset"], "group", `"g\xff"`))
	require.Equal(t, 3.0, valueOf(t, f["rookery_group_committed_offset"], "group", `"\"g\\xff\""`))
}

// TestLongNames: a name of a group may have 32 KiB, in a scrape it has not; and two that begin alike are two.
func TestLongNames(t *testing.T) {
	long := strings.Repeat("\xff", 32_000)
	require.Less(t, len(label(long)), 6*labelMax)
	require.NotEqual(t, label(long), label(long+"x"))
	require.Equal(t, strings.Repeat("x", labelMax), label(strings.Repeat("x", labelMax)))
}

// TestMovedIsNotRefused: a partition that a full disk refused, and that was moved to another one, takes writes.
func TestMovedIsNotRefused(t *testing.T) {
	m := &monitor{refusing: map[string]string{}}
	m.see(seam.Event{Kind: seam.WriteRefused, Topic: "t", Text: "no space left"})
	m.see(seam.Event{Kind: seam.WriteRefused, Topic: "t", Partition: 1, Text: "no space left"})
	m.see(seam.Event{Kind: seam.ReplicaMoved, Topic: "t"})
	require.Equal(t, map[string]string{"t-1": "no space left"}, m.refusing)
}

func sum(f *dto.MetricFamily) (total float64) {
	for _, m := range f.Metric {
		total += m.GetCounter().GetValue()
	}
	return total
}

// asHeld is a scrape as Prometheus holds it: each sample's name, with the labels that its family has. Native histograms are
// held as one sample each, and of those the classic samples are dropped.
func asHeld(families map[string]*dto.MetricFamily, native bool) map[string]*dto.MetricFamily {
	held := map[string]*dto.MetricFamily{}
	for name, f := range families {
		if f.GetType() != dto.MetricType_HISTOGRAM || native {
			held[name] = f
			continue
		}
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			held[name+suffix] = f
		}
	}
	return held
}

// TestDashboard: every metric that the dashboard asks for, and every label that it filters or groups by, is in a scrape: in
// that of a Prometheus that takes native histograms, and in that of one that does not. Of an expression with two forms each
// finds its own.
func TestDashboard(t *testing.T) {
	r := beginWatched(t)
	r.ask(t, "", "consume", "clicks", "-g", "readers", "-o", "start", "-e")
	printed := r.ask0(t, "dashboard")
	var page struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(printed), &page))
	names := regexp.MustCompile(`\b(?:rookery|process|go)_[a-z_]+`)
	grouped := regexp.MustCompile(`\bby \(([a-z, ]+)\)`)
	families := r.families(t, "/metrics")
	for _, native := range []bool{true, false} {
		held, asked := asHeld(families, native), 0
		for _, panel := range page.Panels {
			for _, target := range panel.Targets {
				found := 0
				for form := range strings.SplitSeq(target.Expr, " or ") {
					wants := names.FindAllString(form, -1)
					if len(wants) == 0 || slices.ContainsFunc(wants, func(name string) bool { return held[name] == nil }) {
						continue
					}
					found, asked = found+1, asked+len(wants)
					family := held[wants[0]]
					for _, by := range grouped.FindAllStringSubmatch(form, -1) {
						for label := range strings.SplitSeq(by[1], ", ") {
							require.True(t, label == "le" && !native || hasLabel(family, label), "%s groups %s by %s", panel.Title, family.GetName(), label)
						}
					}
					for _, api := range []string{"Produce", "Fetch"} {
						if strings.Contains(form, `api="`+api+`"`) {
							require.Positive(t, valueOf(t, family, "api", api))
						}
					}
				}
				require.Equal(t, 1, found, "native %t: %s asks for %s", native, panel.Title, target.Expr)
			}
		}
		require.Greater(t, asked, 40)
	}
	require.Contains(t, printed, "rookery_group_lag")
}

func hasLabel(f *dto.MetricFamily, name string) bool {
	return slices.ContainsFunc(f.Metric[0].Label, func(l *dto.LabelPair) bool { return l.GetName() == name })
}

// jmxNames are what Strimzi's Kafka and KRaft dashboards, the usual alerts and kafka_exporter's dashboards ask for, as far
// as a broker of one node has it. Those of groups are in TestGroupCommands.
var jmxNames = strings.Fields(`
kafka_server_replicamanager_leadercount kafka_server_replicamanager_partitioncount
kafka_server_replicamanager_underreplicatedpartitions kafka_server_replicamanager_underminisrpartitioncount
kafka_server_brokertopicmetrics_messagesin_total kafka_server_brokertopicmetrics_bytesin_total
kafka_server_brokertopicmetrics_bytesout_total kafka_server_brokertopicmetrics_totalproducerequests_total
kafka_server_brokertopicmetrics_totalfetchrequests_total kafka_server_brokertopicmetrics_failedproducerequests_total
kafka_server_brokertopicmetrics_failedfetchrequests_total kafka_log_log_size kafka_cluster_partition_atminisr
kafka_cluster_partition_underminisr kafka_cluster_partition_replicascount
kafka_controller_kafkacontroller_activecontrollercount kafka_controller_kafkacontroller_offlinepartitionscount
kafka_controller_controllerstats_uncleanleaderelections_total kafka_server_socket_server_metrics_connection_count
kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent
kafka_network_socketserver_networkprocessoravgidle_percent kafka_server_kafkaserver_linux_disk_read_bytes
kafka_server_kafkaserver_linux_disk_write_bytes kafka_server_raftmetrics_current_leader
kafka_server_raftmetrics_current_epoch kafka_server_raftmetrics_current_vote kafka_server_raftmetrics_current_state
kafka_server_raftmetrics_high_watermark kafka_server_raftmetrics_log_end_offset
kafka_server_raftmetrics_append_records_rate kafka_server_raftmetrics_fetch_records_rate
kafka_server_raftmetrics_commit_latency_avg kafka_server_raftchannelmetrics_request_total
kafka_server_raftchannelmetrics_response_total kafka_server_raftchannelmetrics_incoming_byte_total
kafka_server_raftchannelmetrics_outgoing_byte_total
kafka_log_logmanager_offlinelogdirectorycount kafka_network_requestmetrics_totaltimems
kafka_network_requestmetrics_requests_total kafka_network_requestmetrics_errors_total
kafka_topic_partition_current_offset kafka_topic_partition_oldest_offset kafka_topic_partition_leader_is_preferred
kafka_topic_partition_in_sync_replica kafka_topic_partition_under_replicated_partition kafka_topic_partitions kafka_brokers
kafka_server_fetchsessioncache_numincrementalfetchsessions kafka_server_fetchsessioncache_numincrementalfetchpartitionscached
kafka_server_fetchsessioncache_incrementalfetchsessionevictions_total
kafka_server_replicamanager_isrshrinks_total kafka_server_replicamanager_isrexpands_total
kafka_coordinator_group_groupmetadatamanager_numgroups kafka_coordinator_group_groupmetadatamanager_numgroupsstable`)

func TestJMXStyle(t *testing.T) {
	r := beginWatched(t)
	f := r.families(t, "/metrics?style=jmx")
	for _, name := range jmxNames {
		require.NotNil(t, f[name], name)
	}
	require.Equal(t, 3.0, valueOf(t, f["kafka_server_brokertopicmetrics_messagesin_total"], "topic", "clicks"))
	require.Equal(t, 3.0, valueOf(t, f["kafka_topic_partition_current_offset"], "topic", "clicks", "partition", "1"))
	require.Equal(t, 2.0, valueOf(t, f["kafka_server_replicamanager_partitioncount"]))
	require.Equal(t, 3.0, valueOf(t, f["kafka_server_kafkaserver_brokerstate"]))
	require.Equal(t, 1.0, valueOf(t, f["kafka_server_raftmetrics_current_state"], "current_state", "leader"))
	require.Positive(t, valueOf(t, f["kafka_server_raftmetrics_append_records_rate"]), "the topic was made in the last minute")
	require.Positive(t, valueOf(t, f["kafka_network_requestmetrics_errors_total"], "request", "Metadata", "error", "UNKNOWN_TOPIC_OR_PARTITION"))
	require.Equal(t, 1.0, valueOf(t, f["kafka_broker_info"], "id", "1", "address", r.address), "Strimzi's dashboard of kafka_exporter chooses the cluster by it")
	for _, phase := range []string{"totaltimems", "requestqueuetimems", "remotetimems", "responsesendtimems"} {
		name := "kafka_network_requestmetrics_" + phase
		require.Positive(t, valueOf(t, f[name], "request", "Produce", "quantile", "0.50"), "the exporter writes 0. and the percentile's digits")
		require.Equal(t, valueOf(t, f[name], "request", "Fetch", "quantile", "0.99"), valueOf(t, f[name], "request", "FetchConsumer", "quantile", "0.99"))
		require.Equal(t, 1.0, valueOf(t, f[name+"_count"], "request", "CreateTopics"))
	}
	require.NotNil(t, f["kafka_network_requestmetrics_localtimems"])
	require.Equal(t, sumOf(f["kafka_network_requestmetrics_requests_total"], "Fetch"), sumOf(f["kafka_network_requestmetrics_requests_total"], "FetchConsumer"))
	status, _ := r.look(t, "/metrics?style=jmx")
	require.Equal(t, http.StatusOK, status)
}

// sumOf is over all versions of a request.
func sumOf(f *dto.MetricFamily, request string) (total float64) {
	for _, m := range f.Metric {
		if slices.ContainsFunc(m.Label, func(l *dto.LabelPair) bool { return l.GetValue() == request }) {
			total += m.GetCounter().GetValue()
		}
	}
	return total
}

func TestHealthAndReadiness(t *testing.T) {
	r := beginWatched(t)
	for _, page := range []string{"/healthz", "/readyz"} {
		status, text := r.look(t, page)
		require.Equal(t, []any{200, "ok\n"}, []any{status, text}, page)
	}

	free, held := make(chan struct{}), make(chan struct{})
	r.node.monitor.patience = 50 * time.Millisecond
	go r.node.loop.Look(func(loop.Status) {
		close(held)
		<-free
	})
	<-held
	for _, page := range []string{"/healthz", "/readyz", "/healthz"} {
		status, text := r.look(t, page)
		require.Equal(t, http.StatusServiceUnavailable, status, page)
		require.Contains(t, text, "has not been free", page)
	}
	close(free)
	r.node.monitor.patience = 20 * time.Second
	status, _ := r.look(t, "/healthz")
	require.Equal(t, http.StatusOK, status)

	r.node.monitor.see(seam.Event{Kind: seam.DirFailed, A: 0, Text: "input/output error"})
	status, text := r.look(t, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, text, r.node.settings.Dirs[0]+" has failed: input/output error")
	require.Equal(t, 0.0, valueOf(t, r.families(t, "/metrics")["rookery_log_directory_up"]))
	require.Equal(t, 1.0, valueOf(t, r.families(t, "/metrics?style=jmx")["kafka_log_logmanager_offlinelogdirectorycount"]))
	status, _ = r.look(t, "/healthz")
	require.Equal(t, http.StatusOK, status, "the process is fine: starting it again would not mend a disk")
}

// TestSlowRequestsAreLogged has the broker take every request for a slow one.
func TestSlowRequestsAreLogged(t *testing.T) {
	r := begin(t, t.TempDir())
	r.node.loop.Look(func(loop.Status) { r.node.slow.threshold = 0 })
	r.ask(t, "", "topic", "create", "clicks")
	require.Eventually(t, func() bool {
		for line := range strings.Lines(r.log.String()) {
			var slow struct{ Msg, API, Client, Remote string }
			if json.Unmarshal([]byte(line), &slow) == nil && slow.Msg == "slow request" && slow.API == "CreateTopics" {
				return slow.Client == "rookery-cli" && strings.HasPrefix(slow.Remote, "127.0.0.1:")
			}
		}
		return false
	}, 10*time.Second, time.Millisecond, "%s", r.log)
}

func TestReadinessBeforeAndAfter(t *testing.T) {
	m := newMonitor(&node{settings: &settings{Dirs: []string{"/data/a"}}})
	require.ErrorContains(t, m.readiness(), "is starting")
	m.see(seam.Event{Kind: seam.Ready})
	require.NoError(t, m.readiness())
	m.stop()
	require.ErrorContains(t, m.readiness(), "is stopping")
}

// TestSIGQUITDumpsAndGoesOn sends the real signal to this process.
func TestSIGQUITDumpsAndGoesOn(t *testing.T) {
	r := begin(t, t.TempDir())
	require.NoError(t, syscall.Kill(syscall.Getpid(), syscall.SIGQUIT))
	require.Eventually(t, func() bool { return strings.Contains(r.notes.String(), "the broker goes on") }, 10*time.Second, time.Millisecond)
	require.Contains(t, r.notes.String(), "net/server.(*Server).Serve")
	require.Contains(t, r.ask(t, "", "topic", "create", "still"), "created still")
}

func TestProfilesBehindAFlag(t *testing.T) {
	m := newMonitor(&node{settings: &settings{}, logger: slog.New(slog.DiscardHandler)})
	at, end, err := m.serve("127.0.0.1:0", true)
	require.NoError(t, err)
	defer end()
	answer, err := http.Get("http://" + at.String() + "/debug/pprof/goroutine?debug=1")
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Contains(t, string(text), "goroutine profile")
}

func TestMetricsAddresses(t *testing.T) {
	for given, want := range map[string]string{
		"http://127.0.0.1:9404": "127.0.0.1:9404", "HTTP://:9404/": ":9404", "9404": "127.0.0.1:9404", "none": "", "[::1]:1": "[::1]:1",
	} {
		got, err := metricsAddress(given)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, bad := range []string{"https://:1", "host", "a:b", "a:70000"} {
		_, err := metricsAddress(bad)
		require.Error(t, err, bad)
	}
	_, err := settingsOf(map[string]string{"metrics.listener": "ftp://x"}, nil)
	require.ErrorContains(t, err, "metrics.listener=ftp://x: only http is served")
	s, err := settingsOf(map[string]string{"slow.request.ms": "0", "metrics.listener": "9404"}, nil)
	require.NoError(t, err)
	require.Zero(t, s.slowRequest())
	require.Empty(t, s.Idle)
	require.NoError(t, s.listen("", metricsDefault))
	require.Equal(t, "127.0.0.1:9404", s.metricsListener)
	require.False(t, s.metricsByDefault)
	require.NoError(t, s.listen("none", metricsDefault))
	require.Empty(t, s.metricsListener)
	require.Error(t, s.listen("nonsense", ""))
	s, err = settingsOf(nil, nil)
	require.NoError(t, err)
	require.Equal(t, time.Second, s.slowRequest())
	require.NoError(t, s.listen("", metricsDefault))
	require.True(t, s.metricsByDefault)
}

// Where ten thousand partitions begin and end is one question to their leader, not ten thousand.
func TestPlacesInManyPartitionsAreOneQuestion(t *testing.T) {
	r := beginWatched(t)
	r.ask(t, "", "topic", "create", "many", "-p", "50")
	r.ask(t, strings.Repeat("x\n", 100), "produce", "many", "-p", "7")
	asked := func() float64 {
		return valueOf(t, r.families(t, "/metrics")["rookery_requests_total"], "api", "ListOffsets")
	}
	before := asked()
	require.Equal(t, 2, strings.Count(r.ask(t, "", "consume", "many", "-o", "-2:end"), "x\n"))
	require.Equal(t, before+3, asked(), "the end; the start and the end")
	r.ask(t, "", "topic", "describe", "many")
	require.Equal(t, before+5, asked())
}

// TestEveryEventHasAName: a kind that is added to core/seam is counted under a name of its own.
func TestEveryEventHasAName(t *testing.T) {
	source, err := os.ReadFile("../../core/seam/seam.go")
	require.NoError(t, err)
	_, kinds, found := strings.Cut(string(source), "EventKind = iota")
	require.True(t, found)
	kinds, _, _ = strings.Cut(kinds, "\n)")
	count := strings.Count(kinds, "\n") + 1
	require.Greater(t, count, int(seam.QuotasAltered))
	require.Less(t, count, eventKinds)
	names := map[string]bool{}
	for kind := range count {
		name := eventName(seam.EventKind(kind))
		require.NotContains(t, name, "event_")
		require.False(t, names[name], name)
		names[name] = true
	}
}

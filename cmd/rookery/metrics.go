package main

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"rookery/core"
	"rookery/core/seam"
)

// eventKinds is one more than the kinds of events that are counted by name; the last takes what is new.
const eventKinds = 33

func eventName(kind seam.EventKind) string {
	switch kind {
	case seam.Ready:
		return "ready"
	case seam.Stopped:
		return "stopped"
	case seam.TopicCreated:
		return "topic_created"
	case seam.TopicDeleted:
		return "topic_deleted"
	case seam.PartitionOpened:
		return "partition_opened"
	case seam.Truncated:
		return "truncated"
	case seam.SegmentRolled:
		return "segment_rolled"
	case seam.WriteRefused:
		return "write_refused"
	case seam.DirFailed:
		return "directory_failed"
	case seam.DirFenced:
		return "directory_fenced"
	case seam.ConnRefused:
		return "connection_refused"
	case seam.IndexRebuilt:
		return "index_rebuilt"
	case seam.SegmentUnreadable:
		return "segment_unreadable"
	case seam.EpochStarted:
		return "epoch_started"
	case seam.SegmentsDeleted:
		return "segments_deleted"
	case seam.PartitionAdded:
		return "partition_added"
	case seam.ConfigAltered:
		return "configuration_altered"
	case seam.QuotasAltered:
		return "quotas_altered"
	case seam.CoordinatorLoaded:
		return "coordinator_loaded"
	case seam.CoordinatorFailed:
		return "coordinator_failed"
	case seam.ReplicaMoved:
		return "replica_moved"
	case seam.MoveFailed:
		return "move_failed"
	case seam.CompactionBegun:
		return "compaction_begun"
	case seam.SegmentsCompacted:
		return "segments_compacted"
	case seam.Compacted:
		return "compacted"
	case seam.CompactionFailed:
		return "compaction_failed"
	case seam.ProducersExpired:
		return "producers_expired"
	case seam.TelemetryPushed:
		return "telemetry_pushed"
	case seam.StrayFolder:
		return "stray_folder"
	case seam.WritesResumed:
		return "writes_resumed"
	}
	return "event_" + strconv.Itoa(int(kind))
}

// tell is a scrape in our own names.
func (m *monitor) tell(p page, s *snapshot) {
	b := thisBuild()
	p.gauge("rookery_build_info", "What this binary was built from.", 1, "version", b.Version, "commit", b.Commit, "go", b.Go)
	p.gauge("rookery_ready", "1 if clients are served.", number01(m.readiness() == nil))
	m.tellRequests(p, s)
	m.tellNetwork(p, s)
	m.tellBudgets(p, s)
	m.tellDisk(p, s)
	m.tellMachine(p, s)
	m.tellTopics(p, s)
	m.tellGroups(p, s)
	m.tellTelemetry(p, s)
	for kind := range m.events {
		if n := m.events[kind].Load(); n > 0 {
			p.counter("rookery_events_total", "What the broker said, by kind.", float64(n), "event", eventName(seam.EventKind(kind)))
		}
	}
}

func number01(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func (m *monitor) tellRequests(p page, s *snapshot) {
	for i := range s.apis {
		a, name := &s.apis[i], apiName(s.apis[i].key)
		for version, n := range a.requests {
			if n > 0 {
				p.counter("rookery_requests_total", "Requests that were taken in.", float64(n), "api", name, "version", strconv.Itoa(version))
			}
		}
		p.counter("rookery_request_bytes_total", "Bytes of requests.", float64(a.in), "api", name)
		p.counter("rookery_response_bytes_total", "Bytes of answers that are out.", float64(a.out), "api", name)
		p.seconds("rookery_request_seconds", "From a request's last byte to its answer's, waits that the client asked for included.", &a.total, "api", name)
		p.seconds("rookery_request_queue_seconds", "From a request's last byte to its Step.", &a.queue, "api", name)
		p.seconds("rookery_request_wait_seconds", "From a request's Step to its answer: the disk, or records to come.", &a.wait, "api", name)
		p.seconds("rookery_request_send_seconds", "From an answer to its last byte in the socket.", &a.send, "api", name)
		p.seconds("rookery_request_step_seconds", "A request's Step itself; one in 64 is timed.", &a.step, "api", name)
	}
	for _, r := range s.core.Refusals {
		p.counter("rookery_request_errors_total", "Error codes in answers, one an entry (topic, partition).", float64(r.Count), "api", apiName(int(r.Key)), "code", r.Code.String())
	}
}

func (m *monitor) tellNetwork(p page, s *snapshot) {
	p.counter("rookery_network_received_bytes_total", "Bytes that clients sent.", float64(s.server.Received))
	p.counter("rookery_network_sent_bytes_total", "Bytes that clients were sent.", float64(s.server.Sent))
	p.gauge("rookery_connections", "Open client connections.", float64(s.server.Conns))
	p.gauge("rookery_handshakes", "TLS handshakes under way.", float64(s.server.Handshakes))
	p.gauge("rookery_connections_limit", "Connections from which on clients are turned away.", float64(s.server.ConnsMax))
	p.counter("rookery_connections_opened_total", "Client connections since the start.", float64(s.server.Opened))
	const refused = "Connections that were ended by us."
	p.counter("rookery_connections_refused_total", refused, float64(s.server.TurnedAway), "why", "too_many")
	p.counter("rookery_connections_refused_total", refused, float64(s.server.Unreadable), "why", "unreadable")
	p.counter("rookery_connections_refused_total", refused, float64(s.server.Unheard), "why", "handshake")
	p.counter("rookery_connections_refused_total", refused, float64(s.core.Refused), "why", "limit")
	p.counter("rookery_connections_refused_total", refused, float64(s.core.Silent), "why", "idle")
	p.gauge("rookery_connections_standing", "Connections that wait for another to leave (max.connections).", float64(s.core.Standing))
	for _, t := range s.core.Throttled {
		p.counter("rookery_throttles_total", "How often a client had to wait for what it had used of a quota.", float64(t.Times), "quota", t.Quota)
		p.counter("rookery_throttled_seconds_total", "How long they had to wait, all told.", float64(t.Wait)/float64(seam.Second), "quota", t.Quota)
	}
	for _, t := range s.core.Waiters {
		p.counter("rookery_client_throttles_total", "How often a client had to wait, of the hundred that waited longest.", float64(t.Times), "quota", t.Quota, "user", t.User, "client", t.Client)
		p.counter("rookery_client_throttled_seconds_total", "How long it had to wait.", float64(t.Wait)/float64(seam.Second), "quota", t.Quota, "user", t.User, "client", t.Client)
	}
}

// tellTelemetry: what clients push of themselves (KIP-714).
func (m *monitor) tellTelemetry(p page, s *snapshot) {
	t := &s.core.Telemetry
	p.gauge("rookery_client_telemetry_instances", "Clients that ask what to push.", float64(t.Instances))
	p.counter("rookery_client_telemetry_throttled_total", "Requests about telemetry that came too early.", float64(t.Throttled))
	p.counter("rookery_client_telemetry_unknown_subscriptions_total", "Pushes for a subscription that is another by now.", float64(t.Unknown))
	p.counter("rookery_client_telemetry_evictions_total", "Clients that were forgotten to make room for others.", float64(t.Evictions))
	for _, software := range t.Softwares {
		p.counter("rookery_client_telemetry_pushes_total", "Pushes of clients' own metrics, by their software.", float64(software.Pushes), "software", software.Name)
		p.counter("rookery_client_telemetry_bytes_total", "Bytes of them, as they came.", float64(software.Bytes), "software", software.Name)
	}
}

func (m *monitor) tellBudgets(p page, s *snapshot) {
	const used, limit = "Bytes in use of what the broker may have in flight.", "How many bytes that may be before clients are read no further."
	p.gauge("rookery_budget_used_bytes", used, float64(s.core.Frames), "budget", "requests", "directory", "")
	p.gauge("rookery_budget_limit_bytes", limit, float64(s.core.FramesMax), "budget", "requests", "directory", "")
	p.gauge("rookery_budget_used_bytes", used, float64(s.core.Replies), "budget", "responses", "directory", "")
	for i, unsynced := range s.core.Unsynced {
		p.gauge("rookery_budget_used_bytes", used, float64(unsynced), "budget", "unsynced", "directory", m.directory(i))
		p.gauge("rookery_budget_limit_bytes", limit, float64(s.core.UnsyncedMax), "budget", "unsynced", "directory", m.directory(i))
	}
	p.gauge("rookery_buffers_idle_bytes", "Bytes of buffers kept for the next frames.", float64(s.server.Idle))
	p.gauge("rookery_frames_leased", "Frames that the broker still needs.", float64(s.server.Leases))
	p.gauge("rookery_produces_waiting", "Produce requests that are not answered.", float64(s.core.Produces))
	p.gauge("rookery_fetches_parked", "Fetch requests that wait for records.", float64(s.core.Fetches))
	p.gauge("rookery_fetch_sessions", "Incremental fetch sessions.", float64(s.core.Sessions.Count))
	p.gauge("rookery_fetch_session_partitions", "Partitions that they hold.", float64(s.core.Sessions.Partitions))
	p.counter("rookery_fetch_session_evictions_total", "Fetch sessions that have made room for others.", float64(s.core.Sessions.Evictions))
}

func (m *monitor) directory(i int) string {
	if i >= 0 && i < len(m.node.settings.Dirs) {
		return m.node.settings.Dirs[i]
	}
	return strconv.Itoa(i)
}

func (m *monitor) tellDisk(p page, s *snapshot) {
	p.counter("rookery_disk_writes_total", "Write calls; neighbours are joined into one.", float64(s.disk.Writes))
	p.counter("rookery_disk_written_bytes_total", "Bytes written to the page cache.", float64(s.disk.Written))
	p.counter("rookery_disk_write_failures_total", "Write calls that failed, or were not tried after one that did.", float64(s.disk.Failures))
	p.gauge("rookery_disk_syncs_under_way", "Syncs under way, or waiting for their turn.", float64(s.disk.Syncing))
	p.seconds("rookery_disk_sync_seconds", "What a sync of a file or folder takes.", &s.syncs)
	p.counter("rookery_disk_sync_failures_total", "Syncs that failed.", float64(m.failed.Load()))
	p.gauge("rookery_disk_open_files", "Open handles of log files.", float64(s.disk.Handles))
	p.gauge("rookery_disk_open_files_limit", "Handles of log files from which on one is closed for each that is opened.", float64(s.disk.HandlesMax))
	m.mu.Lock()
	refusing, failed := len(m.refusing), maps.Clone(m.dead)
	m.mu.Unlock() // before the file systems are asked: one that hangs must not keep events and probes waiting
	p.gauge("rookery_partitions_refusing_writes", "Partitions whose last write failed: as a rule, their disk is full.", float64(refusing))
	for _, dir := range m.node.settings.Dirs {
		_, dead := failed[dir]
		p.gauge("rookery_log_directory_up", "0 if the log directory has failed.", number01(!dead), "directory", dir)
		var fs unix.Statfs_t
		if unix.Statfs(dir, &fs) == nil {
			p.gauge("rookery_log_directory_free_bytes", "Bytes that may still be written there.", float64(fs.Bavail)*float64(fs.Bsize), "directory", dir)
			p.gauge("rookery_log_directory_size_bytes", "Bytes that its file system has.", float64(fs.Blocks)*float64(fs.Bsize), "directory", dir)
		}
	}
}

func (m *monitor) tellMachine(p page, s *snapshot) {
	p.seconds("rookery_loop_turn_seconds", "How long the broker's machine was held at once; one turn in eight is timed.", &s.turns)
	p.counter("rookery_loop_steps_total", "Inputs that the broker's machine has taken.", float64(s.loop.Steps))
	p.gauge("rookery_loop_inputs_waiting", "Inputs that wait for it.", float64(s.loop.Waiting))
	p.gauge("rookery_loop_machines", "Other machines under way: recoveries, searches.", float64(s.loop.Children))
	p.gauge("rookery_metadata_epoch", "Leader epoch of the metadata log.", float64(s.core.Epoch))
	p.gauge("rookery_metadata_end_offset", "End offset of the metadata log.", float64(s.core.Metadata.End))
	p.gauge("rookery_metadata_high_watermark", "High watermark of the metadata log.", float64(s.core.Metadata.High))
	p.gauge("rookery_metadata_proposals_waiting", "Changes of metadata that are not committed.", float64(s.core.Proposals))
}

// partitionsMax is how many partitions, and how many topics, a scrape lists by name.
const partitionsMax = 2000

func (m *monitor) tellTopics(p page, s *snapshot) {
	p.gauge("rookery_topics", "Topics.", float64(s.core.Topics))
	open, failed := 0, 0
	for i := range s.partitions {
		open += int(number01(s.partitions[i].Open))
		failed += int(number01(s.partitions[i].Failed))
	}
	const partitions = "Partitions of topics, by state."
	p.gauge("rookery_partitions", partitions, float64(open), "state", "open")
	p.gauge("rookery_partitions", partitions, float64(failed), "state", "failed")
	p.gauge("rookery_partitions", partitions, float64(len(s.partitions)-open-failed), "state", "other")
	p.gauge("rookery_partitions_unlisted", fmt.Sprintf("Partitions beyond the %d that are listed by name.", partitionsMax), float64(max(len(s.partitions)-partitionsMax, 0)))
	p.counter("rookery_records_received_total", "Records that were taken.", float64(s.core.Traffic.Records))
	p.counter("rookery_batches_received_bytes_total", "Bytes of batches that were taken.", float64(s.core.Traffic.BytesIn))
	p.counter("rookery_batches_sent_bytes_total", "Bytes of batches that clients were answered.", float64(s.core.Traffic.BytesOut))
	for _, t := range topicsOf(s.partitions) {
		p.counter("rookery_topic_records_received_total", "Records that were taken, by topic.", float64(t.Records), "topic", t.name)
		p.counter("rookery_topic_received_bytes_total", "Bytes of batches that were taken, by topic.", float64(t.BytesIn), "topic", t.name)
		p.counter("rookery_topic_sent_bytes_total", "Bytes of batches that clients were answered, by topic.", float64(t.BytesOut), "topic", t.name)
	}
	for i := range s.partitions[:min(len(s.partitions), partitionsMax)] {
		part := &s.partitions[i]
		at := []string{"topic", part.Topic, "partition", strconv.Itoa(int(part.Index))}
		p.gauge("rookery_partition_log_start_offset", "First offset that may be read.", float64(part.Start), at...)
		p.gauge("rookery_partition_log_end_offset", "Offset after the last record written.", float64(part.End), at...)
		p.gauge("rookery_partition_durable_end_offset", "Offset up to which a power cut takes nothing.", float64(part.Durable), at...)
		p.gauge("rookery_partition_high_watermark", "Offset up to which consumers see.", float64(part.High), at...)
		p.gauge("rookery_partition_size_bytes", "Bytes of its segments.", float64(part.Bytes), at...)
		p.gauge("rookery_partition_segments", "Its segments.", float64(part.Segments), at...)
	}
}

// groupStates are those of both protocols.
var groupStates = []string{"Empty", "PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling", "Stable"}

func (m *monitor) tellGroups(p page, s *snapshot) {
	for i := range s.groups {
		p.gauge("rookery_group_members", "Members of a group.", float64(s.groups[i].Members), "group", s.groups[i].Group)
	}
	for _, state := range groupStates {
		p.gauge("rookery_groups", "Groups by state, those too that are not listed by name.", float64(s.states[state]), "state", state)
	}
	for i := range s.offsets {
		o := &s.offsets[i]
		at := []string{"group", o.Group, "topic", o.Topic, "partition", strconv.Itoa(int(o.Partition))}
		p.gauge("rookery_group_committed_offset", "Offset that a group has committed.", float64(o.Offset), at...)
		p.gauge("rookery_group_lag", "Records from there to the high watermark; -1 where there is no such partition.", float64(o.Lag), at...)
	}
}

// topicTraffic is the sum over a topic's partitions.
type topicTraffic struct {
	name string
	core.Traffic
}

// topicsOf sums up partitions, which come topic by topic. No more than partitionsMax topics are listed.
func topicsOf(partitions []core.PartitionStatus) []topicTraffic {
	var topics []topicTraffic
	at := map[string]int{}
	for i := range partitions {
		p := &partitions[i]
		j, known := at[p.Topic]
		if !known {
			if len(topics) == partitionsMax {
				continue
			}
			j = len(topics)
			at[p.Topic] = j
			topics = append(topics, topicTraffic{name: strings.Clone(p.Topic)})
		}
		topics[j].Traffic = topics[j].Plus(p.Traffic)
	}
	return topics
}

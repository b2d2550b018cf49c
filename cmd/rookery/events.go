package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

	"rookery/core"
	"rookery/core/controller"
	"rookery/core/seam"
)

// event makes a log line of what the broker says. It is called in order, one at a time.
func (n *node) event(e seam.Event) {
	n.monitor.see(e)
	log := n.logger.With()
	if e.Topic != "" && e.Kind != seam.ConnRefused {
		log = log.With("topic", e.Topic, "partition", e.Partition)
	}
	switch e.Kind {
	case seam.Ready:
		log.Info("ready", "partitions", e.A, "milliseconds", e.B, "addresses", n.ready, "metrics", n.metricsAt)
		n.banner(n.ready)
	case seam.Stopped:
		n.stopOnce.Do(func() { close(n.stopped) })
	case seam.TopicCreated:
		n.logger.Info("topic created", "topic", e.Topic, "partitions", e.A)
	case seam.TopicDeleted:
		n.logger.Info("topic deleted", "topic", e.Topic)
	case seam.PartitionOpened:
		log.Debug("partition opened", "start", e.A, "end", e.B)
	case seam.Truncated:
		level := slog.LevelWarn
		if n.monitor.isRefusing(e.Topic, e.Partition) {
			level = slog.LevelDebug // each write that a full disk refuses is cut off, and clients try for as long as it is full
		}
		log.Log(context.Background(), level, "truncated", "end", e.A, "bytes", e.B, "why", e.Text)
	case seam.SegmentRolled:
		log.Debug("segment rolled", "base", e.A)
	case seam.WriteRefused:
		log.Error("write refused", "why", e.Text, "next", "said once, until writes are taken again; how often is in rookery_disk_write_failures_total")
	case seam.WritesResumed:
		log.Info("writes are taken again", "failed", e.A)
	case seam.DirFailed:
		n.dirFailed(e)
	case seam.DirFenced:
		next := "look at the disk (dmesg) and at whose its files are (ls -l), and start again when it is well: what acks=all acknowledged is on it"
		if e.Text == seam.NotFound.String() && n.monitor.hasServed() {
			next = dirGone
		}
		n.logger.Error("log directory failed: its partitions are out of service, the others go on", "directory", n.dirName(e.A), "why", e.Text, "partitions", e.B,
			"next", next)
	case seam.ReplicaMoved:
		log.Info("moved to another log directory", "from", n.dirName(e.A), "to", n.dirName(e.B))
	case seam.MoveFailed:
		log.Warn("not moved to another log directory: it stays where it is", "to", n.dirName(e.A), "why", e.Text)
	case seam.StrayFolder:
		n.logger.Warn("stray folder", "folder", filepath.Join(n.dirName(e.A), e.Topic), "what", e.Text)
	case seam.ConnRefused:
		n.refusals.tell(n.logger, "connection closed", "remote", e.Topic, "connection", e.A, "why", e.Text)
	case seam.IndexRebuilt:
		log.Info("index rebuilt", "segment", e.A)
	case seam.SegmentUnreadable:
		log.Error("segment unreadable", "offset", e.A, "why", e.Text)
	case seam.EpochStarted:
		log.Debug("leader epoch started", "epoch", e.A, "offset", e.B)
	case seam.SegmentsDeleted:
		log.Info("segments deleted", "count", e.A, "start", e.B)
	case seam.CompactionBegun:
		log.Debug("compaction begun", "offset", e.A, "bytes", e.B)
	case seam.SegmentsCompacted:
		log.Debug("segments compacted", "base", e.A, "saved", e.B)
	case seam.Compacted:
		log.Info("compacted", "offset", e.A, "records", e.B)
	case seam.CompactionFailed:
		log.Warn("compaction failed", "why", e.Text)
	case seam.ProducersExpired:
		log.Debug("producers expired", "count", e.A)
	case seam.PartitionAdded:
		log.Info("partition added")
	case seam.ConfigAltered:
		n.logger.Info("configuration altered", "type", resourceKind(int8(e.A)), "name", e.Topic, "key", e.Text)
		if controller.HasNoEffect(int8(e.A), e.Text) {
			n.logger.Warn(noEffect, "key", e.Text)
		}
	case seam.QuotasAltered:
		n.logger.Info("quotas altered", "count", e.A)
		if e.Text != "" {
			n.logger.Warn(quotaNoEffect, "key", e.Text)
		}
	case seam.TelemetryPushed:
		n.logger.Debug("client telemetry", "software", e.Topic, "bytes", e.A, "instance", e.Text)
	case seam.CoordinatorLoaded:
		log.Debug("coordinator loaded", "records", e.A, "ms", e.B)
	case seam.CoordinatorFailed:
		log.Error("coordinator not loaded: its groups are not served", "offset", e.A, "why", e.Text)
	default:
		log.Info(fmt.Sprintf("event %d", e.Kind), "a", e.A, "b", e.B, "text", e.Text)
	}
}

const dirGone = "it was removed, or its disk was, while it was in use: put it back as it was and start again; what was written to files that have no name any more is lost"

// dirFailed ends the process: the broker acknowledges nothing any more once a directory could not sync.
func (n *node) dirFailed(e seam.Event) {
	dir := n.dirName(e.A)
	next := "look at the disk (dmesg) and at whose its files are (ls -l), then start again: what acks=all acknowledged is on it"
	switch e.Text {
	case core.MetadataMissing:
		next = "put the folder __cluster_metadata-0 back, from a backup or wherever it went, or start with an empty directory: nothing was removed"
	case core.StateForeign, core.FeaturesForeign, core.RecordsForeign, core.MetadataTrimmed:
		next = "a directory of Apache Kafka's can be looked into (rookery log), not served: start with a directory of its own"
	case seam.NotFound.String():
		if n.monitor.hasServed() {
			next = dirGone
		}
	case seam.NoSpace.String():
		next = "make room on it, then start again: what acks=all acknowledged is on it"
	}
	n.fail(advise(next, "log directory %s failed: %s", dir, e.Text))
}

// dirName is what the configuration calls a log directory.
func (n *node) dirName(number int64) string {
	if number >= 0 && int(number) < len(n.settings.Dirs) {
		return n.settings.Dirs[number]
	}
	return fmt.Sprint(number)
}

// fail makes run return; the first reason stays.
func (n *node) fail(err error) {
	select {
	case n.failed <- err:
	default:
	}
}

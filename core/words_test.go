package core

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/conn"
	"rookery/core/meta"
	"rookery/core/seam"
	"rookery/core/wire"
)

// What scripts say of effects, requests and answers.

var (
	zeroes    = regexp.MustCompile(`/0{1,19}(\d+)\.`)
	doomedID  = regexp.MustCompile(`\.(?:[\w-]{22}|[\w-]{32})(-delete|-future|-stray)`)
	inWords   = strings.NewReplacer("__cluster_metadata-0", "metadata")
	eventWord = map[seam.EventKind]string{
		seam.Ready: "ready", seam.Stopped: "stopped", seam.TopicCreated: "topic created", seam.TopicDeleted: "topic deleted",
		seam.PartitionOpened: "opened", seam.Truncated: "truncated", seam.SegmentRolled: "rolled", seam.WriteRefused: "write refused",
		seam.DirFailed: "directory failed", seam.ConnRefused: "connection refused", seam.IndexRebuilt: "index rebuilt",
		seam.SegmentUnreadable: "segment unreadable", seam.EpochStarted: "leads", seam.ProducersExpired: "producers expired",
		seam.SegmentsDeleted: "segments deleted", seam.PartitionAdded: "partition added", seam.ConfigAltered: "configuration altered",
		seam.CompactionBegun: "compaction begun", seam.SegmentsCompacted: "segments compacted", seam.Compacted: "compacted", seam.CompactionFailed: "compaction failed",
		seam.DirFenced: "directory fenced", seam.CoordinatorLoaded: "coordinator loaded", seam.CoordinatorFailed: "coordinator failed", seam.ReplicaMoved: "moved", seam.MoveFailed: "move failed", seam.WritesResumed: "writes resumed", seam.TelemetryPushed: "telemetry pushed", seam.StrayFolder: "stray folder", seam.QuotasAltered: "quotas altered",
	}
)

// short leaves out of a path what says nothing: the zeroes of a segment's name, the id in a doomed folder's.
func short(text string) string {
	return inWords.Replace(doomedID.ReplaceAllString(zeroes.ReplaceAllString(text, "/$1."), "$1"))
}

// contents says what a write holds: batches by their offsets, metadata records by their names.
func contents(path string, at int64, data []byte) string {
	if !strings.HasSuffix(path, ".log") {
		return fmt.Sprintf(" %d bytes", len(data))
	}
	out := fmt.Sprintf(" at=%d%s", at, offsets(data))
	if !strings.HasPrefix(path, metadataTopic) {
		return out
	}
	return out + " " + records(batch.View(data))
}

// offsets lists the batches of data by their offsets; one that is cut short at the end as such.
func offsets(data []byte) (out string) {
	for len(data) > 0 {
		view, rest, whole := batch.Next(data)
		if !whole {
			return out + " (part of a batch)"
		}
		out += fmt.Sprintf(" offsets=%d..%d", view.BaseOffset(), view.LastOffset())
		data = rest
	}
	return out
}

func records(view batch.View) string {
	if view.IsControl() {
		return "LeaderChange"
	}
	var out []string
	all := batch.Read(view, batch.Limits{}, nil)
	for r := (batch.Record{}); all.Next(&r); {
		record, err := meta.Parse(r.Value)
		if err != nil {
			return err.Error()
		}
		out = append(out, strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", record), "*meta."), "Record"))
	}
	return strings.Join(out, ", ")
}

func eventLabel(e *seam.Event) string {
	out := eventWord[e.Kind]
	switch e.Kind {
	case seam.TopicCreated, seam.TopicDeleted, seam.ConfigAltered, seam.TelemetryPushed:
		out += " " + e.Topic
	case seam.PartitionOpened, seam.Truncated, seam.SegmentRolled, seam.WriteRefused, seam.IndexRebuilt, seam.SegmentUnreadable, seam.EpochStarted, seam.ProducersExpired, seam.SegmentsDeleted, seam.PartitionAdded, seam.CoordinatorLoaded, seam.CoordinatorFailed,
		seam.CompactionBegun, seam.SegmentsCompacted, seam.Compacted, seam.CompactionFailed, seam.WritesResumed:
		if e.Topic != "" {
			out += fmt.Sprintf(" %s-%d", e.Topic, e.Partition)
		}
	case seam.Ready, seam.Stopped, seam.DirFailed, seam.ConnRefused, seam.QuotasAltered:
	case seam.ReplicaMoved:
		out += fmt.Sprintf(" %s-%d from d%d to d%d", e.Topic, e.Partition, e.A, e.B)
	case seam.MoveFailed:
		out += fmt.Sprintf(" %s-%d to d%d", e.Topic, e.Partition, e.A)
	case seam.StrayFolder:
		out += fmt.Sprintf(" d%d/%s", e.A, e.Topic)
	case seam.DirFenced:
		out += fmt.Sprintf(" d%d n=%d", e.A, e.B)
	}
	switch e.Kind {
	case seam.PartitionOpened:
		out += fmt.Sprintf(" start=%d end=%d", e.A, e.B)
	case seam.EpochStarted:
		out += fmt.Sprintf(" epoch=%d from=%d", e.A, e.B)
	case seam.Truncated:
		out += fmt.Sprintf(" end=%d cut=%d bytes", e.A, e.B)
	case seam.CoordinatorLoaded:
		out += fmt.Sprintf(" records=%d", e.A)
	case seam.SegmentRolled, seam.IndexRebuilt, seam.SegmentUnreadable, seam.CoordinatorFailed:
		out += fmt.Sprintf(" at=%d", e.A)
	case seam.CompactionBegun:
		out += fmt.Sprintf(" from=%d bytes=%d", e.A, e.B)
	case seam.SegmentsCompacted:
		out += fmt.Sprintf(" at=%d saved=%d", e.A, e.B)
	case seam.Compacted:
		out += fmt.Sprintf(" to=%d dropped=%d", e.A, e.B)
	case seam.TelemetryPushed:
		out += fmt.Sprintf(" bytes=%d", e.A)
	case seam.QuotasAltered:
		out += fmt.Sprintf(" n=%d", e.A)
	case seam.WritesResumed:
		out += fmt.Sprintf(" failed=%d", e.A)
	case seam.SegmentsDeleted:
		out += fmt.Sprintf(" n=%d start=%d", e.A, e.B)
	case seam.Ready, seam.Stopped, seam.TopicCreated, seam.TopicDeleted, seam.WriteRefused, seam.DirFailed, seam.ConnRefused, seam.ProducersExpired, seam.PartitionAdded, seam.ConfigAltered, seam.DirFenced, seam.ReplicaMoved, seam.MoveFailed, seam.StrayFolder:
	}
	if e.Text != "" {
		out += " (" + e.Text + ")"
	}
	return out
}

// title names a client, where there is more than one.
func (c *client) title() string {
	if c.name == "" {
		return ""
	}
	return c.name + " "
}

func requestLabel(c *client, r *conn.Request) string {
	what := r.Kind.String()
	if r.Kind != conn.Unsupported && r.Kind != conn.Malformed {
		what = wire.Name(r.Key)
	}
	return fmt.Sprintf("%s#%d %s", c.title(), r.Correlation, what)
}

func throttled(millis int32) string {
	if millis == 0 {
		return ""
	}
	return fmt.Sprintf(" wait %dms", millis)
}

func code(n int16) string {
	if n == 0 {
		return ""
	}
	return " " + wire.Code(n).String()
}

// nameOr is a topic's name in an answer: one that was asked for by id may have none.
func nameOr(name *string) string {
	if name == nil {
		return "?"
	}
	return *name
}

func answerLabel(a answered) string {
	out := fmt.Sprintf("#%d", a.correlation)
	switch r := a.response.(type) {
	case *kmsg.ProduceResponse:
		out += throttled(r.ThrottleMillis)
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				out += fmt.Sprintf(" %s-%d", t.Topic, p.Partition)
				if p.ErrorCode != 0 {
					out += code(p.ErrorCode)
				} else {
					out += fmt.Sprintf(" base=%d", p.BaseOffset)
				}
			}
		}
	case *kmsg.FetchResponse:
		out += throttled(r.ThrottleMillis)
		out += code(r.ErrorCode)
		if r.SessionID != 0 && r.ErrorCode == 0 {
			out += " in a session:"
			if len(r.Topics) == 0 {
				out += " nothing new"
			}
		}
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				out += fmt.Sprintf(" %s-%d", t.Topic, p.Partition)
				if p.ErrorCode != 0 {
					out += code(p.ErrorCode)
				} else {
					out += fmt.Sprintf(" high=%d%s", p.HighWatermark, offsets(p.RecordBatches))
				}
			}
		}
	case *kmsg.ListOffsetsResponse:
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				out += fmt.Sprintf(" %s-%d", t.Topic, p.Partition)
				if p.ErrorCode != 0 {
					out += code(p.ErrorCode)
				} else {
					out += fmt.Sprintf(" offset=%d epoch=%d", p.Offset, p.LeaderEpoch)
				}
			}
		}
	case *kmsg.CreateTopicsResponse:
		out += throttled(r.ThrottleMillis)
		for _, t := range r.Topics {
			out += " create " + t.Topic + code(t.ErrorCode)
			if t.ErrorCode == 0 {
				out += fmt.Sprintf(" partitions=%d", t.NumPartitions)
			} else if t.ErrorMessage != nil {
				out += " (" + *t.ErrorMessage + ")"
			}
		}
	case *kmsg.DeleteTopicsResponse:
		for _, t := range r.Topics {
			out += " delete " + nameOr(t.Topic) + code(t.ErrorCode)
		}
	case *kmsg.DeleteRecordsResponse:
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				out += fmt.Sprintf(" %s-%d low=%d%s", t.Topic, p.Partition, p.LowWatermark, code(p.ErrorCode))
			}
		}
	case *kmsg.CreatePartitionsResponse:
		for _, t := range r.Topics {
			out += " grow " + t.Topic + code(t.ErrorCode)
		}
	case *kmsg.GetTelemetrySubscriptionsResponse:
		if out += code(r.ErrorCode); r.ErrorCode == 0 {
			out += fmt.Sprintf(" subscription=%d every %dms %v", r.SubscriptionID, r.PushIntervalMillis, r.RequestedMetrics)
		}
	case *kmsg.PushTelemetryResponse:
		out += code(r.ErrorCode)
	case *kmsg.IncrementalAlterConfigsResponse:
		for _, x := range r.Resources {
			out += " alter " + x.ResourceName + code(x.ErrorCode)
		}
	case *kmsg.MetadataResponse:
		for _, t := range r.Topics {
			out += " " + nameOr(t.Topic) + code(t.ErrorCode)
			for _, p := range t.Partitions {
				out += fmt.Sprintf(" %d:leader=%d,epoch=%d", p.Partition, p.Leader, p.LeaderEpoch)
				if len(p.OfflineReplicas) > 0 {
					out += fmt.Sprintf(",offline=%v", p.OfflineReplicas)
				}
			}
		}
		if len(r.Topics) == 0 {
			out += " no topics"
		}
	case *kmsg.DescribeLogDirsResponse:
		for _, d := range r.Dirs {
			out += " " + d.Dir + code(d.ErrorCode)
			for _, t := range d.Topics {
				for _, p := range t.Partitions {
					out += fmt.Sprintf(" %s-%d:%d", t.Topic, p.Partition, p.Size)
					if p.IsFuture || p.OffsetLag != 0 {
						out += fmt.Sprintf(",future=%t,lag=%d", p.IsFuture, p.OffsetLag)
					}
				}
			}
		}
	case *kmsg.AlterReplicaLogDirsResponse:
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				out += fmt.Sprintf(" %s-%d%s", t.Topic, p.Partition, code(p.ErrorCode))
			}
		}
	case *kmsg.InitProducerIDResponse:
		out += fmt.Sprintf(" producer id=%d epoch=%d%s", r.ProducerID, r.ProducerEpoch, code(r.ErrorCode))
	case *kmsg.ApiVersionsResponse:
		out += fmt.Sprintf(" %d APIs%s", len(r.ApiKeys), code(r.ErrorCode))
	}
	return out
}

func (v *PartitionView) String() string {
	promise := "durable"
	if !v.Durable {
		promise = "page cache"
	}
	out := fmt.Sprintf("%s-%d %s epoch=%d: start=%d durable=%d high=%d end=%d next=%d", v.Topic, v.Index, promise, v.Epoch, v.LogStart, v.DurableEnd, v.High, v.End, v.Next)
	if v.Parked > 0 {
		out += fmt.Sprintf(", batches waited for: %d", v.Parked)
	}
	for _, f := range v.Waiting {
		out += fmt.Sprintf(", a fetch waits at %d", f.Offset)
	}
	if !v.Open {
		out += ", not open"
	}
	return out
}

// fileLabel says what a file holds, as the process sees it and as the disk has it.
func fileLabel(path string, content, synced []byte) string {
	out := fmt.Sprintf("%s %d bytes", path, len(content))
	switch {
	case strings.HasSuffix(path, ".index"):
		for ; len(content) >= 8; content = content[8:] {
			out += fmt.Sprintf(" +%d@%d", binary.BigEndian.Uint32(content), binary.BigEndian.Uint32(content[4:]))
		}
	case strings.HasSuffix(path, ".timeindex"):
		for ; len(content) >= 12; content = content[12:] {
			out += fmt.Sprintf(" %d+%d", binary.BigEndian.Uint64(content), binary.BigEndian.Uint32(content[8:]))
		}
	case strings.HasSuffix(path, "checkpoint"):
		out += " " + strings.Join(strings.Split(strings.TrimSpace(string(content)), "\n")[2:], ", ")
	}
	if len(synced) != len(content) && strings.HasSuffix(path, ".log") {
		out += fmt.Sprintf(", %d of them synced", len(synced))
	}
	return out
}

package log_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/batch"
	"rookery/core/log"
	"rookery/core/seam"
)

// searches asks a log at rest for offsets by time, below a mark, and compares with a look at every record.
func (r *rig) searches() {
	l := r.replica.Log
	for range rapid.IntRange(0, 3).Draw(r.t, "searches") {
		limit := rapid.SampledFrom([]log.Mark{l.End(), l.Durable(), r.replica.High()}).Draw(r.t, "limit")
		request := l.SearchRequest(limit)
		request.ID, request.Timestamp = 42, rapid.Int64Range(-1, 61).Draw(r.t, "asked")
		request.Latest = rapid.IntRange(0, 2).Draw(r.t, "latest") == 2
		require.Equal(r.t, r.leaf(request.Timestamp, request.Latest, l.Start(), limit.Offset), runSearch(r.t, r.disk, request), "asked %d, latest %t, below %d: %+v", request.Timestamp, request.Latest, limit.Offset, l.Segments())
		r.counts["searched"]++
	}
}

// leaf reads every record between start and limit: the first at or after the time asked, or the first of those with the largest.
func (r *rig) leaf(asked int64, latest bool, start, limit int64) *log.Searched {
	out := &log.Searched{ID: 42, Offset: -1, Timestamp: -1, Epoch: -1}
	for _, b := range r.twin {
		view, record := batch.View(b.data), batch.Record{}
		for records := batch.Read(view, batch.Limits{}, nil); b.last < limit && records.Next(&record); {
			found := record.Timestamp >= asked && !out.Found
			if latest {
				found = record.Timestamp > out.Timestamp || !out.Found
			}
			if found && b.base+int64(record.OffsetDelta) >= start {
				*out = log.Searched{ID: 42, Found: true, Offset: b.base + int64(record.OffsetDelta), Timestamp: record.Timestamp, Epoch: view.LeaderEpoch()}
			}
		}
	}
	return out
}

// runSearch drives a Search to its answer. What it opened is closed then.
func runSearch(t *rapid.T, d *disk, request *log.SearchRequest) *log.Searched {
	machine, fx := log.NewSearch(), seam.Effects{}
	before := len(d.files)
	inputs := []seam.Input{&seam.Mail{Body: request}}
	var out *log.Searched
	for len(inputs) > 0 || d.busy() {
		if len(inputs) == 0 {
			d.carryOut()
			inputs, d.inbox = d.inbox, nil
			continue
		}
		machine.Step(seam.Now{}, inputs[0], &fx)
		inputs = inputs[1:]
		for _, s := range fx.Sends {
			require.Nil(t, out, "one answer")
			out = s.Body.(*log.Searched)
			require.Len(t, d.files, before, "its files are closed")
		}
		d.queue(&fx)
		fx.Reset()
	}
	return out
}

// The log's start cuts a batch whose largest timestamp is that of a record below it. The largest of those that are left is
// of the next batch.
func TestTheLargestTimestampIsNotThatOfADeletedRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b batch.Builder
		b.Begin(batch.Plain(batch.None))
		b.Add(50, nil, nil, nil)
		b.Add(20, nil, nil, nil)
		cut := slices.Clone([]byte(b.Finish()))
		batch.Stamp(cut, 0, 0)
		content := slices.Concat(cut, dated(2, 30))
		d := newDisk(t)
		d.names["t-0/00000000000000000000.log"] = &inode{data: content, disk: content, dirty: map[int]bool{}}
		request := &log.RecoveryRequest{Topic: "t", Folder: seam.Path{Name: "t-0"}, Files: d.entries(), First: 1, LogStart: 1, Config: edgeConfig}
		out := runRecovery(t, d, request, 0)
		require.Equal(t, seam.OK, out.Fault, out.Reason)
		files := seam.File(100)
		l := log.Restore(out, seam.Path{Name: "t-0"}, edgeConfig, log.Numbers{Owner: 7, Files: &files})
		question := l.SearchRequest(l.End())
		question.Latest = true
		require.Equal(t, &log.Searched{Found: true, Offset: 2, Timestamp: 30}, runSearch(t, d, question))
	})
}

// A bit that turned in a batch's base offset, which no checksum covers: what lies there is told to nobody.
func TestABatchThatSaysItLiesElsewhereIsNotFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := slices.Concat(dated(0, 20), dated(1, 30))
		d := newDisk(t)
		file := &inode{data: whole, disk: whole, dirty: map[int]bool{}}
		d.names["t-0/00000000000000000000.log"] = file
		request := &log.RecoveryRequest{Topic: "t", Folder: seam.Path{Name: "t-0"}, Files: d.entries(), First: 1, Config: edgeConfig}
		out := runRecovery(t, d, request, 0)
		require.Equal(t, seam.OK, out.Fault, out.Reason)
		files := seam.File(100)
		l := log.Restore(out, seam.Path{Name: "t-0"}, edgeConfig, log.Numbers{Owner: 7, Files: &files})
		question := l.SearchRequest(l.End())
		question.Timestamp = 25
		require.Equal(t, &log.Searched{Found: true, Offset: 1, Timestamp: 30}, runSearch(t, d, question))
		file.data[len(dated(0, 20))+rapid.IntRange(0, 6).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		question = l.SearchRequest(l.End())
		question.Timestamp = 25
		require.Equal(t, seam.IOError, runSearch(t, d, question).Fault)
	})
}

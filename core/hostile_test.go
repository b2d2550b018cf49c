package core

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// stepMost is far beyond what a Step may last, and far below what it lasts where each thing that a request names is
// compared with each other.
const stepMost = 5 * time.Second

// thingsNamed is as many things as a request may name and then some room.
const thingsNamed = 120_000

// soon hands in a request, and wants its answer without a long Step.
func (w *bench) soon(request kmsg.Request, answer kmsg.Response) {
	w.t.Helper()
	in := w.frame(request)
	began := time.Now()
	w.step(in)
	require.Less(w.t, time.Since(began), stepMost)
	require.Len(w.t, w.heads, 1)
	w.decode(request, answer)
}

func (w *bench) decode(request kmsg.Request, answer kmsg.Response) {
	w.t.Helper()
	answer.SetVersion(request.GetVersion())
	at := 8
	if request.IsFlexible() {
		at++
	}
	require.NoError(w.t, answer.ReadFrom(w.heads[0][at:]))
}

// An entity of a quota has two parts at most; one that names a hundred thousand is refused at the first that is none.
func TestQuotaOfManyParts(t *testing.T) {
	w := newBench(t)
	r := kmsg.NewPtrAlterClientQuotasRequest()
	r.Version = 1
	e := kmsg.NewAlterClientQuotasRequestEntry()
	for i := range thingsNamed {
		e.Entity = append(e.Entity, kmsg.AlterClientQuotasRequestEntryEntity{Type: strconv.Itoa(1e6 + i)})
	}
	r.Entries = append(r.Entries, e)
	answer := kmsg.NewPtrAlterClientQuotasResponse()
	w.soon(r, answer)
	require.EqualValues(t, 42, answer.Entries[0].ErrorCode)
	require.Equal(t, "Unhandled client quota entity type: 1000000", *answer.Entries[0].ErrorMessage)
}

// Topics that are moved between log directories are found again in the answer without a walk.
func TestMoveOfManyTopics(t *testing.T) {
	w := newBench(t)
	r := kmsg.NewPtrAlterReplicaLogDirsRequest()
	r.Version = 2
	for range 2 {
		d := kmsg.NewAlterReplicaLogDirsRequestDir()
		for i := range thingsNamed / 2 {
			d.Topics = append(d.Topics, kmsg.AlterReplicaLogDirsRequestDirTopic{Topic: strconv.Itoa(1e6 + i), Partitions: []int32{0}})
		}
		r.Dirs = append(r.Dirs, d)
	}
	answer := kmsg.NewPtrAlterReplicaLogDirsResponse()
	w.soon(r, answer)
	require.Len(t, answer.Topics, thingsNamed/2)
	for i := range answer.Topics {
		require.Len(t, answer.Topics[i].Partitions, 2)
	}
}

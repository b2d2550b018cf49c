package replica_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/batch"
	"rookery/core/log"
	"rookery/core/producer"
	"rookery/core/replica"
	"rookery/core/seam"
	"rookery/core/wire"
)

func leader(flush int64) (*replica.Replica, *seam.Effects) {
	files := seam.File(0)
	fx := &seam.Effects{}
	config := log.Config{SegmentBytes: 1 << 30, SegmentMillis: 1 << 40, IndexBytes: 10 << 20, IndexIntervalBytes: 1 << 30}
	l := log.New("t", 0, seam.Path{Name: "t-0"}, config, log.Numbers{Owner: 1, Files: &files})
	l.Create(seam.Now{}, fx)
	r := replica.New(l, producer.New(), flush)
	r.BecomeLeader(0)
	r.Wrote(&seam.Wrote{Op: fx.Files[0].Op}, always, fx)
	fx.Reset()
	return r, fx
}

func produce(r *replica.Replica, fx *seam.Effects, ticket uint32, acks int16, sequence int32) replica.Outcome {
	var b batch.Builder
	spec := batch.Plain(batch.None)
	spec.ProducerID, spec.ProducerEpoch, spec.BaseSequence = 9, 0, sequence
	b.Begin(spec)
	b.Add(1, nil, []byte("jackdaw"), nil)
	data := b.Finish()
	facts := batch.Inspect(data, batch.Limits{})
	return r.Produce(seam.Now{}, replica.Ticket{Request: ticket}, acks, data, &facts, fx)
}

func done(r *replica.Replica) (out []replica.Done) {
	out, r.Done = r.Done, nil
	return out
}

func syncAll(r *replica.Replica, fx *seam.Effects) {
	for r.SyncWanted(0) {
		fx.Reset()
		r.EmitSyncs(0, fx)
		for _, s := range fx.Syncs {
			r.Synced(&seam.Synced{Op: s.Op}, fx)
		}
	}
}

// A duplicate of a batch under way waits with it, each as its own acks ask; both fail with it too.
func TestDuplicateWaitsWithItsOriginal(t *testing.T) {
	r, fx := leader(1)
	require.True(t, produce(r, fx, 1, -1, 0).Waits)
	again := produce(r, fx, 2, -1, 0)
	require.True(t, again.Waits && !again.Writes)
	require.True(t, produce(r, fx, 3, 1, 0).Waits)
	r.Wrote(&seam.Wrote{Op: fx.Writes[0].Op, Bytes: int64(len(fx.Writes[0].Data))}, always, fx)
	require.Equal(t, []replica.Done{{Ticket: replica.Ticket{Request: 3}}}, done(r), "acks=1: the page cache is enough")
	syncAll(r, fx)
	require.Equal(t, []replica.Done{{Ticket: replica.Ticket{Request: 1}}, {Ticket: replica.Ticket{Request: 2}}}, done(r))

	fx.Reset()
	produce(r, fx, 4, 1, 1)
	produce(r, fx, 5, -1, 1)
	produce(r, fx, 6, 1, 2)
	r.Wrote(&seam.Wrote{Op: fx.Writes[0].Op, Bytes: 3, Fault: seam.NoSpace}, always, fx)
	require.Equal(t, wire.KafkaStorageError, produce(r, fx, 7, 1, 3).Code)
	require.Empty(t, done(r), "the batch behind may still be under way")
	r.Wrote(&seam.Wrote{Op: fx.Writes[1].Op, Fault: seam.Planned}, always, fx)
	require.Len(t, done(r), 3)
	require.Equal(t, int64(1), r.Log.Next())
}

func TestAbandon(t *testing.T) {
	r, fx := leader(1)
	produce(r, fx, 1, -1, 0)
	produce(r, fx, 2, -1, 0)
	r.Abandon(wire.NotLeaderOrFollower)
	require.Len(t, done(r), 2)
	r.Wrote(&seam.Wrote{Op: fx.Writes[0].Op, Bytes: int64(len(fx.Writes[0].Data))}, always, fx)
	require.Len(t, r.Freed, 1, "the bytes are in use until the write has come back")
	require.Empty(t, done(r))
}

// The page-cache mode acknowledges with the write, the durable one with the sync.
func TestHighWatermark(t *testing.T) {
	for _, flush := range []int64{1, 1 << 62} {
		r, fx := leader(flush)
		produce(r, fx, 1, -1, 0)
		r.Wrote(&seam.Wrote{Op: fx.Writes[0].Op, Bytes: int64(len(fx.Writes[0].Data))}, always, fx)
		require.Equal(t, flush > 1, r.High().Offset == 1)
		syncAll(r, fx)
		require.Equal(t, int64(1), r.High().Offset)
	}
}

// One Produce, its Wrote and its Synced allocate nothing.
func TestStepAllocatesNothing(t *testing.T) { require.Zero(t, allocations(t)) }

func BenchmarkStep(b *testing.B) {
	step := stepper()
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
	if n := testing.AllocsPerRun(1000, step); n > 0 {
		b.Fatalf("%v allocations", n)
	}
}

func allocations(_ *testing.T) float64 {
	step := stepper()
	for range 1000 {
		step()
	}
	return testing.AllocsPerRun(1000, step)
}

func stepper() func() {
	r, fx := leader(1)
	var b batch.Builder
	b.Begin(batch.Plain(batch.None))
	b.Add(1, nil, make([]byte, 1000), nil)
	data := b.Finish()
	facts := batch.Inspect(data, batch.Limits{})
	wrote, synced := &seam.Wrote{Bytes: int64(len(data))}, &seam.Synced{}
	return func() {
		fx.Reset()
		r.Produce(seam.Now{}, replica.Ticket{Request: 1}, -1, data, &facts, fx)
		wrote.Op = fx.Writes[0].Op
		r.Wrote(wrote, always, fx)
		r.EmitSyncs(0, fx)
		for i := range fx.Syncs {
			synced.Op = fx.Syncs[i].Op
			r.Synced(synced, fx)
		}
		r.Freed, r.Done = r.Freed[:0], r.Done[:0]
	}
}

func always() bool { return true }

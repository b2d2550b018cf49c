package replica_test

import (
	"cmp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/batch"
	"rookery/core/log"
	"rookery/core/producer"
	"rookery/core/replica"
	"rookery/core/seam"
	"rookery/core/wire"
)

// twin is a leader that keeps everything that was ever sent to it in one list, and finds every answer by looking through
// it from the front.
type twin struct {
	flush   int64
	sends   []*sent
	broken  bool  // a write failed
	repair  bool  // and all of them are back: the file is being cut
	covered int64 // by a Sync of the file that came back
	syncing int64 // what the one under way covers, -1: none
	cut     bool  // and no Sync has covered that
	cutting bool  // the one under way does
	names   map[seam.Op]bool
	named   int // folder and parent
	high    int64
}

// sent is a batch on its way, or a duplicate of one.
type sent struct {
	ticket     uint32
	acks       int16
	pid        int64
	epoch      int16
	base, last int64
	seq, end   int32 // sequences, first and last
	stamp      int64
	original   *sent // of a duplicate
	op         seam.Op
	back, bad  bool // its Write has come back, and badly
	freed      bool
	answered   bool
	lost       bool // never was
}

// log is what was taken and not lost, in order.
func (w *twin) log() (out []*sent) {
	for _, s := range w.sends {
		if s.original == nil && !s.lost {
			out = append(out, s)
		}
	}
	return out
}

// end: the first batch that is not in the page cache ends it.
func (w *twin) end() int64 {
	end := int64(0)
	for _, s := range w.log() {
		if !s.back || s.bad {
			break
		}
		end = s.last + 1
	}
	return end
}

func (w *twin) durable() int64 {
	if w.named < 2 {
		return 0
	}
	return w.covered
}

// judge is Kafka's rule for a producer's sequences, over everything that was taken of it.
func (w *twin) judge(pid int64, epoch int16, seq, end int32) (wire.Code, *sent) {
	var mine []*sent
	for _, s := range w.log() {
		if s.pid == pid {
			mine = append(mine, s)
		}
	}
	if pid < 0 || len(mine) == 0 {
		return wire.None, nil
	}
	newest := mine[len(mine)-1]
	remembered := 0
	for _, s := range slices.Backward(mine) {
		if s.epoch != epoch || newest.epoch != epoch || remembered == 5 {
			break
		}
		if remembered++; s.seq == seq && s.end == end {
			return wire.None, s
		}
	}
	switch {
	case epoch < newest.epoch:
		return wire.InvalidProducerEpoch, nil
	case epoch > newest.epoch && seq == 0 || epoch == newest.epoch && seq == newest.end+1:
		return wire.None, nil
	}
	return wire.OutOfOrderSequenceNumber, nil
}

// settle finds out who is answered now, with what, and whose bytes are free.
func (w *twin) settle() (done []replica.Done, freed []uint32) {
	underWay := slices.ContainsFunc(w.log(), func(s *sent) bool { return !s.back })
	end := w.end()
	for _, s := range w.log() {
		if w.broken && !underWay && !w.repair && s.base >= end {
			s.lost = true
		}
		if !s.freed && (s.lost || s.last < end) {
			s.freed = true
			freed = append(freed, s.ticket)
		}
	}
	w.repair = w.repair || w.broken && !underWay
	mark := end
	if w.flush == 1 {
		mark = w.durable()
	}
	w.high = max(w.high, mark)
	for _, s := range w.sends {
		about, least := s, end
		if s.original != nil {
			about = s.original
		}
		if s.acks == -1 {
			least = w.high
		}
		switch {
		case s.answered:
		case about.lost:
			s.answered = true
			done = append(done, replica.Done{Ticket: replica.Ticket{Request: s.ticket}, Code: wire.KafkaStorageError})
		case about.last < least:
			s.answered = true
			done = append(done, replica.Done{Ticket: replica.Ticket{Request: s.ticket}})
		}
	}
	return done, freed
}

// waiting is how many batches somebody waits for: those under way whether or not, as their bytes are needed.
func (w *twin) waiting() (n int) {
	for _, s := range w.sends {
		if s.original == nil && !s.freed || !s.answered {
			n++
		}
	}
	return n
}

func (w *twin) syncWanted() bool {
	due := w.flush == 1 || w.end()-w.durable() >= w.flush
	return (due || w.named < 2) && (w.named+len(w.names) < 2 || w.syncing < 0 && (w.end() > w.covered || w.cut))
}

// pair is the replica and its twin, and what was asked of the disk.
type pair struct {
	t       *rapid.T
	replica *replica.Replica
	fx      seam.Effects
	w       *twin
	writes  []seam.Write // under way, in order: they are of one file
	failing bool         // the file takes nothing until it is cut
	cuts    []seam.FileOp
	syncs   []seam.Sync
	tickets uint32
	counts  map[string]int
}

func newPair(t *rapid.T) *pair {
	p := &pair{t: t, counts: map[string]int{}}
	p.w = &twin{flush: rapid.SampledFrom([]int64{1, 1, 3, 1 << 62}).Draw(t, "flush.messages"), syncing: -1, names: map[seam.Op]bool{}}
	files := seam.File(0)
	config := log.Config{SegmentBytes: 1 << 30, SegmentMillis: 1 << 40, IndexBytes: 10 << 20, IndexIntervalBytes: 1 << 30}
	l := log.New("t", 0, seam.Path{Name: "t-0"}, config, log.Numbers{Owner: 1, Files: &files})
	l.Create(seam.Now{}, &p.fx)
	p.replica = replica.New(l, producer.New(), p.w.flush)
	p.replica.BecomeLeader(0)
	p.replica.Wrote(&seam.Wrote{Op: p.fx.Files[0].Op}, always, &p.fx)
	p.fx.Reset()
	return p
}

// agree compares the two after a step.
func (p *pair) agree() {
	p.writes = append(p.writes, p.fx.Writes...)
	p.cuts = append(p.cuts, p.fx.Files...)
	p.fx.Reset()
	done, freed := p.w.settle()
	order := func(a, b replica.Done) int { return cmp.Compare(a.Ticket.Request, b.Ticket.Request) }
	require.Equal(p.t, slices.SortedFunc(slices.Values(done), order), slices.SortedFunc(slices.Values(p.replica.Done), order), "who is answered now, and what")
	var got []uint32
	for _, ticket := range p.replica.Freed {
		got = append(got, ticket.Request)
	}
	require.Equal(p.t, freed, got, "whose bytes are free")
	p.replica.Done, p.replica.Freed = p.replica.Done[:0], p.replica.Freed[:0]
	l := p.replica.Log
	require.Equal(p.t, p.w.end(), l.End().Offset)
	require.Equal(p.t, p.w.durable(), l.Durable().Offset)
	require.Equal(p.t, p.w.high, p.replica.High().Offset)
	require.Equal(p.t, p.w.waiting(), p.replica.Parked())
	require.Equal(p.t, p.w.broken, l.Broken())
	require.Equal(p.t, p.w.syncWanted(), p.replica.SyncWanted(0))
	for _, d := range done {
		p.counts[d.Code.String()]++
	}
}

func (p *pair) produce() {
	t := p.t
	s := &sent{pid: rapid.Int64Range(-1, 1).Draw(t, "pid"), acks: rapid.SampledFrom([]int16{-1, -1, 1, 0}).Draw(t, "acks"), seq: -1, end: -1, epoch: -1, stamp: int64(p.tickets)}
	count := rapid.Int32Range(1, 3).Draw(t, "records")
	if s.pid >= 0 {
		s.epoch, s.seq, count = p.drawSequence(s.pid, count)
		s.end = s.seq + count - 1
	}
	p.tickets++
	s.ticket = p.tickets
	data := build(s, count)
	facts := batch.Inspect(data, batch.Limits{})
	require.Equal(t, batch.Fine, facts.Fault)
	out := p.replica.Produce(seam.Now{}, replica.Ticket{Request: s.ticket}, s.acks, data, &facts, &p.fx)
	code, original := p.w.judge(s.pid, s.epoch, s.seq, s.end)
	switch {
	case p.w.broken:
		require.Equal(t, wire.KafkaStorageError, out.Code)
	case code != wire.None:
		require.Equal(t, replica.Outcome{Code: code, Base: -1, Timestamp: -1}, out)
	case original != nil:
		s.original = original
		safe := p.w.end()
		if s.acks == -1 {
			safe = min(safe, p.w.high)
		}
		s.answered = original.last < safe
		require.Equal(t, replica.Outcome{Base: original.base, Timestamp: original.stamp, Waits: !s.answered}, out)
		p.w.sends = append(p.w.sends, s)
		p.counts["duplicate"]++
	default:
		if all := p.w.log(); len(all) > 0 {
			s.base = all[len(all)-1].last + 1
		}
		s.last = s.base + int64(count) - 1
		require.Equal(t, replica.Outcome{Base: s.base, Timestamp: -1, Waits: true, Writes: true}, out)
		require.Equal(t, s.base, batch.View(data).BaseOffset(), "stamped in place")
		s.op = p.fx.Writes[0].Op
		p.w.sends = append(p.w.sends, s)
	}
}

// drawSequence takes up one of the producer's batches: it goes on from it, sends it again, or something near it.
func (p *pair) drawSequence(pid int64, count int32) (epoch int16, seq, records int32) {
	t := p.t
	var mine []*sent
	for _, s := range p.w.sends { // the lost ones too: their sequences come again
		if s.pid == pid && s.original == nil {
			mine = append(mine, s)
		}
	}
	if len(mine) == 0 {
		return 0, rapid.Int32Range(0, 2).Draw(t, "first"), count
	}
	newest := mine[len(mine)-1]
	switch rapid.IntRange(0, 9).Draw(t, "sequence") {
	case 0:
		return max(0, newest.epoch+int16(rapid.IntRange(-1, 1).Draw(t, "epochs"))), rapid.Int32Range(0, 2).Draw(t, "seq"), count
	case 1:
		return newest.epoch, max(0, newest.end+rapid.Int32Range(-2, 2).Draw(t, "off")), count
	case 2, 3, 4:
		b := mine[max(0, len(mine)-1-rapid.IntRange(0, 6).Draw(t, "back"))]
		return b.epoch, b.seq, b.end - b.seq + 1
	}
	if code, original := p.w.judge(pid, newest.epoch, newest.end+1, newest.end+count); code != wire.None || original != nil {
		return newest.epoch, newest.seq, count // it was lost: the client begins there again
	}
	return newest.epoch, newest.end + 1, count
}

func build(s *sent, count int32) []byte {
	spec := batch.Plain(batch.None)
	if s.pid >= 0 {
		spec.ProducerID, spec.ProducerEpoch, spec.BaseSequence = s.pid, s.epoch, s.seq
	}
	var b batch.Builder
	b.Begin(spec)
	for range count {
		b.Add(s.stamp, nil, []byte("jackdaw"), nil)
	}
	return b.Finish()
}

// wrote lets the oldest Write come back. One that fails, or is cut short, takes with it what is behind it in the file.
func (p *pair) wrote() {
	if len(p.writes) == 0 {
		return
	}
	x := p.writes[0]
	p.writes = p.writes[1:]
	in := &seam.Wrote{Op: x.Op, Bytes: int64(len(x.Data))}
	switch {
	case p.failing:
		in.Bytes, in.Fault = 0, seam.Planned
	case rapid.IntRange(0, 7).Draw(p.t, "fails") == 7:
		in.Bytes, in.Fault = rapid.Int64Range(0, in.Bytes-1).Draw(p.t, "bytes"), rapid.SampledFrom([]seam.Fault{seam.OK, seam.IOError, seam.NoSpace}).Draw(p.t, "fault")
		p.failing = true
	}
	for _, s := range p.w.sends {
		if s.op == x.Op && s.original == nil {
			s.back, s.bad = true, p.failing
			p.w.broken = p.w.broken || p.failing
		}
	}
	p.replica.Wrote(in, always, &p.fx)
}

// cut lets the repair come to its end.
func (p *pair) cut() {
	if len(p.cuts) == 0 {
		return
	}
	x := p.cuts[0]
	p.cuts = p.cuts[1:]
	require.Equal(p.t, seam.Truncate, x.Deed)
	p.failing, p.w.broken, p.w.repair, p.w.cut, p.w.cutting = false, false, false, true, false
	p.replica.Wrote(&seam.Wrote{Op: x.Op}, always, &p.fx)
}

func (p *pair) emitSyncs() {
	if !p.replica.SyncWanted(0) {
		return
	}
	p.replica.EmitSyncs(0, &p.fx)
	for _, x := range p.fx.Syncs {
		if x.File == 0 {
			p.w.names[x.Op] = true
		} else {
			require.Negative(p.t, p.w.syncing, "one Sync under way a file")
			p.w.syncing, p.w.cutting = p.w.end(), p.w.cut
		}
		p.syncs = append(p.syncs, x)
	}
}

// synced lets any Sync come back.
func (p *pair) synced() {
	if len(p.syncs) == 0 {
		return
	}
	i := rapid.IntRange(0, len(p.syncs)-1).Draw(p.t, "synced")
	x := p.syncs[i]
	p.syncs = slices.Delete(p.syncs, i, i+1)
	if x.File == 0 {
		delete(p.w.names, x.Op)
		p.w.named++
	} else {
		p.w.covered, p.w.syncing = max(p.w.covered, p.w.syncing), -1
		p.w.cut = p.w.cut && !p.w.cutting
	}
	p.replica.Synced(&seam.Synced{Op: x.Op}, &p.fx)
}

// abandon: everybody is told, and the bytes are free when their writes have come back.
func (p *pair) abandon() {
	p.replica.Abandon(wire.NotLeaderOrFollower)
	for _, s := range p.w.sends {
		if !s.answered {
			s.answered = true
			require.Contains(p.t, p.replica.Done, replica.Done{Ticket: replica.Ticket{Request: s.ticket}, Code: wire.NotLeaderOrFollower})
			p.counts["abandoned"]++
			i := slices.IndexFunc(p.replica.Done, func(d replica.Done) bool { return d.Ticket.Request == s.ticket })
			p.replica.Done = slices.Delete(p.replica.Done, i, i+1)
		}
	}
	p.agree()
}

// TestReplicaAgreesWithTheTwin: batches and duplicates at every acks level, writes that come back well or badly, syncs
// that come back in any order. After each step the marks, who is answered, with what, and whose bytes are free, agree.
func TestReplicaAgreesWithTheTwin(t *testing.T) {
	totals := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		p := newPair(t)
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0, 1, 2, 3:
				p.produce()
			case 4, 5, 6:
				p.wrote()
			case 7:
				p.cut()
			case 8:
				p.emitSyncs()
			case 9:
				p.synced()
			}
			p.agree()
		}
		if rapid.IntRange(0, 3).Draw(t, "abandon") == 0 {
			p.abandon()
		}
		for len(p.writes)+len(p.cuts)+len(p.syncs) > 0 || p.replica.SyncWanted(0) {
			for _, step := range []func(){p.wrote, p.cut, p.emitSyncs, p.synced} {
				step()
				p.agree()
			}
		}
		require.Zero(t, p.w.waiting(), "at rest everybody is answered")
		for k, v := range p.counts {
			totals[k] += v
		}
	})
	t.Log(totals)
}

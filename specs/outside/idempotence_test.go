package outside

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// sequenced is one batch of an idempotent producer. base is the offset in the answer; -1 goes with an error.
type sequenced struct {
	what     string
	producer int64
	epoch    int16
	sequence int32
	n        int
	code     int16
	base     int64
	again    bool // it is a duplicate: the answer says the time of the first one
}

// TestIdempotence is Kafka 4.2's table: five batches are remembered, and a duplicate is the same batch, not a part of it.
func TestIdempotence(t *testing.T) {
	n := start(t)
	c := Dial(t, n)
	id := Create(t, c, "seq")
	const most = math.MaxInt32
	for _, row := range []sequenced{
		{what: "an unknown producer begins anywhere: 0", producer: 1, n: 1, base: 0},
		{what: "at 1", producer: 2, sequence: 1, n: 1, base: 1},
		{what: "at 5, with an epoch of its own", producer: 3, epoch: 9, sequence: 5, n: 1, base: 2},
		{what: "at the last sequence there is", producer: 4, sequence: most, n: 1, base: 3},
		{what: "not below zero", producer: 5, sequence: -1, n: 1, code: invalidRecord},
		{what: "nor far below", producer: 5, sequence: math.MinInt32, n: 1, code: invalidRecord},

		{what: "batches of three: first", producer: 6, sequence: 0, n: 3, base: 4},
		{what: "second", producer: 6, sequence: 3, n: 3, base: 7},
		{what: "third", producer: 6, sequence: 6, n: 3, base: 10},
		{what: "fourth", producer: 6, sequence: 9, n: 3, base: 13},
		{what: "fifth", producer: 6, sequence: 12, n: 3, base: 16},
		{what: "the first again", producer: 6, sequence: 0, n: 3, base: 4, again: true},
		{what: "the fifth again", producer: 6, sequence: 12, n: 3, base: 16, again: true},
		{what: "sixth", producer: 6, sequence: 15, n: 3, base: 19},
		{what: "the first is forgotten", producer: 6, sequence: 0, n: 3, code: outOfOrderSequence},
		{what: "the second is not", producer: 6, sequence: 3, n: 3, base: 7, again: true},
		{what: "a batch's first record", producer: 6, sequence: 3, n: 1, code: outOfOrderSequence},
		{what: "its first two", producer: 6, sequence: 3, n: 2, code: outOfOrderSequence},
		{what: "its last two", producer: 6, sequence: 4, n: 2, code: outOfOrderSequence},
		{what: "more than the batch", producer: 6, sequence: 3, n: 4, code: outOfOrderSequence},
		{what: "two batches in one", producer: 6, sequence: 3, n: 6, code: outOfOrderSequence},
		{what: "a gap of one", producer: 6, sequence: 19, n: 1, code: outOfOrderSequence},
		{what: "a gap", producer: 6, sequence: 100, n: 1, code: outOfOrderSequence},
		{what: "and on it goes", producer: 6, sequence: 18, n: 1, base: 22},

		{what: "a new epoch begins at 0", producer: 6, epoch: 1, sequence: 19, n: 1, code: outOfOrderSequence},
		{what: "at nothing else", producer: 6, epoch: 1, sequence: 1, n: 1, code: outOfOrderSequence},
		{what: "epoch 1", producer: 6, epoch: 1, n: 1, base: 23},
		{what: "an older epoch", producer: 6, epoch: 0, sequence: 19, n: 1, code: invalidEpoch},
		{what: "also of what would be a duplicate", producer: 6, epoch: 0, sequence: 18, n: 1, code: invalidEpoch},
		{what: "epoch -1", producer: 6, epoch: -1, sequence: 1, n: 1, code: invalidEpoch},
		{what: "an epoch may jump", producer: 6, epoch: 9, n: 1, base: 24},
		{what: "to the last there is", producer: 6, epoch: math.MaxInt16, n: 1, base: 25},

		{what: "up to the end of the sequences", producer: 7, sequence: most - 1, n: 2, base: 26},
		{what: "they wrap", producer: 7, sequence: 0, n: 2, base: 28},
		{what: "and go on", producer: 7, sequence: 2, n: 1, base: 30},
		{what: "the one before the wrap again", producer: 7, sequence: most - 1, n: 2, base: 26, again: true},
		{what: "a batch over the wrap", producer: 8, sequence: most, n: 3, base: 31},
		{what: "what comes behind it", producer: 8, sequence: 2, n: 1, base: 34},
		{what: "the same again", producer: 8, sequence: most, n: 3, base: 31, again: true},
		{what: "a wrap too many", producer: 8, sequence: 4, n: 1, code: outOfOrderSequence},

		{what: "another producer's first, after all that", producer: 1, sequence: 0, n: 1, base: 0, again: true},
		{what: "and its next", producer: 1, sequence: 1, n: 1, base: 35},
	} {
		for _, acks := range []int16{-1, 1} { // by one acknowledgement everything is a duplicate already
			sent := From(row.producer, row.epoch, row.sequence, row.n)
			got := partitionOf(c.Ask(t, Produce("seq", id, 0, acks, sent), 12))
			require.Equal(t, row.code, got.ErrorCode, row.what)
			if row.code != 0 {
				require.EqualValues(t, -1, got.BaseOffset, row.what)
				require.Zero(t, got.LogStartOffset, row.what)
				continue
			}
			require.Equal(t, row.base, got.BaseOffset, row.what)
			require.Zero(t, got.LogStartOffset, row.what)
			if row.again || acks == 1 {
				var first kmsg.RecordBatch
				require.NoError(t, first.ReadFrom(Stored(t, c, "seq", 0, row.base)))
				require.Equal(t, first.MaxTimestamp, got.LogAppendTime, row.what)
			} else {
				require.EqualValues(t, -1, got.LogAppendTime, row.what)
			}
		}
	}
	require.EqualValues(t, 36, End(t, c, "seq", 0))
}

// TestSequencesSurvive: what is remembered is remembered after a clean stop, and after a kill.
func TestSequencesSurvive(t *testing.T) {
	dir := t.TempDir()
	n := Start(t, binaryPath, dir)
	id := Create(t, Dial(t, n), "seq")
	next := int32(0)
	ask := func(sequence int32) kmsg.ProduceResponseTopicPartition {
		return partitionOf(Dial(t, n).Ask(t, Produce("seq", id, 0, -1, From(1, 0, sequence, 2)), 13))
	}
	for round := range 4 {
		for range 6 {
			require.Zero(t, ask(next).ErrorCode)
			next += 2
		}
		if round%2 == 0 {
			n.Stop(t)
		} else {
			n.Kill()
		}
		n = Start(t, binaryPath, dir)
		for back := int32(2); back <= 10; back += 2 {
			got := ask(next - back)
			require.Zero(t, got.ErrorCode, "batch %d from the end, round %d", back/2, round)
			require.EqualValues(t, next-back, got.BaseOffset)
		}
		require.EqualValues(t, outOfOrderSequence, ask(next-12).ErrorCode)
		require.EqualValues(t, outOfOrderSequence, ask(next+2).ErrorCode)
	}
	require.EqualValues(t, next, End(t, Dial(t, n), "seq", 0))
}

// TestPipelinedSequences: five batches under way at once, and a duplicate of one that is not acknowledged yet.
func TestPipelinedSequences(t *testing.T) {
	c := Dial(t, start(t))
	id := Create(t, c, "seq")
	var sent []*kmsg.ProduceRequest
	for _, sequence := range []int32{0, 1, 2, 3, 4, 2, 4, 9, 5} {
		r := Produce("seq", id, 0, -1, From(1, 0, sequence, 1))
		c.Send(r, 12)
		sent = append(sent, r)
	}
	first := c.correlation - int32(len(sent)) + 1
	for i, base := range []int64{0, 1, 2, 3, 4, 2, 4, -1, 5} {
		got := partitionOf(c.Receive(t, sent[i], first+int32(i)))
		require.Equal(t, base, got.BaseOffset)
		require.Equal(t, base < 0, got.ErrorCode == outOfOrderSequence)
	}
}

func TestInitProducerID(t *testing.T) {
	n := start(t)
	c := Dial(t, n)
	seen := map[int64]bool{}
	for version := int16(0); version <= 5; version++ {
		for _, row := range []struct {
			what    string
			id      *string
			timeout int32
			pair    [2]int64
			code    int16
		}{
			{"plain", nil, 60_000, [2]int64{-1, -1}, 0},
			{"no timeout counts without a transactional id", nil, 0, [2]int64{-1, -1}, 0},
			{"nor one below zero", nil, -1, [2]int64{-1, -1}, 0},
			{"nor the longest", nil, math.MaxInt32, [2]int64{-1, -1}, 0},
			{"an empty transactional id", kmsg.StringPtr(""), 60_000, [2]int64{-1, -1}, invalidRequest},
			{"an id without an epoch", nil, 60_000, [2]int64{5, -1}, invalidRequest},
			{"an epoch without an id", nil, 60_000, [2]int64{-1, 5}, invalidRequest},
			{"a pair: a new id", nil, 60_000, [2]int64{5, 5}, 0},
		} {
			r := kmsg.NewPtrInitProducerIDRequest()
			r.TransactionalID, r.TransactionTimeoutMillis = row.id, row.timeout
			r.ProducerID, r.ProducerEpoch = row.pair[0], int16(row.pair[1])
			code := row.code
			if version < 3 && row.id == nil {
				code = 0 // id and epoch are not in the request
			}
			got := c.Ask(t, r, version).(*kmsg.InitProducerIDResponse)
			require.Equal(t, code, got.ErrorCode, "%s, v%d", row.what, version)
			if code != 0 {
				require.EqualValues(t, -1, got.ProducerID, row.what)
				require.EqualValues(t, -1, got.ProducerEpoch, row.what)
				continue
			}
			require.False(t, seen[got.ProducerID], "an id twice")
			require.Zero(t, got.ProducerEpoch)
			seen[got.ProducerID] = true
		}
	}
}

// TestProducerIDsAreNeverDealtTwice: not over the end of a block of a thousand, not after a kill, not to two at once.
func TestProducerIDsAreNeverDealtTwice(t *testing.T) {
	dir := t.TempDir()
	seen := map[int64]bool{}
	for range 3 {
		n := Start(t, binaryPath, dir)
		a, b := Dial(t, n), Dial(t, n)
		for range 700 {
			x, y := kmsg.NewPtrInitProducerIDRequest(), kmsg.NewPtrInitProducerIDRequest()
			a.Send(x, 4)
			b.Send(y, 4)
			for _, got := range []kmsg.Response{a.Receive(t, x, a.correlation), b.Receive(t, y, b.correlation)} {
				id := got.(*kmsg.InitProducerIDResponse).ProducerID
				require.False(t, seen[id], "producer id %d twice", id)
				seen[id] = true
			}
		}
		n.Kill()
	}
}

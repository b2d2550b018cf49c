package main

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSizesAreAsTheStormWantsThem(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	big, total := 0, 0
	for i := range 20_000 {
		size := valueSize(random, i)
		require.LessOrEqual(t, size, valueBytesMax)
		total += size
		if size > bigFrom {
			big++
		}
	}
	require.Equal(t, 0, valueSize(random, 0))
	require.Equal(t, valueBytesMax, valueSize(random, 1))
	require.Equal(t, 20_000/100+1, big)
	require.Less(t, int64(total)*5, int64(2<<30), "100,000 of them stay below 2 GB")
}

func TestARecordIsAlwaysTheSame(t *testing.T) {
	for _, c := range stormers() {
		s := &session{seed: 7}
		for i := range 50 {
			require.Equal(t, c.record(s, i), c.record(s, i))
			if r := c.record(s, i); c.traits.textKeys {
				require.NotContains(t, string(r.key)+string(r.value), recordEnd)
				require.NotContains(t, string(r.key)+string(r.value), keyEnd)
			}
		}
	}
}

// judge must see each way in which a log can be wrong.
func TestJudge(t *testing.T) {
	s := &session{seed: 3, storm: 1000}
	exact, plain := stormers()[0], stormers()[6]
	whole := func(c stormer) *wholeLog {
		log := &wholeLog{of: map[string]map[int32][]sum{c.name: {}}}
		for i := range c.count(s) {
			r := c.record(s, i)
			log.of[c.name][r.partition] = append(log.of[c.name][r.partition], sumOf(r))
		}
		return log
	}
	for _, c := range []stormer{exact, plain} {
		_, err := c.judge(s, whole(c))
		require.NoError(t, err)
		lost := whole(c)
		lost.of[c.name][0] = lost.of[c.name][0][1:]
		_, err = c.judge(s, lost)
		require.ErrorContains(t, err, "missing 1")
		foreign := whole(c)
		foreign.of[c.name][2] = append(foreign.of[c.name][2], sum{1})
		_, err = c.judge(s, foreign)
		require.ErrorContains(t, err, "never sent 1")
	}
	twice := whole(exact)
	twice.of[exact.name][1] = append(twice.of[exact.name][1], twice.of[exact.name][1][0])
	_, err := exact.judge(s, twice)
	require.ErrorContains(t, err, "duplicates 1")
	swapped := whole(exact)
	first := swapped.of[exact.name][1]
	first[0], first[1] = first[1], first[0]
	_, err = exact.judge(s, swapped)
	require.ErrorContains(t, err, "partition 1, record 0")
	again := whole(plain)
	again.of[plain.name][1] = append(again.of[plain.name][1], again.of[plain.name][1][0])
	said, err := plain.judge(s, again)
	require.NoError(t, err, "who has no idempotence may send twice")
	require.Equal(t, "missing 0, duplicates 1", said)
}

func TestPortsAreMovedInAnswers(t *testing.T) {
	address := func(host string, port int) []byte { return binary.BigEndian.AppendUint32([]byte(host), uint32(port)) }
	answer := bytes.Join([][]byte{address("127.0.0.1", 9092), address("localhost", 9092), address("127.0.0.1", 9093), address("other", 9092)}, nil)
	moved(answer, 9092, 4000)
	require.Equal(t, bytes.Join([][]byte{address("127.0.0.1", 4000), address("localhost", 4000), address("127.0.0.1", 9093), address("other", 9092)}, nil), answer)
}

func TestGateHoldsUntilItOpens(t *testing.T) {
	var g gate
	g.hold(50, map[string]int64{"slow": 100, "fast": 100})
	ended := make(chan struct{})
	require.True(t, g.pass("somebody else", 1000, ended))
	require.True(t, g.pass("fast", 60, ended))
	through := make(chan bool)
	go func() { through <- g.pass("fast", 30, ended) }()
	require.ErrorContains(t, g.await(20*time.Millisecond), "slow 0 of 100")
	require.True(t, g.pass("slow", 50, ended))
	require.NoError(t, g.await(time.Second))
	select {
	case <-through:
		t.Fatal("it passed a closed gate")
	default:
	}
	g.open()
	require.True(t, <-through)
	g.hold(50, nil)
	close(ended)
	require.False(t, g.pass("slow", 1, ended))
}

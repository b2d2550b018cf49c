package main

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
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
	require.Less(t, int64(total), int64(500<<20), "what one client sends stays below 500 MB")
}

func TestTheCountSaysWhatIsLeftOut(t *testing.T) {
	s := &session{}
	require.Equal(t, "interop: 3 passed, 1 failed, 0 skipped\n", s.count(3, 1))
	s.leftOut = len(kgoLeftOut)
	require.Equal(t, "left out of other houses' own tests: 9; their rows say which, and why\ninterop: 159 passed, 0 failed, 0 skipped\n", s.count(159, 0))
}

func TestARecordIsAlwaysTheSame(t *testing.T) {
	for _, c := range stormers() {
		s := &session{seed: 7, storm: 1000}
		for i := range 50 {
			require.Equal(t, c.record(s, i), c.record(s, i))
			if r := c.record(s, i); c.traits.textKeys {
				require.NotContains(t, string(r.key)+string(r.value), recordEnd)
				require.NotContains(t, string(r.key)+string(r.value), keyEnd)
			}
		}
	}
}

func TestEveryClientSendsEnoughInEachOfItsCodecs(t *testing.T) {
	s := &session{seed: 7, storm: 20_000}
	counts, codecs := map[string]int{}, map[string]map[codec]int{}
	for _, c := range stormers() {
		counts[c.client] += c.count(s)
		codecs[c.name] = map[codec]int{}
		last, turns := c.record(s, 0).codec, 0
		for i := range 2000 {
			r := c.record(s, i*c.count(s)/2000)
			codecs[c.name][r.codec]++
			if c.client != "kcat" && r.codec != last {
				turns++
			}
			last = r.codec
		}
		require.Len(t, codecs[c.name], len(c.codecs), c.name)
		require.LessOrEqual(t, turns, len(c.codecs)-1, "%s takes each once", c.name)
	}
	for client, count := range counts {
		require.GreaterOrEqual(t, count, 20_000, client)
	}
}

// The oldest time there is, an hour's worth of others, and nothing newer than the run.
func TestTimesOfRecords(t *testing.T) {
	s := &session{seed: 7, storm: 1000, newest: 1_790_000_000_000}
	for _, c := range stormers() {
		for i := range 50 {
			switch at := c.record(s, i).time; {
			case !c.traits.times:
				require.Zero(t, at)
			case i == 2:
				require.Equal(t, int64(1), at)
			default:
				require.LessOrEqual(t, at, s.newest)
				require.Greater(t, at, s.newest-3_600_001)
			}
		}
	}
}

// judge must see each way in which a log can be wrong.
func TestJudge(t *testing.T) {
	s := &session{seed: 3, storm: 1000}
	exact, plain := stormers()[0], stormers()[1]
	require.True(t, exact.exact && !plain.exact)
	whole := func(c stormer) *wholeLog {
		log := newWholeLog(stormers())
		for i := range c.count(s) {
			r := c.record(s, i)
			log.add(c.name, r.partition, r)
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
		early := whole(c)
		r := c.record(s, 0)
		r.time--
		early.of[c.name][r.partition][0] = sumOf(r)
		_, err = c.judge(s, early)
		require.ErrorContains(t, err, "missing 1", "another time is another record")
		plainly := whole(c)
		plainly.codecs[c.name] = map[codec]int{none: c.count(s)}
		_, err = c.judge(s, plainly)
		require.ErrorContains(t, err, "nothing came as gzip")
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
	require.Regexp(t, "^missing 0, duplicates 1; none [1-9]", said)
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

func TestGateWaitsForNobodyWhoLeft(t *testing.T) {
	var g gate
	g.hold(50, map[string]int64{"gone": 100, "there": 100})
	require.True(t, g.pass("there", 50, nil))
	g.leave("gone")
	require.NoError(t, g.await(time.Second))
	g.open()
	g.open()
}

func TestRecordsOfAProduceFrameAreCounted(t *testing.T) {
	for _, version := range []int16{3, 8, 9, 13} {
		batch := make([]byte, 70)
		binary.BigEndian.PutUint32(batch[57:], 7)
		request := kmsg.NewPtrProduceRequest()
		request.Version = version
		topic := kmsg.NewProduceRequestTopic()
		topic.Topic = "t"
		for range 2 {
			partition := kmsg.NewProduceRequestTopicPartition()
			partition.Records = batch
			topic.Partitions = append(topic.Partitions, partition)
		}
		request.Topics = append(request.Topics, topic)
		frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("somebody")).AppendRequest(nil, request, 5)
		require.EqualValues(t, 14, producedRecords(frame[4:]), "version %d", version)
		require.Zero(t, producedRecords(frame[4:20]), "version %d, cut", version)
	}
}

// A group's judge must see what was lost, what went on before a commit, and a member that says something else.
func TestJudgeOfAGroup(t *testing.T) {
	ends := []int64{2, 0, 0, 1}
	whole := func() *groupHistory {
		h := newGroupHistory(groupOf{kind: "somebody"})
		h.hear("first", "p 0 0")
		h.hear("first", "c 0 1")
		h.hear("second", "p 0 1")
		h.hear("second", "p 3 0")
		return h
	}
	said, err := whole().judge(ends)
	require.NoError(t, err)
	require.Equal(t, "3 records, missing 0, duplicates 0; first 1, second 2", said)
	require.True(t, whole().beyond("", ends))
	require.True(t, whole().beyond("second", ends))
	require.False(t, whole().beyond("first", ends))
	lost := whole()
	_, err = lost.judge([]int64{2, 1, 0, 1})
	require.ErrorContains(t, err, "missing 1")
	again := whole()
	again.hear("first", "p 0 1")
	said, err = again.judge(ends)
	require.NoError(t, err, "what is not committed may come twice")
	require.Contains(t, said, "duplicates 1")
	back := whole()
	back.hear("second", "p 0 0")
	_, err = back.judge(ends)
	require.ErrorContains(t, err, "second processed offset 0 of partition 0, where 1 was committed")
	strange := whole()
	strange.hear("second", "p 4 0")
	_, err = strange.judge(ends)
	require.ErrorContains(t, err, `second says "p 4 0"`)
}

func TestVerdictsOfTests(t *testing.T) {
	found, err := readTests(strings.NewReader("=== RUN   TestA\n--- PASS: TestA (0.03s)\n    --- FAIL: TestA/b#1 (0.00s)\nsaid --- SKIP: TestC (0.10s)\nPASS\n--- PASS: TestD\n"))
	require.NoError(t, err)
	require.Equal(t, map[string][]string{"PASS": {"TestA"}, "FAIL": {"TestA/b#1"}, "SKIP": {"TestC"}}, found)
}

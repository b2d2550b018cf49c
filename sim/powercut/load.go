package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	steadyTopic      = "steady"
	steadyPartitions = 6
	kcatPartitions   = 2 // the last ones of the steady topic
)

// load is the clients of one round: producers with acks=all, readers, groups that commit, and somebody who creates and deletes topics.
type load struct {
	broker    string
	histories *histories
	random    *rand.Rand
	round     int

	stop     context.CancelFunc
	context  context.Context
	running  sync.WaitGroup
	waiting  atomic.Int64 // produce requests on the wire without an answer
	lastAck  atomic.Int64 // nanoseconds since 1970
	acks     atomic.Int64
	moves    atomic.Int64
	kcatAcks atomic.Int64 // delivered to kcat, and read by it: it is a process of its own, and may do nothing at all
	kcatRead atomic.Int64
	problems atomic.Pointer[string]
}

func startLoad(broker string, h *histories, c *commits, seed uint64, round int, dirs []string) *load {
	l := &load{broker: broker, histories: h, random: rand.New(rand.NewPCG(seed, uint64(round))), round: round}
	l.context, l.stop = context.WithCancel(context.Background())
	for number := range int32(steadyPartitions - kcatPartitions) {
		l.start(func() { l.produce(partition{steadyTopic, number}, seed) })
	}
	for number := int32(steadyPartitions - kcatPartitions); number < steadyPartitions; number++ {
		l.start(func() { l.produceWithKcat(partition{steadyTopic, number}, seed) })
	}
	l.start(l.read)
	l.start(func() { l.readWithKcat(partition{steadyTopic, steadyPartitions - 1}) })
	l.committers(c)
	l.start(func() { l.administer(seed) })
	if len(dirs) > 1 {
		l.start(func() { l.move(seed, dirs) })
	}
	return l
}

func (l *load) start(what func()) {
	l.running.Add(1)
	go func() { defer l.running.Done(); what() }()
}

func (l *load) end() { l.stop(); l.running.Wait() }

// underWay says whether a cut now would land as it must: an answer outstanding, and one seen in the last second.
func (l *load) underWay() bool {
	return l.waiting.Load() > 0 && time.Now().UnixNano()-l.lastAck.Load() < int64(time.Second)
}

func (l *load) acknowledged(p partition, offset int64, hash uint64) {
	l.histories.acknowledged(p, offset, hash)
	l.lastAck.Store(time.Now().UnixNano())
	l.acks.Add(1)
}

// OnBrokerWrite and OnBrokerRead count the produce requests that wait for their answers.
func (l *load) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if key == 0 && err == nil {
		l.waiting.Add(1)
	}
}

func (l *load) OnBrokerRead(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if key == 0 && err == nil {
		l.waiting.Add(-1)
	}
}

func (l *load) client(options ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(l.broker), kgo.WithHooks(l), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(50), kgo.DisableClientMetrics(),
		kgo.FetchMaxWait(100 * time.Millisecond), kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond }),
	}, options...)...)
	if err != nil {
		panic(err)
	}
	return client
}

// produce keeps one partition busy with an idempotent producer; a quarter of the partitions sees big records.
func (l *load) produce(p partition, seed uint64) {
	random := rand.New(rand.NewPCG(seed+uint64(p.number), uint64(l.round)))
	client := l.client(kgo.ProducerBatchCompression([]kgo.CompressionCodec{kgo.NoCompression(), kgo.Lz4Compression()}[p.number%2]))
	defer client.Close()
	for i := 0; l.context.Err() == nil; i++ {
		size := 8 + random.IntN(2000)
		if random.IntN(40) == 0 {
			size += random.IntN(100_000)
		}
		l.produceOne(client, random, p, size, i)
		if random.IntN(16) == 0 {
			time.Sleep(time.Duration(random.IntN(4)) * time.Millisecond)
		}
	}
}

func (l *load) produceOne(client *kgo.Client, random *rand.Rand, p partition, size, i int) {
	value := make([]byte, size)
	for at := 0; at+8 <= size; at += 8 {
		binary.LittleEndian.PutUint64(value[at:], random.Uint64())
	}
	record := &kgo.Record{Topic: p.topic, Partition: p.number, Key: fmt.Appendf(nil, "%d-%d", l.round, i), Value: value}
	client.Produce(l.context, record, func(r *kgo.Record, err error) {
		if err == nil {
			l.acknowledged(p, r.Offset, recordHash(r.Key, r.Value))
		}
	})
}

// produceWithKcat feeds lines to kcat, whose delivery reports come in the order of the lines: one process, one
// partition, idempotence on.
func (l *load) produceWithKcat(p partition, seed uint64) {
	cmd := exec.CommandContext(l.context, "kcat", "-P", "-E", "-b", l.broker, "-t", p.topic, "-p", fmt.Sprint(p.number), "-vvv",
		"-X", "acks=all", "-X", "enable.idempotence=true", "-X", "linger.ms=1", "-X", "topic.produce.offset.report=true")
	in, _ := cmd.StdinPipe()
	reports, _ := cmd.StderrPipe()
	if err := cmd.Start(); err != nil {
		l.failed("kcat: " + err.Error())
		return
	}
	var mu sync.Mutex
	var lines []uint64
	l.start(func() {
		defer in.Close()
		random := rand.New(rand.NewPCG(seed+uint64(p.number), uint64(l.round)))
		for i := 0; l.context.Err() == nil; i++ {
			line := fmt.Sprintf("kcat-%d-%d-%d-%s", p.number, l.round, i, strings.Repeat("x", random.IntN(1500)))
			mu.Lock()
			lines = append(lines, recordHash(nil, []byte(line)))
			mu.Unlock()
			if _, err := io.WriteString(in, line+"\n"); err != nil {
				return
			}
			time.Sleep(time.Duration(random.IntN(1500)) * time.Microsecond)
		}
	})
	scanner := bufio.NewScanner(reports)
	for delivered := 0; scanner.Scan(); {
		var number int32
		var offset int64
		if n, _ := fmt.Sscanf(scanner.Text(), "%% Message delivered to partition %d (offset %d)", &number, &offset); n == 2 {
			mu.Lock()
			hash := lines[delivered]
			mu.Unlock()
			delivered++
			l.acknowledged(p, offset, hash)
			l.kcatAcks.Add(1)
		}
	}
	cmd.Wait()
}

func (l *load) failed(why string) { l.problems.Store(&why) }

// read follows every partition of the steady topic from where the last verdict ended.
func (l *load) read() {
	from := map[int32]kgo.Offset{}
	for number := range int32(steadyPartitions) {
		from[number] = kgo.NewOffset().At(l.histories.settledEnd(partition{steadyTopic, number}))
	}
	client := l.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{steadyTopic: from}))
	defer client.Close()
	for l.context.Err() == nil {
		client.PollFetches(l.context).EachRecord(func(r *kgo.Record) {
			l.histories.wasRead(partition{r.Topic, r.Partition}, r.Offset, recordHash(r.Key, r.Value))
		})
	}
}

func (l *load) readWithKcat(p partition) {
	cmd := exec.CommandContext(l.context, "kcat", "-C", "-b", l.broker, "-t", p.topic, "-p", fmt.Sprint(p.number), "-q", "-u",
		"-o", fmt.Sprint(l.histories.settledEnd(p)), "-f", "%o %S %s\n")
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		l.failed("kcat: " + err.Error())
		return
	}
	scanner := bufio.NewScanner(out)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var offset int64
		var length int
		head, value, _ := strings.Cut(scanner.Text(), " kcat-")
		value = "kcat-" + value
		if n, _ := fmt.Sscan(head, &offset, &length); n == 2 && len(value) == length { // the last line may be cut short
			l.histories.wasRead(p, offset, recordHash(nil, []byte(value)))
			l.kcatRead.Add(1)
		}
	}
	cmd.Wait()
}

const briefTopics = 8

// administer creates topics, writes a little to them, deletes them, and uses their names again: each answer is a promise.
func (l *load) administer(seed uint64) {
	random := rand.New(rand.NewPCG(seed, uint64(l.round)+1<<32))
	client := l.client()
	defer client.Close()
	for i := 0; l.context.Err() == nil; i++ {
		name := fmt.Sprintf("brief-%d", random.IntN(briefTopics))
		if l.histories.has(name) {
			l.deleteBrief(client, name)
		}
		if !l.histories.has(name) && random.IntN(4) > 0 {
			l.createBrief(client, random, name, i)
		}
		select {
		case <-l.context.Done():
		case <-time.After(time.Duration(20+random.IntN(150)) * time.Millisecond):
		}
	}
}

// move has partitions of the steady topic go from one log directory to another, mostly without a pause.
func (l *load) move(seed uint64, dirs []string) {
	random := rand.New(rand.NewPCG(seed, uint64(l.round)+2<<32))
	client := l.client()
	defer client.Close()
	for l.context.Err() == nil {
		request := kmsg.NewPtrAlterReplicaLogDirsRequest()
		dir := kmsg.NewAlterReplicaLogDirsRequestDir()
		dir.Dir = dirs[random.IntN(len(dirs))]
		dir.Topics = append(dir.Topics, kmsg.AlterReplicaLogDirsRequestDirTopic{Topic: steadyTopic, Partitions: []int32{random.Int32N(steadyPartitions)}})
		request.Dirs = append(request.Dirs, dir)
		if answer, err := request.RequestWith(l.context, client.Broker(1)); err == nil && answer.Topics[0].Partitions[0].ErrorCode == 0 {
			l.moves.Add(1)
		}
		select {
		case <-l.context.Done():
		case <-time.After(time.Duration(random.IntN(200)) * time.Millisecond):
		}
	}
}

func (l *load) createBrief(client *kgo.Client, random *rand.Rand, name string, i int) {
	partitions := 1 + random.Int32N(3)
	l.histories.topic(name, unknown)
	if createTopic(l.context, client, name, partitions) != nil {
		return
	}
	l.histories.topic(name, created)
	for n := range 4 {
		l.produceOne(client, random, partition{name, random.Int32N(partitions)}, 100, i*4+n)
	}
}

// deleteBrief forgets what was promised about the topic's records before it asks: whoever has the name next starts anew.
func (l *load) deleteBrief(client *kgo.Client, name string) {
	if client.Flush(l.context) != nil {
		return
	}
	client.PurgeTopicsFromProducing(name)
	l.histories.forget(name)
	if deleteTopic(l.context, client, name) == nil {
		l.histories.topic(name, deleted)
	}
}

func createTopic(ctx context.Context, client *kgo.Client, name string, partitions int32) error {
	request := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(answer.Topics[0].ErrorCode)
}

func deleteTopic(ctx context.Context, client *kgo.Client, name string) error {
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.TopicNames = []string{name}
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = &name
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(answer.Topics[0].ErrorCode)
}

// reachable waits until something listens and answers Metadata.
func reachable(broker string, patience time.Duration) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.DisableClientMetrics())
	if err != nil {
		return err
	}
	defer client.Close()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if conn, dialError := net.DialTimeout("tcp", broker, time.Second); dialError == nil {
			conn.Close()
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			err = client.Ping(ctx)
			cancel()
			if err == nil {
				return nil
			}
		} else {
			err = dialError
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no broker on %s within %v: %w", broker, patience, err)
		}
	}
}

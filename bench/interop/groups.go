package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	groupsTopic      = "groups"
	groupsPartitions = 4
	stagePatience    = 75 * time.Second
	producePause     = 10 * time.Millisecond // between one record and the next, in every partition
)

// groupOf is a group of one client in one of its ways.
type groupOf struct {
	client string
	kind   string // how client and protocol are called
	java   string // configurations of Kafka's consumer; empty: another client
	next   bool   // KIP-848
	late   int64  // so many records may be processed again although they are committed: the client's own doing
	static bool   // its members have a name for each seat: who crashed comes back under it, before its session is over
}

func groupsOfClients() []groupOf {
	const classic = "session.timeout.ms=6000,heartbeat.interval.ms=1000"
	const cooperative = ",partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor"
	return []groupOf{
		{client: "java", kind: "java", java: classic},
		{client: "java", kind: "java-cooperative", java: classic + cooperative},
		{client: "java", kind: "java-static", java: classic + ",group.instance.id=SEAT", static: true},
		{client: "java", kind: "java-consumer", java: "group.protocol=consumer", next: true},
		{client: "java", kind: "java-consumer-static", java: "group.protocol=consumer,group.instance.id=SEAT", next: true, static: true},
		{client: "confluent-kafka", kind: "confluent-kafka"},
		{client: "confluent-kafka", kind: "confluent-kafka-cooperative"},
		{client: "confluent-kafka", kind: "confluent-kafka-consumer", next: true},
		{client: "franz-go", kind: "franz-go"},
		{client: "franz-go", kind: "franz-go-consumer", next: true},
		{client: "kafka-python", kind: "kafka-python"},
		{client: "sarama", kind: "sarama"},
		{client: "aiokafka", kind: "aiokafka"},
		{client: "kafkajs", kind: "kafkajs"},
		{client: "kafka-go", kind: "kafka-go", late: int64(6 * time.Second / producePause)}, // what comes in within a session
	}
}

// groupHistory is what the members of one group have said.
type groupHistory struct {
	groupOf
	name      string
	mu        sync.Mutex
	times     [groupsPartitions]map[int64]int // how often each offset was processed
	committed [groupsPartitions]int64         // the highest that a member was told of
	by        map[string]int                  // records that each member has processed
	last      map[string][groupsPartitions]int64
	faults    []string
}

func newGroupHistory(of groupOf) *groupHistory {
	h := &groupHistory{groupOf: of, name: "group-" + of.kind, by: map[string]int{}, last: map[string][groupsPartitions]int64{}}
	for i := range h.times {
		h.times[i] = map[int64]int{}
	}
	return h
}

func (h *groupHistory) fail(format string, a ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = append(h.faults, fmt.Sprintf(format, a...))
}

// hear takes one line of a member: p or c, partition, offset. What was committed is never processed again: whoever takes a
// partition over goes on at or after the last commit that was acknowledged, also by a broker that was killed since.
func (h *groupHistory) hear(member, line string) {
	var what string
	var partition int
	var offset int64
	if _, err := fmt.Sscanf(line, "%s %d %d", &what, &partition, &offset); err != nil || partition < 0 || partition >= groupsPartitions {
		h.fail("%s says %q", member, line)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if what == "c" {
		h.committed[partition] = max(h.committed[partition], offset)
		return
	}
	if offset < h.committed[partition]-h.late {
		h.faults = append(h.faults, fmt.Sprintf("%s processed offset %d of partition %d, where %d was committed", member, offset, partition, h.committed[partition]))
	}
	if member == "third" && offset == 0 {
		h.faults = append(h.faults, fmt.Sprintf("%s begins partition %d anew: nothing of it was ever committed", member, partition))
	}
	h.times[partition][offset]++
	h.by[member]++
	last := h.last[member]
	last[partition] = offset + 1
	h.last[member] = last
}

func (h *groupHistory) processed(member string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.by[member]
}

// beyond: the member, or anybody (empty), has processed the record before each of these offsets.
func (h *groupHistory) beyond(member string, ends []int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, end := range ends {
		if end > 0 && (member == "" && h.times[i][end-1] == 0 || member != "" && h.last[member][i] < end) {
			return false
		}
	}
	return true
}

// judge counts what was lost and what came twice.
func (h *groupHistory) judge(ends []int64) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	missing, twice, sent := 0, 0, int64(0)
	for i, end := range ends {
		sent += end
		for offset := range end {
			switch times := h.times[i][offset]; {
			case times == 0:
				missing++
			case times > 1:
				twice += times - 1
			}
		}
	}
	var members []string
	for name, count := range h.by {
		members = append(members, fmt.Sprintf("%s %d", name, count))
	}
	slices.Sort(members)
	figures := fmt.Sprintf("%d records, missing %d, duplicates %d; %s", sent, missing, twice, strings.Join(members, ", "))
	if missing > 0 {
		h.faults = append(h.faults, figures)
	}
	if h.client != "sarama" && slices.Max(h.committed[:]) == 0 { // which does not say
		h.faults = append(h.faults, "no member was told of a commit")
	}
	if len(h.faults) > 0 {
		return "", errors.New(strings.Join(h.faults[:min(3, len(h.faults))], "; "))
	}
	return figures, nil
}

// seat is a process that is a member of one group, or of several (Java's).
type seat struct {
	name    string
	process *exec.Cmd
	in      io.Closer
	said    strings.Builder
	ended   chan struct{}
	failure error
	groups  []*groupHistory
}

func (s *session) takeSeat(name, place string, groups []*groupHistory) *seat {
	first := groups[0]
	member := &seat{name: name, groups: groups, ended: make(chan struct{})}
	switch first.client {
	case "java":
		arguments := []string{"-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.configurationFile=" + filepath.Join(s.source, "java", "log4j2.xml"),
			"-cp", s.java.classes, "Member", s.through["java"], groupsTopic}
		for _, each := range groups {
			arguments = append(arguments, each.name, strings.ReplaceAll(each.java, "SEAT", place))
		}
		member.process = exec.Command("java", arguments...)
	case "kafkajs":
		member.process = exec.Command("node", filepath.Join(s.source, "js", "member.js"), s.through["kafkajs"], first.name, groupsTopic)
	case "franz-go", "sarama", "kafka-go":
		member.process = exec.Command(s.goClients(), first.kind, "member", s.through[first.client], first.name, groupsTopic)
	default:
		member.process = exec.Command(s.python(), filepath.Join(s.source, "python", "member.py"), first.kind, s.through[first.client], first.name, groupsTopic)
	}
	member.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	member.process.Stderr = &member.said
	in, err := member.process.StdinPipe()
	out, outError := member.process.StdoutPipe()
	if err = errors.Join(err, outError); err == nil {
		member.in, err = in, member.process.Start()
	}
	if err != nil {
		member.failure = err
		close(member.ended)
		return member
	}
	go func() {
		defer close(member.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			member.hear(lines.Text())
		}
		member.failure = member.process.Wait()
	}()
	return member
}

func (m *seat) hear(line string) {
	of := m.groups[0]
	if of.client == "java" {
		name, rest, _ := strings.Cut(line, " ")
		i := slices.IndexFunc(m.groups, func(h *groupHistory) bool { return h.name == name })
		if i < 0 {
			of.fail("%s says %q", m.name, line)
			return
		}
		of, line = m.groups[i], rest
	}
	of.hear(m.name, line)
}

func (m *seat) crash() {
	if m.process.Process != nil {
		m.process.Process.Kill()
		<-m.ended
	}
}

// leave is a clean end.
func (m *seat) leave() {
	if m.in != nil {
		m.in.Close()
	}
	select {
	case <-m.ended:
	case <-time.After(30 * time.Second):
		m.crash()
		m.failure = errors.New("it did not end within 30 s")
	}
	if m.failure != nil {
		said := m.said.String()
		for _, of := range m.groups {
			of.fail("%s left with %v: %s", m.name, m.failure, said[max(0, len(said)-300):])
		}
	}
}

// groupsRun is all groups at once, in step: what happens to the broker happens to every one.
type groupsRun struct {
	*session
	groups   []*groupHistory
	programs [][]*groupHistory // one process each
	client   *kgo.Client
	ends     [groupsPartitions]atomic.Int64 // what was acknowledged to the producer
	failure  atomic.Pointer[error]          // of the producer
}

// moveGroups takes a group of each client through its life: a second member joins, it crashes, the broker is killed and starts
// again, all leave, and another goes on where they were. Records are produced all the while.
func moveGroups(s *session) {
	run := &groupsRun{session: s}
	var java []*groupHistory
	for _, of := range groupsOfClients() {
		h := newGroupHistory(of)
		run.groups = append(run.groups, h)
		if of.client == "java" {
			java = append(java, h)
		} else {
			run.programs = append(run.programs, []*groupHistory{h})
		}
	}
	run.programs = append(run.programs, java)
	ok := s.check("groups, the records of all", "franz-go", "", func(ctx context.Context) (string, error) {
		if err := s.createTopic(ctx, groupsTopic, groupsPartitions); err != nil {
			return "", err
		}
		return "", run.live(ctx)
	})
	if !ok {
		return
	}
	ends := run.acknowledged()
	for _, h := range run.groups {
		note := map[string]string{
			"sarama":   "it does not say which commits were acknowledged",
			"kafka-go": "what it is to commit when a rebalance begins it commits in the next generation, after it has asked where to go on: it reads that twice",
		}[h.client]
		s.check("group: join, crash of a member, kill -9 of the broker, commit and resume", h.kind, note, func(context.Context) (string, error) { return h.judge(ends) })
	}
}

func (g *groupsRun) live(ctx context.Context) (err error) {
	g.client, err = kgo.NewClient(kgo.SeedBrokers(g.through["franz-go"]), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DisableClientMetrics(),
		kgo.ProducerBatchCompression(kgo.NoCompression()), // kafkajs has gzip, and nothing else of its own
		kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		return err
	}
	defer g.client.Close()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go g.produce(ctx, stop, stopped)
	first := g.seats("first", nil)
	g.await("the first member alone", func(h *groupHistory) bool { return h.processed("first") > 0 })
	second := g.seats("second", nil)
	g.await("a second member has joined", func(h *groupHistory) bool { return h.processed("second") > 0 })
	g.protocols(ctx)
	for _, each := range second {
		each.crash()
	}
	after := g.acknowledged()
	statics := func(h *groupHistory) bool { return h.static }
	second = g.seats("second again", statics)
	g.await("somebody goes on with the partitions of a member that crashed", func(h *groupHistory) bool {
		return h.beyond("", after) && (h.static && h.processed("second again") > 0 || h.beyond("first", after))
	})
	g.proxies.down()
	g.broker.kill()
	if err := g.broker.start(g.patience); err != nil {
		return err
	}
	if err := g.proxies.up(); err != nil {
		return err
	}
	after = g.ahead(ctx)
	g.await("it goes on after a kill of the broker", func(h *groupHistory) bool { return h.beyond("", after) })
	for _, each := range append(first, second...) {
		each.leave()
	}
	time.Sleep(10 * producePause)
	third := g.seats("third", nil)
	close(stop)
	<-stopped
	if err := g.failed(); err != nil {
		return err
	}
	after = g.acknowledged()
	g.await("another goes on where they were", func(h *groupHistory) bool { return h.beyond("third", after) })
	for _, each := range third {
		each.leave()
	}
	return nil
}

// ahead is an end of each partition that is acknowledged by the broker as it is now.
func (g *groupsRun) ahead(ctx context.Context) []int64 {
	before := g.acknowledged()
	for began := time.Now(); time.Since(began) < stagePatience && g.failed() == nil; {
		now := g.acknowledged()
		if !slices.ContainsFunc([]int{0, 1, 2, 3}, func(i int) bool { return now[i] < before[i]+10 }) {
			return now
		}
		time.Sleep(producePause)
	}
	return before
}

func (g *groupsRun) produce(ctx context.Context, stop, stopped chan struct{}) {
	defer close(stopped)
	tick := time.NewTicker(producePause)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			if err := g.client.Flush(ctx); err != nil {
				g.failure.CompareAndSwap(nil, &err)
			}
			return
		case <-tick.C:
		}
		for partition := range int32(groupsPartitions) {
			g.client.Produce(ctx, &kgo.Record{Topic: groupsTopic, Partition: partition, Value: []byte("a record for every group")}, func(r *kgo.Record, err error) {
				if err != nil {
					g.failure.CompareAndSwap(nil, &err)
					return
				}
				g.ends[partition].Store(r.Offset + 1)
			})
		}
	}
}

func (g *groupsRun) failed() error {
	if err := g.failure.Load(); err != nil {
		return *err
	}
	return nil
}

func (g *groupsRun) acknowledged() (ends []int64) {
	for i := range g.ends {
		ends = append(ends, g.ends[i].Load())
	}
	return ends
}

func (g *groupsRun) seats(name string, which func(*groupHistory) bool) (all []*seat) {
	place := strings.TrimSuffix(name, " again")
	for _, groups := range g.programs {
		if which != nil {
			groups = slices.DeleteFunc(slices.Clone(groups), func(h *groupHistory) bool { return !which(h) })
		}
		if len(groups) > 0 {
			all = append(all, g.takeSeat(name, place, groups))
		}
	}
	return all
}

// await waits until every group has got so far; one that has not is at fault, and the others go on.
func (g *groupsRun) await(stage string, far func(*groupHistory) bool) {
	began := time.Now()
	left := slices.Clone(g.groups)
	for time.Since(began) < stagePatience {
		if left = slices.DeleteFunc(left, far); len(left) == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	for _, h := range left {
		g.say("%s has not got so far", h.kind)
		h.fail("not within %v: %s", stagePatience, stage)
	}
	g.say("%5.1f s: %s", time.Since(began).Seconds(), stage)
}

// protocols: a group is of the kind that its members were asked to be.
func (g *groupsRun) protocols(ctx context.Context) {
	answer, err := kmsg.NewPtrListGroupsRequest().RequestWith(ctx, g.client)
	if err == nil {
		err = kerr.ErrorForCode(answer.ErrorCode)
	}
	for _, h := range g.groups {
		want, got := "classic", ""
		if h.next {
			want = "consumer"
		}
		for i := 0; err == nil && i < len(answer.Groups); i++ {
			if answer.Groups[i].Group == h.name {
				got = strings.ToLower(answer.Groups[i].GroupType)
			}
		}
		if got != want {
			h.fail("ListGroups says that it is %q, not %q (%v)", got, want, err)
		}
	}
}

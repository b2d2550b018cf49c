package core

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/conn"
	"rookery/core/meta"
	"rookery/core/seam"
)

var rewrite = flag.Bool("rewrite", false, "write what the scripts say now into testdata")

// TestScripts runs testdata/*.txt, each in a world of its own, and compares what it says. A line of a script is one of
//
//	# a remark
//	command thing key=value ...
//	    indented: what the command has to say; written by go test ./core -run Scripts -rewrite
//
// What goes into the Broker stands four spaces in, what comes of it six. The commands:
//
//	config key=value ...             before start: connection-bytes, frame-bytes, reply-bytes, unsynced-bytes, syncs, recoveries,
//	                                 items (StepItems), retention-check, first-check; dirs=2 log directories, the second being d1;
//	                                 deletion=yes|no (delete.topic.enable)
//	start [step]                     begin a life over what the disk holds, and let it come to rest (or not);
//	                                 lost=1: without the directory d1
//	stop                             hand in Stop
//	crash [power]                    the process dies; with the power goes what no Sync has covered
//	crash [PART] bytes=30 zeroes=0   it dies when so much of the oldest such write has reached the file, its end as zeroes
//	topic T partitions=1 key=value   CreateTopics; keys are the topic's configuration
//	alter T key=value                IncrementalAlterConfigs: each key is set, or taken back where no value stands
//	grow T partitions=2              CreatePartitions
//	delete T                         DeleteTopics
//	metadata T create=no             Metadata
//	dirs, move T-0 to=1              DescribeLogDirs, AlterReplicaLogDirs
//	produce T-0 T-1 ...              acks=all|1|0 records=1 size=10 pid= epoch=0 seq=0 timeout=30s
//	fetch T-0 T-1 ...                version=11 offset=0 wait=0s min=1 max= partition-max= session=new|next|close|EPOCH of=CLIENT forget=T-0
//	                                 next: the epoch after the last one; of whose session, if it is not the client's own
//	quota RATE=10                    AlterClientQuotas of every client id; nothing takes it back
//	list T-0 earliest|latest|newest  ListOffsets: version=7; a number asks by timestamp
//	delete-records T-0               DeleteRecords: offset=-1
//	init-producer, api-versions      the rest
//	garbage                          a frame that nobody can read
//	write, sync, file, read, sent, rewrite, letter [PART]
//	                                 the oldest effect of this kind whose words hold PART comes back
//	fail-write, fail-sync, fail-file, fail-read [PART] fault=io|space|late|missing bytes=0
//	                                 it comes back as a failure, after so many bytes
//	fail-letter [PART] fault=io|space what the other machine writes fails
//	stabilize                        everything comes back, until nothing is under way: every effect is told
//	rest                             the same, of which only events and answers are told
//	hold PART, release               stabilize, rest and start leave alone the effects whose words hold PART; and no longer
//	tick 100ms                       time passes
//	slow, fast                       the client stops reading answers (sent lets one go out), and reads on
//	hangup                           the client goes away
//	show credit                      from now on credit and freed frames are told too
//	rot FILE at=0 bit=0              a bit turns where nobody looks
//	lose FILE                        it is gone, and nobody has asked for that
//	pending, state [T-0], files PART what is under way; the View; what lies on the disk
//
// A request takes as=NAME: another client than the nameless one.
func TestScripts(t *testing.T) {
	paths, _ := filepath.Glob("testdata/*.txt")
	require.NotEmpty(t, paths)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			got := runScript(t, filepath.Base(path), string(text))
			if *rewrite {
				require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
				return
			}
			compare(t, filepath.Base(path), strings.Split(string(text), "\n"), strings.Split(got, "\n"))
		})
	}
}

// compare shows the first place where a script says something else.
func compare(t *testing.T, path string, want, got []string) {
	for i := range max(len(want), len(got)) {
		if i < len(want) && i < len(got) && want[i] == got[i] {
			continue
		}
		around := func(lines []string) string {
			return strings.Join(lines[min(len(lines), max(0, i-3)):min(len(lines), i+8)], "\n")
		}
		t.Fatalf("%s:%d says something else. It should be\n%s\n\nand is\n%s\n\ngo test ./core -run Scripts -rewrite takes it, if it is right", path, i+1, around(want), around(got))
	}
}

type script struct {
	*world
	out      strings.Builder
	quiet    bool
	credit   bool
	args     map[string]string
	sessions map[string]*heldSession // by client
}

// heldSession is the fetch session that a client was given last.
type heldSession struct{ id, epoch int32 }

// placed says which line of a script fails.
type placed struct {
	*testing.T
	place string
}

func (p placed) Errorf(format string, args ...any) {
	p.T.Errorf("%s: %s", p.place, fmt.Sprintf(format, args...))
}

func runScript(t *testing.T, path, text string) string {
	s := &script{world: newWorld(t), sessions: map[string]*heldSession{}}
	s.told = s.tell
	defer func() {
		if broken := recover(); broken != nil {
			s.t.Errorf("it ends here")
			panic(broken)
		}
	}()
	for n, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if strings.HasPrefix(line, "    ") {
			continue
		}
		s.out.WriteString(line + "\n")
		if words := strings.Fields(line); len(words) > 0 && words[0] != "#" {
			s.t = placed{t, fmt.Sprintf("%s:%d: %s", path, n+1, line)}
			s.command(words)
			require.Empty(s.t, s.args, "what is this?")
		}
	}
	return s.out.String()
}

func (s *script) say(format string, args ...any) {
	fmt.Fprintf(&s.out, "    %s\n", strings.TrimRight(fmt.Sprintf(format, args...), " "))
}

// tell writes down one Step: what came in, and in order what came of it.
func (s *script) tell(t *told) {
	var lines []string
	for i := range t.fx.Events {
		lines = append(lines, "* "+eventLabel(&t.fx.Events[i]))
	}
	for _, x := range t.out {
		if !s.quiet || strings.HasPrefix(x, "answer ") {
			lines = append(lines, short(x))
		}
	}
	for i := 0; s.credit && i < len(t.fx.Reading); i++ {
		lines = append(lines, fmt.Sprintf("credit %s%d", s.client(t.fx.Reading[i].Conn).title(), t.fx.Reading[i].Bytes))
	}
	if s.credit && len(t.fx.Frees) > 0 {
		lines = append(lines, fmt.Sprintf("free %v", t.fx.Frees))
	}
	if s.quiet {
		for _, line := range lines {
			s.say("%s", line)
		}
		return
	}
	if t.in != "" && (t.in != "alarm" || len(lines) > 0) {
		s.say("%s", short(t.in))
	}
	for _, line := range lines {
		s.say("  %s", line)
	}
}

// arg takes an argument key=value.
func (s *script) arg(key, otherwise string) string {
	if value, ok := s.args[key]; ok {
		delete(s.args, key)
		return value
	}
	return otherwise
}

func (s *script) number(key, otherwise string) int64 {
	n, err := strconv.ParseInt(s.arg(key, otherwise), 10, 64)
	require.NoError(s.t, err, key)
	return n
}

func (s *script) duration(text string) seam.Mono {
	d, err := time.ParseDuration(text)
	require.NoError(s.t, err)
	return seam.Mono(d)
}

func (s *script) command(words []string) {
	var things []string
	s.args = map[string]string{}
	for _, word := range words[1:] {
		if key, value, ok := strings.Cut(word, "="); ok && key != "offsets" { // those are a PART
			s.args[key] = value
		} else {
			things = append(things, word)
		}
	}
	first := strings.Join(things[:min(1, len(things))], "")
	switch words[0] {
	case "config":
		s.configure()
	case "start":
		s.quiet = first != "step"
		s.lost = map[int]bool{int(s.number("lost", "0")): true}
		delete(s.lost, 0)
		s.start()
		if s.quiet {
			s.stabilize()
		}
		s.quiet = false
	case "rest":
		s.quiet = true
		s.stabilize()
		s.quiet = false
	case "stop":
		s.step("stop", &seam.Stop{})
	case "crash":
		if bytes := s.number("bytes", "0"); bytes > 0 {
			s.tear(s.pick("write", things), bytes, s.number("zeroes", "0"))
		}
		s.crash(first == "power")
	case "tick":
		s.tick(s.duration(first))
	case "stabilize":
		s.stabilize()
	case "write", "sync", "file", "read", "sent", "rewrite", "letter":
		s.comeBack(s.pick(words[0], things), seam.OK, 0)
	case "fail-write", "fail-sync", "fail-file", "fail-read", "fail-letter":
		fault := map[string]seam.Fault{"io": seam.IOError, "space": seam.NoSpace, "late": seam.Late, "missing": seam.NotFound}[s.arg("fault", "io")]
		s.comeBack(s.pick(words[0][len("fail-"):], things), fault, s.number("bytes", "0"))
	case "hold":
		s.held = strings.Join(things, " ")
	case "release":
		s.held = ""
	case "show":
		s.credit = true
	case "rot":
		s.rot(first, s.number("at", "0"), s.number("bit", "0"))
	case "lose":
		_, folder := s.at(first)
		delete(folder.entries, leaf(first))
		delete(folder.safe, leaf(first))
	case "pending", "state", "files":
		s.look(words[0], first)
	default:
		s.ask(words[0], things)
	}
}

func (s *script) configure() {
	c := &s.config
	c.ConnectionBytes = s.number("connection-bytes", decimal(c.ConnectionBytes))
	c.FrameBytes = s.number("frame-bytes", decimal(c.FrameBytes))
	c.ReplyBytes = s.number("reply-bytes", decimal(c.ReplyBytes))
	c.UnsyncedBytes = s.number("unsynced-bytes", decimal(c.UnsyncedBytes))
	s.addDirs(int(s.number("dirs", "1")))
	c.StepItems = int(s.number("items", strconv.Itoa(c.StepItems)))
	c.SyncsMax = int(s.number("syncs", strconv.Itoa(c.SyncsMax)))
	c.RecoveriesMax = int(s.number("recoveries", strconv.Itoa(c.RecoveriesMax)))
	c.RetentionCheckEvery = s.duration(s.arg("retention-check", time.Duration(c.RetentionCheckEvery).String()))
	c.InitialTaskDelay = s.duration(s.arg("first-check", time.Duration(c.InitialTaskDelay).String()))
	c.CheckpointEvery = s.duration(s.arg("checkpoint", time.Duration(c.CheckpointEvery).String()))
	c.Controller.DeleteTopicEnable = s.arg("deletion", "yes") == "yes"
	c.Cleaner.BackOff = s.duration(s.arg("cleaner-backoff", time.Duration(c.Cleaner.BackOff).String()))
}

// pick is the oldest effect of a kind whose words hold all the parts.
func (s *script) pick(kind string, parts []string) *task {
	for _, t := range s.asked {
		if t.kind == kind && !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(short(t.label), part) }) {
			return t
		}
	}
	require.Failf(s.t, "nothing of the kind is under way", "%s %v", kind, parts)
	return nil
}

// rot turns one bit of a file, in the page cache and on the platter.
func (s *script) rot(name string, at, bit int64) {
	n, _ := s.at(name)
	n.content, n.synced = slices.Clone(n.content), slices.Clone(n.synced)
	for _, copied := range [][]byte{n.content, n.synced} {
		if at < int64(len(copied)) {
			copied[at] ^= 1 << bit
		}
	}
}

func (s *script) look(what, part string) {
	switch what {
	case "pending":
		for _, t := range s.asked {
			s.say("%s", short(t.label))
		}
	case "state":
		v := s.view()
		if part == "" {
			s.say("ready=%t produces=%d fetches=%d proposals=%d frames=%d", v.Ready, v.Produces, v.Fetches, v.Proposals, v.Frames)
		}
		for i := range v.Partitions {
			if p := &v.Partitions[i]; p.Topic != metadataTopic && (part == "" || part == fmt.Sprintf("%s-%d", p.Topic, p.Index)) {
				s.say("%s", p)
			}
		}
	case "files":
		for _, e := range s.root.list("") {
			path := name(e.Path)
			if n, _ := s.at(path); strings.Contains(short(path), part) && !n.folder {
				s.say("%s", fileLabel(short(path), n.content, n.synced))
			}
		}
	}
}

func (s *script) view() (v View) {
	s.broker.View(true, &v)
	return v
}

// ask is a client's doing.
func (s *script) ask(command string, things []string) {
	c := s.dial(s.arg("as", ""))
	first := strings.Join(things[:min(1, len(things))], "")
	switch command {
	case "topic":
		s.send(c, s.createTopics(first))
	case "alter":
		s.send(c, s.alter(first))
	case "grow":
		r := kmsg.NewPtrCreatePartitionsRequest()
		r.Version = 3
		r.Topics = append(r.Topics, kmsg.CreatePartitionsRequestTopic{Topic: first, Count: int32(s.number("partitions", "2"))})
		s.send(c, r)
	case "delete":
		r := kmsg.NewPtrDeleteTopicsRequest()
		r.Version = 6
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.Topic = &first
		r.Topics = append(r.Topics, t)
		s.send(c, r)
	case "metadata":
		r := kmsg.NewPtrMetadataRequest()
		r.Version, r.AllowAutoTopicCreation = 12, s.arg("create", "no") == "yes"
		for _, name := range things {
			t := kmsg.NewMetadataRequestTopic()
			t.Topic = &name
			r.Topics = append(r.Topics, t)
		}
		s.send(c, r)
	case "dirs":
		r := kmsg.NewPtrDescribeLogDirsRequest()
		r.Version = 4
		s.send(c, r)
	case "move":
		r := kmsg.NewPtrAlterReplicaLogDirsRequest()
		r.Version = 2
		topic, index, _ := parseFolder(first)
		r.Dirs = []kmsg.AlterReplicaLogDirsRequestDir{{Dir: "/d" + s.arg("to", "1"), Topics: []kmsg.AlterReplicaLogDirsRequestDirTopic{{Topic: topic, Partitions: []int32{index}}}}}
		s.send(c, r)
	case "produce":
		s.send(c, s.produce(things))
	case "fetch":
		r := s.fetch(things)
		s.inSession(c, r)
		s.send(c, r)
	case "quota":
		s.send(c, s.quota())
	case "subscribe":
		r := s.alter(first).(*kmsg.IncrementalAlterConfigsRequest)
		r.Resources[0].ResourceType = kmsg.ConfigResourceType(meta.ResourceClientMetrics)
		s.send(c, r)
	case "telemetry":
		r := kmsg.NewPtrGetTelemetrySubscriptionsRequest()
		r.ClientInstanceID = instanceOf(s.arg("id", ""))
		s.send(c, r)
	case "push":
		r := kmsg.NewPtrPushTelemetryRequest()
		r.ClientInstanceID, r.SubscriptionID = instanceOf(s.arg("id", "")), int32(s.number("subscription", "0"))
		r.Terminating, r.CompressionType, r.Metrics = s.arg("last", "no") == "yes", int8(s.number("codec", "0")), make([]byte, s.number("bytes", "10"))
		s.send(c, r)
	case "list":
		s.send(c, s.list(first, things[1]))
	case "delete-records":
		s.send(c, s.deleteRecords(first))
	case "init-producer":
		r := kmsg.NewPtrInitProducerIDRequest()
		r.Version, r.ProducerID, r.ProducerEpoch = 4, -1, -1
		s.send(c, r)
	case "api-versions":
		r := kmsg.NewPtrApiVersionsRequest()
		r.Version, r.ClientSoftwareName, r.ClientSoftwareVersion = 3, "script", "1"
		s.send(c, r)
	case "garbage":
		frame := []byte("this is no frame of ours")
		s.leases++
		body := new(conn.Request)
		conn.Intake(frame, conn.Limits{}, body)
		s.frames[s.leases] = &seam.Request{Conn: c.conn, Lease: s.leases, Frame: frame, Body: body}
		s.step(c.title()+"garbage", s.frames[s.leases])
	case "slow", "fast":
		c.slow = command == "slow"
	case "hangup":
		s.hangup(c)
		s.stabilizeOnly("hangup")
	default:
		require.Failf(s.t, "no such command", "%s", command)
	}
	if !c.slow {
		s.stabilizeOnly("sent")
	}
	if len(c.queue) > 0 && command != "slow" {
		s.say("(not read yet)")
	}
}

// tear lets a write happen in part: so many bytes, the last of them as zeroes.
func (s *script) tear(t *task, bytes, zeroes int64) {
	t.run(seam.IOError, bytes)
	content := s.files[t.file].node.content
	clear(content[int64(len(content))-zeroes:])
}

// stabilizeOnly lets effects of one kind come back.
func (s *script) stabilizeOnly(kind string) {
	for {
		i := slices.IndexFunc(s.asked, func(t *task) bool { return t.kind == kind && s.before(t) == nil })
		if i < 0 {
			return
		}
		s.comeBack(s.asked[i], seam.OK, 0)
	}
}

func (s *script) createTopics(name string) kmsg.Request {
	r := kmsg.NewPtrCreateTopicsRequest()
	r.Version = 7
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, int32(s.number("partitions", "1")), 1
	for key := range s.args {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		value := s.args[key]
		c.Name, c.Value = key, &value
		t.Configs = append(t.Configs, c)
	}
	slices.SortFunc(t.Configs, func(a, b kmsg.CreateTopicsRequestTopicConfig) int { return strings.Compare(a.Name, b.Name) })
	clear(s.args)
	r.Topics = append(r.Topics, t)
	return r
}

func (s *script) alter(topicName string) kmsg.Request {
	r := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r.Version = 1
	resource := kmsg.IncrementalAlterConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: topicName}
	for _, key := range slices.Sorted(maps.Keys(s.args)) {
		one := kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: key, Value: new(s.args[key])}
		if *one.Value == "" {
			one.Op, one.Value = kmsg.IncrementalAlterConfigOpDelete, nil
		}
		resource.Configs = append(resource.Configs, one)
	}
	clear(s.args)
	r.Resources = append(r.Resources, resource)
	return r
}

// instanceOf is the id of a client's instance by one letter.
func instanceOf(letter string) (id [16]byte) {
	for i := range len(letter) {
		id[0] = letter[i]
	}
	return id
}

func (s *script) quota() kmsg.Request {
	r := kmsg.NewPtrAlterClientQuotasRequest()
	r.Version = 1
	entry := kmsg.AlterClientQuotasRequestEntry{Entity: []kmsg.AlterClientQuotasRequestEntryEntity{{Type: meta.EntityClientID}}}
	for _, key := range slices.Sorted(maps.Keys(s.args)) {
		op := kmsg.AlterClientQuotasRequestEntryOp{Key: key, Remove: s.args[key] == ""}
		if !op.Remove {
			op.Value = float64(s.number(key, ""))
		}
		entry.Ops = append(entry.Ops, op)
	}
	clear(s.args)
	r.Entries = append(r.Entries, entry)
	return r
}

// place splits "t-0".
func (s *script) place(thing string) (topicName string, index int32) {
	name, index, ok := parseFolder(thing)
	require.True(s.t, ok, "topic-partition: %s", thing)
	return name, index
}

func (s *script) produce(things []string) kmsg.Request {
	r := kmsg.NewPtrProduceRequest()
	r.Version, r.TimeoutMillis = 9, int32(s.duration(s.arg("timeout", "30s"))/seam.Millisecond)
	r.Acks = map[string]int16{"all": -1, "1": 1, "0": 0}[s.arg("acks", "all")]
	spec := batch.Plain(batch.None)
	if pid := s.number("pid", "-1"); pid >= 0 {
		spec.ProducerID, spec.ProducerEpoch, spec.BaseSequence = pid, int16(s.number("epoch", "0")), int32(s.number("seq", "0"))
	}
	var b batch.Builder
	b.Begin(spec)
	size := s.number("size", "10")
	var keys [][]byte
	if text := s.arg("keys", ""); text != "" {
		for _, key := range strings.Split(text, ",") {
			keys = append(keys, []byte(key))
		}
	}
	for i := range s.number("records", decimal(int64(max(1, len(keys))))) {
		switch {
		case keys == nil:
			b.Add(int64(s.now.Wall), nil, make([]byte, size), nil)
		case keys[i][0] == '-':
			b.Add(int64(s.now.Wall), keys[i][1:], nil, nil)
		default:
			b.Add(int64(s.now.Wall), keys[i], make([]byte, size), nil)
		}
	}
	data := b.Finish()
	for _, thing := range things {
		t := kmsg.NewProduceRequestTopic()
		p := kmsg.NewProduceRequestTopicPartition()
		t.Topic, p.Partition = s.place(thing)
		p.Records = slices.Clone(data)
		t.Partitions = append(t.Partitions, p)
		r.Topics = append(r.Topics, t)
	}
	return r
}

// inSession makes a fetch one of a session.
func (s *script) inSession(c *client, r *kmsg.FetchRequest) {
	epoch := s.arg("session", "")
	if epoch == "" {
		return
	}
	owner := s.arg("of", c.name)
	h := s.sessions[owner]
	if h == nil {
		h = &heldSession{}
		s.sessions[owner] = h
	}
	for _, other := range s.clients {
		for _, a := range other.got {
			if answer, ok := a.response.(*kmsg.FetchResponse); ok && answer.SessionID != 0 && other.name == owner {
				h.id = answer.SessionID
			}
		}
	}
	switch epoch {
	case "new":
		h.epoch = 0
	case "close":
		h.epoch = -1
	case "next":
		h.epoch++
	default:
		n, err := strconv.ParseInt(epoch, 10, 32)
		require.NoError(s.t, err)
		h.epoch = int32(n)
	}
	r.SessionID, r.SessionEpoch = h.id, h.epoch
	if thing := s.arg("forget", ""); thing != "" {
		name, index := s.place(thing)
		r.ForgottenTopics = append(r.ForgottenTopics, kmsg.FetchRequestForgottenTopic{Topic: name, Partitions: []int32{index}})
	}
}

func (s *script) fetch(things []string) *kmsg.FetchRequest {
	r := kmsg.NewPtrFetchRequest()
	r.Version, r.ReplicaID, r.SessionEpoch = int16(s.number("version", "11")), -1, -1
	r.MaxWaitMillis = int32(s.duration(s.arg("wait", "0s")) / seam.Millisecond)
	r.MinBytes, r.MaxBytes = int32(s.number("min", "1")), int32(s.number("max", "1000000"))
	offset, most := s.number("offset", "0"), int32(s.number("partition-max", "1000000"))
	for _, thing := range things {
		t := kmsg.NewFetchRequestTopic()
		p := kmsg.NewFetchRequestTopicPartition()
		t.Topic, p.Partition = s.place(thing)
		p.FetchOffset, p.PartitionMaxBytes, p.CurrentLeaderEpoch = offset, most, -1
		t.Partitions = append(t.Partitions, p)
		r.Topics = append(r.Topics, t)
	}
	return r
}

func (s *script) deleteRecords(thing string) kmsg.Request {
	r := kmsg.NewPtrDeleteRecordsRequest()
	r.Version, r.TimeoutMillis = 2, 30_000
	t := kmsg.NewDeleteRecordsRequestTopic()
	p := kmsg.NewDeleteRecordsRequestTopicPartition()
	t.Topic, p.Partition = s.place(thing)
	p.Offset = s.number("offset", "-1")
	t.Partitions = append(t.Partitions, p)
	r.Topics = append(r.Topics, t)
	return r
}

func (s *script) list(thing, what string) kmsg.Request {
	r := kmsg.NewPtrListOffsetsRequest()
	r.Version, r.ReplicaID = int16(s.number("version", "7")), -1
	t := kmsg.NewListOffsetsRequestTopic()
	p := kmsg.NewListOffsetsRequestTopicPartition()
	t.Topic, p.Partition = s.place(thing)
	p.CurrentLeaderEpoch = -1
	switch what {
	case "earliest":
		p.Timestamp = earliestOffset
	case "latest":
		p.Timestamp = latestOffset
	case "newest":
		p.Timestamp = maxTimestamp
	default:
		n, err := strconv.ParseInt(what, 10, 64)
		require.NoError(s.t, err)
		p.Timestamp = n
	}
	t.Partitions = append(t.Partitions, p)
	r.Topics = append(r.Topics, t)
	return r
}

package group

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/rng"
	"rookery/core/seam"
	"rookery/core/wire"
)

var rewrite = flag.Bool("rewrite", false, "write what the scripts say now into testdata")

// TestScripts runs testdata/*.txt, each with a coordinator of its own, and compares what it says. The commands:
//
//	config delay=3s size=3 metadata=4096 memory=100000 retention=60s record=1048576    before anything else
//	join G M [instance=I] [protocols=range:META,rr:META] [type=consumer] [session=10s] [rebalance=60s] [v=9] [as=NAME]
//	sync G M gen=1 [assign=M:PART,...] [type=consumer] [protocol=range] [instance=I] [v=5]
//	heartbeat G M gen=1 [instance=I]       leave G M[:INSTANCE] ... [v=5]
//	commit G T-0=5 ... [member=M] [gen=-1] [instance=I] [meta=TEXT] [id=1] [retention=5s] [v=8]
//	fetch G T-0 ...      forget G T-0 ...  (OffsetDelete)     delete G
//	describe G           list [state=S] [type=T]              awaited G
//	tick 3s              time passes, and what is due is done
//	gone T               the topic is deleted
//	reload [size=2]      the records so far are folded into a new coordinator, which has to come to the same
//
// A member is named by whom it is: "new" sends no id, and its id is known by as=NAME from then on; ids that were given are
// written as <NAME>.
func TestScripts(t *testing.T) {
	paths, _ := filepath.Glob("testdata/*.txt")
	require.NotEmpty(t, paths)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			got := runScript(t, string(text))
			if *rewrite {
				require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
				return
			}
			require.Equal(t, string(text), got)
		})
	}
}

type script struct {
	*testing.T
	c       *Coordinator
	config  Config
	now     seam.Now
	log     []Record
	out     strings.Builder
	args    map[string]string
	named   map[string]string // ids by name
	asked   map[Ticket]string
	tickets Ticket
	gone    map[string]bool
}

func runScript(t *testing.T, text string) string {
	s := &script{T: t, config: DefaultConfig(), named: map[string]string{}, asked: map[Ticket]string{}, gone: map[string]bool{}}
	s.now = seam.Now{Mono: 1000 * seam.Second, Wall: 1_000_000}
	s.fresh()
	s.c.Loaded(s.now, always)
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		if strings.HasPrefix(line, "    ") {
			continue
		}
		s.out.WriteString(line + "\n")
		if words := strings.Fields(line); len(words) > 0 && words[0] != "#" {
			s.command(words)
			require.Empty(t, s.args, line)
		}
	}
	return s.out.String()
}

func (s *script) fresh() {
	s.c = New(s.config, rng.FromInt(uint64(len(s.log))), func(topic string, _ [16]byte) bool { return s.gone[topic] })
}

func (s *script) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for _, name := range sortedKeys(s.named) {
		text = strings.ReplaceAll(text, s.named[name], "<"+name+">")
	}
	s.out.WriteString("    " + text + "\n")
}

func sortedKeys(m map[string]string) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (s *script) arg(name, otherwise string) string {
	v, ok := s.args[name]
	delete(s.args, name)
	if !ok {
		return otherwise
	}
	return v
}

func (s *script) number(name string, otherwise int64) int64 {
	n, err := strconv.ParseInt(s.arg(name, strconv.FormatInt(otherwise, 10)), 10, 64)
	require.NoError(s, err)
	return n
}

func (s *script) duration(name, otherwise string) time.Duration {
	d, err := time.ParseDuration(s.arg(name, otherwise))
	require.NoError(s, err)
	return d
}

func (s *script) optional(name string) *string {
	if v, ok := s.args[name]; ok {
		delete(s.args, name)
		return &v
	}
	return nil
}

func (s *script) id(word string) string {
	if word == "new" || word == "-" {
		return ""
	}
	if id, ok := s.named[word]; ok {
		return id
	}
	return word
}

func (s *script) command(words []string) {
	var plain []string
	s.args = map[string]string{}
	for _, w := range words[1:] {
		if name, value, ok := strings.Cut(w, "="); ok && !strings.Contains(name, "-") {
			s.args[name] = value
		} else {
			plain = append(plain, w)
		}
	}
	switch words[0] {
	case "config":
		s.configure()
	case "join":
		s.join(plain)
	case "sync":
		s.sync(plain)
	case "heartbeat":
		r := kmsg.NewPtrHeartbeatRequest()
		r.Version, r.Group, r.MemberID, r.Generation, r.InstanceID = 4, plain[0], s.id(plain[1]), int32(s.number("gen", -1)), s.optional("instance")
		code := s.c.Heartbeat(s.now, r)
		s.settle()
		s.say("%s", code)
	case "leave":
		s.leave(plain)
	case "commit":
		s.commit(plain)
	case "fetch":
		for _, w := range plain[1:] {
			topic, partition := place(w)
			s.say("%s %+v", topic, s.c.FetchOffset(plain[0], topic, partition))
		}
	case "forget":
		s.forget(plain)
	case "delete":
		code := s.c.JudgeDelete(plain[0])
		if code == wire.None {
			for !s.c.Delete(plain[0], func() bool { return len(s.c.Records) < 2 }) {
				s.settle()
			}
		}
		s.settle()
		s.say("%s", code)
	case "describe":
		g := s.c.Describe(plain[0], int16(s.number("v", 5)))
		s.say("%s %s type=%s protocol=%s", wire.Code(g.ErrorCode), g.State, g.ProtocolType, g.Protocol)
		for _, m := range g.Members {
			s.say("  %s%s client=%s%s metadata=%s assignment=%s", m.MemberID, instanceText(m.InstanceID), m.ClientID, m.ClientHost, m.ProtocolMetadata, m.MemberAssignment)
		}
	case "list":
		s.list()
	case "awaited":
		a := s.c.Awaited(plain[0])
		s.say("%s since %ds", strings.Join(a.Members, " "), (s.now.Mono-a.Since)/seam.Second)
	case "tick":
		s.tick(plain[0])
	case "gone":
		s.gone[plain[0]] = true
		s.c.TopicsGone()
	case "reload":
		s.reload()
	default:
		s.Fatalf("no command %s", words[0])
	}
}

func (s *script) configure() {
	c := &s.config
	c.InitialRebalanceDelay = seam.Mono(s.duration("delay", "3s"))
	c.SizeMax, c.MetadataBytesMax = int32(s.number("size", 1<<31-1)), int32(s.number("metadata", 4096))
	c.MembersBytesMax, c.RecordBytesMax = s.number("memory", 1<<30), int(s.number("record", 1<<20))
	c.RetentionMillis = s.duration("retention", "168h").Milliseconds()
	c.CheckEvery = seam.Mono(s.duration("check", "600s"))
	s.fresh()
	s.c.Loaded(s.now, always)
}

func (s *script) ticket(what string) Ticket {
	s.tickets++
	s.asked[s.tickets] = what
	return s.tickets
}

func (s *script) join(plain []string) {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Version, r.Group, r.MemberID, r.InstanceID = int16(s.number("v", 9)), plain[0], s.id(plain[1]), s.optional("instance")
	r.ProtocolType = s.arg("type", "consumer")
	r.SessionTimeoutMillis = int32(s.duration("session", "10s").Milliseconds())
	r.RebalanceTimeoutMillis = int32(s.duration("rebalance", "60s").Milliseconds())
	for _, p := range strings.Split(s.arg("protocols", "range:m"), ",") {
		if name, metadata, _ := strings.Cut(p, ":"); name != "" {
			r.Protocols = append(r.Protocols, kmsg.JoinGroupRequestProtocol{Name: name, Metadata: []byte(metadata)})
		}
	}
	name := s.arg("as", plain[1])
	if code := JudgeJoin(&s.config, r); code != wire.None {
		s.say("%s", code)
		return
	}
	s.c.JoinGroup(s.now, s.ticket("join "+name), Client{"c", "/h"}, r)
	s.settle()
}

func (s *script) sync(plain []string) {
	r := kmsg.NewPtrSyncGroupRequest()
	r.Version, r.Group, r.MemberID, r.InstanceID = int16(s.number("v", 5)), plain[0], s.id(plain[1]), s.optional("instance")
	r.Generation = int32(s.number("gen", -1))
	protocolType, protocol := s.arg("type", "consumer"), s.arg("protocol", "range")
	if r.ProtocolType, r.Protocol = &protocolType, &protocol; protocol == "null" {
		r.ProtocolType, r.Protocol = nil, nil
	}
	if list := s.arg("assign", ""); list != "" {
		for _, a := range strings.Split(list, ",") {
			member, part, _ := strings.Cut(a, ":")
			r.GroupAssignment = append(r.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{MemberID: s.id(member), MemberAssignment: []byte(part)})
		}
	}
	if code := JudgeSync(r); code != wire.None {
		s.say("%s", code)
		return
	}
	s.c.SyncGroup(s.now, s.ticket("sync "+plain[1]), r)
	s.settle()
}

func (s *script) leave(plain []string) {
	r := kmsg.NewPtrLeaveGroupRequest()
	r.Version, r.Group = int16(s.number("v", 5)), plain[0]
	for _, w := range plain[1:] {
		member, instance, static := strings.Cut(w, ":")
		m := kmsg.LeaveGroupRequestMember{MemberID: s.id(member)}
		if r.MemberID = m.MemberID; static {
			m.InstanceID = &instance
		}
		r.Members = append(r.Members, m)
	}
	answer := s.c.LeaveGroup(s.now, r)
	s.settle()
	s.say("%s", wire.Code(answer.ErrorCode))
	for _, m := range answer.Members {
		s.say("  %s%s %s", m.MemberID, instanceText(m.InstanceID), wire.Code(m.ErrorCode))
	}
}

func place(word string) (topic string, partition int32) {
	i := strings.LastIndexByte(word, '-')
	n, _ := strconv.Atoi(word[i+1:])
	return word[:i], int32(n)
}

func (s *script) commit(plain []string) {
	r := &Commit{Group: plain[0], MemberID: s.id(s.arg("member", "")), Instance: s.optional("instance"), Generation: int32(s.number("gen", -1)), Version: int16(s.number("v", 8)), Retention: -1}
	if d := s.arg("retention", ""); d != "" {
		retention, _ := time.ParseDuration(d)
		r.Retention = retention.Milliseconds()
	}
	metadata, id := s.optional("meta"), s.number("id", 0)
	for _, w := range plain[1:] {
		at, offset, _ := strings.Cut(w, "=")
		topic, partition := place(at)
		n, _ := strconv.ParseInt(offset, 10, 64)
		r.Topics = append(r.Topics, CommitTopic{Name: topic, ID: [16]byte{byte(id)}, Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Partition: partition, Offset: n, LeaderEpoch: 7, Metadata: metadata}}})
	}
	code := s.c.JudgeCommit(r)
	if code != wire.None {
		s.say("%s", code)
		return
	}
	codes := s.c.Commit(s.now, r)
	s.settle()
	s.say("%v", codes)
}

func (s *script) forget(plain []string) {
	code := s.c.JudgeOffsetDelete(plain[0])
	if code != wire.None {
		s.say("%s", code)
		return
	}
	var codes []wire.Code
	for _, w := range plain[1:] {
		topic, partition := place(w)
		codes = append(codes, s.c.DeleteOffset(plain[0], topic, partition))
	}
	s.settle()
	s.say("%v", codes)
}

func (s *script) list() {
	var states, types Filter
	if v := s.arg("state", ""); v != "" {
		states = StatesOf([]string{v})
	}
	if v := s.arg("type", ""); v != "" {
		types = FilterOf([]string{v})
	}
	for id, more := s.c.NextGroup(""); more; id, more = s.c.NextGroup(id + "\x00") {
		if g, wanted := s.c.List(id, states, types); wanted {
			s.say("%s type=%q state=%s kind=%s", g.Group, g.ProtocolType, g.GroupState, g.GroupType)
		}
	}
}

// tick lets time pass, from one deadline to the next.
func (s *script) tick(word string) {
	d, err := time.ParseDuration(word)
	require.NoError(s, err)
	end := s.now.Mono + seam.Mono(d)
	for rounds := 0; s.c.Next() <= end; rounds++ {
		require.Less(s, rounds, 10_000, "it rings for ever")
		at := max(s.now.Mono, s.c.Next())
		s.now.Wall += seam.Wall((at - s.now.Mono) / seam.Millisecond)
		s.now.Mono = at
		room := 2
		s.c.Ring(s.now, func() bool { room--; return room >= 0 })
		s.settle()
	}
	s.now.Wall += seam.Wall((end - s.now.Mono) / seam.Millisecond)
	s.now.Mono = end
}

// settle folds what was decided and tells what was answered.
func (s *script) settle() {
	records := s.c.Records
	s.c.Records = nil
	for _, r := range records {
		s.sayRecord(r)
		key, value := Append(nil, nil, r)
		again, err := Parse(key, value)
		require.NoError(s, err)
		s.log = append(s.log, again)
		s.c.Replay(s.now, r)
	}
	for _, a := range s.c.Answers {
		what := s.asked[a.Ticket]
		require.NotEmpty(s, what, "a ticket comes back once")
		delete(s.asked, a.Ticket)
		s.sayAnswer(what, a.Body)
	}
	s.c.Answers = nil
}

func (s *script) sayRecord(r Record) {
	switch r := r.(type) {
	case *OffsetCommitRecord:
		if r.Value == nil {
			s.say("record %s %s-%d: gone", r.Group, r.Topic, r.Partition)
		} else {
			s.say("record %s %s-%d: %d %q", r.Group, r.Topic, r.Partition, r.Value.Offset, r.Value.Metadata)
		}
	case *ClassicGroupRecord:
		if r.Value == nil {
			s.say("record %s: gone", r.Group)
			return
		}
		members := ""
		for _, m := range r.Value.Members {
			members += " " + m.MemberID + instanceText(m.InstanceID) + ":" + string(m.Assignment)
		}
		s.say("record %s: type=%q generation=%d protocol=%s leader=%s%s", r.Group, r.Value.ProtocolType, r.Value.Generation, textOf(r.Value.Protocol), textOf(r.Value.Leader), members)
	}
}

func textOf(p *string) string {
	if p == nil {
		return "null"
	}
	return *p
}

func instanceText(p *string) string {
	if p == nil {
		return ""
	}
	return "(" + *p + ")"
}

func (s *script) sayAnswer(what string, body wire.Answer) {
	switch a := body.(type) {
	case *kmsg.JoinGroupResponse:
		if name := strings.TrimPrefix(what, "join "); strings.HasSuffix(a.MemberID, name) == false && len(a.MemberID) > 36 {
			s.named[name] = a.MemberID
		}
		if a.ErrorCode != 0 {
			s.say("%s: %s id=%s", what, wire.Code(a.ErrorCode), a.MemberID)
			return
		}
		members := ""
		for _, m := range a.Members {
			members += " " + m.MemberID + instanceText(m.InstanceID) + ":" + string(m.ProtocolMetadata)
		}
		skip := ""
		if a.SkipAssignment {
			skip = " skip"
		}
		s.say("%s: id=%s generation=%d protocol=%s leader=%s%s%s", what, a.MemberID, a.Generation, textOf(a.Protocol), a.LeaderID, skip, members)
	case *kmsg.SyncGroupResponse:
		if a.ErrorCode != 0 {
			s.say("%s: %s", what, wire.Code(a.ErrorCode))
			return
		}
		s.say("%s: %s protocol=%s", what, a.MemberAssignment, textOf(a.Protocol))
	}
}

// reload folds the log anew and holds what comes of it against what there is. Who waited is told.
func (s *script) reload() {
	before := s.c
	before.Abandon(wire.NotCoordinator)
	s.settle()
	s.config.SizeMax = int32(s.number("size", int64(s.config.SizeMax)))
	s.fresh()
	for _, r := range s.log {
		s.c.Replay(s.now, r)
	}
	require.Equal(s, before.Digest(), s.c.Digest())
	s.c.Loaded(s.now, always)
}

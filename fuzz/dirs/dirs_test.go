// Package dirs opens data directories that earlier builds have written: whoever upgrades keeps every record.
//
// testdata holds, for each build, one directory that was closed by SIGTERM and one that was left by kill -9, and beside
// each a manifest of what a reader saw before that. A directory is added, never changed:
//
//	go test ./fuzz/dirs -make NAME -binary PATH     testdata/NAME-{stopped,killed}.{tar.gz,txt}, written by that binary
package dirs

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/batch"
	"rookery/core/wire"
	"rookery/specs/outside"
)

var (
	made     = flag.String("make", "", "write directories of this name instead, with -binary")
	maker    = flag.String("binary", "", "the build that writes them")
	ourBuild string
)

func TestMain(m *testing.M) {
	flag.Parse()
	built, remove, err := outside.Build()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ourBuild = built
	status := m.Run()
	remove()
	os.Exit(status)
}

// place is one partition as its manifest has it.
type place struct {
	topic      string
	partition  int32
	start, end int64
	sum        string // of all bytes that a reader from start on gets
}

func (p place) String() string {
	return fmt.Sprintf("%s %d start=%d end=%d %s", p.topic, p.partition, p.start, p.end, p.sum)
}

// seen is what a reader sees of a partition now.
func seen(t *testing.T, n *outside.Node, topic string, partition int32) (p place, stored []byte) {
	p = place{topic: topic, partition: partition, start: offset(t, n, topic, partition, -2)}
	p.end = outside.End(t, outside.Dial(t, n), topic, partition)
	for next := p.start; next < p.end; { // a Fetch ends where a segment does
		part := outside.Stored(t, outside.Dial(t, n), topic, partition, next)
		stored = append(stored, part...)
		for len(part) > 0 {
			view, rest, whole := batch.Next(part)
			require.True(t, whole)
			part, next = rest, view.LastOffset()+1
		}
	}
	p.sum = fmt.Sprintf("%x", sha256.Sum256(stored))
	return p, stored
}

func offset(t *testing.T, n *outside.Node, topic string, partition int32, timestamp int64) int64 {
	var p kmsg.ListOffsetsResponseTopicPartition
	outside.Await(t, func() bool {
		p = outside.Dial(t, n).Ask(t, outside.Offsets(topic, partition, timestamp), 5).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
		return p.ErrorCode == 0
	}, "%s-%d has offsets", topic, partition)
	return p.Offset
}

// topics are all that there are but for the broker's own, with the number of their partitions.
func topics(t *testing.T, n *outside.Node) map[string]int {
	out := map[string]int{}
	all := kmsg.NewPtrMetadataRequest()
	for _, topic := range outside.Dial(t, n).Ask(t, all, 9).(*kmsg.MetadataResponse).Topics {
		if !topic.IsInternal {
			out[*topic.Topic] = len(topic.Partitions)
		}
	}
	return out
}

// speaks are the APIs of a build.
func speaks(t *testing.T, n *outside.Node) map[int16]bool {
	out := map[int16]bool{}
	for _, row := range outside.Dial(t, n).Ask(t, kmsg.NewPtrApiVersionsRequest(), 0).(*kmsg.ApiVersionsResponse).ApiKeys {
		out[row.ApiKey] = true
	}
	return out
}

// finalized are the features that are on, and their levels.
func finalized(t *testing.T, n *outside.Node) map[string]int16 {
	ask := kmsg.NewPtrApiVersionsRequest()
	ask.ClientSoftwareName, ask.ClientSoftwareVersion = "dirs", "1"
	out := map[string]int16{}
	for _, f := range outside.Dial(t, n).Ask(t, ask, 4).(*kmsg.ApiVersionsResponse).FinalizedFeatures {
		out[f.Name] = f.MaxVersionLevel
	}
	return out
}

// groupsOf are a line a group, and one for each of its offsets.
func groupsOf(t *testing.T, n *outside.Node) (out []string) {
	if list := kmsg.NewPtrListGroupsRequest(); !speaks(t, n)[list.Key()] {
		return nil
	}
	c := outside.Dial(t, n)
	var listed *kmsg.ListGroupsResponse
	outside.Await(t, func() bool {
		listed = c.Ask(t, kmsg.NewPtrListGroupsRequest(), 5).(*kmsg.ListGroupsResponse)
		return listed.ErrorCode == 0
	}, "groups are loaded")
	for _, g := range listed.Groups {
		out = append(out, fmt.Sprintf("group %s %s", g.Group, g.GroupType))
		r := kmsg.NewPtrOffsetFetchRequest()
		of := kmsg.NewOffsetFetchRequestGroup()
		of.Group = g.Group
		r.Groups = append(r.Groups, of)
		answer := c.Ask(t, r, 9).(*kmsg.OffsetFetchResponse).Groups[0]
		require.Zero(t, answer.ErrorCode, "%s", g.Group)
		for _, topic := range answer.Topics {
			for _, p := range topic.Partitions {
				out = append(out, fmt.Sprintf("group %s %s %d offset=%d epoch=%d %q", g.Group, topic.Topic, p.Partition, p.Offset, p.LeaderEpoch, *p.Metadata))
			}
		}
	}
	return out
}

// commit says how far a group has come in topic "plain", which makes the group.
func commit(t *testing.T, n *outside.Node, group string, partition int32, offset int64, metadata string) {
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Group, r.Generation = group, -1
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = partition, offset, 0, &metadata
	r.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "plain", Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}}}
	c := outside.Dial(t, n)
	outside.Await(t, func() bool {
		code := c.Ask(t, r, 8).(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode
		require.Contains(t, []int16{0, int16(wire.CoordinatorLoadInProgress), int16(wire.NotCoordinator), int16(wire.CoordinatorNotAvailable)}, code)
		return code == 0
	}, "%s has committed", group)
}

// withGroups has groups commit, one of them go, and one be of the consumer protocol.
func withGroups(t *testing.T, n *outside.Node) {
	speaks := speaks(t, n)
	find, beat, drop := kmsg.NewPtrFindCoordinatorRequest(), kmsg.NewPtrConsumerGroupHeartbeatRequest(), kmsg.NewPtrDeleteGroupsRequest()
	if !speaks[find.Key()] || !speaks[beat.Key()] || !speaks[drop.Key()] {
		return
	}
	c := outside.Dial(t, n)
	find.CoordinatorKeys = []string{"readers", "doomed", "modern"}
	outside.Await(t, func() bool {
		found := c.Ask(t, find, 4).(*kmsg.FindCoordinatorResponse).Coordinators
		return !slices.ContainsFunc(found, func(one kmsg.FindCoordinatorResponseCoordinator) bool { return one.ErrorCode != 0 })
	}, "groups have coordinators")
	for offset := range int64(30) {
		commit(t, n, "readers", int32(offset%2), offset, fmt.Sprint("at ", offset))
	}
	commit(t, n, "doomed", 0, 7, "")
	drop.Groups = []string{"doomed"}
	require.Zero(t, c.Ask(t, drop, 2).(*kmsg.DeleteGroupsResponse).Groups[0].ErrorCode)
	commit(t, n, "modern", 1, 11, "")
	beat.Group, beat.MemberID, beat.RebalanceTimeoutMillis = "modern", "one-of-it", 60_000
	beat.SubscribedTopicNames, beat.Topics = []string{"plain"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	for _, epoch := range []int32{0, -1} { // it comes, and goes: no session is to be over while somebody reads this
		beat.MemberEpoch = epoch
		require.Zero(t, c.Ask(t, beat, 1).(*kmsg.ConsumerGroupHeartbeatResponse).ErrorCode)
	}
}

// manifest is what can be seen of a broker, a line a partition, a group, and an offset of one.
func manifest(t *testing.T, n *outside.Node) (out []string) {
	for topic, partitions := range topics(t, n) {
		for i := range int32(partitions) {
			p, _ := seen(t, n, topic, i)
			out = append(out, p.String())
		}
	}
	slices.Sort(out)
	groups := groupsOf(t, n)
	slices.Sort(groups)
	return append(out, groups...)
}

func produce(t *testing.T, n *outside.Node, topic string, partition int32, data []byte) (base int64) {
	answer := outside.Dial(t, n).Ask(t, outside.Produce(topic, [16]byte{}, partition, -1, data), 9).(*kmsg.ProduceResponse)
	p := answer.Topics[0].Partitions[0]
	require.Zero(t, p.ErrorCode, "%s-%d", topic, partition)
	return p.BaseOffset
}

func TestDirectoriesOfEarlierBuilds(t *testing.T) {
	if *made != "" {
		for _, ending := range []string{"stopped", "killed"} {
			write(t, *made+"-"+ending, ending == "killed")
		}
	}
	archives, err := filepath.Glob("testdata/*.tar.gz")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(archives), 8)
	for _, archive := range archives {
		name := strings.TrimSuffix(archive, ".tar.gz")
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name + ".txt")
			require.NoError(t, err)
			read(t, archive, strings.Split(strings.TrimSpace(string(text)), "\n"))
		})
	}
}

// read opens a directory with today's build: all that was there is, as it was; it takes more, and keeps that too.
func read(t *testing.T, archive string, want []string) {
	dir := t.TempDir()
	unpack(t, archive, dir)
	start := func() *outside.Node { // the offsets are of the day on which they were written
		return outside.Start(t, ourBuild, dir, "--set", "offsets.retention.minutes=2147483647")
	}
	n := start()
	require.Equal(t, want, manifest(t, n))
	require.Equal(t, map[string]int16{"metadata.version": 29, "group.version": 1}, finalized(t, n), "what an earlier build did not write down too")
	require.NotContains(t, topics(t, n), "gone")
	again(t, n)
	for topic, partitions := range topics(t, n) {
		for i := range int32(partitions) {
			before, stored := seen(t, n, topic, i)
			require.Equal(t, before.end, produce(t, n, topic, i, outside.Three()))
			after, now := seen(t, n, topic, i)
			require.Equal(t, [2]int64{before.start, before.end + 3}, [2]int64{after.start, after.end})
			require.True(t, bytes.HasPrefix(now, stored), "what was there is there, byte for byte")
		}
	}
	grown := manifest(t, n)
	n.Kill()
	n = start()
	require.Equal(t, grown, manifest(t, n))
	if slices.Contains(want, "group readers classic") {
		commit(t, n, "readers", 0, 40, "later")
		require.Contains(t, manifest(t, n), `group readers plain 0 offset=40 epoch=0 "later"`)
	}
	n.Stop(t)
	out, err := exec.Command(ourBuild, "log", "verify", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// again sends the newest batch of the idempotent producer once more, and the one that follows it.
func again(t *testing.T, n *outside.Node) {
	p, stored := seen(t, n, "sequenced", 0)
	var last batch.View
	for rest := stored; len(rest) > 0; {
		view, next, whole := batch.Next(rest)
		require.True(t, whole)
		last, rest = view, next
	}
	producer, epoch := last.ProducerID(), last.ProducerEpoch()
	require.GreaterOrEqual(t, producer, int64(0))
	require.Equal(t, last.BaseOffset(), produce(t, n, "sequenced", 0, outside.From(producer, epoch, last.BaseSequence(), int(last.LastOffsetDelta())+1)), "a duplicate is one")
	require.Equal(t, p.end, produce(t, n, "sequenced", 0, outside.From(producer, epoch, last.BaseSequence()+last.LastOffsetDelta()+1, 2)))
}

// write lives two lives of a build in a directory and packs what is left. What the build does not speak is left out.
func write(t *testing.T, name string, killed bool) {
	dir := t.TempDir()
	n := outside.Start(t, *maker, dir, "--set", "log.cleaner.backoff.ms=100")
	c := outside.Dial(t, n)
	forever := []string{"retention.ms", "-1"}
	small := append([]string{"internal.segment.bytes", "3000", "index.interval.bytes", "300"}, forever...)
	for _, topic := range []kmsg.CreateTopicsRequestTopic{
		outside.NewTopic("plain", 2, small...), outside.NewTopic("codecs", 1, forever...), outside.NewTopic("sequenced", 1, small...),
		outside.NewTopic("cached", 1, append([]string{"flush.messages", "1000"}, forever...)...),
		outside.NewTopic("stamped", 1, append([]string{"message.timestamp.type", "LogAppendTime"}, forever...)...),
		outside.NewTopic("empty", 1, forever...), outside.NewTopic("trimmed", 1, small...), outside.NewTopic("gone", 3),
		outside.NewTopic("keyed", 1, "internal.segment.bytes", "500", "cleanup.policy", "compact", "min.cleanable.dirty.ratio", "0"),
	} {
		answer := c.Ask(t, outside.NewTopics(topic), 7).(*kmsg.CreateTopicsResponse).Topics[0]
		require.Zero(t, answer.ErrorCode, "%s", topic.Topic)
	}
	identify := kmsg.NewPtrInitProducerIDRequest()
	identify.ProducerID, identify.ProducerEpoch = -1, -1
	producer := c.Ask(t, identify, 4).(*kmsg.InitProducerIDResponse).ProducerID
	sequence := int32(0)
	fill := func() {
		for i := range 20 {
			value := strings.Repeat(fmt.Sprint(i), 40)
			for _, each := range []string{"plain", "trimmed", "cached", "stamped"} {
				produce(t, n, each, 0, outside.Batch(outside.Record(fmt.Sprint("k", i), value), outside.Record("", ""), outside.Record("n", value)))
			}
			produce(t, n, "plain", 1, outside.Three())
			produce(t, n, "keyed", 0, outside.Three())
			produce(t, n, "codecs", 0, encoded(batch.Codec(i%5), value))
			produce(t, n, "sequenced", 0, outside.From(producer, 0, sequence, 2))
			sequence += 2
		}
	}
	fill()
	produce(t, n, "gone", 1, outside.Three())
	doomed := kmsg.NewPtrDeleteTopicsRequest()
	doomed.TopicNames, doomed.TimeoutMillis = []string{"gone"}, 10_000
	require.Zero(t, c.Ask(t, doomed, 5).(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode)
	alter(t, n)
	withGroups(t, n)
	compacted(t, n)
	n.Kill()
	n = outside.Start(t, *maker, dir)
	fill()
	lines := manifest(t, n)
	if killed {
		n.Kill()
	} else {
		n.Stop(t)
	}
	require.NoError(t, os.WriteFile("testdata/"+name+".txt", []byte(strings.Join(lines, "\n")+"\n"), 0o644))
	pack(t, dir, "testdata/"+name+".tar.gz")
}

func encoded(codec batch.Codec, value string) []byte {
	var b batch.Builder
	b.Begin(batch.Plain(codec))
	for i := range int64(5) {
		b.Add(1_700_000_000_000+i, []byte("key"), []byte(value), []batch.Header{{Key: []byte("h"), Value: nil}})
	}
	return slices.Clone([]byte(b.Finish()))
}

// alter has a topic grow, the front of one deleted, and configurations changed.
func alter(t *testing.T, n *outside.Node) {
	c, speaks := outside.Dial(t, n), speaks(t, n)
	if r := kmsg.NewPtrDeleteRecordsRequest(); speaks[r.Key()] {
		r.TimeoutMillis = 10_000
		r.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: "trimmed", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Offset: 40}}}}
		require.Zero(t, c.Ask(t, r, 2).(*kmsg.DeleteRecordsResponse).Topics[0].Partitions[0].ErrorCode)
	}
	if r := kmsg.NewPtrCreatePartitionsRequest(); speaks[r.Key()] {
		r.TimeoutMillis, r.Topics = 10_000, []kmsg.CreatePartitionsRequestTopic{{Topic: "empty", Count: 3}}
		require.Zero(t, c.Ask(t, r, 2).(*kmsg.CreatePartitionsResponse).Topics[0].ErrorCode)
	}
	if r := kmsg.NewPtrIncrementalAlterConfigsRequest(); speaks[r.Key()] {
		config := kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: "max.message.bytes", Value: new("500000")}
		r.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "codecs",
			Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{config}}}
		require.Zero(t, c.Ask(t, r, 1).(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode)
	}
}

// compacted waits until a topic's log is, and has it stay as it is from then on.
func compacted(t *testing.T, n *outside.Node) {
	c := outside.Dial(t, n)
	outside.Await(t, func() bool {
		p, stored := seen(t, n, "keyed", 0)
		return int64(len(stored)) < p.end*20
	}, "the log of keyed is compacted")
	r := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "keyed",
		Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: "min.compaction.lag.ms", Value: new("9000000000000")}}}}
	require.Zero(t, c.Ask(t, r, 1).(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode)
}

func pack(t *testing.T, dir, archive string) {
	f, err := os.Create(archive)
	require.NoError(t, err)
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	require.NoError(t, err)
	w := tar.NewWriter(z)
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		if err != nil || name == "." || name == ".lock" {
			return err
		}
		head := &tar.Header{Name: filepath.ToSlash(name), Mode: 0o644}
		if d.IsDir() {
			head.Typeflag, head.Mode = tar.TypeDir, 0o755
			return w.WriteHeader(head)
		}
		data, err := os.ReadFile(path)
		head.Size = int64(len(data))
		if err = errors.Join(err, w.WriteHeader(head)); err == nil {
			_, err = w.Write(data)
		}
		return err
	}))
	require.NoError(t, errors.Join(w.Close(), z.Close(), f.Close()))
}

func unpack(t *testing.T, archive, dir string) {
	f, err := os.Open(archive)
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	for r := tar.NewReader(z); ; {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		require.True(t, filepath.IsLocal(head.Name))
		path := filepath.Join(dir, head.Name)
		if head.Typeflag == tar.TypeDir {
			require.NoError(t, os.Mkdir(path, 0o755))
			continue
		}
		data, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, data, 0o644))
	}
}

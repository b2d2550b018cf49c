package outside

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// header is the start of a request by its own account: key, version, correlation id 9, and a null client id.
func header(key, version int16, more ...byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	return append(append(b, 0, 0, 0, 9, 0xff, 0xff), more...)
}

func framed(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

// closes sends bytes on a connection of their own, which has to be closed with nothing said (requireTold looks for the lines).
func closes(t *testing.T, n *Node, what string, sent []byte) {
	t.Helper()
	c := Dial(t, n)
	c.Bytes(sent)
	c.Closed(t, what)
	require.NoError(t, c.Close())
	n.closed++
}

// requireTold waits until the log has spoken of every connection that was closed. Its lines are rationed: the next one after
// some that were left out says how many, so that it takes more of them until all are told of.
func requireTold(t *testing.T, n *Node) {
	t.Helper()
	Await(t, func() bool {
		closes(t, n, "one more", []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
		told := 0
		for _, line := range n.Log.Lines("connection closed") {
			var said struct{ NotLogged int }
			require.NoError(t, json.Unmarshal([]byte(line), &said))
			told += 1 + said.NotLogged
		}
		require.LessOrEqual(t, told, n.closed)
		return told == n.closed
	}, "each closed connection is told of")
}

// requests is one whole request of each API that is served.
func requests(t *testing.T, c *Client, id [16]byte) map[string][]byte {
	produce := Produce("topic", id, 0, -1, Three())
	metadata := kmsg.NewPtrMetadataRequest()
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = kmsg.StringPtr("topic")
	metadata.Topics = append(metadata.Topics, asked)
	gone := kmsg.NewPtrDeleteTopicsRequest()
	named := kmsg.NewDeleteTopicsRequestTopic()
	named.Topic = kmsg.StringPtr("none")
	gone.Topics, gone.TopicNames = append(gone.Topics, named), []string{"none"}
	producers := kmsg.NewPtrDescribeProducersRequest()
	producers.Topics = append(producers.Topics, kmsg.DescribeProducersRequestTopic{Topic: "topic", Partitions: []int32{0}})
	pieces := kmsg.NewPtrDescribeTopicPartitionsRequest()
	pieces.Topics = append(pieces.Topics, kmsg.DescribeTopicPartitionsRequestTopic{Topic: "topic"})
	folders := kmsg.NewPtrDescribeLogDirsRequest()
	folders.Topics = append(folders.Topics, kmsg.DescribeLogDirsRequestTopic{Topic: "topic", Partitions: []int32{0}})
	moved := kmsg.NewPtrAlterReplicaLogDirsRequest()
	moved.Dirs = append(moved.Dirs, kmsg.AlterReplicaLogDirsRequestDir{Dir: "/nowhere", Topics: []kmsg.AlterReplicaLogDirsRequestDirTopic{{Topic: "topic", Partitions: []int32{0}}}})
	more := kmsg.NewPtrCreatePartitionsRequest()
	more.Topics = append(more.Topics, kmsg.CreatePartitionsRequestTopic{Topic: "topic", Count: 2})
	described := kmsg.NewPtrDescribeConfigsRequest()
	described.Resources = append(described.Resources, kmsg.DescribeConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "topic"})
	altered := kmsg.NewPtrAlterConfigsRequest()
	altered.Resources = append(altered.Resources, kmsg.AlterConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "topic",
		Configs: []kmsg.AlterConfigsRequestResourceConfig{{Name: "retention.ms", Value: kmsg.StringPtr("1000000")}}})
	step := kmsg.NewPtrIncrementalAlterConfigsRequest()
	step.Resources = append(step.Resources, kmsg.IncrementalAlterConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "topic",
		Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: "retention.ms", Value: kmsg.StringPtr("1000000")}}})
	all, versions := map[string][]byte{}, 0
	for _, r := range ranges() {
		versions += int(r[1]-r[0]) + 1
	}
	join := kmsg.NewPtrJoinGroupRequest()
	join.Group, join.SessionTimeoutMillis, join.MemberID, join.ProtocolType = "group", 10_000, "nobody", "consumer"
	join.Protocols = append(join.Protocols, kmsg.JoinGroupRequestProtocol{Name: "range", Metadata: []byte{0, 0}})
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Group, sync.MemberID, sync.GroupAssignment = "group", "nobody", []kmsg.SyncGroupRequestGroupAssignment{{MemberID: "nobody", MemberAssignment: []byte{0}}}
	beat := kmsg.NewPtrHeartbeatRequest()
	beat.Group, beat.MemberID = "group", "nobody"
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Group, leave.MemberID, leave.Members = "group", "nobody", []kmsg.LeaveGroupRequestMember{{MemberID: "nobody"}}
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Group, commit.Generation, commit.Topics = "group", -1, []kmsg.OffsetCommitRequestTopic{{Topic: "topic", TopicID: id, Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 1, LeaderEpoch: -1}}}}
	fetched := kmsg.NewPtrOffsetFetchRequest()
	fetched.Group, fetched.Topics = "group", []kmsg.OffsetFetchRequestTopic{{Topic: "topic", Partitions: []int32{0}}}
	fetched.Groups = []kmsg.OffsetFetchRequestGroup{{Group: "group", MemberEpoch: -1, Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: "topic", TopicID: id, Partitions: []int32{0}}}}}
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.CoordinatorKey, find.CoordinatorKeys = "group", []string{"group"}
	groups := kmsg.NewPtrDescribeGroupsRequest()
	groups.Groups = []string{"group"}
	deletion := kmsg.NewPtrDeleteGroupsRequest()
	deletion.Groups = []string{"group"}
	modern := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	modern.Group, modern.MemberID, modern.RebalanceTimeoutMillis = "modern", "member", 60_000
	modern.SubscribedTopicNames, modern.Topics = []string{"topic"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	moderns := kmsg.NewPtrConsumerGroupDescribeRequest()
	moderns.Groups = []string{"modern"}
	forget := kmsg.NewPtrOffsetDeleteRequest()
	forget.Group, forget.Topics = "group", []kmsg.OffsetDeleteRequestTopic{{Topic: "topic", Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{}}}}
	for _, request := range []kmsg.Request{
		join, sync, beat, leave, commit, fetched, find, groups, deletion, forget, modern, moderns, kmsg.NewPtrListGroupsRequest(),
		Delete("topic", 0, 0), EndOf("topic", 0, -1, 0), producers, pieces, folders, moved, more, described, altered, step, kmsg.NewPtrListConfigResourcesRequest(),
		kmsg.NewPtrGetTelemetrySubscriptionsRequest(), kmsg.NewPtrPushTelemetryRequest(),
		produce, Fetch("topic", id, 0, 0), Offsets("topic", 0, -1), metadata, NewTopics(NewTopic("made", 1, "retention.ms", "1")), gone,
		DescribeACLs(), CreateACLs(1), DeleteACLs(1), DescribeScram("me"), DescribeQuotas(false, Match("user", "me")), AlterQuotas(Set("producer_byte_rate", 1000), "user", "me"),
		kmsg.NewPtrInitProducerIDRequest(), kmsg.NewPtrDescribeClusterRequest(), kmsg.NewPtrApiVersionsRequest(),
	} {
		for version := int16(0); version <= request.MaxVersion(); version++ {
			if served(request.Key(), version) {
				all[fmt.Sprintf("%s v%d", kmsg.NameForKey(request.Key()), version)] = c.Request(request, version)
			}
		}
	}
	require.Equal(t, versions, len(all))
	return all
}

// ranges is the table of wire.md.
func ranges() map[int16][2]int16 {
	return map[int16][2]int16{0: {3, 13}, 1: {4, 18}, 2: {1, 11}, 3: {0, 13}, 8: {2, 10}, 9: {1, 10}, 10: {0, 6}, 11: {0, 9}, 12: {0, 4}, 13: {0, 5}, 14: {0, 5}, 15: {0, 6}, 16: {0, 5}, 18: {0, 4}, 19: {2, 7}, 20: {1, 6}, 21: {0, 2}, 22: {0, 5}, 23: {2, 4},
		29: {1, 3}, 30: {1, 3}, 31: {1, 3}, 32: {1, 4}, 33: {0, 2}, 34: {1, 2}, 35: {1, 4}, 37: {0, 3}, 42: {0, 2}, 44: {0, 1}, 47: {0, 0}, 48: {0, 1}, 49: {0, 1}, 50: {0, 0}, 60: {0, 2}, 61: {0, 0}, 68: {0, 1}, 69: {0, 1}, 71: {0, 0}, 72: {0, 0}, 74: {0, 1}, 75: {0, 0}}
}

func served(key, version int16) bool {
	r, known := ranges()[key]
	return known && r[0] <= version && version <= r[1]
}

func TestLengthsThatNoFrameHas(t *testing.T) {
	n := start(t, "--set", "socket.request.max.bytes=1000000")
	for what, length := range map[string]uint32{
		"zero": 0, "seven, no whole header": 7, "below zero": 0xffffffff, "the least": 1 << 31, "the most": 1<<31 - 1, "one byte too many": 1_000_001,
	} {
		// of the body nothing is sent, and nothing waited for
		closes(t, n, what, binary.BigEndian.AppendUint32(nil, length))
	}
	c := Dial(t, n)
	c.Frame(header(18, 0, make([]byte, 1_000_000-10)...)) // as long as may be; what follows the last field is ignored
	c.Answer(t)
	n.Alive(t)
}

// TestAFrameOfKafkasLimit: 100 MiB is the longest where nothing else is set.
func TestAFrameOfKafkasLimit(t *testing.T) {
	n := start(t)
	closes(t, n, "over 100 MiB", binary.BigEndian.AppendUint32(nil, 104857601))
	c := Dial(t, n)
	c.Bytes(binary.BigEndian.AppendUint32(nil, 104857600))
	c.Bytes(header(18, 0))
	c.Bytes(make([]byte, 104857600-10))
	c.Answer(t)
}

func TestCutRequestsAndGarbage(t *testing.T) {
	n := start(t)
	c := Dial(t, n)
	id := Create(t, c, "topic")
	whole := requests(t, c, id)
	random := rand.New(rand.NewPCG(1, 2))
	sent := 0
	for _, what := range slices.Sorted(maps.Keys(whole)) {
		request := whole[what]
		// Cut short in the header, in the first field, anywhere, and by one byte. Two requests do without what is cut off:
		// no body at all, and an ApiVersions up to version 2, which has none.
		for _, length := range []int{8, 11, 8 + random.IntN(len(request)-8), len(request) - 1} {
			if length >= len(request) || isWhole(what, length) {
				continue
			}
			closes(t, n, fmt.Sprintf("%s cut to %d of %d", what, length, len(request)), framed(request[:length]))
			sent++
		}
	}
	for _, garbage := range [][]byte{
		[]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		{0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03}, // how TLS begins
		framed(bytes.Repeat([]byte{0xee}, 300)),
		framed(bytes.Repeat([]byte{0}, 300)), // Produce v0
	} {
		closes(t, n, "garbage", garbage)
		sent++
	}
	require.Greater(t, sent, 200)
	requireTold(t, n)
	require.Equal(t, int64(0), End(t, Dial(t, n), "topic", 0), "nothing of a cut produce is written")
}

// isWhole: the client id "outside" ends at byte 17, and such a request needs no more.
func isWhole(what string, length int) bool {
	return length >= 17 && (what == "ApiVersions v0" || what == "ApiVersions v1" || what == "ApiVersions v2")
}

// TestBytesChanged turns bytes of good requests over. Whatever they say then, the broker answers or closes, and goes on.
func TestBytesChanged(t *testing.T) {
	n := start(t)
	c := Dial(t, n)
	whole := requests(t, c, Create(t, c, "topic"))
	random := rand.New(rand.NewPCG(3, 4))
	for _, what := range slices.Sorted(maps.Keys(whole)) {
		for range 10 {
			changed := bytes.Clone(whole[what])
			for range 1 + random.IntN(4) {
				changed[8+random.IntN(len(changed)-8)] ^= byte(1 + random.IntN(255))
			}
			other := Dial(t, n)
			other.Frame(changed)
			require.NoError(t, other.Conn.(*net.TCPConn).CloseWrite()) // a fetch may have become one that waits for days
			_, err := io.Copy(io.Discard, other)
			require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "%s: % x", what, changed)
			require.NoError(t, other.Close())
		}
	}
	n.Alive(t)
	n.Stop(t)
	require.Empty(t, n.Log.Lines("law"))
}

// TestHalfAFrame: a client that goes away inside a frame is no reason for a word.
func TestHalfAFrame(t *testing.T) {
	n := start(t)
	for _, sent := range [][]byte{{}, {0}, {0, 0, 0, 40}, {0, 0, 0, 40, 0, 3, 0, 1, 0}} {
		c := Dial(t, n)
		c.Bytes(sent)
		require.NoError(t, c.Close())
	}
	Dial(t, n).Ask(t, kmsg.NewPtrMetadataRequest(), 9)
	require.Empty(t, n.Log.Lines("connection closed"))
}

func TestUnknownAPIsAndVersions(t *testing.T) {
	n := start(t)
	for key := int16(-1); key <= 100; key++ {
		if _, newest := keyRange(key); newest < 0 {
			closes(t, n, fmt.Sprintf("API %d", key), framed(header(key, 0)))
		}
	}
	closes(t, n, "API 32767", framed(header(32767, 0)))
	for _, key := range slices.Sorted(maps.Keys(ranges())) {
		if key == 18 {
			continue // answered whatever its version
		}
		oldest, newest := keyRange(key)
		for _, version := range []int16{oldest - 1, newest + 1, 32767, -32768} {
			closes(t, n, fmt.Sprintf("API %d version %d", key, version), framed(header(key, version)))
		}
	}
	require.Contains(t, n.Log.Lines("connection closed")[0], "API -1 v0 is not served")
	requireTold(t, n)
}

func keyRange(key int16) (oldest, newest int16) {
	oldest, newest = -1, -1
	for version := int16(0); version < 20; version++ {
		if served(key, version) {
			newest = version
			if oldest < 0 {
				oldest = version
			}
		}
	}
	return oldest, newest
}

// TestApiVersionsOfNoVersion: KIP-511. The answer has version 0's form, error 35, and the one row that lets the client
// ask again; the body is not parsed.
func TestApiVersionsOfNoVersion(t *testing.T) {
	c := Dial(t, start(t, "--set", "client.telemetry.enable=true"))
	for _, version := range []int16{5, 6, 99, 32767, -1} {
		c.Frame(header(18, version, 0, 0xff, 0xff, 0xff))
		correlation, rest := c.Answer(t)
		require.EqualValues(t, 9, correlation)
		require.Equal(t, []byte{0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 4}, rest, version)
	}
	for version := int16(0); version <= 4; version++ {
		answer := c.Ask(t, software("a", "1"), version).(*kmsg.ApiVersionsResponse)
		require.Zero(t, answer.ErrorCode)
		require.Len(t, answer.ApiKeys, len(ranges()))
		for _, key := range answer.ApiKeys {
			oldest, newest := keyRange(key.ApiKey)
			if key.ApiKey == 0 {
				oldest = 0 // for librdkafka's sake (KAFKA-18659)
			}
			require.Equal(t, [2]int16{oldest, newest}, [2]int16{key.MinVersion, key.MaxVersion}, key.ApiKey)
		}
	}
}

func software(name, version string) *kmsg.ApiVersionsRequest {
	r := kmsg.NewPtrApiVersionsRequest()
	r.ClientSoftwareName, r.ClientSoftwareVersion = name, version
	return r
}

func TestSoftwareOfNoName(t *testing.T) {
	c := Dial(t, start(t))
	for _, version := range []int16{3, 4} {
		for _, bad := range [][2]string{{"", "1"}, {"-x", "1"}, {"x-", "1"}, {"a b", "1"}, {"a_b", "1"}, {"ü", "1"}, {"a", ".1"}, {"a", "1_0"}, {"a", ""}} {
			answer := c.Ask(t, software(bad[0], bad[1]), version).(*kmsg.ApiVersionsResponse)
			require.EqualValues(t, 42, answer.ErrorCode, bad)
			require.Empty(t, answer.ApiKeys)
		}
		for _, good := range []string{"a", "a.b-c"} { // on the same connection
			require.Zero(t, c.Ask(t, software(good, "1.0"), version).(*kmsg.ApiVersionsResponse).ErrorCode)
		}
	}
}

// TestOddButLegible: what Kafka reads, we read.
func TestOddButLegible(t *testing.T) {
	n := start(t)
	closes(t, n, "ApiVersions v3 without a body", framed(header(18, 3, 0)))
	c := Dial(t, n)
	Create(t, c, "topic")
	c.Frame(header(18, 0, 1, 2, 3))
	c.Answer(t) // bytes behind the last field are ignored

	tagged := func(tags ...byte) { // DescribeCluster v0: no authorized operations, and tags behind it
		c.Frame(append(append(header(60, 0, 0), 0), tags...))
		_, rest := c.Answer(t)
		response := kmsg.NewDescribeClusterResponse()
		require.NoError(t, response.ReadFrom(rest[1:]))
		require.Zero(t, response.ErrorCode)
	}
	tagged(0)
	tagged(1, 77, 1, 0xaa)                // unknown
	tagged(2, 78, 0, 77, 1, 0xaa)         // out of order
	tagged(2, 77, 0, 77, 0)               // twice
	tagged(0x81, 0x00, 0xcd, 0x00, 1, 99) // numbers longer than they need be

	c.Frame(header(3, 4, 0xff, 0xff, 0xff, 0xfe, 0)) // an array of -2 topics is null: all of them
	_, rest := c.Answer(t)
	metadata := kmsg.MetadataResponse{Version: 4}
	require.NoError(t, metadata.ReadFrom(rest))
	require.Len(t, metadata.Topics, 1)
	closes(t, n, "an array that does not fit", framed(header(3, 4, 0, 0, 0, 9, 0, 1, 'a')))
	closes(t, n, "an array of two billion", framed(header(3, 4, 0x7f, 0xff, 0xff, 0xff, 0, 1, 'a')))
	closes(t, n, "null for a topic's name", framed(header(3, 4, 0, 0, 0, 1, 0xff, 0xff, 0)))

	c.Frame(header(3, 4, 0, 0, 0, 1, 0, 2, 0xff, 0xfe, 0)) // no UTF-8, and no legal name
	_, rest = c.Answer(t)
	metadata = kmsg.MetadataResponse{Version: 4}
	require.NoError(t, metadata.ReadFrom(rest))
	require.EqualValues(t, 17, metadata.Topics[0].ErrorCode)
}

// TestAnswersComeInOrder: a fetch that waits holds up what was asked behind it.
func TestAnswersComeInOrder(t *testing.T) {
	n := start(t)
	c := Dial(t, n)
	Create(t, c, "topic")
	fetch := Fetch("topic", [16]byte{}, 0, 0)
	fetch.MaxWaitMillis = 300
	began := time.Now()
	c.Send(fetch, 12)
	versions := software("a", "1")
	c.Send(versions, 3)
	c.Receive(t, fetch, c.correlation-1)
	require.GreaterOrEqual(t, time.Since(began), 300*time.Millisecond)
	c.Receive(t, versions, c.correlation)
}

// TestManyBadConnections: none of them costs the broker anything that lasts.
func TestManyBadConnections(t *testing.T) {
	n := start(t)
	for range 300 {
		c := Dial(t, n)
		c.Frame(header(3, 99))
		c.Closed(t, "Metadata v99")
		require.NoError(t, c.Close())
		n.closed++
	}
	requireTold(t, n)
	n.Stop(t)
}

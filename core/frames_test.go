package core

import (
	"encoding/binary"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/conn"
	"rookery/core/seam"
	"rookery/core/wire"
)

// Every version that is spoken reaches its handler: a frame with something in every field is answered, in that version,
// and the connection stays.
func TestEveryVersionIsAnswered(t *testing.T) {
	text, err := os.ReadFile("../fuzz/testdata/frames/kmsg.txt")
	require.NoError(t, err)
	answered := map[[2]int16]bool{}
	for line := range strings.Lines(string(text)) {
		if line[0] == '#' {
			continue
		}
		words := strings.Fields(line)
		frame, err := hex.DecodeString(words[len(words)-1])
		require.NoError(t, err)
		request := requestOf(t, frame)
		w := newWorld(t)
		w.start()
		w.stabilize()
		c := w.dial("")
		create := kmsg.NewPtrCreateTopicsRequest()
		create.Version = 7
		create.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: "packages", NumPartitions: 4, ReplicationFactor: 1}}
		w.send(c, create)
		w.stabilize()
		w.send(c, request)
		w.stabilize()
		w.tick(seam.Second) // what a Fetch may wait for
		w.stabilize()
		require.Len(t, c.got, 2, line)
		require.IsType(t, request.ResponseKind(), c.got[1].response, line)
		require.False(t, c.gone, line)
		answered[[2]int16{request.Key(), request.GetVersion()}] = true
	}
	for key := range int16(128) {
		oldest, newest, spoken := wire.Range(key)
		for version := oldest; spoken && version <= newest; version++ {
			require.True(t, answered[[2]int16{key, version}], "%s v%d", wire.Name(key), version)
		}
	}
}

// A DescribeLogDirs waits to hear how large the volume is; where the disk does not say, -1 does (KIP-827). A client that
// has gone meanwhile is not answered.
func TestLogDirsOfAVolume(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.stabilize()
	c, other := w.dial(""), w.dial("other")
	ask := func(c *client, fault seam.Fault) {
		request := kmsg.NewPtrDescribeLogDirsRequest()
		request.Version = 4
		w.send(c, request)
		require.Len(t, w.asked, 1)
		require.Equal(t, "measure ", w.asked[0].label)
		w.comeBack(w.asked[0], fault, 0)
		w.stabilize()
	}
	ask(c, seam.OK)
	ask(c, seam.IOError)
	for i, want := range [][2]int64{{1000, 400}, {-1, -1}} {
		dir := c.got[i].response.(*kmsg.DescribeLogDirsResponse).Dirs[0]
		require.Equal(t, want, [2]int64{dir.TotalBytes, dir.UsableBytes})
		require.Zero(t, dir.ErrorCode)
	}
	request := kmsg.NewPtrDescribeLogDirsRequest()
	request.Version = 4
	w.send(other, request)
	w.hangup(other)
	w.stabilize()
	require.Empty(t, other.got)
	require.Empty(t, w.broker.measuring)
}

// requestOf is what a frame asks, as kmsg reads it.
func requestOf(t *testing.T, frame []byte) kmsg.Request {
	key, version := int16(binary.BigEndian.Uint16(frame)), int16(binary.BigEndian.Uint16(frame[2:]))
	request := kmsg.RequestForKey(key)
	request.SetVersion(version)
	body := frame[10+binary.BigEndian.Uint16(frame[8:]):]
	if request.IsFlexible() {
		require.Zero(t, body[0], "no tags")
		body = body[1:]
	}
	require.NoError(t, request.ReadFrom(body))
	return request
}

// A Body whose lease was freed is the next frame's, of another connection (net/server does it).
func TestAFreedBodyIsNotLookedAt(t *testing.T) {
	long := map[string]func() kmsg.Request{
		"DescribeLogDirs": func() kmsg.Request {
			r := kmsg.NewPtrDescribeLogDirsRequest()
			r.Version = 3
			return r
		},
		"DescribeTopicPartitions": func() kmsg.Request {
			r := kmsg.NewPtrDescribeTopicPartitionsRequest()
			r.ResponsePartitionLimit = 2000
			for _, n := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "t"} {
				topic := kmsg.NewDescribeTopicPartitionsRequestTopic()
				topic.Topic = n
				r.Topics = append(r.Topics, topic)
			}
			return r
		},
		"OffsetCommit": func() kmsg.Request {
			r := kmsg.NewPtrOffsetCommitRequest()
			r.Version, r.Group, r.Generation = 8, "g", -1
			for _, n := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "t"} {
				topic := kmsg.NewOffsetCommitRequestTopic()
				topic.Topic = n
				topic.Partitions = append(topic.Partitions, kmsg.NewOffsetCommitRequestTopicPartition())
				r.Topics = append(r.Topics, topic)
			}
			return r
		},
	}
	for name, make := range long {
		t.Run(name, func(t *testing.T) {
			config := DefaultConfig()
			config.StepItems = 4
			w := newBenchOf(t, config)
			w.createTopicOf("t", 20)
			w.step(&seam.Opened{Conn: 2, Host: "127.0.0.1", Port: 9092})
			formatter := kmsg.NewRequestFormatter(kmsg.FormatterClientID("x"))
			frameOf := func(r kmsg.Request, correlation int32, body *conn.Request, id seam.Conn, lease seam.Lease) *seam.Request {
				frame := formatter.AppendRequest(nil, r, correlation)[4:]
				conn.Intake(frame, conn.Limits{}, body)
				return &seam.Request{Conn: id, Lease: lease, Frame: frame, Body: body}
			}
			body := new(conn.Request)
			w.fx.Reset()
			w.broker.Step(w.now, frameOf(make(), 4711, body, 1, 100), &w.fx)
			require.Contains(t, w.fx.Frees, seam.Lease(100), "the lease is free, and so is the Body")
			replied := len(w.fx.Replies)
			w.act()
			versions := kmsg.NewPtrApiVersionsRequest()
			w.step(frameOf(versions, 9999, body, 2, 101)) // another connection's frame in the same Body
			require.Zero(t, replied)
			var got []int32
			for _, h := range w.heads {
				got = append(got, int32(binary.BigEndian.Uint32(h[4:])))
			}
			require.ElementsMatch(t, []int32{4711, 9999}, got)
		})
	}
}

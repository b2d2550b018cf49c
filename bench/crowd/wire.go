package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// link is one connection with one request on the way at a time. It holds no buffers: there are ten thousand of them.
type link struct {
	net.Conn
	correlation int32
}

var formatter = kmsg.NewRequestFormatter(kmsg.FormatterClientID("crowd"))

func dial(address string) (*link, error) {
	conn, err := net.DialTimeout("tcp", address, 30*time.Second)
	return &link{Conn: conn}, err
}

// versions are the newest that both sides of a comparison speak.
var versions = map[int16]int16{
	kmsg.JoinGroup.Int16(): 9, kmsg.SyncGroup.Int16(): 5, kmsg.Heartbeat.Int16(): 4, kmsg.LeaveGroup.Int16(): 5,
	kmsg.ConsumerGroupHeartbeat.Int16(): 1, kmsg.OffsetCommit.Int16(): 8, kmsg.OffsetFetch.Int16(): 8, kmsg.FindCoordinator.Int16(): 3,
}

// ask sends one request and waits for its answer.
func ask[Response kmsg.Response](l *link, request kmsg.Request, patience time.Duration) (response Response, err error) {
	l.correlation++
	request.SetVersion(versions[request.Key()])
	l.SetDeadline(time.Now().Add(patience))
	if _, err := l.Write(formatter.AppendRequest(nil, request, l.correlation)); err != nil {
		return response, err
	}
	var head [4]byte
	if _, err := io.ReadFull(l, head[:]); err != nil {
		return response, fmt.Errorf("answer to %s: %w", kmsg.NameForKey(request.Key()), err)
	}
	size := binary.BigEndian.Uint32(head[:])
	if size < 5 || size > 64<<20 {
		return response, fmt.Errorf("an answer of %d bytes", size)
	}
	frame := make([]byte, size)
	if _, err := io.ReadFull(l, frame); err != nil {
		return response, err
	}
	if got := int32(binary.BigEndian.Uint32(frame)); got != l.correlation {
		return response, fmt.Errorf("answer %d to request %d", got, l.correlation)
	}
	body := frame[4:]
	if request.IsFlexible() {
		if body[0] != 0 {
			return response, errors.New("tagged fields in the head of an answer")
		}
		body = body[1:]
	}
	response = request.ResponseKind().(Response)
	response.SetVersion(request.GetVersion())
	return response, response.ReadFrom(body)
}

// prepare makes the topic, and has the coordinators of all groups made and ready.
func (o *options) prepare() error {
	client, err := kgo.NewClient(kgo.SeedBrokers(o.address), kgo.DisableClientMetrics())
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), o.patience)
	defer cancel()
	create := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = o.topic, int32(o.partitions), 1
	create.Topics, create.TimeoutMillis = append(create.Topics, topic), int32(o.patience/time.Millisecond)
	created, err := create.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(created.Topics[0].ErrorCode); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return err
	}
	l, err := dial(o.address)
	if err != nil {
		return err
	}
	defer l.Close()
	for _, group := range o.oneAPartition() {
		for {
			find := kmsg.NewPtrFindCoordinatorRequest()
			find.CoordinatorKey = group
			found, err := ask[*kmsg.FindCoordinatorResponse](l, find, o.patience)
			if err != nil {
				return err
			}
			code := kerr.ErrorForCode(found.ErrorCode)
			if code == nil {
				_, code = o.committed(l, group)
			}
			if code == nil {
				break
			}
			if !kerr.IsRetriable(code) || ctx.Err() != nil {
				return fmt.Errorf("the coordinator of %s: %w", group, code)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}

// coordinators is how many partitions the coordinators' topic has by default.
const coordinators = 50

// oneAPartition is a group for each partition of the coordinators' topic, as far as there are groups.
func (o *options) oneAPartition() (groups []string) {
	seen := map[int32]bool{}
	for i := 0; i < o.groups && len(seen) < coordinators; i++ {
		hash := int32(0) // Java's
		for _, b := range []byte(o.group(i)) {
			hash = 31*hash + int32(b)
		}
		if p := hash & 0x7fffffff % coordinators; !seen[p] {
			seen[p] = true
			groups = append(groups, o.group(i))
		}
	}
	return groups
}

// committed is how many offsets a group has committed, or why it cannot be said.
func (o *options) committed(l *link, group string) (n int, err error) {
	request := kmsg.NewPtrOffsetFetchRequest()
	one := kmsg.NewOffsetFetchRequestGroup()
	one.Group = group
	request.Groups = append(request.Groups, one)
	answer, err := ask[*kmsg.OffsetFetchResponse](l, request, o.patience)
	if err != nil {
		return 0, err
	}
	for _, g := range answer.Groups {
		if err := kerr.ErrorForCode(g.ErrorCode); err != nil {
			return 0, err
		}
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return 0, err
				}
				n++
			}
		}
	}
	return n, nil
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

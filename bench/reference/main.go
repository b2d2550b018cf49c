// Command reference is a Kafka broker with everything left out but the bytes: the proof of what this machine can do.
//
//	socket ─▶ slab ─▶ decode ─▶ CRC-32C, one walk over the records ─▶ pwritev ─▶ one write of all answers
//
// Produce and Fetch have codecs written by hand, the few cold requests use kmsg, so that kcat, franz-go and bench/load can
// talk to it. No durability, no replication, no groups: it is the number that the real broker's speed is a share of.
//
// Two kinds of file: `--files ring` overwrites one file a partition whose pages are cached already, which shows what
// the code costs; `--files fresh` appends to new 1 GiB segments as a real broker does, which is what the real broker
// is compared with, since the first touch of fresh pages can cost more than everything else together.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

var (
	port         = flag.Int("port", 9092, "port on 127.0.0.1")
	files        = flag.String("files", "fresh", "fresh: append to new segments; ring: overwrite one cached file a partition")
	dataDir      = flag.String("data-dir", "", "directory for the files")
	segmentBytes = flag.Int64("segment-bytes", 1<<30, "size of a segment, or of a ring")
)

func main() {
	flag.Parse()
	if *dataDir == "" || (*files != "fresh" && *files != "ring") {
		log.Fatal("reference: needs --data-dir DIR and --files fresh|ring")
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	check(err)
	b := &broker{port: int32(listener.Addr().(*net.TCPAddr).Port), topics: map[string][]*partition{}}
	for {
		conn, err := listener.Accept()
		check(err)
		go b.serve(conn.(*net.TCPConn))
	}
}

// check ends the reference at any error of the machine: it has no second plan.
func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// spoken is every request the reference answers: key, lowest and highest version. Produce and Fetch are answered at their
// highest only; that Produce starts at 0 is what librdkafka asks for.
var spoken = [][3]int16{{0, 0, 7}, {1, 4, 11}, {2, 1, 6}, {3, 0, 9}, {18, 0, 4}, {19, 0, 6}, {22, 0, 4}}

// cold answers with kmsg what is not worth a codec of our own.
func (c *conn) cold(r *reader, key, version int16) bool {
	row := slices.IndexFunc(spoken, func(row [3]int16) bool { return row[0] == key && key > 1 && row[1] <= version && version <= row[2] })
	request := kmsg.RequestForKey(key)
	if row < 0 || request == nil {
		return false
	}
	request.SetVersion(version)
	if request.IsFlexible() {
		r.take(1) // no tags
	}
	if r.bad || request.ReadFrom(r.b) != nil {
		return false
	}
	response := c.respond(request)
	response.SetVersion(version)
	if request.IsFlexible() && key != 18 { // ApiVersions keeps the old header
		c.answers = append(c.answers, 0)
	}
	c.answers = response.AppendTo(c.answers)
	return true
}

func (c *conn) respond(request kmsg.Request) kmsg.Response {
	switch request := request.(type) {
	case *kmsg.ApiVersionsRequest:
		response := kmsg.NewPtrApiVersionsResponse()
		for _, row := range spoken {
			response.ApiKeys = append(response.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: row[0], MinVersion: row[1], MaxVersion: row[2]})
		}
		return response
	case *kmsg.MetadataRequest:
		return c.metadata(request)
	case *kmsg.ListOffsetsRequest:
		return c.listOffsets(request)
	case *kmsg.InitProducerIDRequest:
		return &kmsg.InitProducerIDResponse{ProducerID: c.producerIDs.Add(1)}
	}
	return c.createTopics(request.(*kmsg.CreateTopicsRequest))
}

// topic returns a topic's partitions, made first if there are none and create says so.
func (b *broker) topic(name string, create bool, partitions int32) (ps []*partition, made bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	made = create && b.topics[name] == nil
	for i := int32(0); made && i < max(partitions, 1); i++ {
		b.topics[name] = append(b.topics[name], newPartition(name, i))
	}
	return b.topics[name], made
}

func (c *conn) createTopics(request *kmsg.CreateTopicsRequest) kmsg.Response {
	response := kmsg.NewPtrCreateTopicsResponse()
	for _, t := range request.Topics {
		row := kmsg.CreateTopicsResponseTopic{Topic: t.Topic, NumPartitions: t.NumPartitions, ReplicationFactor: 1}
		if _, made := c.topic(t.Topic, true, t.NumPartitions); !made {
			row.ErrorCode = 36
		}
		response.Topics = append(response.Topics, row)
	}
	return response
}

func (c *conn) metadata(request *kmsg.MetadataRequest) kmsg.Response {
	self := kmsg.MetadataResponseBroker{NodeID: 1, Host: "127.0.0.1", Port: c.port}
	response := &kmsg.MetadataResponse{Brokers: []kmsg.MetadataResponseBroker{self}, ControllerID: 1}
	for _, t := range request.Topics { // a client that asks for all topics is told of none
		ps, _ := c.topic(*t.Topic, request.AllowAutoTopicCreation, 1)
		row := kmsg.MetadataResponseTopic{Topic: t.Topic, ErrorCode: 3}
		for i := range ps {
			row.ErrorCode = 0
			row.Partitions = append(row.Partitions, kmsg.MetadataResponseTopicPartition{Partition: int32(i), Leader: 1, Replicas: []int32{1}, ISR: []int32{1}})
		}
		response.Topics = append(response.Topics, row)
	}
	return response
}

func (c *conn) listOffsets(request *kmsg.ListOffsetsRequest) kmsg.Response {
	response := kmsg.NewPtrListOffsetsResponse()
	for _, t := range request.Topics {
		row := kmsg.ListOffsetsResponseTopic{Topic: t.Topic}
		for _, asked := range t.Partitions {
			found := kmsg.ListOffsetsResponseTopicPartition{Partition: asked.Partition, ErrorCode: 3, Timestamp: -1}
			if p := c.partition([]byte(t.Topic), asked.Partition); p != nil {
				_, first, end := p.find(-1, 0)
				if found.ErrorCode, found.Offset = 0, end; asked.Timestamp == -2 {
					found.Offset = first
				}
			}
			row.Partitions = append(row.Partitions, found)
		}
		response.Topics = append(response.Topics, row)
	}
	return response
}

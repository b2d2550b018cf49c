package main

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	manyTopic = "audit-many"
	rollTopic = "audit-roll"
	inFlight  = 5
)

// deeds are the answers that the broker gave: each one is a promise.
type deeds struct {
	mu       sync.Mutex
	produced []produced
	recorded []recorded
	deleted  []deletion
}

type deletion struct {
	recorded
	topic      string
	partitions int
}

func wallSeconds() float64 { return float64(time.Now().UnixNano()) / 1e9 }

// client is one connection with correlation ids of its own.
type client struct {
	conn        net.Conn
	port        int
	correlation int32
	formatter   *kmsg.RequestFormatter
}

func dial(first int32) (*client, error) {
	conn, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		return nil, err
	}
	return &client{conn, conn.LocalAddr().(*net.TCPAddr).Port, first, kmsg.NewRequestFormatter(kmsg.FormatterClientID("audit"))}, nil
}

func (c *client) send(request kmsg.Request) (int32, error) {
	c.correlation++
	c.conn.SetDeadline(time.Now().Add(30 * time.Second))
	_, err := c.conn.Write(c.formatter.AppendRequest(nil, request, c.correlation))
	return c.correlation, err
}

func (c *client) receive(response kmsg.Response) (int32, error) {
	var head [8]byte
	if _, err := io.ReadFull(c.conn, head[:]); err != nil {
		return 0, err
	}
	body := make([]byte, binary.BigEndian.Uint32(head[:])-4)
	if _, err := io.ReadFull(c.conn, body); err != nil {
		return 0, err
	}
	if response.IsFlexible() {
		body = body[1:] // the empty tagged fields of the header
	}
	return int32(binary.BigEndian.Uint32(head[4:])), response.ReadFrom(body)
}

// load waits for the broker, then makes it promise things on several connections at once.
func load(ended <-chan struct{}) (*deeds, error) {
	did := &deeds{}
	if err := awaitBroker(ended); err != nil {
		return nil, err
	}
	admin, err := dial(1 << 20)
	if err != nil {
		return nil, err
	}
	defer admin.conn.Close()
	if _, err := did.create(admin, manyTopic, 6, nil); err != nil {
		return nil, err
	}
	if _, err := did.create(admin, rollTopic, 1, map[string]string{"segment.bytes": "1048576"}); err != nil {
		return nil, err
	}
	if err := awaitLeaders(admin); err != nil {
		return nil, err
	}
	errs := make(chan error, *connections+2)
	for n := range *connections {
		go func() { errs <- did.produceMany(int32(n)) }()
	}
	go func() { errs <- did.produceRolls() }()
	go func() { errs <- did.administer(admin) }()
	for range *connections + 2 {
		if err := <-errs; err != nil {
			return nil, err
		}
	}
	return did, nil
}

func awaitBroker(ended <-chan struct{}) error {
	for deadline := time.Now().Add(*startTimeout); ; time.Sleep(50 * time.Millisecond) {
		c, err := dial(1 << 24)
		if err == nil {
			request, response := kmsg.NewPtrMetadataRequest(), kmsg.NewPtrMetadataResponse()
			request.Version, response.Version = 9, 9
			if _, err = c.send(request); err == nil {
				_, err = c.receive(response)
			}
			c.conn.Close()
			if err == nil && len(response.Brokers) > 0 {
				return nil
			}
		}
		select {
		case <-ended:
			return fmt.Errorf("it ended by itself")
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no broker within %v: %v", *startTimeout, err)
		}
	}
}

func awaitLeaders(c *client) error {
	for deadline := time.Now().Add(*startTimeout); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		request, response := kmsg.NewPtrMetadataRequest(), kmsg.NewPtrMetadataResponse()
		request.Version, response.Version = 9, 9
		for _, name := range []string{manyTopic, rollTopic} {
			topic := kmsg.NewMetadataRequestTopic()
			topic.Topic = &name
			request.Topics = append(request.Topics, topic)
		}
		if _, err := c.send(request); err != nil {
			return err
		}
		if _, err := c.receive(response); err != nil {
			return err
		}
		missing := 0
		for _, topic := range response.Topics {
			if topic.ErrorCode != 0 || len(topic.Partitions) == 0 {
				missing++
			}
			for _, p := range topic.Partitions {
				if p.ErrorCode != 0 || p.Leader < 0 {
					missing++
				}
			}
		}
		if missing == 0 {
			return nil
		}
	}
	return fmt.Errorf("the topics have no leaders")
}

// create returns the topic's id.
func (d *deeds) create(c *client, name string, partitions int32, configs map[string]string) (id [16]byte, err error) {
	request, response := kmsg.NewPtrCreateTopicsRequest(), kmsg.NewPtrCreateTopicsResponse()
	request.Version, response.Version = 7, 7
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
	for key, value := range configs {
		config := kmsg.NewCreateTopicsRequestTopicConfig()
		config.Name, config.Value = key, &value
		topic.Configs = append(topic.Configs, config)
	}
	request.Topics = append(request.Topics, topic)
	since := wallSeconds()
	correlation, err := c.ask(request, response)
	if err != nil {
		return id, err
	}
	if err := kerr.ErrorForCode(response.Topics[0].ErrorCode); err != nil {
		return id, fmt.Errorf("create %s: %w", name, err)
	}
	d.promised(recorded{"creation of " + name, name, since, answerKey{c.port, correlation}})
	return response.Topics[0].TopicID, nil
}

func (c *client) ask(request kmsg.Request, response kmsg.Response) (int32, error) {
	if _, err := c.send(request); err != nil {
		return 0, err
	}
	return c.receive(response)
}

func (d *deeds) promised(r recorded) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.recorded = append(d.recorded, r)
}

// administer creates and deletes topics, and asks for producer ids.
func (d *deeds) administer(c *client) error {
	for n := range 8 {
		name := fmt.Sprintf("audit-more-%d", n)
		id, err := d.create(c, name, 2, nil)
		if err != nil {
			return err
		}
		if n%2 == 0 {
			err = d.delete(c, name, 2, id)
		} else {
			err = d.identify(c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *deeds) delete(c *client, name string, partitions int, id [16]byte) error {
	request, response := kmsg.NewPtrDeleteTopicsRequest(), kmsg.NewPtrDeleteTopicsResponse()
	request.Version, response.Version = 6, 6
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = &name
	request.Topics = append(request.Topics, topic)
	since := wallSeconds()
	correlation, err := c.ask(request, response)
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(response.Topics[0].ErrorCode); err != nil {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.deleted = append(d.deleted, deletion{recorded{"deletion of " + name, string(id[:]), since, answerKey{c.port, correlation}}, name, partitions})
	return nil
}

// identify asks for a producer id. It comes from a block of 1,000 whose end is in a record (KIP-730).
func (d *deeds) identify(c *client) error {
	request, response := kmsg.NewPtrInitProducerIDRequest(), kmsg.NewPtrInitProducerIDResponse()
	request.Version, response.Version = 4, 4
	correlation, err := c.ask(request, response)
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(response.ErrorCode); err != nil {
		return fmt.Errorf("InitProducerId: %w", err)
	}
	next := binary.BigEndian.AppendUint64(nil, uint64(response.ProducerID/1000+1)*1000)
	d.promised(recorded{fmt.Sprintf("producer id %d", response.ProducerID), string(next), 0, answerKey{c.port, correlation}})
	return nil
}

// produceMany keeps a few small requests in flight, one partition each, over all partitions of the topic.
func (d *deeds) produceMany(n int32) error {
	c, err := dial(n * 1_000_000)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	type asked struct{ partition int32 }
	waiting := make(chan asked, inFlight)
	failed := make(chan error, 1)
	go func() {
		defer close(waiting)
		for i := range *requests {
			partition := (n + int32(i)) % 6
			waiting <- asked{partition}
			if _, err := c.send(produceRequest(manyTopic, partition, make([]byte, 20+i))); err != nil {
				failed <- err
				return
			}
		}
	}()
	for each := range waiting {
		if err := d.answered(c, manyTopic, each.partition); err != nil {
			return err
		}
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// produceRolls fills three segments of 1 MiB, the smallest that Kafka allows.
func (d *deeds) produceRolls() error {
	c, err := dial(500_000_000)
	if err != nil {
		return err
	}
	defer c.conn.Close()
	for range 15 {
		if _, err := c.send(produceRequest(rollTopic, 0, make([]byte, 200_000))); err != nil {
			return err
		}
		if err := d.answered(c, rollTopic, 0); err != nil {
			return err
		}
	}
	return nil
}

func (d *deeds) answered(c *client, topic string, partition int32) error {
	response := kmsg.NewPtrProduceResponse()
	response.Version = 8
	correlation, err := c.receive(response)
	if err != nil {
		return err
	}
	told := response.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(told.ErrorCode); err != nil {
		return fmt.Errorf("produce to %s-%d: %w", topic, partition, err)
	}
	if told.Partition != partition {
		return fmt.Errorf("answer %d is about partition %d, not %d: out of order", correlation, told.Partition, partition)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.produced = append(d.produced, produced{answerKey{c.port, correlation}, topic, partition, told.BaseOffset})
	return nil
}

func produceRequest(topic string, partition int32, value []byte) *kmsg.ProduceRequest {
	request := kmsg.NewPtrProduceRequest()
	request.Version, request.Acks, request.TimeoutMillis = 8, -1, 30_000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = topic
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, oneRecordBatch(value)
	t.Partitions = append(t.Partitions, p)
	request.Topics = append(request.Topics, t)
	return request
}

// oneRecordBatch is a record batch v2 with one record and no producer id.
func oneRecordBatch(value []byte) []byte {
	record := kmsg.Record{Value: value}
	body := record.AppendTo(nil)
	record.Length = int32(len(body) - 1) // an empty length is one byte long
	now := time.Now().UnixMilli()
	batch := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, FirstTimestamp: now, MaxTimestamp: now, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
		NumRecords: 1, Records: record.AppendTo(nil),
	}
	raw := batch.AppendTo(nil)
	batch.Length = int32(len(raw) - 12)
	raw = batch.AppendTo(nil)
	batch.CRC = int32(crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return batch.AppendTo(nil)
}

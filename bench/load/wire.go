package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sys/unix"
)

// patience is for one cold answer: making ten thousand partitions takes Kafka minutes on a machine that is busy.
const patience = 5 * time.Minute

// link is one connection, with a buffer that answers are parsed in.
type link struct {
	net.Conn
	fd       int // -1 under TLS
	lowWater int
	buffer   []byte
	from, to int
}

func (o *options) dial(address string) (*link, error) {
	conn, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		return nil, err
	}
	l := &link{Conn: conn, fd: -1, lowWater: 1, buffer: make([]byte, 64<<10)}
	if o.tls != nil {
		config := o.tls.Clone()
		if config.ServerName, _, err = net.SplitHostPort(address); err != nil {
			return nil, err
		}
		l.Conn = tls.Client(conn, config)
		return l, nil
	}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return nil, err
	}
	return l, raw.Control(func(fd uintptr) { l.fd = int(fd) })
}

// sendAll is one writev, or under TLS as few records as there can be.
func (l *link) sendAll(pieces net.Buffers) (err error) {
	if l.fd < 0 {
		_, err = l.Write(bytes.Join(pieces, nil))
		return err
	}
	_, err = pieces.WriteTo(l.Conn)
	return err
}

// trust makes the options of TLS: whom to believe.
func trust(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return &tls.Config{RootCAs: pool, DynamicRecordSizingDisabled: true}, nil
}

// buffered returns the next answer that is already here, without its length, or nil.
func (l *link) buffered() []byte {
	if l.to-l.from < 4 {
		return nil
	}
	size := int(binary.BigEndian.Uint32(l.buffer[l.from:]))
	if l.to-l.from < 4+size {
		return nil
	}
	answer := l.buffer[l.from+4 : l.from+4+size]
	l.from += 4 + size
	return answer
}

// fill reads what comes next; answers handed out before are gone.
func (l *link) fill() error {
	if l.from == l.to {
		l.from, l.to = 0, 0
	}
	missing := 1
	if l.to-l.from >= 4 {
		missing = 4 + int(binary.BigEndian.Uint32(l.buffer[l.from:])) - (l.to - l.from)
	}
	if l.to+missing > len(l.buffer) {
		old := l.buffer[l.from:l.to]
		if len(old)+missing > len(l.buffer) {
			l.buffer = make([]byte, len(old)+missing)
		}
		l.from, l.to = 0, copy(l.buffer, old)
	}
	if l.fd >= 0 {
		l.await(missing)
	}
	n, err := l.Read(l.buffer[l.to:])
	l.to += n
	return err
}

// await asks not to be woken for crumbs of a large answer.
func (l *link) await(missing int) {
	want := min(missing, 512<<10)
	if want < 16<<10 {
		want = 1
	}
	if l.lowWater > missing || l.lowWater < want/2 {
		l.lowWater = want
		unix.SetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, want)
	}
}

func (l *link) answer() ([]byte, error) {
	for {
		if answer := l.buffered(); answer != nil {
			return answer, nil
		}
		if err := l.fill(); err != nil {
			return nil, err
		}
	}
}

// ask sends one cold request of a version before tagged fields and waits for its answer.
func (l *link) ask(request kmsg.Request, version int16) (kmsg.Response, error) {
	request.SetVersion(version)
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("load")).AppendRequest(nil, request, 1)
	l.SetDeadline(time.Now().Add(patience))
	defer l.SetDeadline(time.Time{})
	if _, err := l.Write(frame); err != nil {
		return nil, err
	}
	answer, err := l.answer()
	if err != nil {
		return nil, fmt.Errorf("answer to %s: %w", kmsg.NameForKey(request.Key()), err)
	}
	if len(answer) < 4 {
		return nil, io.ErrUnexpectedEOF
	}
	response := request.ResponseKind()
	response.SetVersion(version)
	return response, response.ReadFrom(answer[4:])
}

// ensureTopic makes the topic unless it is there and returns the address of each partition's leader.
func ensureTopic(o *options) ([]string, error) {
	l, err := o.dial(o.address)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	created := false
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		metadata := kmsg.NewPtrMetadataRequest() // no auto-creation: the configs would not be ours
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = &o.topic
		metadata.Topics = append(metadata.Topics, topic)
		response, err := l.ask(metadata, 5)
		if err != nil {
			return nil, err
		}
		answer := response.(*kmsg.MetadataResponse)
		if len(answer.Topics) == 1 && answer.Topics[0].ErrorCode == 3 && !created {
			if err := createTopic(l, o); err != nil {
				return nil, err
			}
			created = true
		}
		leaders := leadersOf(answer, o.partitions)
		if leaders == nil {
			continue
		}
		if led, err := o.areLed(leaders); led || err != nil {
			return leaders, err
		}
	}
	return nil, fmt.Errorf("topic %s has no %d led partitions after %v", o.topic, o.partitions, patience)
}

// areLed asks the first of the leaders whether its partitions are: Kafka tells of leaders before it has made them.
func (o *options) areLed(leaders []string) (bool, error) {
	l, err := o.dial(leaders[0])
	if err != nil {
		return false, err
	}
	defer l.Close()
	list := kmsg.NewPtrListOffsetsRequest()
	list.ReplicaID = -1
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = o.topic
	for p, leader := range leaders {
		if leader == leaders[0] {
			one := kmsg.NewListOffsetsRequestTopicPartition()
			one.Partition, one.Timestamp, one.CurrentLeaderEpoch = int32(p), -1, -1
			topic.Partitions = append(topic.Partitions, one)
		}
	}
	list.Topics = append(list.Topics, topic)
	response, err := l.ask(list, 5)
	if err != nil {
		return false, err
	}
	for _, t := range response.(*kmsg.ListOffsetsResponse).Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 {
				return false, nil
			}
		}
	}
	return true, nil
}

func createTopic(l *link, o *options) error {
	create := kmsg.NewPtrCreateTopicsRequest()
	create.TimeoutMillis = int32(patience.Milliseconds())
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = o.topic, int32(min(o.partitions, partitionsAtOnce)), 1
	for _, pair := range configs(o.topicConfigs) {
		config := kmsg.NewCreateTopicsRequestTopicConfig()
		config.Name, config.Value = pair[0], &pair[1]
		topic.Configs = append(topic.Configs, config)
	}
	create.Topics = append(create.Topics, topic)
	response, err := l.ask(create, 4)
	if err != nil {
		return err
	}
	for _, t := range response.(*kmsg.CreateTopicsResponse).Topics {
		if t.ErrorCode != 0 {
			return fmt.Errorf("CreateTopics %s: error %d", t.Topic, t.ErrorCode)
		}
	}
	for made := partitionsAtOnce; made < o.partitions; {
		made = min(made+partitionsAtOnce, o.partitions)
		if err := addPartitions(l, o.topic, made); err != nil {
			return err
		}
	}
	return nil
}

// partitionsAtOnce keeps below the 10,000 records that one request may cost Kafka's controller.
const partitionsAtOnce = 4000

func addPartitions(l *link, name string, count int) error {
	add := kmsg.NewPtrCreatePartitionsRequest()
	add.TimeoutMillis = int32(patience.Milliseconds())
	topic := kmsg.NewCreatePartitionsRequestTopic()
	topic.Topic, topic.Count = name, int32(count)
	add.Topics = append(add.Topics, topic)
	response, err := l.ask(add, 1)
	if err != nil {
		return err
	}
	for _, t := range response.(*kmsg.CreatePartitionsResponse).Topics {
		if t.ErrorCode != 0 {
			return fmt.Errorf("CreatePartitions %s %d: error %d", t.Topic, count, t.ErrorCode)
		}
	}
	return nil
}

func leadersOf(answer *kmsg.MetadataResponse, partitions int) []string {
	brokers := map[int32]string{}
	for _, b := range answer.Brokers {
		brokers[b.NodeID] = net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	}
	leaders := make([]string, partitions)
	found := 0
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			if address, ok := brokers[p.Leader]; ok && p.ErrorCode == 0 && int(p.Partition) < partitions {
				leaders[p.Partition] = address
				found++
			}
		}
	}
	if found < partitions {
		return nil
	}
	return leaders
}

// encodeBatch returns a record batch (magic 2) of as many records as fit in batchBytes, one at least, and their number.
func encodeBatch(recordBytes, batchBytes int) ([]byte, int64) {
	random := rand.New(rand.NewPCG(1, 2))
	value := make([]byte, recordBytes)
	for i := range value {
		value[i] = byte(random.Uint32())
	}
	now := time.Now().UnixMilli()
	b := make([]byte, 61)
	count := 0
	for {
		record := encodeRecord(value, count)
		if count > 0 && len(b)+len(record) > batchBytes {
			break
		}
		b = append(b, record...)
		count++
	}
	put := binary.BigEndian
	put.PutUint32(b[8:], uint32(len(b)-12))
	put.PutUint32(b[12:], 0xffffffff) // leader epoch
	b[16] = 2
	put.PutUint32(b[23:], uint32(count-1))
	put.PutUint64(b[27:], uint64(now))
	put.PutUint64(b[35:], uint64(now))
	put.PutUint64(b[43:], ^uint64(0)) // no producer id
	put.PutUint16(b[51:], ^uint16(0))
	put.PutUint32(b[53:], ^uint32(0))
	put.PutUint32(b[57:], uint32(count))
	put.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b, int64(count)
}

func encodeRecord(value []byte, delta int) []byte {
	body := []byte{0, 0} // attributes, timestamp delta
	body = binary.AppendVarint(body, int64(delta))
	body = binary.AppendVarint(body, -1) // key: null
	body = binary.AppendVarint(body, int64(len(value)))
	body = append(append(body, value...), 0) // no headers
	return append(binary.AppendVarint(nil, int64(len(body))), body...)
}

// requestHead starts a frame: length (patched by finish), key, version, correlation id, client id.
func requestHead(key, version int16) []byte {
	b := []byte{0, 0, 0, 0, byte(key >> 8), byte(key), byte(version >> 8), byte(version), 0, 0, 0, 0}
	return appendString(b, "load")
}

const correlationAt = 8

func appendString(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func append32(b []byte, v int) []byte { return binary.BigEndian.AppendUint32(b, uint32(v)) }

// produceHead is everything of a Produce 7 frame but the batch behind it.
func produceHead(o *options, partition int32, batch []byte) []byte {
	b := requestHead(0, 7)
	b = append(b, 0xff, 0xff) // no transactional id
	b = binary.BigEndian.AppendUint16(b, uint16(int16(o.acks)))
	b = append32(append32(b, 30_000), 1)
	b = append32(appendString(b, o.topic), 1)
	b = append32(append32(b, int(partition)), len(batch))
	binary.BigEndian.PutUint32(b, uint32(len(b)-4+len(batch)))
	return b
}

// produceCode reads the error code of an answer to produceHead; the layout is fixed but for the topic's name.
func produceCode(answer []byte, topic string) (int16, error) {
	at := 4 + 4 + 2 + len(topic) + 4 + 4
	if len(answer) < at+2+8 {
		return 0, io.ErrUnexpectedEOF
	}
	return int16(binary.BigEndian.Uint16(answer[at:])), nil
}

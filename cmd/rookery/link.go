package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/wire"
)

// link is one connection to a broker, one request at a time. That is all a command line needs.
type link struct {
	conn     net.Conn
	format   *kmsg.RequestFormatter
	asked    int32                 // correlation id of the last request
	versions map[int16]versionSpan // what the broker speaks, once it was asked
	patience time.Duration
}

type versionSpan struct{ low, high int16 }

const frameBytesMax = 1 << 30

// connect dials a broker and asks which versions it speaks.
func connect(address string, patience time.Duration) (*link, error) {
	conn, err := net.DialTimeout("tcp", address, patience)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, advise("start a broker with: rookery dev, or name another one: --bootstrap-server HOST:PORT",
			"no broker listens at %s", address)
	}
	if err != nil {
		return nil, advise("name another broker: --bootstrap-server HOST:PORT", "%s: %w", address, err)
	}
	l := &link{conn: conn, format: kmsg.NewRequestFormatter(kmsg.FormatterClientID("rookery-cli")), patience: patience}
	if err := l.negotiate(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	return l, nil
}

func (l *link) Close() error { return l.conn.Close() }

// negotiate asks with version 0, which every broker answers.
func (l *link) negotiate() error {
	answer, err := l.ask(&kmsg.ApiVersionsRequest{Version: 0})
	if err != nil {
		return err
	}
	r := answer.(*kmsg.ApiVersionsResponse)
	if err := codeError(r.ErrorCode, nil); err != nil {
		return err
	}
	l.versions = map[int16]versionSpan{}
	for _, row := range r.ApiKeys {
		l.versions[row.ApiKey] = versionSpan{row.MinVersion, row.MaxVersion}
	}
	return nil
}

// choose sets the newest version that the broker, kmsg and the caller (highest) know.
func (l *link) choose(request kmsg.Request, highest int16) error {
	span, ok := l.versions[request.Key()]
	version := min(span.high, request.MaxVersion(), highest)
	if !ok || version < span.low {
		return fmt.Errorf("the broker does not speak %s in a version that we know", kmsg.NameForKey(request.Key()))
	}
	request.SetVersion(version)
	return nil
}

// request asks in the newest version that both sides speak.
func (l *link) request(request kmsg.Request) (kmsg.Response, error) {
	if err := l.choose(request, request.MaxVersion()); err != nil {
		return nil, err
	}
	return l.ask(request)
}

// ask sends one request as it is and waits for its answer.
func (l *link) ask(request kmsg.Request) (kmsg.Response, error) {
	l.asked++
	if err := l.conn.SetDeadline(time.Now().Add(l.patience)); err != nil {
		return nil, err
	}
	if _, err := l.conn.Write(l.format.AppendRequest(nil, request, l.asked)); err != nil {
		return nil, err
	}
	frame, err := readFrame(l.conn)
	if err != nil {
		return nil, fmt.Errorf("waiting for the answer to %s: %w", kmsg.NameForKey(request.Key()), err)
	}
	response := request.ResponseKind()
	response.SetVersion(request.GetVersion())
	body, err := l.headerOff(frame, response)
	if err != nil {
		return nil, err
	}
	return response, response.ReadFrom(body)
}

func readFrame(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the broker closed the connection")
		}
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > frameBytesMax {
		return nil, fmt.Errorf("a frame of %d bytes: this is no Kafka broker", n)
	}
	frame := make([]byte, n)
	_, err := io.ReadFull(r, frame)
	return frame, err
}

// headerOff takes the answer's header away: the correlation id and, where the API is flexible, tags. The answer to
// ApiVersions never has tags (KIP-511).
func (l *link) headerOff(frame []byte, response kmsg.Response) ([]byte, error) {
	if len(frame) < 4 || int32(binary.BigEndian.Uint32(frame)) != l.asked {
		return nil, errors.New("the broker answered another request than the one asked")
	}
	frame = frame[4:]
	if response.IsFlexible() && response.Key() != int16(kmsg.ApiVersions) {
		return tagsOff(frame)
	}
	return frame, nil
}

// tagsOff passes over tagged fields: a count, then number, size and bytes of each (KIP-482).
func tagsOff(b []byte) ([]byte, error) {
	count, b, ok := uvarint(b)
	for ; ok && count > 0; count-- {
		var size uint64
		if _, b, ok = uvarint(b); ok {
			size, b, ok = uvarint(b)
		}
		if ok = ok && size <= uint64(len(b)); ok {
			b = b[size:]
		}
	}
	if !ok {
		return nil, errors.New("the answer's header is cut off")
	}
	return b, nil
}

func uvarint(b []byte) (v uint64, rest []byte, ok bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, false
	}
	return v, b[n:], true
}

// codeError names a Kafka error code; the broker's own words come first where it has any.
func codeError(code int16, message *string) error {
	if code == 0 {
		return nil
	}
	if message != nil && *message != "" {
		return &refusal{code, fmt.Sprintf("%s (%s)", *message, wire.Code(code))}
	}
	return &refusal{code, wire.Code(code).String()}
}

// refusal is an error code of the broker's.
type refusal struct {
	code int16
	text string
}

func (r *refusal) Error() string { return r.text }

// refusedWith says whether err is one of these codes of the broker's.
func refusedWith(err error, codes ...wire.Code) bool {
	var r *refusal
	if !errors.As(err, &r) {
		return false
	}
	for _, c := range codes {
		if r.code == int16(c) {
			return true
		}
	}
	return false
}

// cluster is a client's picture of the brokers: where to bootstrap, and a link to each leader.
type cluster struct {
	bootstrap []string
	patience  time.Duration
	first     *link
	nodes     map[int32]*link
	brokers   map[int32]string
	leaders   map[string]*layout // by topic
}

// layout is one topic as Metadata describes it.
type layout struct {
	id      [16]byte
	leaders []int32 // by partition
}

// flags adds what every client command has.
func (c *cluster) flags(command *cobra.Command) {
	command.Flags().StringSliceVarP(&c.bootstrap, "bootstrap-server", "b", []string{"127.0.0.1:9092"}, "brokers to ask first, HOST:PORT")
	command.Flags().DurationVar(&c.patience, "timeout", 30*time.Second, "how long to wait for an answer")
}

// any is a link to some broker.
func (c *cluster) any() (*link, error) {
	if c.first != nil {
		return c.first, nil
	}
	var err error
	for _, address := range c.bootstrap {
		if !strings.Contains(address, ":") || strings.HasSuffix(address, "]") {
			address += ":9092"
		}
		if c.first, err = connect(address, c.patience); err == nil {
			return c.first, nil
		}
	}
	return nil, err
}

// close ends every link.
func (c *cluster) close() {
	if c.first != nil {
		c.first.Close()
	}
	for _, l := range c.nodes {
		l.Close()
	}
	c.first, c.nodes = nil, nil
}

// request asks some broker.
func (c *cluster) request(request kmsg.Request) (kmsg.Response, error) {
	l, err := c.any()
	if err != nil {
		return nil, err
	}
	return l.request(request)
}

// lookUp refreshes the picture of one topic; create lets the broker make it.
func (c *cluster) lookUp(topic string, create bool) (*layout, error) {
	request := kmsg.NewPtrMetadataRequest()
	request.AllowAutoTopicCreation = create
	row := kmsg.NewMetadataRequestTopic()
	row.Topic = &topic
	request.Topics = append(request.Topics, row)
	answer, err := c.request(request)
	if err != nil {
		return nil, err
	}
	r := answer.(*kmsg.MetadataResponse)
	c.brokers = map[int32]string{}
	for _, b := range r.Brokers {
		c.brokers[b.NodeID] = net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	}
	if len(r.Topics) != 1 {
		return nil, fmt.Errorf("topic %s: the broker answered with %d topics", topic, len(r.Topics))
	}
	return layoutOf(&r.Topics[0])
}

func layoutOf(t *kmsg.MetadataResponseTopic) (*layout, error) {
	if err := codeError(t.ErrorCode, nil); err != nil {
		return nil, err
	}
	l := &layout{id: t.TopicID, leaders: make([]int32, len(t.Partitions))}
	for _, p := range t.Partitions {
		if p.Partition < 0 || int(p.Partition) >= len(l.leaders) {
			return nil, fmt.Errorf("the broker numbers %d partitions up to %d", len(l.leaders), p.Partition)
		}
		if l.leaders[p.Partition] = p.Leader; p.ErrorCode != 0 {
			l.leaders[p.Partition] = -1
		}
	}
	return l, nil
}

// topic is what we know of a topic, after asking until it has leaders or patience ends: a topic that was just made
// takes a moment.
func (c *cluster) topic(name string, create bool) (*layout, error) {
	if l := c.leaders[name]; l != nil {
		return l, nil
	}
	deadline := time.Now().Add(c.patience)
	for {
		l, err := c.lookUp(name, create)
		if err == nil && !hasNone(l.leaders) {
			if c.leaders == nil {
				c.leaders = map[string]*layout{}
			}
			c.leaders[name] = l
			return l, nil
		}
		if err == nil {
			err = fmt.Errorf("topic %s has a partition without a leader", name)
		} else if !refusedWith(err, wire.LeaderNotAvailable) && !(create && refusedWith(err, wire.UnknownTopicOrPartition)) {
			return nil, topicAdvice(name, err)
		}
		if time.Now().After(deadline) {
			return nil, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func topicAdvice(name string, err error) error {
	if refusedWith(err, wire.UnknownTopicOrPartition) {
		return advise("see what there is: rookery topic list, or make it: rookery topic create "+name, "there is no topic %s", name)
	}
	return fmt.Errorf("topic %s: %w", name, err)
}

func hasNone(leaders []int32) bool {
	for _, l := range leaders {
		if l < 0 {
			return true
		}
	}
	return len(leaders) == 0
}

// leader is a link to the leader of a partition.
func (c *cluster) leader(topic string, partition int32) (*link, error) {
	t, err := c.topic(topic, false)
	if err != nil {
		return nil, err
	}
	if partition < 0 || int(partition) >= len(t.leaders) {
		return nil, fmt.Errorf("topic %s has partitions 0 to %d, and no %d", topic, len(t.leaders)-1, partition)
	}
	node := t.leaders[partition]
	if l := c.nodes[node]; l != nil {
		return l, nil
	}
	l, err := connect(c.brokers[node], c.patience)
	if err != nil {
		return nil, err
	}
	if c.nodes == nil {
		c.nodes = map[int32]*link{}
	}
	c.nodes[node] = l
	return l, nil
}

// forget drops what we know and every link, after an answer that says it is out of date.
func (c *cluster) forget() {
	c.close()
	c.leaders = nil
}

// tell sends a request that is not answered: Produce with acks=0.
func (l *link) tell(request kmsg.Request) error {
	l.asked++
	if err := l.conn.SetDeadline(time.Now().Add(l.patience)); err != nil {
		return err
	}
	_, err := l.conn.Write(l.format.AppendRequest(nil, request, l.asked))
	return err
}

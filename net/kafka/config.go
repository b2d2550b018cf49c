package kafka

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"rookery/core/client"
	"rookery/core/client/assignor"
	"rookery/core/seam"
	"rookery/net/courier"
	"rookery/net/dial"
)

// What a Config is made of.
type (
	// Codec is how batches are compressed.
	Codec = client.Codec

	// Partitioner says which of a topic's partitions, of which there are so many, a record goes to; AnyPartition leaves it
	// to the client. It is called on the way of each record, by one goroutine at a time, and must not wait, nor keep key.
	Partitioner = client.Partitioner

	// Reset is what a Consumer does whose position is not in the log any more.
	Reset = client.Reset
)

// The codecs.
const (
	None   = client.None
	Gzip   = client.Gzip
	Snappy = client.Snappy
	LZ4    = client.LZ4
	Zstd   = client.Zstd
)

// When records are acknowledged.
const (
	AcksNone   = client.AcksNone   // never: that the broker has read them is all that is known
	AcksLeader = client.AcksLeader // once the leader has written them
	AcksAll    = client.AcksAll    // once every in-sync replica has them
)

// What a Consumer does whose position is not in the log any more.
const (
	ResetLatest   = client.ResetLatest   // goes on at the end
	ResetEarliest = client.ResetEarliest // goes on at the log's start
	ResetNone     = client.ResetNone     // says so and stops
)

// Config is what a Producer or a Consumer is made of. Begin with Default and change what is to be different. What is
// bounded in bytes is counted before compression where records are handed over, and as it lies in the log where they are read.
type Config struct {
	Brokers          []string      // HOST or HOST:PORT of some brokers (port 9092); they tell of the others
	ClientID         string        // what brokers log
	RequestTimeout   time.Duration // how long one answer is waited for
	AutoCreateTopics bool          // a topic that is named and does not exist is made, if the broker allows it

	Acks            int16
	Idempotent      bool          // each record is written once and in order, whatever is sent again (KIP-98); needs AcksAll
	Codec           Codec         // None, Gzip, Snappy, LZ4, Zstd
	Linger          time.Duration // how long a batch waits for company
	DeliveryTimeout time.Duration // a record is told of no later than this after it was handed over
	BatchBytes      int           // a batch, of one partition
	RequestBytesMax int           // one record, and the batches of one request
	BufferBytes     int           // records that wait or are under way; a Send waits for room
	InFlightMax     int           // requests under way to one broker; idempotent: and batches of one partition, 5 at most
	Partitioner     Partitioner   // nil: ByKey
	RoundRobin      bool          // AnyPartition is one after another, record by record; else one until its batch is full or sent

	FetchWaitMax        time.Duration // how long a broker holds an answer back for FetchMinBytes
	FetchMinBytes       int32
	FetchMaxBytes       int32 // one answer, and what is fetched ahead of Poll; one batch always comes, however large
	PartitionFetchBytes int32 // of one partition in one answer
	ReadCommitted       bool  // records of transactions that were not committed are left out
	OffsetReset         Reset

	GroupID            string // of the Consumers that share what they Subscribe to; "": none
	InstanceID         string // a static member's: it keeps its partitions through a restart that takes less than SessionTimeout
	Rack               string // where this consumer stands
	Protocol           GroupProtocol
	Assignors          []Assignor    // of Classic: the first that all members have; Range and CooperativeSticky by default
	RemoteAssignor     string        // of Modern: uniform, range, or "": the broker's choice
	SessionTimeout     time.Duration // of Classic: a member that is not heard of for so long is out
	HeartbeatInterval  time.Duration // of Classic
	PollIntervalMax    time.Duration // so is one that does not come back to Poll or Records for so long
	AutoCommitInterval time.Duration // what was processed is committed every so often; 0: only by Commit

	OnAssigned func(added []Partition)              // in Poll or Records, before anything of them is handed out
	OnRevoked  func(removed []Partition, lost bool) // likewise; lost: somebody else may have them already
	OnTrouble  func(*GroupError)                    // of the kind that passes
}

// GroupProtocol is how a group shares its partitions.
type GroupProtocol bool

// The protocols of groups.
const (
	Classic GroupProtocol = false // one of the members assigns, and all join a round when anything changes
	Modern  GroupProtocol = true  // the broker assigns, and members change one by one (KIP-848); needs Kafka 4.0 or its like
)

// Assignor says who of a group of the Classic protocol gets which partitions.
type Assignor = assignor.Assignor

// The assignors.
const (
	Range             = assignor.Range             // of each topic consecutive partitions, the same ones of topics that are alike
	RoundRobin        = assignor.RoundRobin        // all partitions one after another
	Sticky            = assignor.Sticky            // balanced, and as before as far as that goes
	CooperativeSticky = assignor.CooperativeSticky // likewise; if it is the only one, members go on with what they keep
)

// AssignorNamed is the assignor that Kafka calls so; false: there is none.
func AssignorNamed(name string) (Assignor, bool) { return assignor.Named(name) }

// Partition is one partition of a topic: Topic and Number.
type Partition = client.Partition

// Place is a position in a Partition: the Offset of the record that is processed next, the LeaderEpoch of the one before it
// (0: unknown), and Metadata, whatever is to be put down with it.
type Place = client.Place

// Default has the defaults of Kafka's Java clients: idempotent, acks of all in-sync replicas, 5 ms of linger, no compression.
func Default(brokers ...string) Config {
	c := client.DefaultConfig()
	return Config{
		Brokers: brokers, ClientID: c.ClientID, RequestTimeout: time.Duration(c.RequestTimeout), AutoCreateTopics: c.AutoCreate,
		Acks: c.Acks, Idempotent: c.Idempotent, Codec: c.Codec, Linger: time.Duration(c.Linger),
		DeliveryTimeout: time.Duration(c.DeliveryTimeout), BatchBytes: c.BatchBytes, RequestBytesMax: c.RequestBytesMax,
		BufferBytes: c.BufferBytes, InFlightMax: c.InFlightMax,
		FetchWaitMax: time.Duration(c.FetchWaitMax), FetchMinBytes: c.FetchMinBytes, FetchMaxBytes: c.FetchMaxBytes,
		PartitionFetchBytes: c.PartitionFetchBytes, OffsetReset: c.OffsetReset,
		Assignors: c.Assignors, SessionTimeout: time.Duration(c.SessionTimeout), HeartbeatInterval: time.Duration(c.HeartbeatInterval),
		PollIntervalMax: time.Duration(c.PollIntervalMax), AutoCommitInterval: time.Duration(c.AutoCommitInterval),
	}
}

// ByKey is Java's default Partitioner: murmur2 of the key, and AnyPartition without one.
func ByKey(topic string, key []byte, partitions int32) int32 {
	return client.ByKey(topic, key, partitions)
}

// Anywhere is the Partitioner that looks at no key. With RoundRobin it is Java's RoundRobinPartitioner.
func Anywhere(topic string, key []byte, partitions int32) int32 {
	return client.Anywhere(topic, key, partitions)
}

// machine is the configuration in the machine's words.
func (c *Config) machine() (client.Config, error) {
	m := client.DefaultConfig()
	if len(c.Brokers) == 0 {
		return m, errors.New("no broker is named")
	}
	for _, text := range c.Brokers {
		address, err := Address(text)
		if err != nil {
			return m, fmt.Errorf("broker %s: %w", text, err)
		}
		host, port, _ := net.SplitHostPort(address)
		number, _ := strconv.Atoi(port)
		m.Bootstrap = append(m.Bootstrap, seam.Address{Kind: seam.ToPeer, Host: host, Port: int32(number)})
	}
	switch {
	case c.Idempotent && c.Acks != AcksAll:
		return m, errors.New("an idempotent producer needs AcksAll")
	case c.Codec > Zstd:
		return m, fmt.Errorf("there is no codec %d", c.Codec)
	}
	rand.Read(m.Seed[:]) // never fails
	m.ClientID, m.RequestTimeout, m.AutoCreate = c.ClientID, seam.Mono(c.RequestTimeout), c.AutoCreateTopics
	m.Acks, m.Idempotent, m.Codec, m.Linger = c.Acks, c.Idempotent, c.Codec, seam.Mono(c.Linger)
	m.DeliveryTimeout, m.BatchBytes, m.RequestBytesMax = seam.Mono(c.DeliveryTimeout), c.BatchBytes, c.RequestBytesMax
	m.BufferBytes, m.InFlightMax, m.Partitioner, m.RoundRobin = c.BufferBytes, c.InFlightMax, c.Partitioner, c.RoundRobin
	m.FetchWaitMax, m.FetchMinBytes, m.FetchMaxBytes = seam.Mono(c.FetchWaitMax), c.FetchMinBytes, c.FetchMaxBytes
	m.PartitionFetchBytes, m.ReadCommitted, m.OffsetReset = c.PartitionFetchBytes, c.ReadCommitted, c.OffsetReset
	m.GroupID, m.InstanceID, m.Rack, m.Modern = c.GroupID, c.InstanceID, c.Rack, bool(c.Protocol)
	m.Assignors, m.RemoteAssignor = c.Assignors, c.RemoteAssignor
	m.SessionTimeout, m.HeartbeatInterval = seam.Mono(c.SessionTimeout), seam.Mono(c.HeartbeatInterval)
	m.PollIntervalMax, m.AutoCommitInterval = seam.Mono(c.PollIntervalMax), seam.Mono(c.AutoCommitInterval)
	if c.GroupID == "" {
		return m, nil
	}
	switch {
	case c.Protocol == Classic && c.HeartbeatInterval >= c.SessionTimeout:
		return m, fmt.Errorf("a heartbeat each %v keeps no session of %v alive: a third of it is usual", c.HeartbeatInterval, c.SessionTimeout)
	case c.PollIntervalMax <= 0:
		return m, errors.New("PollIntervalMax is not positive: every member would be late")
	}
	return m, nil
}

// Address is one of Config.Brokers with its port.
func Address(broker string) (string, error) {
	if !strings.Contains(broker, ":") || strings.HasSuffix(broker, "]") {
		broker += ":9092"
	}
	_, port, err := net.SplitHostPort(broker)
	if err != nil {
		return "", err
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%s is no port", port)
	}
	return broker, nil
}

// Dial is the client that Producer and Consumer stand on: for requests that have no method here (Courier.Call).
func Dial(config Config) (*courier.Courier, error) { return config.dial(courier.Config{}) }

func (c *Config) dial(ears courier.Config) (*courier.Courier, error) {
	var err error
	if ears.Client, err = c.machine(); err != nil {
		return nil, err
	}
	ears.Links = func(mail courier.Mailbox) courier.Links {
		links := dial.New(dial.Config{})
		links.Bind(mail)
		return links
	}
	return courier.New(ears), nil
}

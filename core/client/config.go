package client

import (
	"rookery/core/batch"
	"rookery/core/client/assignor"
	"rookery/core/seam"
)

// Acks says when a produce is acknowledged.
const (
	AcksNone   int16 = 0  // never: that the broker has read it is all that is known
	AcksLeader int16 = 1  // once the leader has written it
	AcksAll    int16 = -1 // once every in-sync replica has it
)

// Reset is what a consumer does whose position is not in the log any more (auto.offset.reset).
type Reset uint8

const (
	ResetLatest   Reset = iota // go on at the end
	ResetEarliest              // go on at the log's start
	ResetNone                  // say so and stop
)

// Ceiling is the newest version of one API that a client speaks; it may pretend to be an old one.
type Ceiling struct {
	Key     int16
	Version int16
}

// Config is what a client is told once. Names are those of Kafka's producer.properties and consumer.properties.
type Config struct {
	ClientID  string
	Bootstrap []seam.Address // of kind ToPeer
	Seed      [32]byte       // of jitter and of the partitions that records stick to
	Ceilings  []Ceiling

	RequestTimeout      seam.Mono // request.timeout.ms: how long one answer is waited for
	RetryBackoff        seam.Mono // retry.backoff.ms: the first pause, doubled each time
	RetryBackoffMax     seam.Mono // retry.backoff.max.ms
	ReconnectBackoff    seam.Mono // reconnect.backoff.ms
	ReconnectBackoffMax seam.Mono // reconnect.backoff.max.ms
	MetadataAgeMax      seam.Mono // metadata.max.age.ms
	AutoCreate          bool      // allow.auto.create.topics, for producers too

	Acks            int16
	Idempotent      bool // enable.idempotence; not with AcksNone
	Codec           batch.Codec
	Linger          seam.Mono   // linger.ms: how long a batch waits for company
	DeliveryTimeout seam.Mono   // delivery.timeout.ms: from Produce to Delivered, whatever happens
	BatchBytes      int         // batch.size, uncompressed
	RequestBytesMax int         // max.request.size: one record, and the batches of one request
	BufferBytes     int         // buffer.memory
	InFlightMax     int         // max.in.flight.requests.per.connection; of Produce requests
	Partitioner     Partitioner // nil: ByKey, as Java's clients do
	RoundRobin      bool        // records that the Partitioner leaves open take the partitions in turn; else see KIP-480

	FetchWaitMax        seam.Mono           // fetch.max.wait.ms
	FetchMinBytes       int32               // fetch.min.bytes
	FetchMaxBytes       int32               // fetch.max.bytes
	PartitionFetchBytes int32               // max.partition.fetch.bytes
	ReadCommitted       bool                // isolation.level
	OffsetReset         Reset               // auto.offset.reset
	GroupID             string              // group.id; "": none
	InstanceID          string              // group.instance.id: of a static member (KIP-345); "": a dynamic one
	Rack                string              // client.rack
	Modern              bool                // group.protocol=consumer (KIP-848): the coordinator assigns
	RemoteAssignor      string              // group.remote.assignor, with that; "": the coordinator's choice
	Assignors           []assignor.Assignor // partition.assignment.strategy, without that; the first that all members have
	SessionTimeout      seam.Mono           // session.timeout.ms: without a heartbeat for so long a member is out
	HeartbeatInterval   seam.Mono           // heartbeat.interval.ms
	PollIntervalMax     seam.Mono           // max.poll.interval.ms: how long an application may take between two Polled
	AutoCommitInterval  seam.Mono           // auto.commit.interval.ms; 0: enable.auto.commit=false
	InflatedMax         int                 // bytes that one fetched batch may inflate to
}

// windowSize is how many batches of a producer a broker remembers (KIP-98): no more of one partition may be under way.
const windowSize = 5

// DefaultConfig has the defaults of Kafka 4.2's Java clients.
func DefaultConfig(bootstrap ...seam.Address) Config {
	return Config{
		ClientID:            "rookery",
		Bootstrap:           bootstrap,
		RequestTimeout:      30 * seam.Second,
		RetryBackoff:        100 * seam.Millisecond,
		RetryBackoffMax:     seam.Second,
		ReconnectBackoff:    50 * seam.Millisecond,
		ReconnectBackoffMax: seam.Second,
		MetadataAgeMax:      300 * seam.Second,
		AutoCreate:          true,
		Acks:                AcksAll,
		Idempotent:          true,
		Linger:              5 * seam.Millisecond,
		DeliveryTimeout:     120 * seam.Second,
		BatchBytes:          16 << 10,
		RequestBytesMax:     1 << 20,
		BufferBytes:         32 << 20,
		InFlightMax:         5,
		FetchWaitMax:        500 * seam.Millisecond,
		FetchMinBytes:       1,
		FetchMaxBytes:       50 << 20,
		PartitionFetchBytes: 1 << 20,
		Assignors:           []assignor.Assignor{assignor.Range, assignor.CooperativeSticky},
		SessionTimeout:      45 * seam.Second,
		HeartbeatInterval:   3 * seam.Second,
		PollIntervalMax:     300 * seam.Second,
		AutoCommitInterval:  5 * seam.Second,
	}
}

// forEver is as long as anything takes: 52 days. It can be added to a time, and be a fifth longer.
const forEver seam.Mono = 1 << 52

// millis is a time as requests have it.
func millis(d seam.Mono) int32 { return int32(min(d/seam.Millisecond, 1<<31-1)) }

// patience is a time of the application's, in milliseconds; 0: otherwise.
func patience(millis int64, otherwise seam.Mono) seam.Mono {
	if millis <= 0 {
		return otherwise
	}
	return seam.Mono(min(millis, int64(forEver/seam.Millisecond))) * seam.Millisecond
}

// mended puts right what would keep a client from working at all.
func (config Config) mended() Config {
	config.Bootstrap = append([]seam.Address(nil), config.Bootstrap...)
	for _, d := range []*seam.Mono{&config.RequestTimeout, &config.RetryBackoff, &config.RetryBackoffMax, &config.ReconnectBackoff,
		&config.ReconnectBackoffMax, &config.MetadataAgeMax, &config.Linger, &config.DeliveryTimeout, &config.FetchWaitMax,
		&config.SessionTimeout, &config.HeartbeatInterval, &config.PollIntervalMax, &config.AutoCommitInterval} {
		*d = min(*d, forEver)
	}
	config.InFlightMax = max(config.InFlightMax, 1)
	config.RetryBackoff = max(config.RetryBackoff, seam.Millisecond)
	config.RetryBackoffMax = max(config.RetryBackoffMax, config.RetryBackoff)
	config.ReconnectBackoff = max(config.ReconnectBackoff, seam.Millisecond)
	config.ReconnectBackoffMax = max(config.ReconnectBackoffMax, config.ReconnectBackoff)
	config.RequestTimeout = max(config.RequestTimeout, seam.Millisecond)
	config.MetadataAgeMax = max(config.MetadataAgeMax, config.RetryBackoff)
	config.HeartbeatInterval = max(config.HeartbeatInterval, seam.Millisecond)
	if len(config.Assignors) == 0 {
		config.Assignors = []assignor.Assignor{assignor.Range}
	}
	if config.Partitioner == nil {
		config.Partitioner = ByKey
	}
	if config.Acks == AcksNone {
		config.Idempotent = false
	}
	return config
}

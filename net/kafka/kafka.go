// Package kafka is a Kafka client for Go programs: a Producer writes records, a Consumer reads partitions.
//
//	producer, err := kafka.NewProducer(kafka.Default("127.0.0.1:9092"))
//	producer.Send(ctx, "greetings", kafka.AnyPartition, records, func(told kafka.Delivered, err error) { ... })
//	producer.Flush(ctx)
//
//	consumer, err := kafka.NewConsumer(kafka.Default("127.0.0.1:9092"))
//	consumer.Assign("greetings", 0, kafka.Earliest)
//	for record, err := range consumer.Records(ctx) { ... }
//
// Consumers with the same GroupID share what they subscribe to, and go on where the group has come to (group.go):
//
//	config.GroupID = "billing"
//	consumer.Subscribe("orders")
//	for record, err := range consumer.Records(ctx) { ... } // what came back to the loop is committed by and by
//
// Offsets count the records of one partition from 0. Timestamps are milliseconds since 1970. Sizes are bytes.
//
// Rules:
//   - Every record handed to a Producer is told of exactly once, at the latest when DeliveryTimeout is over, unless Close
//     ran out of patience before. Records to one partition are written in the order in which they were handed over, if the
//     Producer is idempotent (as it is by default).
//   - What may pass (a broker that is gone, a partition that moves) is tried again. Poll tells of it once (FetchError),
//     Records does not.
//   - Methods may be called from any goroutine; but of one Consumer one goroutine at a time runs Poll or Records.
//   - Methods that wait take a context, and return its cause when it ends.
//   - Each Producer and each Consumer has links of its own: a Fetch that waits holds nobody's Produce up.
package kafka

import (
	"fmt"

	"rookery/core/client"
	"rookery/net/courier"
)

const (
	AnyPartition = client.AnyPartition // where the Partitioner says
	Earliest     = client.Earliest     // as an offset: the log's start
	Latest       = client.Latest       // its end
	AsCommitted  = client.AsCommitted  // where Config.GroupID has come to; if nowhere, as OffsetReset says
)

// What goes in and comes out. Fields are named here because go doc does not show those of another package's types.
type (
	// Record is one record to be written: Key and Value, of which nil is null; Headers; and Timestamp, of which 0 is now.
	Record = client.Record

	// Header is one Key and Value beside a record.
	Header = client.Header

	// Delivered is what became of Count records that stood side by side in one Send, from Index on. They lie in Topic and
	// Partition from Offset on; -1 is told where nobody knows. Failed says whether they were not, or not surely, written:
	// then Code is what the broker found wrong, Fault what the client did, Unknown that they may be there all the same, and
	// Reason, where it is not nil, what the broker says beside.
	Delivered = client.Delivered

	// Reason is why a broker refuses a whole batch: a Message, and the Records that it is about, by their Index in the Send,
	// each with a Message. Others says that there are more, in another Delivered: what is in no list may be sent again.
	Reason = client.Reason

	// Refused is one record that a batch was refused for.
	Refused = client.Refused

	// Fetched is what one answer brought of one Partition of a Topic: Records of whole batches, in the order of the log, so
	// they are dense but for what a compacted topic has lost. Position is what is read next, LogStart where the log begins,
	// HighWatermark where it ends, LastStable what ReadCommitted reads up to. End says that there was no more, Code what is
	// wrong, and Stopped that nothing more comes.
	Fetched = client.Fetched

	// FetchedRecord is one record that was read: Offset, LeaderEpoch, Timestamp, Key, Value and Headers; the Attributes of
	// its batch; and the ProducerID (-1: none) and ProducerEpoch of whoever wrote it.
	FetchedRecord = client.FetchedRecord

	// Code is an error code in an answer, by Kafka's number: String is its name in Kafka, Failed says whether it is one.
	Code = client.Code

	// Fault is what the client itself finds wrong.
	Fault = client.Fault
)

// The faults.
const (
	NoFault     = client.NoFault     // nothing is wrong, or the broker says what
	TimedOut    = client.TimedOut    // the time was up
	BufferFull  = client.BufferFull  // one Send is more than BufferBytes
	TooLarge    = client.TooLarge    // one record is more than RequestBytesMax
	ShutDown    = client.ShutDown    // the client was closed
	Lost        = client.Lost        // the link was lost before the answer came
	Unsupported = client.Unsupported // the broker does not speak the API in a version that we know
	Malformed   = client.Malformed   // the answer could not be read
	Misplaced   = client.Misplaced   // the Partitioner named a partition that the topic does not have
)

// ConsumerRecord is one record that was read, and where.
type ConsumerRecord struct {
	Topic     string
	Partition int32
	FetchedRecord
}

// ErrClosed is returned once Close was called.
var ErrClosed = courier.ErrClosed

// ProduceError says why records were not, or (Delivered.Unknown) not surely, written.
type ProduceError struct{ Delivered Delivered }

func (e *ProduceError) Error() string {
	d := &e.Delivered
	why := d.Fault.String()
	switch {
	case d.Fault == client.NoFault:
		why = d.Code.String()
	case d.Code.Failed():
		why += " (" + d.Code.String() + ")"
	}
	why += reasonText(d.Reason)
	if d.Unknown {
		why += "; they may have been written"
	}
	if d.Partition < 0 {
		return fmt.Sprintf("%d records to topic %s: %s", d.Count, d.Topic, why)
	}
	return fmt.Sprintf("%d records to topic %s partition %d: %s", d.Count, d.Topic, d.Partition, why)
}

// reasonText names the first record only: there may be thousands.
func reasonText(r *Reason) (text string) {
	if r == nil {
		return ""
	}
	if r.Message != "" {
		text = ": " + r.Message
	}
	switch more := len(r.Records) - 1; {
	case more >= 0:
		text += fmt.Sprintf("; records[%d]: %s", r.Records[0].Index, r.Records[0].Message)
		if more > 0 {
			text += fmt.Sprintf(", and %d more", more)
		}
	case r.Others:
		text += "; another record of their batch is to blame"
	}
	return text
}

// FetchError is what is wrong with a partition that is read. If Fetched.Stopped, nothing more comes of it until it is
// assigned anew; else it is being tried again.
type FetchError struct{ Fetched Fetched }

func (e *FetchError) Error() string {
	return fmt.Sprintf("topic %s partition %d offset %d: %s", e.Fetched.Topic, e.Fetched.Partition, e.Fetched.Position, e.Fetched.Code)
}

// PartitionError says that a Consumer was asked about a partition that it does not read.
type PartitionError struct {
	Topic     string
	Partition int32
}

func (e *PartitionError) Error() string {
	return fmt.Sprintf("topic %s partition %d is not assigned", e.Topic, e.Partition)
}

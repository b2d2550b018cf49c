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

// What goes in and comes out.
type (
	// Record is one record to be written. A nil Key or Value is null; a Timestamp of 0 is now.
	Record = client.Record

	// Header is one key and value beside a record.
	Header = client.Header

	// Delivered is what became of Count records that stood side by side in one Send, from Index on. They lie in Partition
	// from Offset on; -1 is told where nobody knows.
	Delivered = client.Delivered

	// Fetched is what one answer brought of one partition: whole batches, in the order of the log, so the records are
	// dense but for what a compacted topic has lost. End says that there was no more.
	Fetched = client.Fetched

	// FetchedRecord is one record that was read.
	FetchedRecord = client.FetchedRecord
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
	if d.Unknown {
		why += "; they may have been written"
	}
	if d.Partition < 0 {
		return fmt.Sprintf("%d records to topic %s: %s", d.Count, d.Topic, why)
	}
	return fmt.Sprintf("%d records to topic %s partition %d: %s", d.Count, d.Topic, d.Partition, why)
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

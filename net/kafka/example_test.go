package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"rookery/net/kafka"
)

// Write one record, wait until it is safe, and read it back.
func Example() {
	ctx := context.Background()
	producer, err := kafka.NewProducer(kafka.Default(broker)) // "127.0.0.1:9092"
	if err != nil {
		panic(err)
	}
	defer producer.Close(ctx)
	told, err := producer.SendSync(ctx, "greetings", kafka.AnyPartition, kafka.Record{Key: []byte("en"), Value: []byte("hello")})
	if err != nil {
		panic(err)
	}
	fmt.Println("written to partition", told[0].Partition)

	consumer, err := kafka.NewConsumer(kafka.Default(broker))
	if err != nil {
		panic(err)
	}
	defer consumer.Close(ctx)
	consumer.Assign("greetings", 0, kafka.Earliest)
	for record, err := range consumer.Records(ctx) {
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s: %s\n", record.Key, record.Value)
		break
	}
	// Output:
	// written to partition 0
	// en: hello
}

// Send does not wait: what became of the records is heard later, in order.
func ExampleProducer_Send() {
	ctx := context.Background()
	config := kafka.Default(broker)
	config.Codec, config.Linger = kafka.Zstd, 20*time.Millisecond
	producer, err := kafka.NewProducer(config)
	if err != nil {
		panic(err)
	}
	for i := range 3 {
		records := []kafka.Record{{Value: fmt.Appendf(nil, "tick %d", i)}}
		err := producer.Send(ctx, "ticks", 0, records, func(d kafka.Delivered, err error) {
			fmt.Println("tick", i, "in partition", d.Partition, err)
		})
		if err != nil {
			panic(err)
		}
	}
	fmt.Println(producer.Close(ctx)) // flushes
	// Output:
	// tick 0 in partition 0 <nil>
	// tick 1 in partition 0 <nil>
	// tick 2 in partition 0 <nil>
	// <nil>
}

// A record that is not written has a Code of the broker's or a Fault of the client's; either says whether to send it
// again is any use.
func ExampleProduceError() {
	ctx := context.Background()
	config := kafka.Default(broker)
	config.RequestBytesMax = 1000
	producer, err := kafka.NewProducer(config)
	if err != nil {
		panic(err)
	}
	defer producer.Close(ctx)
	for topic, value := range map[string][]byte{"photographs": make([]byte, 2000), "no such name!": []byte("hello")} {
		_, err := producer.SendSync(ctx, topic, kafka.AnyPartition, kafka.Record{Value: value})
		var failed *kafka.ProduceError
		if !errors.As(err, &failed) {
			panic(err)
		}
		switch d := failed.Delivered; {
		case d.Fault == kafka.TooLarge:
			fmt.Println("make it smaller:", err)
		case d.Fault == kafka.TimedOut, d.Unknown:
			fmt.Println("later:", err)
		case d.Code.String() == "INVALID_TOPIC_EXCEPTION": // Kafka's names
			fmt.Println("never:", err)
		}
	}
	// Unordered output:
	// make it smaller: 1 records to topic photographs: a record is too large
	// never: 1 records to topic no such name!: INVALID_TOPIC_EXCEPTION
}

// A Partitioner of one's own: customers by their number, and everybody else anywhere.
func ExamplePartitioner() {
	byCustomer := func(_ string, key []byte, partitions int32) int32 {
		if key == nil {
			return kafka.AnyPartition
		}
		h := fnv.New32a()
		h.Write(key)
		return int32(h.Sum32() % uint32(partitions))
	}
	config := kafka.Default(broker)
	config.Partitioner = byCustomer
	producer, err := kafka.NewProducer(config)
	if err != nil {
		panic(err)
	}
	defer producer.Close(context.Background())
	fmt.Println(byCustomer("orders", []byte("customer-7"), 12))
	fmt.Println(kafka.ByKey("orders", []byte("customer-7"), 12), "with the default, as Java's clients have it")
	// Output:
	// 9
	// 7 with the default, as Java's clients have it
}

// Seek rewinds, SeekToTime finds a time.
func ExampleConsumer_Seek() {
	ctx := context.Background()
	producer, err := kafka.NewProducer(kafka.Default(broker))
	if err != nil {
		panic(err)
	}
	defer producer.Close(ctx)
	noon := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for hour := range 4 {
		at := noon.Add(time.Duration(hour) * time.Hour)
		record := kafka.Record{Value: []byte(at.Format("15:04")), Timestamp: at.UnixMilli()}
		if _, err := producer.SendSync(ctx, "hours", 0, record); err != nil {
			panic(err)
		}
	}
	consumer, err := kafka.NewConsumer(kafka.Default(broker))
	if err != nil {
		panic(err)
	}
	defer consumer.Close(ctx)
	next := func() {
		for record, err := range consumer.Records(ctx) {
			if err != nil {
				panic(err)
			}
			fmt.Printf("%s, then %d\n", record.Value, consumer.Position("hours", 0))
			break
		}
	}
	consumer.Assign("hours", 0, kafka.Earliest)
	next()
	next()
	consumer.Seek("hours", 0, 0)
	next()
	consumer.SeekToTime("hours", 0, noon.Add(90*time.Minute))
	next()
	// Output:
	// 12:00, then 1
	// 13:00, then 2
	// 12:00, then 1
	// 14:00, then 3
}

// Poll says where a partition ends; a paused partition is passed over.
func ExampleConsumer_Poll() {
	ctx := context.Background()
	producer, err := kafka.NewProducer(kafka.Default(broker))
	if err != nil {
		panic(err)
	}
	defer producer.Close(ctx)
	from := map[string]int64{}
	for _, topic := range []string{"left", "right"} {
		told, err := producer.SendSync(ctx, topic, 0, kafka.Record{Value: []byte(topic)})
		if err != nil {
			panic(err)
		}
		from[topic] = told[0].Offset
	}
	consumer, err := kafka.NewConsumer(kafka.Default(broker))
	if err != nil {
		panic(err)
	}
	defer consumer.Close(ctx)
	untilEnd := func() {
		for {
			fetched, err := consumer.Poll(ctx)
			if err != nil {
				panic(err)
			}
			for _, record := range fetched.Records {
				fmt.Printf("%s\n", record.Value)
			}
			if fetched.End {
				return
			}
		}
	}
	consumer.Assign("left", 0, from["left"])
	consumer.Pause("left", 0)
	consumer.Assign("right", 0, from["right"])
	untilEnd()
	consumer.Resume("left", 0)
	untilEnd()
	// Output:
	// right
	// left
}

// Consumers with one GroupID share what they subscribe to. Here the first commits what it has processed, and the next one
// goes on behind it.
func ExampleConsumer_Subscribe() {
	ctx := context.Background()
	producer, err := kafka.NewProducer(kafka.Default(broker))
	if err != nil {
		panic(err)
	}
	defer producer.Close(ctx)
	for _, order := range []string{"tea", "bread", "jam", "salt"} {
		if _, err := producer.SendSync(ctx, "orders", 0, kafka.Record{Value: []byte(order)}); err != nil {
			panic(err)
		}
	}
	config := kafka.Default(broker)
	config.GroupID, config.OffsetReset = "billing", kafka.ResetEarliest
	config.AutoCommitInterval = 0 // never: Commit says when
	for _, name := range []string{"first", "second"} {
		consumer, err := kafka.NewConsumer(config)
		if err != nil {
			panic(err)
		}
		if err := consumer.Subscribe("orders"); err != nil {
			panic(err)
		}
		count := 0
		for record, err := range consumer.Records(ctx) {
			if err != nil {
				panic(err)
			}
			fmt.Printf("%s: %s\n", name, record.Value)
			if count++; count < 2 {
				continue
			}
			next := kafka.Place{Partition: kafka.Partition{Topic: record.Topic, Number: record.Partition}, Offset: record.Offset + 1}
			if err := consumer.Commit(ctx, next); err != nil {
				panic(err)
			}
			break
		}
		if err := consumer.Close(ctx); err != nil { // it leaves the group
			panic(err)
		}
	}
	// Output:
	// first: tea
	// first: bread
	// second: jam
	// second: salt
}

// In a group of the consumer protocol (KIP-848) the broker assigns. What a member is given, and what is taken from it, it
// hears of before it goes on.
func ExampleConfig_Protocol() {
	ctx := context.Background()
	producer, err := kafka.NewProducer(kafka.Default(broker))
	if err != nil {
		panic(err)
	}
	defer producer.Close(ctx)
	if _, err := producer.SendSync(ctx, "letters", 0, kafka.Record{Value: []byte("a")}); err != nil {
		panic(err)
	}
	config := kafka.Default(broker)
	config.GroupID, config.Protocol, config.OffsetReset = "postmen", kafka.Modern, kafka.ResetEarliest
	config.OnAssigned = func(added []kafka.Partition) { fmt.Println("given", added) }
	config.OnRevoked = func(removed []kafka.Partition, lost bool) { fmt.Println("taken", removed, "lost:", lost) }
	consumer, err := kafka.NewConsumer(config)
	if err != nil {
		panic(err)
	}
	if err := consumer.Subscribe("letters"); err != nil {
		panic(err)
	}
	for record, err := range consumer.Records(ctx) {
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s\n", record.Value)
		break
	}
	if err := consumer.Close(ctx); err != nil {
		panic(err)
	}
	// Output:
	// given [{letters 0}]
	// a
	// taken [{letters 0}] lost: false
}

package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

type saramaClient struct{}

func saramaConfig() *sarama.Config {
	config := sarama.NewConfig()
	config.ClientID = "sarama"
	config.Version = sarama.MaxVersion
	config.Metadata.Retry.Max, config.Metadata.Retry.Backoff = 1000, 100*time.Millisecond
	return config
}

func (saramaClient) producer(bootstrap, topic string, codec int) (producer, error) {
	config := saramaConfig()
	config.Net.MaxOpenRequests = 1 // it insists on that for an idempotent one
	config.Producer.Idempotent, config.Producer.RequiredAcks = true, sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Compression = sarama.CompressionCodec(codec)
	config.Producer.Return.Successes = true
	config.Producer.Retry.Max, config.Producer.Retry.Backoff = 1000, 100*time.Millisecond
	all, err := sarama.NewAsyncProducer([]string{bootstrap}, config)
	if err != nil {
		return nil, err
	}
	p := &saramaProducer{AsyncProducer: all, topic: topic, ended: make(chan struct{})}
	go p.listen()
	return p, nil
}

type saramaProducer struct {
	sarama.AsyncProducer
	topic   string
	waiting sync.WaitGroup
	failure error
	ended   chan struct{}
}

func (p *saramaProducer) listen() {
	defer close(p.ended)
	for successes, failures := p.Successes(), p.Errors(); successes != nil || failures != nil; {
		select {
		case _, more := <-successes:
			if !more {
				successes = nil
				continue
			}
			p.waiting.Done()
		case failure, more := <-failures:
			if !more {
				failures = nil
				continue
			}
			p.failure = failure
			p.waiting.Done()
		}
	}
}

func (p *saramaProducer) send(r record) error {
	message := &sarama.ProducerMessage{Topic: p.topic, Partition: int32(r.partition), Timestamp: r.time}
	if r.key != nil {
		message.Key = sarama.ByteEncoder(r.key)
	}
	if r.value != nil {
		message.Value = sarama.ByteEncoder(r.value)
	}
	for _, h := range r.headers {
		message.Headers = append(message.Headers, sarama.RecordHeader{Key: h.name, Value: h.value})
	}
	p.waiting.Add(1)
	p.Input() <- message
	return nil
}

// flush waits before it closes: a producer that shuts down retries nothing.
func (p *saramaProducer) flush() error {
	p.waiting.Wait()
	p.AsyncClose()
	<-p.ended
	return p.failure
}

func (saramaClient) read(bootstrap, topic string, partition int, each func(record)) error {
	c, err := sarama.NewClient([]string{bootstrap}, saramaConfig())
	if err != nil {
		return err
	}
	defer c.Close()
	end, err := c.GetOffset(topic, int32(partition), sarama.OffsetNewest)
	if err != nil {
		return err
	}
	consumer, err := sarama.NewConsumerFromClient(c)
	if err != nil {
		return err
	}
	defer consumer.Close()
	from, err := consumer.ConsumePartition(topic, int32(partition), sarama.OffsetOldest)
	if err != nil {
		return err
	}
	defer from.AsyncClose()
	for at := int64(0); at < end; {
		select {
		case m := <-from.Messages():
			r := record{offset: m.Offset, time: m.Timestamp, key: m.Key, value: m.Value}
			for _, h := range m.Headers {
				r.headers = append(r.headers, header{h.Key, h.Value})
			}
			each(r)
			at = m.Offset + 1
		case <-time.After(time.Minute):
			return fmt.Errorf("nothing came for a minute at offset %d of %d", at, end)
		}
	}
	return nil
}

func (saramaClient) admin(bootstrap, topic string) (retention string, partitions int, left bool, err error) {
	admin, err := sarama.NewClusterAdmin([]string{bootstrap}, saramaConfig())
	if err != nil {
		return "", 0, false, err
	}
	defer admin.Close()
	wanted := "777777"
	detail := &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": &wanted}}
	if err = admin.CreateTopic(topic, detail, false); err != nil {
		return "", 0, false, err
	}
	if err = admin.CreatePartitions(topic, 3, nil, false); err != nil {
		return "", 0, false, err
	}
	described, err := admin.DescribeTopics([]string{topic})
	if err != nil {
		return "", 0, false, err
	}
	entries, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic, ConfigNames: []string{"retention.ms"}})
	if err != nil {
		return "", 0, false, err
	}
	if err = admin.DeleteTopic(topic); err != nil {
		return "", 0, false, err
	}
	listed, err := admin.ListTopics()
	_, left = listed[topic]
	return entries[0].Value, len(described[0].Partitions), left, err
}

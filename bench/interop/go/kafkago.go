package main

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"
)

type kafkaGoClient struct{}

const kafkaGoChunk = 200 // messages that are on their way at once

func (kafkaGoClient) producer(bootstrap, topic string, codec int) (producer, error) {
	return &kafkaGoProducer{writer: &kafka.Writer{
		Addr: kafka.TCP(bootstrap), Topic: topic, RequiredAcks: kafka.RequireAll, Compression: kafka.Compression(codec),
		MaxAttempts: 1000, WriteBackoffMin: 100 * time.Millisecond, WriteBackoffMax: 200 * time.Millisecond,
		BatchTimeout: 5 * time.Millisecond, ReadTimeout: 2 * time.Minute, WriteTimeout: 2 * time.Minute,
		// A message's Partition is not for writers: the balancer finds it in what the message carries along.
		Balancer:  kafka.BalancerFunc(func(m kafka.Message, _ ...int) int { return m.WriterData.(int) }),
		Transport: &kafka.Transport{ClientID: "kafka-go"},
	}}, nil
}

type kafkaGoProducer struct {
	writer   *kafka.Writer
	messages []kafka.Message
}

func (p *kafkaGoProducer) send(r record) error {
	m := kafka.Message{Key: r.key, Value: r.value, Time: r.time, WriterData: r.partition}
	for _, h := range r.headers {
		m.Headers = append(m.Headers, kafka.Header{Key: string(h.name), Value: h.value})
	}
	if p.messages = append(p.messages, m); len(p.messages) < kafkaGoChunk {
		return nil
	}
	return p.write()
}

// write sends again what a writer gives up, for it does not retry while nobody listens.
func (p *kafkaGoProducer) write() error {
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		err := p.writer.WriteMessages(context.Background(), p.messages...)
		if err == nil {
			p.messages = p.messages[:0]
			return nil
		}
		if time.Now().After(deadline) {
			return err
		}
		var each kafka.WriteErrors
		if errors.As(err, &each) {
			left := p.messages[:0]
			for i, err := range each {
				if err != nil {
					left = append(left, p.messages[i])
				}
			}
			p.messages = left
		}
	}
}

func (p *kafkaGoProducer) flush() error {
	if err := p.write(); err != nil {
		return err
	}
	return p.writer.Close()
}

func (kafkaGoClient) read(bootstrap, topic string, partition int, each func(record)) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	leader, err := kafka.DialLeader(ctx, "tcp", bootstrap, topic, partition)
	if err != nil {
		return err
	}
	defer leader.Close()
	end, err := leader.ReadLastOffset()
	if err != nil {
		return err
	}
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{bootstrap}, Topic: topic, Partition: partition, MaxBytes: 10 << 20, MaxWait: 100 * time.Millisecond})
	defer reader.Close()
	if err := reader.SetOffset(kafka.FirstOffset); err != nil {
		return err
	}
	for at := int64(0); at < end; {
		m, err := reader.ReadMessage(ctx)
		if err != nil {
			return err
		}
		r := record{offset: m.Offset, time: m.Time, key: m.Key, value: m.Value}
		for _, h := range m.Headers {
			r.headers = append(r.headers, header{[]byte(h.Key), h.Value})
		}
		each(r)
		at = m.Offset + 1
	}
	return nil
}

func (kafkaGoClient) admin(bootstrap, topic string) (retention string, partitions int, left bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	transport := &kafka.Transport{ClientID: "kafka-go"}
	defer transport.CloseIdleConnections()
	c := &kafka.Client{Addr: kafka.TCP(bootstrap), Transport: transport}
	made, err := c.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 2, ReplicationFactor: 1,
		ConfigEntries: []kafka.ConfigEntry{{ConfigName: "retention.ms", ConfigValue: "777777"}}}}})
	if err = errors.Join(err, firstOf(made, func() error { return made.Errors[topic] })); err != nil {
		return "", 0, false, err
	}
	grown, err := c.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: 3}}})
	if err = errors.Join(err, firstOf(grown, func() error { return grown.Errors[topic] })); err != nil {
		return "", 0, false, err
	}
	// Its transport keeps what it knows of topics for six seconds: another one asks anew.
	fresh := &kafka.Transport{ClientID: "kafka-go"}
	defer fresh.CloseIdleConnections()
	described, err := (&kafka.Client{Addr: c.Addr, Transport: fresh}).Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return "", 0, false, err
	}
	configs, err := c.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{"retention.ms"}}}})
	if err != nil {
		return "", 0, false, err
	}
	gone, err := c.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	if err = errors.Join(err, firstOf(gone, func() error { return gone.Errors[topic] })); err != nil {
		return "", 0, false, err
	}
	last := &kafka.Transport{ClientID: "kafka-go"}
	defer last.CloseIdleConnections()
	all, err := (&kafka.Client{Addr: c.Addr, Transport: last}).Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return "", 0, false, err
	}
	for _, each := range all.Topics {
		left = left || each.Name == topic
	}
	return configs.Resources[0].ConfigEntries[0].ConfigValue, len(described.Topics[0].Partitions), left, nil
}

// firstOf asks an answer for its error, where there is an answer.
func firstOf[T any](answer *T, fault func() error) error {
	if answer == nil {
		return nil
	}
	return fault()
}

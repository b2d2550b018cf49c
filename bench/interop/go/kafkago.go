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

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// moveSmall lets each client that others wrote send three small records: the first thing that anybody does, and the
// frames that are short enough to be kept as goldens.
func moveSmall(s *session) {
	records := []record{
		{key: []byte("key"), value: []byte("value"), headers: []header{{"name", []byte("header")}}},
		{value: []byte("a value without a key")},
		{key: []byte("tombstone")},
	}
	for _, each := range []struct {
		client string
		note   string
		sent   func(record) record
		send   func(ctx context.Context, s *session, user, topic, path string) (string, error)
	}{
		{client: "java", send: javaSend("all", "true")},
		{client: "java", send: javaSend("1", "false")},
		{client: "franz-go", send: func(ctx context.Context, s *session, _, topic, _ string) (string, error) {
			return "3", franzProduce(ctx, s, topic, records)
		}},
		{client: "kafka-python", send: pythonSend},
		{client: "confluent-kafka", send: pythonSend},
		{client: "aiokafka", send: pythonSend},
		{client: "sarama", send: goSend},
		{client: "kafka-go", send: goSend},
		{client: "kafkajs", send: javascriptSend},
		{client: "kcat", note: "no header of its own on each record", sent: func(r record) record { r.headers = nil; return r },
			send: func(ctx context.Context, s *session, _, topic, _ string) (string, error) {
				lines := strings.NewReader("key:value\n:a value without a key\ntombstone:\n")
				_, err := command(ctx, lines, "kcat", "-P", "-b", s.through["kcat"], "-t", topic, "-p", "0", "-K", ":", "-Z")
				return "3", err
			}},
	} {
		s.check("three small records", each.client, each.note, func(ctx context.Context) (string, error) {
			topic := fmt.Sprintf("small-%d", len(s.checks))
			if err := s.createTopic(ctx, topic, 1); err != nil {
				return "", err
			}
			path := filepath.Join(s.work, topic)
			if err := writeRecords(path, len(records), func(i int) record { return records[i] }); err != nil {
				return "", err
			}
			said, err := each.send(ctx, s, each.client, topic, path)
			if err := countIs(said, len(records), err); err != nil {
				return "", err
			}
			return "", s.holds(ctx, topic, records, each.sent)
		})
	}
}

// moveAdmin lets each client that has more than a producer and a reader take a topic through its life.
func moveAdmin(s *session) {
	for _, client := range []string{"kafka-python", "confluent-kafka", "aiokafka", "sarama", "kafka-go"} {
		s.check("admin: a topic made, grown, described, deleted", client, "", func(ctx context.Context) (string, error) {
			program, arguments := s.goClients(), []string{client, "admin", s.through[client], "of-" + client}
			if client != "sarama" && client != "kafka-go" {
				program, arguments = s.python(), append([]string{s.pythonClient()}, arguments...)
			}
			out, err := command(ctx, nil, program, arguments...)
			if said := strings.TrimSpace(strings.ToLower(string(out))); err == nil && said != "retention 777777, 3 partitions, still there: false" {
				err = fmt.Errorf("it printed %q", said)
			}
			return "", err
		})
	}
}

// holds compares a partition with records, as one client changed them.
func (s *session) holds(ctx context.Context, topic string, records []record, sent func(record) record) error {
	var want, got []sum
	for _, r := range records {
		if sent != nil {
			r = sent(r)
		}
		want = append(want, sumOf(r))
	}
	err := s.readPartition(ctx, topic, 0, int64(len(records)), func(r *kgo.Record) {
		mine := received(r)
		mine.time = 0
		got = append(got, sumOf(mine))
	})
	if err == nil && !slices.Equal(got, want) {
		err = fmt.Errorf("what is there differs from what was sent")
	}
	return err
}

func received(r *kgo.Record) record {
	mine := record{codec: codec(r.Attrs.CompressionType()), time: r.Timestamp.UnixMilli(), key: r.Key, value: r.Value}
	for _, h := range r.Headers {
		mine.headers = append(mine.headers, header{h.Key, h.Value})
	}
	return mine
}

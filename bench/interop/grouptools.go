package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	toolsGroup  = "group-java" // moveGroups left it, with offsets
	readInGroup = 100
)

// moveGroupTools tries Kafka's tools on the groups that moveGroups left, and on two that have a member.
func moveGroupTools(s *session) {
	run := s.toolOf(consumerGroupCommand)
	s.check("kafka-consumer-groups --list", "java", "", saying(run, toolsGroup, "--list"))
	s.check("kafka-consumer-groups --list --state", "java", "", saying(run, toolsGroup+" *Empty", "--list", "--state"))
	s.check("kafka-consumer-groups --list --type", "java", "", saying(run, "group-java-consumer *onsumer", "--list", "--type"))
	s.check("kafka-consumer-groups --describe --offsets", "java", "", saying(run, toolsGroup+" *groups *0 ", "--describe", "--offsets", "--group", toolsGroup))
	s.check("kafka-consumer-groups --describe --state", "java", "", saying(run, toolsGroup+" *Empty", "--describe", "--state", "--group", toolsGroup))
	for _, kind := range []string{"franz-go", "franz-go-consumer"} {
		h := newGroupHistory(groupOf{client: "franz-go", kind: kind})
		member := s.takeSeat("watched", "watched", []*groupHistory{h})
		s.check("kafka-consumer-groups --describe --state, a member", "java", "of "+kind, func(ctx context.Context) (_ string, err error) {
			for deadline := time.Now().Add(stagePatience); time.Now().Before(deadline); {
				if _, err = saying(run, h.name+" *Stable *1", "--describe", "--state", "--group", h.name)(ctx); err == nil {
					break
				}
			}
			return "", err
		})
		s.check("kafka-consumer-groups --describe --members --verbose", "java", "of "+kind, saying(run, "ASSIGNMENT*"+h.name+" *groups", "--describe", "--members", "--verbose", "--group", h.name))
		s.check("kafka-consumer-groups --delete, a member", "java", "refused, as it should be; of "+kind, saying(run, "GroupNotEmptyException", "--delete", "--group", h.name))
		member.leave()
		s.check("kafka-consumer-groups, its member leaves", kind, "", func(ctx context.Context) (string, error) {
			if len(h.faults) > 0 {
				return "", fmt.Errorf("%s", h.faults[0])
			}
			return saying(run, h.name+" *Empty", "--describe", "--state", "--group", h.name)(ctx)
		})
	}
	plan := filepath.Join(s.work, "offsets.csv")
	reset := func(name, note string, want int64, how ...string) {
		s.check("kafka-consumer-groups --reset-offsets "+name, "java", note, func(ctx context.Context) (string, error) {
			arguments := append([]string{"--reset-offsets", "--group", toolsGroup}, how...)
			if !strings.Contains(name, "from-file") {
				arguments = append(arguments, "--topic", groupsTopic+":1")
			}
			if _, err := saying(run, toolsGroup+" *groups *1 *"+fmt.Sprint(want), append(arguments, "--execute")...)(ctx); err != nil {
				return "", err
			}
			return "", s.committedIs(ctx, toolsGroup, want)
		})
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	ends, err := s.ends(ctx, groupsTopic, groupsPartitions)
	cancel()
	if err != nil {
		s.record(checked{Check: "kafka-consumer-groups --reset-offsets", Client: "java", Result: "failed", Note: err.Error()})
		return
	}
	if err := os.WriteFile(plan, []byte(groupsTopic+",1,77\n"), 0o644); err != nil {
		s.record(checked{Check: "kafka-consumer-groups --reset-offsets", Client: "java", Result: "failed", Note: err.Error()})
		return
	}
	reset("--to-earliest", "", 0, "--to-earliest")
	reset("--shift-by", "", 5, "--shift-by", "5")
	reset("--to-current", "", 5, "--to-current")
	reset("--to-offset", "", 12, "--to-offset", "12")
	reset("--to-latest", "", ends[1], "--to-latest")
	reset("--by-duration", "", 0, "--by-duration", "PT1H")
	reset("--to-datetime", "a time to come: the end", ends[1], "--to-datetime", "2100-01-01T00:00:00.000")
	reset("--from-file", "", 77, "--from-file", plan)
	s.check("kafka-consumer-groups --reset-offsets --dry-run", "java", "nothing changes", func(ctx context.Context) (string, error) {
		if _, err := run("--reset-offsets", "--group", toolsGroup, "--topic", groupsTopic+":1", "--to-earliest", "--dry-run"); err != nil {
			return "", err
		}
		return "", s.committedIs(ctx, toolsGroup, 77)
	})
	s.check("kafka-consumer-groups --delete-offsets", "java", "", func(ctx context.Context) (string, error) {
		if _, err := saying(run, "uccess", "--delete-offsets", "--group", toolsGroup, "--topic", groupsTopic)(ctx); err != nil {
			return "", err
		}
		return "", s.committedInAll(ctx, toolsGroup, 0)
	})
	s.check("kafka-consumer-groups --delete", "java", "", func(context.Context) (string, error) {
		if _, err := run("--delete", "--group", "group-sarama"); err != nil {
			return "", err
		}
		text, err := run("--list")
		if err == nil && strings.Contains(text, "group-sarama") {
			err = fmt.Errorf("it is still there: %q", text)
		}
		return "", err
	})
	for _, protocol := range []string{"classic", "consumer"} {
		group := "console-" + protocol
		s.check("kafka-console-consumer --group, twice", "java", protocol, func(ctx context.Context) (string, error) {
			for range 2 {
				text, err := s.toolOf(consoleConsumer)("--topic", groupsTopic, "--group", group, "--max-messages", fmt.Sprint(readInGroup), "--timeout-ms", "30000",
					"--command-property", "group.protocol="+protocol, "--command-property", "auto.offset.reset=earliest")
				if lines := strings.Count(text, "\n"); err == nil && lines != readInGroup {
					err = fmt.Errorf("it printed %d lines", lines)
				}
				if err != nil {
					return "", err
				}
			}
			return "", s.committedInAll(ctx, group, 2*readInGroup)
		})
		s.check("kafka-verifiable-consumer", "java", protocol, func(ctx context.Context) (string, error) {
			group := "verifiable-" + protocol
			if _, err := saying(s.toolOf(verifiableConsumer), `"partitions_assigned"*"records_consumed"*"offsets_committed"*"success":true`, "--topic", groupsTopic, "--group-id", group,
				"--group-protocol", protocol, "--max-messages", fmt.Sprint(readInGroup), "--reset-policy", "earliest")(ctx); err != nil {
				return "", err
			}
			return "", s.committedInAll(ctx, group, readInGroup)
		})
	}
}

// committed is what a group has committed of the topic of all groups, by partition.
func (s *session) committed(ctx context.Context, group string) (map[int32]int64, error) {
	all, err := s.committedTopics(ctx, group)
	return all[groupsTopic], err
}

// committedTopics is what a group has committed, by topic and partition.
func (s *session) committedTopics(ctx context.Context, group string) (map[string]map[int32]int64, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.through["franz-go"]), kgo.DisableClientMetrics())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	request := kmsg.NewPtrOffsetFetchRequest()
	of := kmsg.NewOffsetFetchRequestGroup()
	of.Group = group
	request.Groups = append(request.Groups, of)
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	all := map[string]map[int32]int64{}
	for _, each := range answer.Groups {
		for _, topic := range each.Topics {
			all[topic.Topic] = map[int32]int64{}
			for _, partition := range topic.Partitions {
				if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
					return nil, err
				}
				if partition.Offset >= 0 {
					all[topic.Topic][partition.Partition] = partition.Offset
				}
			}
		}
	}
	return all, nil
}

func (s *session) committedIs(ctx context.Context, group string, want int64) error {
	all, err := s.committed(ctx, group)
	if got, there := all[1]; err == nil && (!there || got != want) {
		err = fmt.Errorf("what is committed in partition 1 is %d, not %d", got, want)
	}
	return err
}

// committedInAll: so many records of a group are committed, over its partitions.
func (s *session) committedInAll(ctx context.Context, group string, want int64) error {
	got := int64(0)
	all, err := s.committed(ctx, group)
	for _, offset := range all {
		got += offset
	}
	if err == nil && got != want {
		err = fmt.Errorf("%d records are committed, not %d", got, want)
	}
	return err
}

// dumpOffsets has Kafka's own tool read the partitions of __consumer_offsets of a stopped broker.
func dumpOffsets(s *session) {
	s.check("kafka-dump-log --offsets-decoder", "java", "", func(context.Context) (string, error) {
		folders, _ := filepath.Glob(filepath.Join(s.broker.data, "__consumer_offsets-*"))
		counts := map[string]int{}
		for _, folder := range folders {
			if err := s.dump(folder, counts, "--offsets-decoder"); err != nil {
				return "", err
			}
		}
		if counts["offsets"] == 0 || counts["groups"] == 0 || len(folders) != 50 {
			return "", fmt.Errorf("too little was there to prove anything: %d folders, %v", len(folders), counts)
		}
		return fmt.Sprintf("%d segments, %d offsets, %d groups and members", counts[".log"], counts["offsets"], counts["groups"]), nil
	})
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What DumpLogSegments prints when it does not like what it reads.
var complaints = []string{"Mismatch", "mismatch", "Non-consecutive", "out of order", "corrupt", "Corrupt", "invalid", "Invalid", "isvalid: false", "Found ", "Exception", "was not found", "Error"}

// dumpSegments has Kafka's own tool read every segment and index of a stopped broker.
func dumpSegments(s *session) {
	folders, _ := filepath.Glob(filepath.Join(s.broker.data, "*-[0-9]"))
	sort.Strings(folders)
	counts := map[string]int{}
	s.check("kafka-dump-log --deep-iteration", "java", "segments, offset and time indexes, producer snapshots", func(context.Context) (string, error) {
		for _, folder := range folders {
			if strings.HasPrefix(filepath.Base(folder), "__cluster_metadata") {
				continue
			}
			if err := s.dump(folder, counts, "--deep-iteration"); err != nil {
				return "", err
			}
		}
		if counts[".log"] < 8 || counts[".index"] < 8 || counts[".timeindex"] < 8 {
			return "", fmt.Errorf("too little was there to prove anything: %v", counts)
		}
		return fmt.Sprintf("%d segments, %d offset indexes, %d time indexes, %d snapshots, %d lines read",
			counts[".log"], counts[".index"], counts[".timeindex"], counts[".snapshot"], counts["lines"]), nil
	})
	s.check("kafka-dump-log --cluster-metadata-decoder", "java", "", func(context.Context) (string, error) {
		metadata := map[string]int{}
		if err := s.dump(filepath.Join(s.broker.data, "__cluster_metadata-0"), metadata, "--cluster-metadata-decoder"); err != nil {
			return "", err
		}
		return fmt.Sprintf("%d segments", metadata[".log"]), nil
	})
}

func (s *session) dump(folder string, counts map[string]int, option string) error {
	var files []string
	for _, ending := range []string{".log", ".index", ".timeindex", ".snapshot"} {
		found, _ := filepath.Glob(filepath.Join(folder, "*"+ending))
		counts[ending] += len(found)
		files = append(files, found...)
	}
	if len(files) == 0 {
		return fmt.Errorf("%s is empty", folder)
	}
	out := filepath.Join(s.work, "dump")
	defer os.Remove(out)
	if _, err := s.java.obey(checkPatience, "tool", dumpLogSegments, "", out, option, "--max-message-size", "10485760", "--files", strings.Join(files, ",")); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(folder), err)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	for _, line := range bytes.Split(text, []byte("\n")) {
		counts["lines"]++
		head := string(line[:min(len(line), 400)])
		if option != "--deep-iteration" && strings.Contains(head, "payload:") {
			head = head[:strings.Index(head, "payload:")]
		}
		for _, complaint := range complaints {
			if strings.Contains(head, complaint) {
				return fmt.Errorf("%s: it says %q", filepath.Base(folder), head)
			}
		}
	}
	return nil
}

// moveTopics tries kafka-topics. What an action needs beyond the APIs of a broker without configs is said, not hidden.
func moveTopics(s *session) {
	run := func(arguments ...string) (string, error) {
		out := filepath.Join(s.work, "topics")
		defer os.Remove(out)
		words := append([]string{"tool", topicCommand, "", out, "--bootstrap-server", s.through["java"]}, arguments...)
		_, err := s.java.obey(time.Minute, words...)
		text, _ := os.ReadFile(out)
		return string(text), err
	}
	saying := func(want string, arguments ...string) func(context.Context) (string, error) {
		return func(context.Context) (string, error) {
			text, err := run(arguments...)
			if err == nil && !strings.Contains(text, want) {
				err = fmt.Errorf("it printed %q", text)
			}
			return "", err
		}
	}
	s.check("kafka-topics --create", "java", "", saying("Created topic made-by-java", "--create", "--topic", "made-by-java", "--partitions", "3", "--replication-factor", "1"))
	s.check("kafka-topics --list", "java", "", saying("made-by-java", "--list"))
	s.check("kafka-topics --describe", "java", "", func(ctx context.Context) (string, error) {
		_, err := saying("PartitionCount: 3", "--describe", "--topic", "made-by-java")(ctx)
		if err == nil {
			return "it works", nil
		}
		if advertised, asked := s.advertises(ctx, 32); asked != nil || advertised {
			return "", err
		}
		return "it needs DescribeConfigs, which is not advertised: it says UnsupportedVersionException and exits with 1", nil
	})
	s.check("kafka-topics --delete", "java", "", func(context.Context) (string, error) {
		if _, err := run("--delete", "--topic", "made-by-java"); err != nil {
			return "", err
		}
		text, err := run("--list")
		if err == nil && strings.Contains(text, "made-by-java") {
			err = fmt.Errorf("it is still listed")
		}
		return "", err
	})
}

// advertises asks the broker whether it announces an API.
func (s *session) advertises(ctx context.Context, key int16) (bool, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.through["franz-go"]), kgo.DisableClientMetrics())
	if err != nil {
		return false, err
	}
	defer client.Close()
	answer, err := kmsg.NewPtrApiVersionsRequest().RequestWith(ctx, client)
	if err != nil {
		return false, err
	}
	for _, each := range answer.ApiKeys {
		if each.ApiKey == key {
			return true, nil
		}
	}
	return false, nil
}

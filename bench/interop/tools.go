package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"time"

	"rookery/core/wire"
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
	for _, file := range files {
		if !bytes.Contains(text, []byte("Dumping "+file)) {
			return fmt.Errorf("%s: it does not say that it read %s, but %q", filepath.Base(folder), filepath.Base(file), text[:min(len(text), 400)])
		}
	}
	for _, line := range bytes.Split(text, []byte("\n")) {
		counts["lines"]++
		if bytes.Contains(line, []byte("\"offset\":")) {
			counts["offsets"]++
		} else if bytes.Contains(line, []byte("\"group\":")) {
			counts["groups"]++
		}
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

// toolOf runs one of Kafka's tools against the broker: what it printed.
func (s *session) toolOf(class string) func(arguments ...string) (string, error) {
	return func(arguments ...string) (string, error) {
		out := filepath.Join(s.work, "tool")
		defer os.Remove(out)
		words := append([]string{"tool", class, "", out, "--bootstrap-server", s.through["java"]}, arguments...)
		_, err := s.java.obey(time.Minute, words...)
		text, _ := os.ReadFile(out)
		return string(text), err
	}
}

// saying is a check that a tool, run with these arguments, prints what is wanted; * stands for anything, and
// behind a blank for what is left of a line.
func saying(run func(...string) (string, error), want string, arguments ...string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		text, err := run(arguments...)
		pattern := strings.NewReplacer(` \*`, ` [^\n]*`, `\*`, `[\s\S]*`).Replace(regexp.QuoteMeta(want))
		if err == nil && !regexp.MustCompile(pattern).MatchString(text) {
			err = fmt.Errorf("it printed %q", text)
		}
		return "", err
	}
}

// refusing is a check that a tool fails, and says why.
func refusing(run func(...string) (string, error), why string, arguments ...string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		text, err := run(arguments...)
		if err == nil || !strings.Contains(text+err.Error(), why) {
			return "", fmt.Errorf("it said %v, and printed %q", err, text)
		}
		return "", nil
	}
}

// moveCluster tries the tools that ask what the broker is: kafka-broker-api-versions, kafka-features, kafka-cluster, kafka-acls.
func moveCluster(s *session) {
	s.check("kafka-broker-api-versions", "java", "", func(context.Context) (string, error) {
		text, err := s.toolOf(brokerAPIVersionsCommand)()
		if err != nil {
			return "", err
		}
		count := 0
		for key := range int16(1000) {
			oldest, newest, known := wire.Advertised(key)
			if !known {
				continue
			}
			want := fmt.Sprintf("(%d): %d to %d [usable: %d]", key, oldest, newest, newest)
			if oldest == newest {
				want = fmt.Sprintf("(%d): %d [usable: %d]", key, newest, newest)
			}
			if !strings.Contains(text, want) {
				return "", fmt.Errorf("%s is not there as %s: %q", wire.Name(key), want, text)
			}
			count++
		}
		return fmt.Sprintf("%d APIs", count), nil
	})
	s.check("kafka-features describe", "java", "", saying(s.toolOf(featureCommand), "Feature: metadata.version*FinalizedVersionLevel: ", "describe"))
	s.check("kafka-acls --list", "java", "refused, as Kafka does without an authorizer", refusing(s.toolOf(aclCommand), "SecurityDisabledException", "--list"))
	s.check("kafka-acls --add", "java", "refused, as Kafka does without an authorizer",
		refusing(s.toolOf(aclCommand), "SecurityDisabledException", "--add", "--allow-principal", "User:of-java", "--operation", "Read", "--topic", "any"))
	s.check("kafka-acls --remove", "java", "refused, as Kafka does without an authorizer",
		refusing(s.toolOf(aclCommand), "SecurityDisabledException", "--remove", "--force", "--allow-principal", "User:of-java", "--operation", "Read", "--topic", "any"))
}

// moveQuotas tries kafka-configs for users, clients and addresses: what one command alters another one shows, and takes back.
func moveQuotas(s *session) {
	run := s.toolOf(configCommand)
	for _, each := range []struct {
		name   string
		entity []string
		quota  string
	}{
		{"a user", []string{"--entity-type", "users", "--entity-name", "of-java"}, "producer_byte_rate=123456"},
		{"the default user", []string{"--entity-type", "users", "--entity-default"}, "consumer_byte_rate=223456"},
		{"a client", []string{"--entity-type", "clients", "--entity-name", "of-java"}, "controller_mutation_rate=77"},
		{"the default client", []string{"--entity-type", "clients", "--entity-default"}, "request_percentage=5000"},
		{"a user's client", []string{"--entity-type", "users", "--entity-name", "of-java", "--entity-type", "clients", "--entity-name", "of-java"}, "producer_byte_rate=323456"},
		{"an address", []string{"--entity-type", "ips", "--entity-name", "192.0.2.1"}, "connection_creation_rate=88"},
		{"the default address", []string{"--entity-type", "ips", "--entity-default"}, "connection_creation_rate=99999"},
	} {
		s.check("kafka-configs, quotas of "+each.name, "java", "set, shown, taken back", func(ctx context.Context) (string, error) {
			if _, err := saying(run, "Completed updating", append([]string{"--alter", "--add-config", each.quota}, each.entity...)...)(ctx); err != nil {
				return "", err
			}
			show := append([]string{"--describe"}, each.entity...)
			if _, err := saying(run, each.quota, show...)(ctx); err != nil {
				return "", err
			}
			name, _, _ := strings.Cut(each.quota, "=")
			if _, err := run(append([]string{"--alter", "--delete-config", name}, each.entity...)...); err != nil {
				return "", err
			}
			text, err := run(show...)
			if err == nil && strings.Contains(text, name) {
				err = fmt.Errorf("it is still there: %q", text)
			}
			return "", err
		})
	}
	s.check("kafka-configs, a negative quota", "java", "refused, as it should be", refusing(run, "InvalidRequestException",
		"--alter", "--add-config", "producer_byte_rate=-1", "--entity-type", "users", "--entity-name", "of-java"))
}

// movePerformance tries the two load generators.
func movePerformance(s *session) {
	const topic, count = "measured-by-java", 20_000
	s.check("kafka-producer-perf-test", "java", "", func(ctx context.Context) (string, error) {
		if err := s.createTopic(ctx, topic, 1); err != nil {
			return "", err
		}
		said := fmt.Sprintf("%d records sent", count)
		if _, err := saying(s.toolOf(producerPerformance), said, "--topic", topic, "--num-records", fmt.Sprint(count), "--record-size", "1000",
			"--throughput", "-1", "--command-property", "acks=all")(ctx); err != nil {
			return "", err
		}
		return saying(s.toolOf(getOffsetShell), fmt.Sprintf("%s:0:%d", topic, count), "--topic", topic)(ctx)
	})
	s.check("kafka-consumer-perf-test", "java", "", saying(
		s.toolOf(consumerPerformance), fmt.Sprintf(", %d, ", count), "--topic", topic, "--num-records", fmt.Sprint(count), "--timeout", "10000"))
}

// moveTopics tries kafka-topics.
func moveTopics(s *session) {
	run := s.toolOf(topicCommand)
	s.check("kafka-topics --create", "java", "", saying(run, "Created topic made-by-java", "--create", "--topic", "made-by-java", "--partitions", "3", "--replication-factor", "1", "--config", "retention.ms=777777"))
	s.check("kafka-topics --list", "java", "", saying(run, "made-by-java", "--list"))
	s.check("kafka-topics --describe", "java", "", saying(run, "PartitionCount: 3*retention.ms=777777*Partition: 2", "--describe", "--topic", "made-by-java"))
	s.check("kafka-topics --alter --partitions", "java", "", func(ctx context.Context) (string, error) {
		if _, err := run("--alter", "--topic", "made-by-java", "--partitions", "5"); err != nil {
			return "", err
		}
		return saying(run, "PartitionCount: 5*Partition: 4", "--describe", "--topic", "made-by-java")(ctx)
	})
	s.check("kafka-topics --alter to fewer", "java", "refused, as it should be", func(context.Context) (string, error) {
		text, err := run("--alter", "--topic", "made-by-java", "--partitions", "4")
		if err == nil || !strings.Contains(text, "would not be an increase") {
			return "", fmt.Errorf("it said %v, and printed %q", err, text)
		}
		return "", nil
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

// moveConfigs tries kafka-configs and kafka-client-metrics: what one command alters another one shows.
func moveConfigs(s *session) {
	topics, configs, metrics := s.toolOf(topicCommand), s.toolOf(configCommand), s.toolOf(clientMetricsCommand)
	topic := []string{"--entity-type", "topics", "--entity-name", "set-by-java"}
	alter := func(what ...string) []string { return append([]string{"--alter"}, what...) }
	show := func(what ...string) []string { return append([]string{"--describe"}, what...) }
	s.check("kafka-configs --alter a topic", "java", "set, a list, taken back", func(ctx context.Context) (string, error) {
		if _, err := topics("--create", "--topic", "set-by-java", "--config", "retention.ms=777777"); err != nil {
			return "", err
		}
		words := append(alter(topic...), "--add-config", "segment.ms=5000,cleanup.policy=[compact,delete]", "--delete-config", "retention.ms")
		if _, err := saying(configs, "Completed updating config for topic set-by-java", words...)(ctx); err != nil {
			return "", err
		}
		text, err := configs(show(topic...)...)
		if err == nil && (strings.Contains(text, "retention.ms") || !strings.Contains(text, "cleanup.policy=compact,delete") || !strings.Contains(text, "DYNAMIC_TOPIC_CONFIG:segment.ms=5000")) {
			err = fmt.Errorf("it printed %q", text)
		}
		return "", err
	})
	s.check("kafka-configs --describe --all a topic", "java", "", saying(configs, "DEFAULT_CONFIG:log.index.interval.bytes=4096", append(show(topic...), "--all")...))
	s.check("kafka-configs --alter a topic wrongly", "java", "refused, as it should be", func(context.Context) (string, error) {
		_, err := configs(append(alter(topic...), "--add-config", "segment.bytes=1")...)
		if err == nil || !strings.Contains(err.Error(), "Value must be at least 1048576") {
			return "", fmt.Errorf("it said %v", err)
		}
		return "", nil
	})
	s.check("kafka-configs --alter brokers", "java", "all, then one; the topic shows it", func(ctx context.Context) (string, error) {
		if _, err := configs("--alter", "--entity-type", "brokers", "--entity-default", "--add-config", "log.retention.ms=888888"); err != nil {
			return "", err
		}
		if _, err := configs("--alter", "--entity-type", "brokers", "--entity-name", "1", "--add-config", "log.retention.ms=999999"); err != nil {
			return "", err
		}
		if _, err := saying(configs, "log.retention.ms=888888", "--describe", "--entity-type", "brokers", "--entity-default")(ctx); err != nil {
			return "", err
		}
		return saying(configs, "retention.ms=999999*DYNAMIC_BROKER_CONFIG:log.retention.ms=999999, DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=888888", append(show(topic...), "--all")...)(ctx)
	})
	s.check("kafka-configs --describe --all a broker", "java", "", func(context.Context) (string, error) {
		text, err := configs("--describe", "--entity-type", "brokers", "--entity-name", "1", "--all")
		lines := strings.Count(text, "sensitive=")
		if err == nil && lines != 320 {
			err = fmt.Errorf("%d configurations, and Kafka 4.2 has 320", lines)
		}
		return fmt.Sprintf("%d configurations", lines), err
	})
	s.check("kafka-configs --alter a group", "java", "", saying(configs, "Completed updating config for group of-java",
		"--alter", "--entity-type", "groups", "--entity-name", "of-java", "--add-config", "consumer.session.timeout.ms=50000"))
	s.check("kafka-client-metrics", "java", "alter, list, describe, a client that pushes (KIP-714), delete", func(ctx context.Context) (string, error) {
		if _, err := metrics("--alter", "--name", "of-java", "--interval", "1000", "--metrics", "org.apache", "--match", "client_id=x.*"); err != nil {
			return "", err
		}
		if _, err := saying(metrics, "of-java", "--list")(ctx); err != nil {
			return "", err
		}
		if _, err := saying(metrics, "interval.ms=1000", "--describe", "--name", "of-java")(ctx); err != nil {
			return "", err
		}
		// long enough for a client that is told to push every second
		if _, err := s.toolOf(producerPerformance)("--topic", "set-by-java", "--num-records", "1000", "--record-size", "100", "--throughput", "250",
			"--command-property", "client.id=x.pushing"); err != nil {
			return "", err
		}
		pushes, err := s.broker.metric(`rookery_client_telemetry_pushes_total{software="apache-kafka-java"}`)
		if err != nil || pushes == 0 {
			return "", fmt.Errorf("a Java producer that had 4 s for it pushed %v times: %v", pushes, err)
		}
		if _, err := metrics("--delete", "--name", "of-java"); err != nil {
			return "", err
		}
		text, err := metrics("--list")
		if err == nil && strings.Contains(text, "of-java") {
			err = fmt.Errorf("it is still listed")
		}
		return fmt.Sprintf("%v pushes in 4 s", pushes), err
	})
	for _, back := range [][]string{{"--entity-default"}, {"--entity-name", "1"}} {
		_, err := configs(append([]string{"--alter", "--entity-type", "brokers", "--delete-config", "log.retention.ms"}, back...)...)
		s.check("kafka-configs --delete-config of brokers "+back[0], "java", "", func(context.Context) (string, error) { return "", err })
	}
}

// movePartitions tries the tools that ask about what lies in partitions: kafka-get-offsets, kafka-log-dirs,
// kafka-transactions and kafka-delete-records.
func movePartitions(s *session) {
	const topic = "kept-by-java"
	s.check("three records for the tools", "java", "", func(ctx context.Context) (string, error) {
		if err := s.createTopic(ctx, topic, 2); err != nil {
			return "", err
		}
		path := filepath.Join(s.work, topic)
		if err := writeRecords(path, 3, func(i int) record { return record{value: []byte{byte('a' + i)}} }); err != nil {
			return "", err
		}
		_, err := javaSend("all", "true")(ctx, s, "java", topic, path)
		return "", err
	})
	s.check("kafka-get-offsets", "java", "", saying(s.toolOf(getOffsetShell), topic+":0:3", "--topic", topic))
	s.check("kafka-get-offsets --time earliest", "java", "", saying(s.toolOf(getOffsetShell), topic+":0:0", "--topic", topic, "--time", "earliest"))
	s.check("kafka-log-dirs --describe", "java", "", saying(s.toolOf(logDirsCommand), topic+"-0", "--describe", "--topic-list", topic))
	s.check("kafka-transactions describe-producers", "java", "", saying(s.toolOf(transactionsCommand), "ProducerId*None", "describe-producers", "--topic", topic, "--partition", "0"))
	s.check("kafka-delete-records", "java", "", func(ctx context.Context) (string, error) {
		path := filepath.Join(s.work, "delete-records.json")
		text := fmt.Sprintf(`{"version":1,"partitions":[{"topic":%q,"partition":0,"offset":2}]}`, topic)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return "", err
		}
		if _, err := saying(s.toolOf(deleteRecordsCommand), "low_watermark: 2", "--offset-json-file", path)(ctx); err != nil {
			return "", err
		}
		return saying(s.toolOf(getOffsetShell), topic+":0:2", "--topic", topic, "--time", "earliest")(ctx)
	})
}

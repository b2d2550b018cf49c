package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	connectConverters = "key.converter=org.apache.kafka.connect.storage.StringConverter\nvalue.converter=org.apache.kafka.connect.storage.StringConverter\n"
	wordsIn, wordsOut = "streams-plaintext-input", "streams-wordcount-output" // of WordCountDemo
	wordLines         = 300
)

// program is a process of Java's that runs until it is told to end.
type program struct {
	*exec.Cmd
	said bytes.Buffer
}

func (s *session) program(class string, arguments ...string) (*program, error) {
	p := &program{Cmd: exec.Command("java", append([]string{"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dlog4j2.configurationFile=" + filepath.Join(s.source, "java", "log4j2.xml"), "-cp", s.java.classes, class}, arguments...)...)}
	p.Stdout, p.Stderr = &p.said, &p.said
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return p, p.Start()
}

func (p *program) crash() {
	p.Process.Kill()
	p.Wait()
}

// end is a polite one; 143 is how a JVM ends on it.
func (p *program) end() error {
	p.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(30*time.Second, func() { p.Process.Kill() })
	p.Wait()
	if code := p.ProcessState.ExitCode(); !late.Stop() || code != 0 && code != 143 {
		said := p.said.String()
		return fmt.Errorf("it ended with %d: %s", code, said[max(0, len(said)-400):])
	}
	return nil
}

// moveStreams counts words with Kafka Streams, and carries a file through Kafka Connect.
func moveStreams(s *session) {
	s.check("kafka-streams, word count", "java", "at least once; it is killed in the middle", s.countWords)
	s.check("connect-standalone, file to file", "java", "it is stopped in the middle, and goes on where it was", s.connect)
	s.check("connect-distributed, file to file", "java", "it is killed in the middle; connectors, offsets and states come back from its three compacted topics", s.connectDistributed)
}

func (s *session) countWords(ctx context.Context) (string, error) {
	for _, topic := range []string{wordsIn, wordsOut} {
		if err := s.createTopic(ctx, topic, 1); err != nil {
			return "", err
		}
	}
	settings := filepath.Join(s.work, "streams.properties")
	text := fmt.Sprintf("bootstrap.servers=%s\nstate.dir=%s\nprocessing.guarantee=at_least_once\ncommit.interval.ms=200\nsession.timeout.ms=6000\n",
		s.through["java"], filepath.Join(s.work, "streams"))
	if err := os.WriteFile(settings, []byte(text), 0o644); err != nil {
		return "", err
	}
	counts, want := map[string]int64{}, map[string]int64{}
	reader, err := kgo.NewClient(kgo.SeedBrokers(s.through["franz-go"]), kgo.DisableClientMetrics(), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{wordsOut: {0: kgo.NewOffset().At(0)}}))
	if err != nil {
		return "", err
	}
	defer reader.Close()
	repeats := int64(0)
	for round := range 2 {
		var lines []record
		for i := range wordLines {
			words := []string{"jackdaw", fmt.Sprintf("w%d", i%7), fmt.Sprintf("round%d", round)}
			for _, word := range words {
				want[word]++
			}
			lines = append(lines, record{value: []byte(strings.Join(words, " "))})
		}
		if err := franzProduce(ctx, s, wordsIn, lines); err != nil {
			return "", err
		}
		p, err := s.program("org.apache.kafka.streams.examples.wordcount.WordCountDemo", settings)
		if err != nil {
			return "", err
		}
		if err := reach(ctx, reader, counts, want); err != nil {
			p.crash()
			return "", fmt.Errorf("%w: %s", err, p.said.String()[:min(400, p.said.Len())])
		}
		if round == 0 {
			p.crash()
			if repeats, err = s.uncommitted(ctx); err != nil {
				return "", err
			}
		} else if err := p.end(); err != nil {
			return "", err
		}
	}
	more := int64(0)
	for word, count := range want {
		more += counts[word] - count
	}
	if more > repeats {
		return "", fmt.Errorf("%d counted twice, where %d were not committed when it was killed", more, repeats)
	}
	return fmt.Sprintf("%d words of %d kinds, counted twice %d of %d that were not committed when it was killed", 2*3*wordLines, len(want), more, repeats), nil
}

// uncommitted is how many words may be counted twice by who goes on from where the group of the word count is. It counts in two
// steps with a topic between them (lines are taken apart, words are counted by key), and each begins where it had committed:
// lines taken apart anew are new words to the second step.
func (s *session) uncommitted(ctx context.Context) (words int64, err error) {
	all, err := s.committedTopics(ctx, "streams-wordcount") // WordCountDemo's own
	words = 2 * 3 * wordLines
	for topic, partitions := range all {
		switch {
		case topic == wordsIn:
			words -= 3 * partitions[0]
		case strings.HasSuffix(topic, "-repartition"):
			words -= partitions[0]
		default:
			err = errors.Join(err, fmt.Errorf("the word count has committed of %s", topic))
		}
	}
	return words, err
}

// reach reads until no count is too small.
func reach(ctx context.Context, reader *kgo.Client, counts, want map[string]int64) error {
	ctx, cancel := context.WithTimeout(ctx, stagePatience)
	defer cancel()
	for {
		missing := 0
		for word, count := range want {
			if counts[word] < count {
				missing++
			}
		}
		if missing == 0 {
			return nil
		}
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("%d words of %d have too small a count", missing, len(want))
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if len(r.Value) == 8 {
				counts[string(r.Key)] = int64(binary.BigEndian.Uint64(r.Value))
			}
		})
	}
}

func (s *session) connect(ctx context.Context) (string, error) {
	folder := filepath.Join(s.work, "connect")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return "", err
	}
	in := func(name string) string { return filepath.Join(folder, name) }
	files := map[string]string{
		"worker.properties": fmt.Sprintf("bootstrap.servers=%s\n%soffset.storage.file.filename=%s\noffset.flush.interval.ms=500\nlisteners=http://127.0.0.1:0\nplugin.discovery=service_load\n",
			s.through["java"], connectConverters, in("offsets")),
		"source.properties": fmt.Sprintf("name=from\nconnector.class=org.apache.kafka.connect.file.FileStreamSourceConnector\ntasks.max=1\nfile=%s\ntopic=connected\n", in("from.txt")),
		"sink.properties":   fmt.Sprintf("name=to\nconnector.class=org.apache.kafka.connect.file.FileStreamSinkConnector\ntasks.max=1\nfile=%s\ntopics=connected\n", in("to.txt")),
	}
	for name, text := range files {
		if err := os.WriteFile(in(name), []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	if err := s.createTopic(ctx, "connected", 1); err != nil {
		return "", err
	}
	var want bytes.Buffer
	for round := range 2 {
		for i := range 1000 {
			fmt.Fprintf(&want, "line %d of round %d\n", i, round)
		}
		if err := os.WriteFile(in("from.txt"), want.Bytes(), 0o644); err != nil {
			return "", err
		}
		p, err := s.program("org.apache.kafka.connect.cli.ConnectStandalone", in("worker.properties"), in("source.properties"), in("sink.properties"))
		if err != nil {
			return "", err
		}
		var got []byte
		for deadline := time.Now().Add(stagePatience); len(got) < want.Len() && time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
			got, _ = os.ReadFile(in("to.txt"))
		}
		err = p.end()
		if got, _ = os.ReadFile(in("to.txt")); !bytes.Equal(got, want.Bytes()) {
			said := p.said.String()
			err = errors.Join(err, fmt.Errorf("round %d: %d bytes came where %d belong: %s", round, len(got), want.Len(), said[:min(len(said), 400)]))
		}
		if err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d bytes", want.Len()), nil
}

// connectDistributed: the worker that is started after a crash knows its connectors and where they were from the topics
// that hold them, so a line is carried once or, around the crash, more often; never not at all.
func (s *session) connectDistributed(ctx context.Context) (string, error) {
	folder := filepath.Join(s.work, "connect-distributed")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return "", err
	}
	from, to, worker := filepath.Join(folder, "from.txt"), filepath.Join(folder, "to.txt"), filepath.Join(folder, "worker.properties")
	rest, err := freeAddress()
	if err != nil {
		return "", err
	}
	stored := []string{"connect-configs", "connect-offsets", "connect-status"}
	text := fmt.Sprintf("bootstrap.servers=%s\n%sgroup.id=connect-workers\nconfig.storage.topic=%s\noffset.storage.topic=%s\nstatus.storage.topic=%s\n",
		s.through["java"], connectConverters, stored[0], stored[1], stored[2]) +
		"config.storage.replication.factor=1\noffset.storage.replication.factor=1\nstatus.storage.replication.factor=1\n" +
		"offset.storage.partitions=5\noffset.flush.interval.ms=500\nsession.timeout.ms=6000\nheartbeat.interval.ms=1000\nscheduled.rebalance.max.delay.ms=1000\n" +
		"consumer.auto.offset.reset=earliest\nlisteners=http://" + rest + "\nplugin.discovery=service_load\n"
	if err := errors.Join(os.WriteFile(worker, []byte(text), 0o644), s.createTopic(ctx, "carried", 1)); err != nil {
		return "", err
	}
	var want bytes.Buffer
	repeated := 0
	for round := range 2 {
		for i := range 1000 {
			fmt.Fprintf(&want, "line %d of round %d\n", i, round)
		}
		if err := os.WriteFile(from, want.Bytes(), 0o644); err != nil {
			return "", err
		}
		p, err := s.program("org.apache.kafka.connect.cli.ConnectDistributed", worker)
		if err != nil {
			return "", err
		}
		if round == 0 {
			err = errors.Join(putConnector(ctx, rest, "from", map[string]string{"connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "file": from, "topic": "carried"}),
				putConnector(ctx, rest, "to", map[string]string{"connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector", "file": to, "topics": "carried"}))
		}
		missing := -1
		for deadline := time.Now().Add(stagePatience); err == nil && missing != 0 && time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
			missing, repeated = carried(want.String(), to)
		}
		p.crash()
		if missing != 0 {
			said := p.said.String()
			return "", errors.Join(err, fmt.Errorf("round %d: %d lines did not come: %s", round, missing, said[max(0, len(said)-600):]))
		}
	}
	for _, topic := range stored {
		if _, err := saying(s.toolOf(configCommand), "cleanup.policy=compact", "--describe", "--entity-type", "topics", "--entity-name", topic)(ctx); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d lines, %d of them more than once", 2000, repeated), nil
}

// carried says how many lines of want are not in the file, and how many are there more than once.
func carried(want, file string) (missing, repeated int) {
	got, _ := os.ReadFile(file)
	times := map[string]int{}
	for line := range strings.Lines(string(got)) {
		times[line]++
	}
	for line := range strings.Lines(want) {
		switch n := times[line]; {
		case n == 0:
			missing++
		case n > 1:
			repeated++
		}
	}
	return missing, repeated
}

// putConnector asks a worker of Kafka Connect for a connector, as soon as it listens and knows its group.
func putConnector(ctx context.Context, worker, name string, config map[string]string) error {
	config["tasks.max"] = "1"
	body, err := json.Marshal(config)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(stagePatience); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		request, buildError := http.NewRequestWithContext(ctx, http.MethodPut, "http://"+worker+"/connectors/"+name+"/config", bytes.NewReader(body))
		if buildError != nil {
			return buildError
		}
		request.Header.Set("Content-Type", "application/json")
		response, askError := http.DefaultClient.Do(request)
		if err = askError; err != nil {
			continue
		}
		response.Body.Close()
		if response.StatusCode == http.StatusCreated || response.StatusCode == http.StatusOK {
			return nil
		}
		err = fmt.Errorf("the worker answered %s", response.Status)
	}
	return fmt.Errorf("connector %s: %w", name, err)
}

// freeAddress is one of this machine's that nobody listens at.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

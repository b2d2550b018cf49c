// Interop moves real data through the real broker with clients that other people wrote.
//
//	kcat  confluent-kafka  franz-go  sarama  kafka-go  Kafka's Java clients and tools  kafkajs  kafka-python  aiokafka  rookery itself
//	  └──────────┴─────────────┴───────┴────────┴──────── a proxy port each ────┴─────────┴──────────┴───────────┴──────────┘
//	                                                            │
//	                                                    rookery dev, real disk
//
// Seven parts, and -only runs one: three small records from each client, and a topic's life from each that has an admin;
// Kafka's own tools; a group of consumers from each, through a crash of a member and a kill of the broker; franz-go's own
// tests; Kafka Streams and Kafka Connect; the package index, written and read by each command line and compared byte for
// byte; a storm of records from everybody in every codec, under a stop and a kill of the broker, read back by everybody, and
// Kafka's own reader over the files that are left.
//
// Rules:
//
//   - A client that did not run is a failure. Nothing is skipped.
//   - What a tool cannot express is said in its row.
//   - Which API in which version answered which client is taken from the wire, not from the clients.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	checkPatience = 6 * time.Minute
	wholeResult   = "specs/results/interop.json"
)

// session is one run: the broker, its clients, and what they showed.
type session struct {
	broker   *broker
	proxies  *proxies
	through  map[string]string // user of a client -> the address that the proxy gave it
	java     *jvm
	client   string // our own command line
	source   string // this folder
	home     string // where install.sh put the clients
	work     string
	seed     uint64
	packages int
	storm    int   // records that each client sends
	newest   int64 // the latest time of its records
	patience time.Duration
	only     string // one part; empty: all

	mu      sync.Mutex
	checks  []checked
	leftOut int // tests of other houses that a row does not run, and says why
}

// checked is one row of the table.
type checked struct {
	Check   string  `json:"check"`
	Client  string  `json:"client"`
	Result  string  `json:"result"`
	Figures string  `json:"figures,omitempty"`
	Note    string  `json:"note,omitempty"`
	Seconds float64 `json:"seconds"`
}

func main() {
	s := &session{broker: &broker{}, through: map[string]string{}, newest: time.Now().UnixMilli()}
	flag.StringVar(&s.broker.binary, "binary", "bin/rookery", "the broker")
	flag.StringVar(&s.client, "client", "", "our own command line (default: the broker's binary)")
	flag.IntVar(&s.broker.port, "port", 29292, "of the broker")
	flag.StringVar(&s.source, "source", "bench/interop", "the folder with go, java, js and python in it")
	flag.IntVar(&s.packages, "packages", 1<<30, "how many packages of the index to move at most")
	flag.IntVar(&s.storm, "records", 20_000, "records that each client sends in the storm")
	flag.Uint64Var(&s.seed, "seed", 0, "of the storm; 0: a new one")
	flag.DurationVar(&s.patience, "start-timeout", 30*time.Second, "how long a start of the broker may take")
	result := flag.String("result", wholeResult, "what the board is made from; empty: nothing is written")
	flag.StringVar(&s.only, "only", "", "one part: small, tools, groups, franz-go, streams, packages or storm (with the reading of its files)")
	frames := flag.String("frames", "", "write the clients' frames into this folder (fuzz/testdata/frames)")
	segmentBytes := flag.Int("segment-bytes", 0, "size of a segment (default: so that each partition of the storm has about four)")
	flag.Parse()
	if parts := []string{"", "small", "tools", "groups", "franz-go", "streams", "packages", "storm"}; !slices.Contains(parts, s.only) {
		fmt.Fprintf(os.Stderr, "interop: there is no part %q\n", s.only)
		os.Exit(2)
	}
	if s.only != "" && *result == wholeResult {
		*result = "" // a part is not what the board tells of
	}
	if s.seed == 0 {
		s.seed = rand.Uint64()
	}
	if s.client == "" {
		s.client = s.broker.binary
	}
	if *segmentBytes == 0 {
		*segmentBytes = max(1<<20, s.storm*stormShares()/100*6000/stormPartitions/4)
	}
	s.broker.settings = []string{fmt.Sprintf("log.segment.bytes=%d", *segmentBytes),
		"group.consumer.min.session.timeout.ms=6000", "group.consumer.session.timeout.ms=6000",
		"group.consumer.min.heartbeat.interval.ms=1000", "group.consumer.heartbeat.interval.ms=1000", "group.initial.rebalance.delay.ms=500",
		"client.telemetry.enable=true"}
	fmt.Printf("interop: seed=%d\n", s.seed)
	if err := s.run(); err != nil {
		s.record(checked{Check: "the run", Client: "driver", Result: "failed", Note: err.Error()})
	}
	s.end(*result, *frames)
}

func (s *session) run() (err error) {
	if s.work, err = os.MkdirTemp("", "interop-"); err != nil {
		return err
	}
	defer os.RemoveAll(s.work)
	s.broker.data = filepath.Join(s.work, "data")
	if err := os.Mkdir(s.broker.data, 0o755); err != nil {
		return err
	}
	if s.home = os.Getenv("INTEROP_HOME"); s.home == "" {
		return fmt.Errorf("INTEROP_HOME is not set: run bench/interop/run, or bench/interop/install.sh first")
	}
	if err := s.broker.start(s.patience); err != nil {
		return err
	}
	defer s.broker.kill()
	s.proxies = newProxies(s.broker.port)
	defer s.proxies.down()
	users := map[string]string{"rookery": "rookery"}
	for _, each := range stormers() {
		users[each.name] = each.client
	}
	for user, client := range users {
		if s.through[user], err = s.proxies.listen(user, client, "127.0.0.1:0"); err != nil {
			return err
		}
	}
	if s.java, err = startJava(s.home, filepath.Join(s.source, "java"), s.work); err != nil {
		return err
	}
	defer s.java.close()
	for _, part := range []struct {
		name string
		move func(*session)
	}{
		{"small", moveSmall}, {"small", moveAdmin},
		{"tools", moveTopics}, {"tools", moveConfigs}, {"tools", movePartitions}, {"tools", moveCluster}, {"tools", moveQuotas}, {"tools", movePerformance},
		{"groups", moveGroups}, {"groups", moveGroupTools},
		{"franz-go", moveKgo},
		{"streams", moveStreams},
		{"packages", movePackageIndex},
		{"storm", moveStorm},
	} {
		if s.only == "" || s.only == part.name {
			part.move(s)
		}
	}
	s.check("SIGTERM ends cleanly", "broker", "", func(context.Context) (string, error) { return "", s.broker.stop(30 * time.Second) })
	if s.only == "" || s.only == "groups" {
		dumpOffsets(s)
	}
	if s.only == "" || s.only == "storm" {
		dumpSegments(s)
	}
	return nil
}

// check runs one row and records it; false: it failed.
func (s *session) check(name, client, note string, what func(context.Context) (string, error)) bool {
	ctx, cancel := context.WithTimeout(context.Background(), checkPatience)
	defer cancel()
	began := time.Now()
	figures, err := what(ctx)
	row := checked{Check: name, Client: client, Result: "passed", Figures: figures, Note: note, Seconds: time.Since(began).Seconds()}
	if err != nil {
		row.Result, row.Figures = "failed", err.Error()
	}
	s.record(row)
	return err == nil
}

func (s *session) record(row checked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checks = append(s.checks, row)
	fmt.Printf("%-6s %6.1f s  %-16s %s", row.Result, row.Seconds, row.Client, row.Check)
	for _, more := range []string{row.Figures, row.Note} {
		if more != "" {
			fmt.Printf("; %s", more)
		}
	}
	fmt.Println()
}

func (s *session) say(format string, a ...any) { fmt.Printf("       "+format+"\n", a...) }

func (s *session) python() string { return filepath.Join(s.home, "python", "bin", "python") }

func (s *session) pythonClient() string { return filepath.Join(s.source, "python", "client.py") }

func (s *session) goClients() string { return filepath.Join(s.home, "go", "clients") }

// end prints the table of APIs and the count, and leaves the results for the board.
func (s *session) end(result, frames string) {
	passed, failed := 0, 0
	for _, row := range s.checks {
		if row.Result == "passed" {
			passed++
		} else {
			failed++
		}
	}
	var rows []apiRow
	if s.proxies != nil {
		rows = s.proxies.rows()
	}
	for _, row := range rows {
		fmt.Printf("       %-22s v%-3d %s\n", row.Name, row.Version, strings.Join(row.Clients, ", "))
	}
	if frames != "" && s.proxies != nil {
		err := s.proxies.writeFrames(frames, map[string]string{
			"kcat": "kcat 1.7.1 on librdkafka 2.0.2", "java": "Kafka's Java clients and tools 4.2.0", "kafkajs": "kafkajs 2.2.4", "kafka-python": "kafka-python 3.0.12",
			"franz-go": "franz-go 1.22.2", "confluent-kafka": "confluent-kafka 2.16.1 with its own librdkafka", "aiokafka": "aiokafka 0.14.0",
			"sarama": "sarama 1.61.1", "kafka-go": "kafka-go 0.4.51",
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			failed++
		}
	}
	if result != "" {
		if err := s.writeResult(result, rows, passed, failed); err != nil {
			fmt.Fprintln(os.Stderr, err)
			failed++
		}
	}
	if failed > 0 && s.broker != nil {
		fmt.Println(s.broker.lastWords())
	}
	for _, row := range s.checks {
		if row.Result != "passed" {
			fmt.Printf("failed: %s, %s: %s\n", row.Check, row.Client, row.Figures+row.Note)
		}
	}
	fmt.Print(s.count(passed, failed))
	if failed > 0 {
		os.Exit(1)
	}
}

// count is the last of what a run says. No row is ever skipped; of tests within a row some are left out.
func (s *session) count(passed, failed int) (text string) {
	if s.leftOut > 0 {
		text = fmt.Sprintf("left out of other houses' own tests: %d; their rows say which, and why\n", s.leftOut)
	}
	return text + fmt.Sprintf("interop: %d passed, %d failed, 0 skipped\n", passed, failed)
}

func (s *session) writeResult(path string, rows []apiRow, passed, failed int) error {
	commit, _ := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	b, err := json.MarshalIndent(map[string]any{
		"commit": strings.TrimSpace(string(commit)), "seed": s.seed, "records": s.storm * stormShares() / 100,
		"passed": passed, "failed": failed, "apis": rows, "checks": s.checks,
	}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

func (s *session) createTopic(ctx context.Context, name string, partitions int32) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.through["franz-go"]), kgo.DisableClientMetrics())
	if err != nil {
		return err
	}
	defer client.Close()
	request := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(answer.Topics[0].ErrorCode)
}

// ends asks for the end of each partition until none of them is in the middle of an election.
func (s *session) ends(ctx context.Context, topic string, partitions int32) (map[int32]int64, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.through["franz-go"]), kgo.DisableClientMetrics())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		ends := map[int32]int64{}
		request := kmsg.NewPtrListOffsetsRequest()
		request.ReplicaID = -1
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = topic
		for number := range partitions {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp, p.CurrentLeaderEpoch = number, -1, -1
			t.Partitions = append(t.Partitions, p)
		}
		request.Topics = append(request.Topics, t)
		answer, err := request.RequestWith(ctx, client)
		if err == nil {
			for _, p := range answer.Topics[0].Partitions {
				if err = kerr.ErrorForCode(p.ErrorCode); err != nil {
					break
				}
				ends[p.Partition] = p.Offset
			}
		}
		if err == nil && len(ends) == int(partitions) {
			return ends, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("ListOffsets: %w", err)
		}
	}
}

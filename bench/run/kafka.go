package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// kafka is Apache Kafka on the jars of bench/interop/java/pom.xml, one node with both roles. While the other side of a
// pair is measured it is held (SIGSTOP), so that it costs nothing.
type kafka struct {
	*bench
	jars, heap string
	topics     int // made so far: each run has one of its own
}

// properties are Kafka's defaults, one replica of everything.
const properties = `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:%[2]d
listeners=PLAINTEXT://127.0.0.1:%[1]d,CONTROLLER://127.0.0.1:%[2]d
controller.listener.names=CONTROLLER
log.dirs=%[3]s
offsets.topic.replication.factor=1
`

// heldProperties are a session that survives being held, and files that go soon after their topic. Where Kafka is killed and
// restarted it has to have its own session: its controller refuses a broker anew until that of the dead one is over.
const heldProperties = `broker.session.timeout.ms=3600000
log.initial.task.delay.ms=1000
log.segment.delete.delay.ms=1000
`

// command has the heap and the collector's flags of Kafka's own start scripts. Where {jars} is differs from machine to machine.
func (k *kafka) command() string {
	return fmt.Sprintf("java -Xms%[1]s -Xmx%[1]s -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 "+
		"-XX:+ExplicitGCInvokesConcurrent -Djava.awt.headless=true -cp {jars}/* kafka.Kafka {dir}/server.properties", k.heap)
}

// here is the command on this machine.
func (k *kafka) here() string { return strings.ReplaceAll(k.command(), "{jars}", k.jars) }

// version is told by the name of the broker's jar.
func (k *kafka) version() (string, error) {
	names, _ := filepath.Glob(filepath.Join(k.jars, "kafka_2.13-*.jar"))
	if len(names) != 1 {
		return "", fmt.Errorf("no Kafka in %s: make bench-peer fetches it", k.jars)
	}
	java, err := exec.Command("java", "-version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("java -version: %w", err)
	}
	line, _, _ := strings.Cut(string(java), "\n")
	return "Apache Kafka " + strings.TrimSuffix(strings.TrimPrefix(filepath.Base(names[0]), "kafka_2.13-"), ".jar") + " on " + line, nil
}

// begin starts Kafka with nothing but its defaults.
func (k *kafka) begin() (*process, error) { return k.beginWith(properties) }

// beginWith formats an empty directory, which is not part of the start, and starts Kafka in it.
func (k *kafka) beginWith(properties string) (*process, error) {
	port, err := k.freePort()
	if err != nil {
		return nil, err
	}
	controller, err := k.freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(k.dataDir, "kafka-")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "server.properties")
	if err := os.WriteFile(file, fmt.Appendf(nil, properties, port, controller, filepath.Join(dir, "data")), 0o644); err != nil {
		return nil, err
	}
	format := exec.Command("java", "-Xmx256m", "-cp", k.jars+"/*", "kafka.tools.StorageTool", "format", "-t", "cm9va2VyeS1iZW5jaC0wMA", "-c", file)
	if out, err := format.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("kafka format: %w\n%s", err, out)
	}
	return k.launch(k.here(), dir, port)
}

// hold stops all threads; what was due meanwhile is done when they go on.
func (p *process) hold() { p.Process.Signal(syscall.SIGSTOP) }

func (p *process) release() {
	p.Process.Signal(syscall.SIGCONT)
	time.Sleep(500 * time.Millisecond)
}

// measure loads a running Kafka with a topic that is made for it and deleted when it is over.
func (k *kafka) measure(p *process, w workload, t *trial) error {
	p.release()
	defer p.hold()
	k.topics++
	topic := fmt.Sprintf("load-%d", k.topics)
	warm, err := prewarm(w.Bytes)
	if err != nil {
		return err
	}
	stop := warm.follow(p.dir)
	err = k.take(p, w.on(topic), t)
	stop()
	if err != nil {
		return err
	}
	return p.deleteTopic(topic)
}

// on is the workload with a topic of that name.
func (w workload) on(topic string) workload {
	if w.Before != nil {
		w.Before = append([]string{"--topic", topic}, w.Before...)
	}
	w.Load = append([]string{"--topic", topic}, w.Load...)
	return w
}

// deleteTopic waits until the files are gone too: what is dirty in them need not be written to the disk any more.
func (p *process) deleteTopic(topic string) error {
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.TopicNames, request.TimeoutMillis = []string{topic}, 60_000
	response, err := ask(p.address, request, 3)
	if err != nil {
		return err
	}
	for _, t := range response.(*kmsg.DeleteTopicsResponse).Topics {
		if t.ErrorCode != 0 {
			return fmt.Errorf("DeleteTopics %s: error %d", topic, t.ErrorCode)
		}
	}
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		left, err := filepath.Glob(filepath.Join(p.dir, "data", topic+"-*"))
		if err != nil || len(left) == 0 {
			return err
		}
	}
	return fmt.Errorf("the files of %s are still there two minutes after it was deleted", topic)
}

// end of the partition 0 of a topic; an error until it is served.
func (p *process) endOffset(topic string) (int64, error) {
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID = -1
	one := kmsg.NewListOffsetsRequestTopicPartition()
	one.Timestamp, one.CurrentLeaderEpoch = -1, -1
	request.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: topic, Partitions: []kmsg.ListOffsetsRequestTopicPartition{one}}}
	response, err := ask(p.address, request, 5)
	if err != nil {
		return 0, err
	}
	for _, t := range response.(*kmsg.ListOffsetsResponse).Topics {
		for _, found := range t.Partitions {
			if found.ErrorCode != 0 {
				return 0, fmt.Errorf("ListOffsets: error %d", found.ErrorCode)
			}
			return found.Offset, nil
		}
	}
	return 0, errors.New("ListOffsets answered nothing")
}

// ask sends one request of a version before tagged fields over a connection of its own.
func ask(address string, request kmsg.Request, version int16) (kmsg.Response, error) {
	conn, err := prober.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	request.SetVersion(version)
	if _, err := conn.Write(kmsg.NewRequestFormatter().AppendRequest(nil, request, 7)); err != nil {
		return nil, err
	}
	head := make([]byte, 8)
	if _, err := io.ReadFull(conn, head); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head)
	if size < 4 || size > 1<<20 {
		return nil, fmt.Errorf("an answer of %d bytes", size)
	}
	body := make([]byte, size-4)
	if _, err := io.ReadFull(conn, body); err != nil {
		return nil, err
	}
	response := request.ResponseKind()
	response.SetVersion(version)
	return response, response.ReadFrom(body)
}

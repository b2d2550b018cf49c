package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// jvm is the one Java process: Driver.java, compiled when it starts, obeying commands.
type jvm struct {
	process *exec.Cmd
	classes string // where Member is, too
	in      io.WriteCloser
	mu      sync.Mutex
	waiting map[string]chan string
	last    int
}

func startJava(home, source, work string) (*jvm, error) {
	jars, err := filepath.Glob(filepath.Join(home, "java", "*.jar"))
	if err != nil || len(jars) == 0 {
		return nil, fmt.Errorf("no jars in %s: run bench/interop/install.sh", filepath.Join(home, "java"))
	}
	classes := strings.Join(jars, ":")
	compile := exec.Command("javac", "-nowarn", "-cp", classes, "-d", work, filepath.Join(source, "Driver.java"), filepath.Join(source, "Member.java"))
	if out, err := compile.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("javac: %w\n%s", err, out)
	}
	j := &jvm{classes: work + ":" + classes, waiting: map[string]chan string{}}
	j.process = exec.Command("java", "-Xmx768m", "-XX:+UseSerialGC",
		"-Dlog4j2.configurationFile="+filepath.Join(source, "log4j2.xml"), "-cp", j.classes, "Driver")
	j.process.Stderr = os.Stderr
	j.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if j.in, err = j.process.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := j.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := j.process.Start(); err != nil {
		return nil, err
	}
	go j.listen(out)
	return j, nil
}

func (j *jvm) listen(out io.Reader) {
	scanner := bufio.NewScanner(out)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		id, answer, _ := strings.Cut(scanner.Text(), "\t")
		j.mu.Lock()
		if waiting := j.waiting[id]; waiting != nil {
			waiting <- answer
			delete(j.waiting, id)
		}
		j.mu.Unlock()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, waiting := range j.waiting {
		waiting <- "failed\tthe JVM ended"
	}
}

// obey sends one command and waits for its answer.
func (j *jvm) obey(patience time.Duration, words ...string) (string, error) {
	answer := make(chan string, 1)
	j.mu.Lock()
	j.last++
	id := fmt.Sprint(j.last)
	j.waiting[id] = answer
	_, err := fmt.Fprintln(j.in, id+"\t"+strings.Join(words, "\t"))
	j.mu.Unlock()
	if err != nil {
		return "", err
	}
	select {
	case text := <-answer:
		if said, ok := strings.CutPrefix(text, "ok\t"); ok {
			return said, nil
		}
		return "", fmt.Errorf("%s", strings.TrimPrefix(text, "failed\t"))
	case <-time.After(patience):
		return "", fmt.Errorf("no answer from Java within %v", patience)
	}
}

func (j *jvm) close() {
	j.in.Close()
	time.AfterFunc(5*time.Second, func() { j.process.Process.Kill() })
	j.process.Wait()
}

const (
	consoleProducer          = "org.apache.kafka.tools.ConsoleProducer"
	consoleConsumer          = "org.apache.kafka.tools.consumer.ConsoleConsumer"
	consumerGroupCommand     = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
	verifiableConsumer       = "org.apache.kafka.tools.VerifiableConsumer"
	topicCommand             = "org.apache.kafka.tools.TopicCommand"
	configCommand            = "kafka.admin.ConfigCommand"
	clientMetricsCommand     = "org.apache.kafka.tools.ClientMetricsCommand"
	dumpLogSegments          = "kafka.tools.DumpLogSegments"
	deleteRecordsCommand     = "org.apache.kafka.tools.DeleteRecordsCommand"
	logDirsCommand           = "org.apache.kafka.tools.LogDirsCommand"
	transactionsCommand      = "org.apache.kafka.tools.TransactionsCommand"
	getOffsetShell           = "org.apache.kafka.tools.GetOffsetShell"
	aclCommand               = "org.apache.kafka.tools.AclCommand"
	brokerAPIVersionsCommand = "org.apache.kafka.tools.BrokerApiVersionsCommand"
	consumerPerformance      = "org.apache.kafka.tools.ConsumerPerformance"
	featureCommand           = "org.apache.kafka.tools.FeatureCommand"
	producerPerformance      = "org.apache.kafka.tools.ProducerPerformance"
)

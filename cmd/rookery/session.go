package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/client"
	"rookery/core/wire"
	"rookery/net/courier"
	"rookery/net/kafka"
)

// session is what every client command has: where the brokers are, how patient we are, and a client once one is needed.
type session struct {
	bootstrap []string
	patience  time.Duration
	named     func() bool // --timeout was given
	config    kafka.Config
	courier   *courier.Courier
}

// flags adds what every client command has.
func (s *session) flags(command *cobra.Command) {
	command.Flags().StringSliceVarP(&s.bootstrap, "bootstrap-server", "b", []string{"127.0.0.1:9092"}, "brokers to ask first, HOST:PORT")
	brokers := command.Flags().Lookup("bootstrap-server")
	brokers.Value = &addresses{brokers.Value, brokers.Value.(pflag.SliceValue)}
	command.Flags().DurationVar(&s.patience, "timeout", 30*time.Second, "how long to wait for an answer")
	s.named = func() bool { return command.Flags().Changed("timeout") }
	s.config = kafka.Default()
}

// addresses is a flag's list in which what stands between two commas, or behind the last, may be nothing: lists that scripts
// put together end so, and Kafka's own tools take them.
type addresses struct {
	pflag.Value
	pflag.SliceValue
}

func (a *addresses) Set(text string) error { return a.Value.Set(strings.Join(list(text), ",")) }

// open makes the client, once. It dials each broker itself first: a client tries again for as long as it may, and a
// human who mistyped a port wants to know now.
func (s *session) open() (err error) {
	if s.courier != nil {
		return nil
	}
	var failed error
	for _, text := range s.bootstrap {
		address, err := kafka.Address(text)
		if err != nil {
			err = fmt.Errorf("--bootstrap-server %s: %w", text, err)
		} else {
			err = reachable(address, s.patience)
		}
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		s.config.Brokers = append(s.config.Brokers, address)
	}
	if len(s.config.Brokers) == 0 {
		return cmp.Or(failed, errors.New("no broker is named")) // by the flag of a command line that is being completed
	}
	s.config.ClientID = clientID
	s.config.RequestTimeout = s.patience
	if s.config.DeliveryTimeout = max(s.config.DeliveryTimeout, 2*s.patience); s.named != nil && s.named() {
		s.config.DeliveryTimeout = s.patience // a human who says how long means all of it, tries again included
	}
	s.courier, err = kafka.Dial(s.config)
	return err
}

const clientID = "rookery-cli"

func reachable(text string, patience time.Duration) error {
	conn, err := net.DialTimeout("tcp", text, patience)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return advise("start a broker with: rookery dev, or name another one: --bootstrap-server HOST:PORT",
			"no broker listens at %s", text)
	}
	if err != nil {
		return advise("name another broker: --bootstrap-server HOST:PORT", "%s: %w", text, err)
	}
	defer conn.Close()
	return greet(conn, text, min(patience, greetingMax))
}

// greetingMax is how long a broker may leave the first question open before it is asked in earnest: what is no Kafka
// broker, or one that speaks TLS, says so at once.
const greetingMax = time.Second

// greet asks which versions are spoken, and looks at nothing but how the answer begins. A broker that is silent may have
// its reasons; whoever waits for its answer finds out.
func greet(conn net.Conn, text string, patience time.Duration) error {
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, err := conn.Write(wire.AppendRequest(nil, 0, clientID, kmsg.NewPtrApiVersionsRequest()))
	var head [4]byte
	if err == nil {
		_, err = io.ReadFull(conn, head[:])
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	case err != nil:
		return advise("a listener that speaks TLS? This speaks plaintext only. The broker's log says why: \"connection closed\"",
			"%s ends connections without an answer", text)
	case head[0] == 0x15 && head[1] == 3: // an alert
		return advise("name a listener that speaks plaintext: --bootstrap-server HOST:PORT", "%s speaks TLS, and this speaks plaintext only", text)
	case string(head[:]) == "HTTP":
		return advise("name a broker: --bootstrap-server HOST:PORT", "%s speaks HTTP: it is no Kafka listener", text)
	}
	return nil
}

// close ends the client; what is under way is given up.
func (s *session) close() {
	if s.courier != nil {
		giveUp(s.courier)
	}
}

// giveUp closes a client at once.
func giveUp(client interface{ Close(context.Context) error }) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	_ = client.Close(over)
}

// call asks one request of a broker (client.AnyBroker, client.Controller) and waits for its answer.
func (s *session) call(request wire.Message, to int32) (wire.Answer, error) {
	return s.ask(client.Call{Request: request, To: to})
}

// callLeader asks the leader of a partition.
func (s *session) callLeader(request wire.Message, topic string, partition int32) (wire.Answer, error) {
	return s.ask(client.Call{Request: request, To: client.Leader, Topic: topic, Partition: partition})
}

func (s *session) ask(call client.Call) (wire.Answer, error) {
	answer, err := s.answer(call)
	if err != nil {
		return nil, err
	}
	return answer.Response, nil
}

func (s *session) answer(call client.Call) (*client.Answer, error) {
	if err := s.open(); err != nil {
		return nil, err
	}
	call.Timeout = s.patience.Milliseconds()
	answer, err := s.courier.Call(context.Background(), call)
	var unanswered *courier.CallError
	if errors.As(err, &unanswered) && unanswered.Answer.Fault == client.TimedOut {
		return nil, advise("is a broker there, in plaintext? Look at its log, or wait longer: --timeout 1m",
			"no answer to %s within %s", kmsg.NameForKey(call.Request.Key()), s.patience)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kmsg.NameForKey(call.Request.Key()), err)
	}
	return answer, nil
}

// codeError names a Kafka error code; the broker's own words come first where it has any.
func codeError(code int16, message *string) error {
	if code == 0 {
		return nil
	}
	if message != nil && *message != "" {
		return &refusal{code, fmt.Sprintf("%s (%s)", *message, wire.Code(code))}
	}
	return &refusal{code, wire.Code(code).String()}
}

// refusal is an error code of the broker's.
type refusal struct {
	code int16
	text string
}

func (r *refusal) Error() string { return r.text }

// refusedWith says whether err is this code of the broker's.
func refusedWith(err error, code wire.Code) bool {
	var r *refusal
	return errors.As(err, &r) && r.code == int16(code)
}

// leaders are the leaders of a topic's partitions, after asking until each that is wanted (nil: all) has one or patience
// ends: a topic that was just made takes a moment. create lets the broker make it.
func (s *session) leaders(topic string, create bool, wanted []int32) ([]int32, error) {
	for deadline := time.Now().Add(s.patience); ; time.Sleep(20 * time.Millisecond) {
		leaders, err := s.lookUp(topic, create)
		if err == nil && len(leaders) > 0 && !hasNone(leaders, wanted) {
			return leaders, nil
		}
		if err == nil {
			err = advise("which: rookery topic describe "+topic+"; why: the broker's log. The others are read with -p",
				"topic %s has a partition without a leader", topic)
		} else if !refusedWith(err, wire.LeaderNotAvailable) && !(create && refusedWith(err, wire.UnknownTopicOrPartition)) {
			return nil, topicAdvice(topic, err)
		}
		if time.Now().After(deadline) {
			if refusedWith(err, wire.UnknownTopicOrPartition) { // auto.create.topics.enable may be false
				err = topicAdvice(topic, err)
			}
			return nil, err
		}
	}
}

func (s *session) lookUp(topic string, create bool) ([]int32, error) {
	answer, err := s.answer(client.NewLeadersCall(topic, create))
	if err != nil {
		return nil, err
	}
	leaders, code := answer.Leaders()
	return leaders, codeError(int16(code), nil)
}

func topicAdvice(name string, err error) error {
	if refusedWith(err, wire.UnknownTopicOrPartition) {
		return advise("see what there is: rookery topic list, or make it: rookery topic create "+name, "there is no topic %s", name)
	}
	if refusedWith(err, wire.InvalidTopicException) {
		return advise("names have ASCII letters, digits, '.', '_' and '-', 249 of them at most", "%q is no name for a topic", name)
	}
	return fmt.Errorf("topic %s: %w", name, err)
}

// noPartition says which partitions there are.
func noPartition(topic string, partition int32, count int) error {
	if count == 1 {
		return fmt.Errorf("topic %s has one partition, 0, and no %d", topic, partition)
	}
	return fmt.Errorf("topic %s has partitions 0 to %d, and no %d", topic, count-1, partition)
}

func hasNone(leaders, wanted []int32) bool {
	for i, l := range leaders {
		if l < 0 && (wanted == nil || slices.Contains(wanted, int32(i))) {
			return true
		}
	}
	return false
}

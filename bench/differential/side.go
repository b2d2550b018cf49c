package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A side is one of two brokers that get the same requests, and what it answered so far. Names of topics begin with a
// prefix of its own, so that one broker may be both sides, and serve case after case.
type side struct {
	name      string
	kafka     bool   // its metadata comes to a broker a moment after the answer
	tag       string // that of everything that this side of this worker makes
	prefix    string // the tag and this case's own part
	link      link
	ids       symbols[[16]byte]
	producers symbols[int64]
	topics    map[string][16]byte
	told      []step
	rounds    int // of settle
}

// step is one request and its answer, in a form that both sides can have in common.
type step struct {
	request string
	fields  []field
}

type field struct{ path, value string }

// symbols gives things that every side numbers in its own way numbers in the order in which they are first seen.
type symbols[T comparable] map[T]int

func (s symbols[T]) of(thing T) int {
	if _, known := s[thing]; !known {
		s[thing] = len(s) + 1
	}
	return s[thing]
}

func newSide(name, address, tag string, kafka bool) *side {
	return &side{name: name, kafka: kafka, tag: tag, link: link{address: address}}
}

// begin forgets the case before.
func (s *side) begin(prefix string) {
	s.prefix, s.told = prefix, nil
	s.ids, s.producers, s.topics = symbols[[16]byte]{}, symbols[int64]{}, map[string][16]byte{}
}

// called is a name that only this case has on this side.
func (s *side) called(name string) string { return s.prefix + name }

// id is a topic's id, which topic has noted, or one that nothing has.
func (s *side) id(name string) [16]byte {
	if id, made := s.topics[name]; made {
		return id
	}
	return [16]byte{0xee, name[0]}
}

// ask sends a request and notes the answer.
func (s *side) ask(what string, request kmsg.Request, version int16) kmsg.Response {
	answer, exact, err := s.link.ask(request, version)
	noted := step{request: fmt.Sprintf("%s v%d %s", kmsg.NameForKey(request.Key()), version, what)}
	if err != nil {
		noted.fields = []field{{"", err.Error()}}
		s.told = append(s.told, noted)
		return nil
	}
	noted.fields = s.flatten(answer)
	if !exact {
		noted.fields = append(noted.fields, field{"bytes", "not as kmsg writes them"})
	}
	s.told = append(s.told, noted)
	return answer
}

// tell is ask for a request without an answer.
func (s *side) tell(what string, request kmsg.Request, version int16) {
	outcome := "goes on"
	if err := s.link.tell(request, version); err != nil {
		outcome = err.Error()
	}
	s.told = append(s.told, step{fmt.Sprintf("%s v%d %s", kmsg.NameForKey(request.Key()), version, what), []field{{"", outcome}}})
}

// must is a request outside the comparison, which has to be answered.
func (s *side) must(request kmsg.Request, version int16) kmsg.Response {
	answer, _, err := s.link.ask(request, version)
	if err != nil {
		panic(fmt.Errorf("%s: %s v%d: %w", s.name, kmsg.NameForKey(request.Key()), version, err))
	}
	return answer
}

// topic makes a topic outside the comparison, and waits until it is there.
func (s *side) topic(name string, partitions int32, configs ...string) string {
	request := createTopics(newTopic(s.called(name), partitions, configs...))
	made := s.must(request, 7).(*kmsg.CreateTopicsResponse).Topics[0]
	if made.ErrorCode != 0 {
		panic(fmt.Errorf("%s: %s is not made: %d", s.name, made.Topic, made.ErrorCode))
	}
	s.topics[name] = made.TopicID
	s.opened(name, partitions)
	return made.Topic
}

// settle waits until what the controller has answered holds in the whole broker. Kafka's broker follows the metadata
// log batch by batch, and shows an alteration when it begins with its batch. So what was written before the first mark
// holds when a second, written after that was seen, can be seen.
func (s *side) settle() {
	if !s.kafka {
		return
	}
	for range 2 {
		s.rounds++
		s.mark(fmt.Sprint(100 + s.rounds%3_000_000))
	}
}

// opened waits until a topic that was made, or that has more partitions, can be read.
func (s *side) opened(name string, partitions int32) {
	request := s.listOffsets(name, 0, -1)
	for p := int32(1); p < partitions; p++ {
		request.Topics[0].Partitions = append(request.Topics[0].Partitions, s.listOffsets(name, p, -1).Topics[0].Partitions...)
	}
	bad := func(p kmsg.ListOffsetsResponseTopicPartition) bool { return p.ErrorCode != 0 }
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(200 * time.Microsecond) {
		answer := s.must(request, 7).(*kmsg.ListOffsetsResponse)
		if !slices.ContainsFunc(answer.Topics[0].Partitions, bad) {
			return
		}
	}
	panic(fmt.Errorf("%s: %s is never there", s.name, name))
}

// mark sets a configuration of a resource of this side's own and waits until it is described.
func (s *side) mark(value string) {
	name := "mark-" + s.tag
	alter := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeClientMetrics, name
	resource.Configs = []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: markKey, Value: &value}}
	alter.Resources = append(alter.Resources, resource)
	if code := s.must(alter, 1).(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode; code != 0 {
		panic(fmt.Errorf("%s: no mark can be set: %d", s.name, code))
	}
	describe := kmsg.NewPtrDescribeConfigsRequest()
	describe.Resources = []kmsg.DescribeConfigsRequestResource{{
		ResourceType: kmsg.ConfigResourceTypeClientMetrics, ResourceName: name, ConfigNames: []string{markKey}}}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(200 * time.Microsecond) {
		found := s.must(describe, 4).(*kmsg.DescribeConfigsResponse).Resources[0].Configs
		if len(found) == 1 && found[0].Value != nil && *found[0].Value == value {
			return
		}
	}
	panic(fmt.Errorf("%s: a mark is never seen", s.name))
}

// markKey is how often clients push their metrics, which nothing here does.
const markKey = "interval.ms"

// mine says whether a name may be shown to the comparison: it is this case's, or not one of another case.
func (s *side) mine(name string) bool {
	return strings.HasPrefix(name, s.prefix) || !casePrefix.MatchString(name)
}

// await waits until a topic has partitions, or has none.
func (s *side) await(name string, enough func(partitions int) bool) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if enough(len(s.must(metadata(s.called(name)), 12).(*kmsg.MetadataResponse).Topics[0].Partitions)) {
			return
		}
	}
	panic(fmt.Errorf("%s: %s never changes", s.name, name))
}

// clear deletes the case's topics: a broker serves thousands of cases. What cannot be deleted stays.
func (s *side) clear() {
	answer, _, err := s.link.ask(&kmsg.MetadataRequest{}, 1)
	if err != nil {
		return
	}
	var names []string
	for _, t := range answer.(*kmsg.MetadataResponse).Topics {
		if strings.HasPrefix(*t.Topic, s.prefix) {
			names = append(names, *t.Topic)
		}
	}
	if len(names) > 0 {
		_, _, _ = s.link.ask(deleteTopics(names...), 5)
	}
}

// warm waits until producer ids are given: Kafka has none in its first moments.
func (s *side) warm() {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		r := kmsg.NewPtrInitProducerIDRequest()
		r.ProducerID, r.ProducerEpoch = -1, -1
		if s.must(r, 4).(*kmsg.InitProducerIDResponse).ErrorCode == 0 {
			return
		}
	}
	panic(fmt.Errorf("%s: no producer ids", s.name))
}

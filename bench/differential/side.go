package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

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
	members   symbols[string]
	sessions  symbols[int32]
	topics    map[string][16]byte
	told      []step
	walks     map[walk]walked
	stamped   bool // its records have the broker's time
	inflated  bool // its batches are compared by their records
	shared    *shared
	names     map[string]bool     // that this case has used
	made      map[string][16]byte // topics made ahead, by their whole names
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

func newSide(shared *shared, tag string) *side {
	of := shared.side
	return &side{name: of.name, kafka: of.kafka, tag: tag, link: link{address: of.link.address}, shared: shared,
		names: map[string]bool{}, made: map[string][16]byte{}, walks: map[walk]walked{}}
}

// begin forgets the case before. Its names begin with what is between.
func (s *side) begin(between string) {
	s.prefix, s.told, s.stamped, s.inflated = s.tag+between, nil, false, false
	s.ids, s.producers, s.members, s.sessions = symbols[[16]byte]{}, symbols[int64]{}, symbols[string]{}, symbols[int32]{}
	s.topics = map[string][16]byte{}
}

// called is a name that only this case has on this side.
func (s *side) called(name string) string {
	s.names[s.prefix+name] = true
	return s.prefix + name
}

// id is a topic's id, which topic has noted, or one that nothing has.
func (s *side) id(name string) [16]byte {
	if id, made := s.topics[name]; made {
		return id
	}
	return nobody(name)
}

func nobody(name string) [16]byte { return [16]byte{0xee, name[0]} }

// learn notes a topic's id. It has its number from now on, so that ids of topics that are gone are told apart alike on
// both sides, in whatever order an answer names them.
func (s *side) learn(name string, id [16]byte) {
	s.topics[name] = id
	s.ids.of(id)
}

// ask sends a request and notes the answer.
func (s *side) ask(what string, request kmsg.Request, version int16) kmsg.Response {
	answer, exact, err := s.link.ask(request, version)
	return s.note(what, request, version, answer, exact, err)
}

// later asks on a connection of its own something whose answer comes after that to a later request; wait notes it.
func (s *side) later(what string, request kmsg.Request, version int16) (wait func() kmsg.Response) {
	type outcome struct {
		answer kmsg.Response
		exact  bool
		err    error
	}
	came := make(chan outcome, 1)
	go func() {
		own := link{address: s.link.address}
		answer, exact, err := own.ask(request, version)
		own.close()
		came <- outcome{answer, exact, err}
	}()
	return func() kmsg.Response {
		o := <-came
		return s.note(what, request, version, o.answer, o.exact, o.err)
	}
}

func (s *side) note(what string, request kmsg.Request, version int16, answer kmsg.Response, exact bool, err error) kmsg.Response {
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
	s.learn(name, made.TopicID)
	s.opened(name, partitions)
	return made.Topic
}

// settle waits until what the controller has answered holds in the whole broker.
func (s *side) settle() {
	if !s.kafka {
		return
	}
	if err := s.shared.settle(); err != nil {
		panic(err)
	}
}

// ahead makes topics of cases to come, all at once.
func (s *side) ahead(topics []kmsg.CreateTopicsRequestTopic) {
	for _, made := range s.must(createTopics(topics...), 7).(*kmsg.CreateTopicsResponse).Topics {
		if made.ErrorCode != 0 {
			panic(fmt.Errorf("%s: %s is not made: %d", s.name, made.Topic, made.ErrorCode))
		}
		s.made[made.Topic] = made.TopicID
	}
	s.settle()
}

// opened waits until a topic that was made, or that has more partitions, can be read.
func (s *side) opened(name string, partitions int32) {
	request := s.listOffsets(name, 0, -1)
	for p := int32(1); p < partitions; p++ {
		request.Topics[0].Partitions = append(request.Topics[0].Partitions, s.listOffsets(name, p, -1).Topics[0].Partitions...)
	}
	bad := func(p kmsg.ListOffsetsResponseTopicPartition) bool { return p.ErrorCode != 0 }
	s.until(func() bool {
		return !slices.ContainsFunc(s.must(request, 7).(*kmsg.ListOffsetsResponse).Topics[0].Partitions, bad)
	}, name+" is never there")
}

// mine says whether a name may be shown to the comparison: it is this case's, or not one of another case.
func (s *side) mine(name string) bool {
	return strings.HasPrefix(name, s.prefix) || !casePrefix.MatchString(name)
}

// await waits until a topic has partitions, or has none.
func (s *side) await(name string, enough func(partitions int) bool) {
	s.until(func() bool {
		return enough(len(s.must(metadata(s.called(name)), 12).(*kmsg.MetadataResponse).Topics[0].Partitions))
	}, name+" never changes")
}

func (s *side) until(so func() bool, never string) {
	if err := poll(so, s.name+": "+never); err != nil {
		panic(err)
	}
}

// clear gives whatever the case has named away to be deleted: a broker serves thousands of cases.
func (s *side) clear() {
	s.shared.discard(slices.Sorted(maps.Keys(s.names)))
	s.names = map[string]bool{}
}

// warm waits until producer ids are given, and groups have coordinators: Kafka has neither in its first moments.
func (s *side) warm() {
	r := kmsg.NewPtrInitProducerIDRequest()
	r.ProducerID, r.ProducerEpoch = -1, -1
	s.until(func() bool { return s.must(r, 4).(*kmsg.InitProducerIDResponse).ErrorCode == 0 }, "no producer ids")
	for i := range 100 { // each of fifty coordinators by chance
		group := s.called(fmt.Sprint("warm-", i))
		s.until(func() bool {
			return s.must(findCoordinator(0, group), 2).(*kmsg.FindCoordinatorResponse).ErrorCode == 0
		}, "no coordinators")
		s.until(func() bool { return s.must(s.committed(group, ""), 7).(*kmsg.OffsetFetchResponse).ErrorCode == 0 }, "no offsets")
	}
	s.topic("t", 1)
	unnamed := s.commit(member{"", "", -1}, "t", 0, 1, "") // a group that cases meet, if any has made it
	s.until(func() bool {
		return s.must(unnamed, 8).(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode == 0
	}, "no group without a name")
}

package workload

import (
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
	"rookery/sim/check"
	"rookery/sim/world"
)

// tuner alters the configurations of topics, of groups and of all brokers while they are used, gives topics more partitions,
// and looks whether it finds what it left. It is the only one that does.
type tuner struct {
	*session
	budget int
	next   seam.Mono
	known  map[knob]setting
	codecs *world.Stream
	least  map[string]int // partitions of topics that stay
	lifted map[knob]bool  // quotas that were last taken back for certain
	mind   knob           // what it alters again and again; zero: whatever comes
}

// knob is a key of a topic, of a group, or of all brokers (of "").
type knob struct{ of, key string }

func (k knob) resource() kmsg.ConfigResourceType {
	switch {
	case k.of == "":
		return kmsg.ConfigResourceTypeBroker
	case strings.HasPrefix(k.key, "consumer."):
		return kmsg.ConfigResourceTypeGroupConfig
	}
	return kmsg.ConfigResourceTypeTopic
}

const (
	sessionKey   = "consumer.session.timeout.ms"
	heartbeatKey = "consumer.heartbeat.interval.ms"

	compressionKey = "compression.type"
)

// setting is what a key may be: what was last seen or answered for, and what was asked for without an answer. unset
// stands for the default.
type setting struct {
	value string
	maybe []string
}

const unset = "-"

func (s *tuner) idle() bool {
	if len(s.inflight) > 0 || !s.run.draining && s.budget > 0 {
		return false
	}
	_, _, quota := s.standing()
	return !quota
}

// enterTuner: a quarter of the runs goes without.
func (r *Run) enterTuner() {
	s := &tuner{session: r.client("tuner"), codecs: r.tape.Stream("tuner.codec"), known: map[knob]setting{}, least: map[string]int{}, lifted: map[knob]bool{}}
	s.budget = [4]int{1, 2, 2, 0}[s.stream.Choose(4)] * r.plan.Budget / 8
	for _, topic := range r.plan.stable() {
		for key, value := range r.plan.config(topic) { //tidy:unordered each by itself
			s.known[knob{topic, key}] = setting{value: value}
		}
	}
	s.makeUp(r.tape.Stream("tuner.mind"))
	r.enter(s.session, s)
}

// makeUp: in a third of the runs it alters one key of one topic and nothing else, or what was altered and altered back would be
// seen too rarely.
func (s *tuner) makeUp(mind *world.Stream) {
	if mind.Choose(3) < 2 {
		return
	}
	p := s.run.plan
	topics, keys := p.stable(), []string{"internal.segment.bytes", "flush.ms", "flush.messages", "index.interval.bytes"}
	if p.Pressed.On {
		keys = append(keys, compressionKey, compressionKey)
	}
	s.mind = knob{topics[mind.Choose(len(topics))], keys[mind.Choose(len(keys))]}
	if strings.HasPrefix(s.mind.key, "flush.") {
		s.mind.of = p.Cached[0]
	}
}

func (s *tuner) turn(now seam.Mono, fx *seam.Effects) {
	if len(s.inflight) > 0 || s.idle() {
		return
	}
	if now < s.next {
		fx.Wake(s.next)
		return
	}
	if kind, key, quota := s.standing(); quota && (s.run.calm || s.budget <= 0) {
		s.next = now + s.think()
		s.alterQuota(now, kind, key, unset, fx)
		return
	}
	s.next = now + 8*s.think()
	s.budget--
	if s.mind.of != "" {
		s.next = now + 4*s.think()
		s.alterKey(now, s.mind, fx)
		return
	}
	switch topics := s.run.plan.names(); s.stream.Pick(4, 3, 2, 1, 2, 2, 2) {
	case 0:
		s.alterTopic(now, topics[s.stream.Choose(len(topics))], fx)
	case 1:
		s.look(now, fx)
	case 2:
		grown := append(slices.Clone(s.run.plan.Cached), s.run.plan.Fleeting...)
		s.grow(now, grown[s.stream.Choose(len(grown))], fx)
	case 3:
		values := []string{unset, "0", "100", "4096"}
		s.alter(now, knob{"", "log.index.interval.bytes"}, values[s.stream.Choose(len(values))], fx)
	case 4:
		s.tuneQuota(now, fx)
	case 5: // groups' logs roll, and are compacted
		knobs := [...]struct {
			key    string
			values []string
		}{{"internal.segment.bytes", []string{"1000", "4000", unset}}, {"min.cleanable.dirty.ratio", []string{"0", "0.1", unset}}}
		one := knobs[s.stream.Choose(len(knobs))]
		s.alter(now, knob{offsetsTopic, one.key}, one.values[s.stream.Choose(len(one.values))], fx)
	case 6:
		s.tuneGroup(now, fx)
	}
}

// tuneGroup alters how long members of the consumer protocol are taken for alive, or how often they are heard.
func (s *tuner) tuneGroup(now seam.Mono, fx *seam.Effects) {
	group := [...]string{herdGroup, crewName}[s.stream.Choose(2)]
	if s.stream.Choose(3) == 2 {
		s.alter(now, knob{group, heartbeatKey}, [...]string{"200", "700", unset}[s.stream.Choose(3)], fx)
		return
	}
	session := [...]int{0, 1500, 6000}[s.stream.Choose(3)]
	value := unset
	if session > 0 {
		value = strconv.Itoa(session)
	}
	if group == herdGroup && session > 0 {
		s.run.herdSession = min(s.run.herdSession, seam.Mono(session)*seam.Millisecond)
	}
	s.alter(now, knob{group, sessionKey}, value, fx)
}

// alterTopic changes what does not make a producer's batch wrong. Only a topic without a promise comes and goes between
// page cache and disk.
func (s *tuner) alterTopic(now seam.Mono, topic string, fx *seam.Effects) {
	keys := []string{"internal.segment.bytes", "index.interval.bytes", "segment.ms", "flush.messages", "flush.ms"}
	if !slices.Contains(s.run.plan.Cached, topic) {
		keys = keys[:3]
	}
	if s.run.plan.Pressed.On && s.codecs.Choose(3) == 1 {
		s.alterKey(now, knob{topic, compressionKey}, fx)
		return
	}
	s.alterKey(now, knob{topic, keys[s.stream.Choose(len(keys))]}, fx)
}

// alterKey gives a topic's key one of a few values.
func (s *tuner) alterKey(now seam.Mono, k knob, fx *seam.Effects) {
	if k.key == compressionKey {
		values := []string{"zstd", "uncompressed", "producer", unset}
		delete(s.run.facts.Stored, k.of) // from now on its batches may lie in any way
		s.alter(now, k, values[s.codecs.Choose(len(values))], fx)
		return
	}
	var values []string
	key := k.key
	switch least := max(s.run.plan.SegmentBytes, 300); {
	case key == "internal.segment.bytes" && s.run.plan.SegmentBytes > 0:
		values = []string{strconv.Itoa(least), strconv.Itoa(2 * least), strconv.Itoa(20 * least), unset}
	case key == "internal.segment.bytes":
		values = []string{unset, "100000"}
	case key == "index.interval.bytes":
		values = []string{"4096", "0", "100", unset}
	case key == "segment.ms":
		values = []string{unset, "1000", "604800000"}
	case key == "flush.messages":
		values = []string{"9223372036854775807", "1", "3"}
	case key == "flush.ms":
		values = []string{unset, "0", "500"}
	}
	s.alter(now, k, values[s.stream.Choose(len(values))], fx)
}

func (s *tuner) alter(now seam.Mono, k knob, value string, fx *seam.Effects) {
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	request.Version = int16(s.stream.Choose(2))
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = k.resource(), k.of
	config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	config.Name, config.Op = k.key, kmsg.IncrementalAlterConfigOpDelete
	if value != unset {
		config.Op, config.Value = kmsg.IncrementalAlterConfigOpSet, &value
	}
	r.Configs = append(r.Configs, config)
	request.Resources = append(request.Resources, r)
	s.withdraw(now, k, value)
	s.unpress(now, k)
	s.run.maybe(now, k, value)
	sent := now
	s.ask(now, request, fx, &call{done: func(now seam.Mono, answer kmsg.Response, fx *seam.Effects) {
		if answer == nil {
			s.doubt(k, value)
			return
		}
		resources := answer.(*kmsg.IncrementalAlterConfigsResponse).Resources
		if !s.run.require(len(resources) == 1, check.AnswersInOrder, "%s: an answer about %d resources", s.name, len(resources)) {
			return
		}
		s.run.told(question{key: wire.KeyIncrementalAlterConfigs, topic: k.of, sent: sent}, resources[0].ErrorCode, now)
		switch resources[0].ErrorCode {
		case none:
			s.sure(k, value)
			s.run.certainly(now, k, append(slices.Clone(s.at(k).maybe), value)...)
			s.promise(now, k)
			s.press(now, k)
			if k.resource() == kmsg.ConfigResourceTypeGroupConfig {
				s.run.World.Counts[world.GroupsConfigured]++
			}
		case unknownTopic:
		default:
			s.doubt(k, value)
		}
	}})
}

// promise: what is sent to a topic from now on, and acknowledged to acks=all, is on the disk, unless an alteration that
// was never answered may still come in between.
func (s *tuner) promise(now seam.Mono, k knob) {
	if at := s.at(k); k.key != "flush.messages" || at.value != "1" || len(at.maybe) > 0 {
		return
	}
	spans := s.run.facts.Promised[k.of]
	if n := len(spans); n == 0 || spans[n-1].To != check.Unfinished {
		s.run.facts.Promised[k.of] = append(spans, check.Span{From: now, To: check.Unfinished})
	}
}

// withdraw ends the promise when anything else is asked for.
func (s *tuner) withdraw(now seam.Mono, k knob, value string) {
	spans := s.run.facts.Promised[k.of]
	if n := len(spans); k.key == "flush.messages" && value != "1" && n > 0 && spans[n-1].To == check.Unfinished {
		spans[n-1].To = now
	}
}

// press: from now on a topic's batches lie by its codec, unless another one that was asked for may still come.
func (s *tuner) press(now seam.Mono, k knob) {
	codec, certain := map[string]uint16{"zstd": 4, "uncompressed": 0}[s.at(k).value]
	if k.key == compressionKey && certain && len(s.at(k).maybe) == 0 && !s.run.plan.isFleeting(k.of) {
		s.run.facts.Pressed[k.of] = append(s.run.facts.Pressed[k.of], check.Pressing{Span: check.Span{From: now, To: check.Unfinished}, Codec: codec})
	}
}

// unpress ends that when anything else is asked for.
func (s *tuner) unpress(now seam.Mono, k knob) {
	if all := s.run.facts.Pressed[k.of]; k.key == compressionKey && len(all) > 0 && all[len(all)-1].To == check.Unfinished {
		all[len(all)-1].To = now
	}
}

// doubt: from now on it may be so, at any time.
func (s *tuner) doubt(k knob, value string) {
	now := s.at(k)
	if !slices.Contains(now.maybe, value) {
		now.maybe = append(slices.Clone(now.maybe), value)
	}
	s.known[k] = now
}

// sure: it is so, but for what was asked for earlier and may still be under way.
func (s *tuner) sure(k knob, value string) {
	now := s.at(k)
	now.value = value
	s.known[k] = now
}

func (s *tuner) at(k knob) setting {
	if now, known := s.known[k]; known {
		return now
	}
	return setting{value: unset}
}

// look describes a topic that stays, a group, or what was altered for all brokers, and asks how many partitions a topic has.
func (s *tuner) look(now seam.Mono, fx *seam.Effects) {
	topics := s.run.plan.stable()
	all := append(slices.Clone(topics), "", herdGroup, crewName)
	at := s.stream.Choose(len(all))
	name := all[at]
	request := kmsg.NewPtrDescribeConfigsRequest()
	request.Version = int16(1 + s.stream.Choose(4))
	r := kmsg.NewDescribeConfigsRequestResource()
	own := kmsg.ConfigSourceDynamicTopicConfig
	switch r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, name; {
	case at == len(topics):
		r.ResourceType, own = kmsg.ConfigResourceTypeBroker, kmsg.ConfigSourceDynamicDefaultBrokerConfig
	case at > len(topics):
		r.ResourceType, own = kmsg.ConfigResourceTypeGroupConfig, kmsg.ConfigSourceGroupConfig
	}
	request.Resources = append(request.Resources, r)
	sent := now
	s.ask(now, request, fx, &call{done: func(now seam.Mono, answer kmsg.Response, fx *seam.Effects) {
		if answer == nil {
			return
		}
		for _, r := range answer.(*kmsg.DescribeConfigsResponse).Resources {
			s.run.told(question{key: wire.KeyDescribeConfigs, topic: name, sent: sent}, r.ErrorCode, now)
			if r.ErrorCode != none {
				continue
			}
			found := map[string]string{}
			for _, config := range r.Configs {
				if config.Source == own && config.Value != nil {
					found[config.Name] = *config.Value
				}
			}
			s.compare(name, found)
		}
	}})
	if at < len(topics) {
		s.count(now, name, fx)
	}
}

func (s *tuner) compare(of string, found map[string]string) {
	for _, key := range []string{"compression.type", heartbeatKey, sessionKey, "flush.messages", "flush.ms", "index.interval.bytes", "internal.segment.bytes", "log.index.interval.bytes", "segment.ms"} {
		value, set := found[key]
		if !set {
			value = unset
		}
		k := knob{of, key}
		now := s.at(k)
		if s.run.require(value == now.value || slices.Contains(now.maybe, value), check.ConfigRegister, "%s of %q is %s, and it was left at %s (%v are in doubt)", key, of, value, now.value, now.maybe) {
			s.sure(k, value)
		}
	}
}

func (s *tuner) count(now seam.Mono, topic string, fx *seam.Effects) {
	sent := now
	s.ask(now, metadataOf(9, topic), fx, &call{done: func(now seam.Mono, answer kmsg.Response, fx *seam.Effects) {
		if answer == nil {
			return
		}
		for _, t := range answer.(*kmsg.MetadataResponse).Topics {
			s.run.told(question{key: wire.KeyMetadata, topic: topic, sent: sent}, t.ErrorCode, now)
			if t.ErrorCode == none {
				s.run.require(len(t.Partitions) >= s.least[topic], check.ConfigRegister, "%s has %d partitions, and had %d", topic, len(t.Partitions), s.least[topic])
				s.least[topic] = len(t.Partitions)
			}
		}
	}})
}

// grow gives a topic one to three partitions more than the plan has. Nobody writes to them; a restart has to find them.
func (s *tuner) grow(now seam.Mono, topic string, fx *seam.Effects) {
	request := kmsg.NewPtrCreatePartitionsRequest()
	request.Version, request.TimeoutMillis = int16(s.stream.Choose(4)), 30_000
	t := kmsg.NewCreatePartitionsRequestTopic()
	t.Topic, t.Count = topic, int32(s.run.plan.partitions(topic)+1+s.stream.Choose(3))
	request.Topics = append(request.Topics, t)
	sent := now
	s.ask(now, request, fx, &call{done: func(now seam.Mono, answer kmsg.Response, fx *seam.Effects) {
		if answer == nil {
			return
		}
		for _, x := range answer.(*kmsg.CreatePartitionsResponse).Topics {
			s.run.told(question{key: wire.KeyCreatePartitions, topic: topic, sent: sent}, x.ErrorCode, now)
			if x.ErrorCode == none && !s.run.plan.isFleeting(topic) {
				s.least[topic] = max(s.least[topic], int(t.Count))
			}
		}
	}})
}

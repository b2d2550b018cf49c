package controller

import (
	"fmt"
	"iter"
	"strconv"
	"strings"

	"rookery/core/meta"
	"rookery/core/ordered"
)

// Static is what a broker was started with, key by key: its file, its environment and its command line.
type Static struct{ values ordered.Map[string, string] }

// hiddenPassword stands for the value of a password: nothing here needs it, and it is not to be found in a recording.
const hiddenPassword = "[hidden]"

// NewStatic takes keys and values. The error names the first by name that cannot be.
func NewStatic(pairs iter.Seq2[string, string]) (Static, error) {
	var s Static
	for name, text := range pairs {
		s.values.Put(name, strings.TrimSpace(text))
	}
	for name, text := range s.values.All() {
		key, known := FindBrokerKey(name)
		if !known {
			return s, fmt.Errorf("unknown configuration key %s", asking(name))
		}
		if err := key.Check(text); err != nil {
			return s, err
		}
		if key.Sensitive() {
			s.values.Put(name, hiddenPassword)
		}
	}
	_, err := NewDefaults(&Layers{Static: &s.values})
	return s, err
}

// asking is an unknown key with the one that may be meant.
func asking(name string) string {
	if question := MeantBrokerKey(name); question != "" {
		return name + "; " + question
	}
	return name
}

// Layers are those of a broker of which nothing was altered.
func (s *Static) Layers() Layers { return Layers{Static: &s.values} }

// MarshalText writes it down, a key=value a line, so that a recording of a broker can begin with it.
func (s Static) MarshalText() ([]byte, error) {
	var text []byte
	for key, value := range s.values.All() {
		text = append(strconv.AppendQuote(append(append(text, key...), '='), value), '\n')
	}
	return text, nil
}

// UnmarshalText takes what MarshalText wrote; every value is judged anew.
func (s *Static) UnmarshalText(text []byte) error {
	var pairs ordered.Map[string, string]
	for line := range strings.Lines(string(text)) {
		name, quoted, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		value, err := strconv.Unquote(quoted)
		if err != nil {
			return fmt.Errorf("%q is no configuration", line)
		}
		pairs.Put(name, value)
	}
	var err error
	*s, err = NewStatic(pairs.All())
	return err
}

// Layers are where a broker's configuration comes from, the strongest first. Any may be nil.
type Layers struct {
	Broker  *ordered.Map[string, string] // altered for this broker (KIP-226)
	Cluster *ordered.Map[string, string] // altered for all brokers
	Static  *ordered.Map[string, string] // what it was started with
}

// Layers are those of this broker in an Image.
func (c *Config) Layers(image *meta.Image) Layers {
	return Layers{
		Broker:  image.Configs(meta.ResourceBroker, strconv.Itoa(int(c.NodeID))),
		Cluster: image.Configs(meta.ResourceBroker, ""),
		Static:  &c.Static.values,
	}
}

// layer is one of Layers with the number that its values have as a source.
type layer struct {
	values *ordered.Map[string, string]
	source int8
}

func (l *Layers) all() [3]layer {
	return [3]layer{{l.Broker, SourceBroker}, {l.Cluster, SourceDefaultBroker}, {l.Static, SourceStatic}}
}

// counts says whether a broker's key is read there: one that is read at the start only may lie in the log all the same, where an
// earlier build let it be altered.
func (l layer) counts(name string, mode Mode) bool {
	return l.source == SourceStatic || mode.Dynamic() && InSmallLetters(name) == name
}

// Own is the value of a broker's key in the strongest layer that sets it.
func (l *Layers) Own(name string) (text string, set bool) {
	for _, layer := range l.all() {
		if layer.values == nil {
			continue
		}
		if text, set := layer.values.Find(name); set {
			return text, true
		}
	}
	return "", false
}

// Number is a key that is an integer: its own value, else its default.
func (l *Layers) Number(name string) int64 {
	text := l.text(name)
	n, _ := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return n
}

// Sets says whether some layer sets a broker's key.
func (l *Layers) Sets(name string) bool {
	_, set := l.Own(name)
	return set
}

// Millionths is a key that is a decimal number, in millionths: its own value, else its default. Above one it is a little
// more than one.
func (l *Layers) Millionths(name string) int64 {
	n, _ := partsPerMillion(strings.TrimSpace(l.text(name)))
	return n
}

// Whole is the whole part of a key that is a decimal number, as far as an int64 goes.
func (l *Layers) Whole(name string) int64 {
	mantissa, exponent, ok := splitExponent(strings.TrimPrefix(strings.TrimSpace(l.text(name)), "+"))
	whole, part, _ := strings.Cut(mantissa, ".")
	if !ok || !digits(whole+part) {
		return 0
	}
	const most = 1<<63 - 1
	n, all := int64(0), whole+part
	for i := range max(0, len(whole)+exponent) {
		digit := int64(0)
		if i < len(all) {
			digit = int64(all[i] - '0')
		}
		if n > (most-digit)/10 {
			return most
		}
		n = n*10 + digit
	}
	return n
}

func (l *Layers) text(name string) string {
	text, set := l.Own(name)
	if !set {
		key, _ := FindBrokerKey(name)
		text = key.Default
	}
	return text
}

// synonym is a broker configuration that sets a topic configuration's default.
type synonym struct {
	key    string
	millis int64 // how many the broker key's unit has; 0: the value is taken as it is
}

const (
	minute = 60_000
	hour   = 60 * minute
)

// synonyms of a topic configuration, the strongest first (ServerTopicConfigSynonyms of Kafka).
func synonyms(topicKey string) []synonym {
	switch topicKey {
	case "segment.ms":
		return []synonym{{key: "log.roll.ms"}, {"log.roll.hours", hour}}
	case "segment.jitter.ms":
		return []synonym{{key: "log.roll.jitter.ms"}, {"log.roll.jitter.hours", hour}}
	case "flush.ms":
		return []synonym{{key: "log.flush.interval.ms"}, {key: "log.flush.scheduler.interval.ms"}}
	case "retention.ms":
		return []synonym{{key: "log.retention.ms"}, {"log.retention.minutes", minute}, {"log.retention.hours", hour}}
	case "segment.index.bytes":
		return []synonym{{key: "log.index.size.max.bytes"}}
	case "flush.messages":
		return []synonym{{key: "log.flush.interval.messages"}}
	case "max.message.bytes":
		return []synonym{{key: "message.max.bytes"}}
	case "file.delete.delay.ms":
		return []synonym{{key: "log.segment.delete.delay.ms"}}
	case "min.cleanable.dirty.ratio":
		return []synonym{{key: "log.cleaner.min.cleanable.ratio"}}
	case "delete.retention.ms", "min.compaction.lag.ms", "max.compaction.lag.ms":
		return []synonym{{key: "log.cleaner." + topicKey}}
	case "unclean.leader.election.enable", "min.insync.replicas", "compression.type", "compression.gzip.level",
		"compression.lz4.level", "compression.zstd.level":
		return []synonym{{key: topicKey}}
	case "segment.bytes", "retention.bytes", "index.interval.bytes", "cleanup.policy", "preallocate",
		"message.timestamp.type", "message.timestamp.before.max.ms", "message.timestamp.after.max.ms",
		"local.retention.ms", "local.retention.bytes":
		return []synonym{{key: "log." + topicKey}}
	}
	return nil
}

// IsTopicDefault says whether a broker's key is the default of a topic's.
func IsTopicDefault(brokerKey string) bool {
	for _, key := range TopicKeys() {
		for _, s := range synonyms(key.Name) {
			if s.key == brokerKey {
				return true
			}
		}
	}
	return false
}

// Defaults are the values of topic configurations that the broker's own configuration sets, by topic key.
type Defaults struct{ values ordered.Map[string, string] }

func (d *Defaults) find(topicKey string) (string, bool) { return d.values.Find(topicKey) }

// NewDefaults takes the defaults of topics from a broker's configuration: a stronger layer goes before a stronger
// synonym, so that log.retention.ms altered at run time goes over log.retention.hours in the file and the other way
// round. An altered value that is none is passed over: it was judged before it was taken in.
func NewDefaults(layers *Layers) (Defaults, error) {
	var d Defaults
	for _, key := range TopicKeys() {
		for _, layer := range layers.all() {
			text, from, set := layer.inherited(key.Name)
			if !set {
				continue
			}
			if _, err := key.parse(key.Name, text); err == nil {
				d.values.Put(key.Name, text)
				break
			} else if layer.source == SourceStatic {
				return d, fmt.Errorf("%s: %w", from, err)
			}
		}
	}
	return d, nil
}

// inherited is the value that a layer gives a topic's key, in the topic key's unit, and the broker's key it comes from.
func (l layer) inherited(topicKey string) (text, from string, set bool) {
	if l.values == nil {
		return "", "", false
	}
	for _, s := range synonyms(topicKey) {
		if text, set := l.values.Find(s.key); set {
			return s.converted(topicKey, text), s.key, true
		}
	}
	return "", "", false
}

// converted is a broker's value as the topic's: hours and minutes become milliseconds, and every negative retention is
// -1, as KafkaConfig does with that of a broker.
func (s synonym) converted(topicKey, text string) string {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	switch {
	case err != nil:
		return text
	case topicKey == "retention.ms" && n < 0:
		return "-1"
	case s.millis > 0:
		return strconv.FormatInt(n*s.millis, 10)
	}
	return text
}

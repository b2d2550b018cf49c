package controller

import (
	"fmt"
	"strconv"
	"strings"
)

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
	case internalSegmentBytes:
		return []synonym{{key: internalSegmentBytes}} // so that the simulator's brokers can have tiny segments throughout
	}
	return nil
}

// NewDefaults takes the defaults of topics from a broker's own configuration; lookup says whether a key is set there.
func NewDefaults(lookup func(brokerKey string) (string, bool)) (Defaults, error) {
	var d Defaults
	for _, key := range TopicKeys() {
		for _, s := range synonyms(key.Name) {
			text, set := lookup(s.key)
			if !set {
				continue
			}
			if s.millis > 0 {
				n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 32)
				if err != nil {
					return d, fmt.Errorf("Invalid value %s for configuration %s: Not a number of type INT", text, s.key)
				}
				text = strconv.FormatInt(n*s.millis, 10)
			}
			if key.Name == "retention.ms" {
				text = endless(text)
			}
			if _, err := key.parse(text); err != nil {
				return d, fmt.Errorf("%s: %w", s.key, err)
			}
			d.values.Put(key.Name, text)
			break
		}
	}
	return d, nil
}

// endless makes every negative retention -1, as KafkaConfig does with that of a broker.
func endless(text string) string {
	if n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil && n < 0 {
		return "-1"
	}
	return text
}

// MarshalText writes the defaults down, a key=value a line, so that a recording of a broker can begin with them.
func (d Defaults) MarshalText() ([]byte, error) {
	var text []byte
	for key, value := range d.values.All() {
		text = append(append(append(append(text, key...), '='), value...), '\n')
	}
	return text, nil
}

// UnmarshalText takes what MarshalText wrote; every value is judged anew.
func (d *Defaults) UnmarshalText(text []byte) error {
	*d = Defaults{}
	keys := TopicKeys()
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		key := findTopicKey(keys, name)
		if !ok || key == nil {
			return fmt.Errorf("%q is no topic configuration", line)
		}
		if _, err := key.parse(value); err != nil {
			return err
		}
		d.values.Put(name, value)
	}
	return nil
}

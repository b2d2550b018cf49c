package controller

import (
	"fmt"
	"strings"

	"rookery/core/ordered"
	"rookery/core/telemetry"
)

// resourceKey is one configuration of a group or of a subscription to clients' metrics.
type resourceKey struct {
	name, def     string
	documentation string
	domain
}

// idle: the key has no effect. Of groups those of the consumer protocol are there; telemetry is.
func (k *resourceKey) idle() bool {
	return strings.HasPrefix(k.name, "share.") || strings.HasPrefix(k.name, "streams.")
}

// groupKeys are the configurations that a group can have, by name (KIP-848, KIP-932, KIP-1071).
func groupKeys() []resourceKey {
	integer := func(name, def string, least int64, documentation string) resourceKey {
		return resourceKey{name, def, documentation, domain{Kind: KindInt, least: least, most: intMost}}
	}
	return []resourceKey{
		integer("consumer.heartbeat.interval.ms", "5000", 1, "How often members of the consumer group are to send heartbeats."),
		integer("consumer.session.timeout.ms", "45000", 1, "How long a member of the consumer group that sends no heartbeat is taken for alive."),
		{"share.auto.offset.reset", "latest", "Where the share group begins on a partition: earliest, latest, or by_duration: and a duration of ISO 8601 back from now.",
			domain{Kind: KindString, rule: durationReset}},
		integer("share.heartbeat.interval.ms", "5000", 1, "How often members of the share group are to send heartbeats."),
		{"share.isolation.level", "read_uncommitted", "Whether the share group gets records of transactions that are not committed.",
			domain{Kind: KindString, choices: "read_committed, read_uncommitted"}},
		integer("share.record.lock.duration.ms", "30000", 1000, "How long a member of the share group holds a record before another may have it."),
		integer("share.session.timeout.ms", "45000", 1, "How long a member of the share group that sends no heartbeat is taken for alive."),
		integer("streams.heartbeat.interval.ms", "5000", 1, "How often members of the streams group are to send heartbeats."),
		integer("streams.initial.rebalance.delay.ms", "3000", 0, "How long the new streams group waits for more members before its first rebalance."),
		integer("streams.num.standby.replicas", "0", 0, "How many standby replicas a task of the streams group has."),
		integer("streams.session.timeout.ms", "45000", 1, "How long a member of the streams group that sends no heartbeat is taken for alive."),
	}
}

// checkGroup judges what a group's configuration would come to: each value by itself, then against the bounds that the
// broker sets, then session timeouts against heartbeats.
func checkGroup(layers *Layers, values *ordered.Map[string, string]) error {
	keys := groupKeys()
	numbers := map[string]int64{}
	for name, text := range values.All() {
		if findResourceKey(keys, name) == nil {
			return fmt.Errorf("Unknown group config name: %s", name)
		}
		v, err := findResourceKey(keys, name).parse(name, text)
		if err != nil {
			return err
		}
		numbers[name] = v.number
	}
	for _, bound := range groupBounds() {
		n, set := numbers[bound.name]
		limit := layers.Number(bound.broker)
		switch {
		case set && bound.most && n > limit:
			return fmt.Errorf("%s must be less than or equal to %s", bound.name, bound.broker)
		case set && !bound.most && n < limit:
			return fmt.Errorf("%s must be greater than or equal to %s", bound.name, bound.broker)
		}
	}
	for _, protocol := range [...]string{"consumer", "share", "streams"} {
		if number(layers, numbers, protocol+".session.timeout.ms") <= number(layers, numbers, protocol+".heartbeat.interval.ms") {
			return fmt.Errorf("%s.session.timeout.ms must be greater than %s.heartbeat.interval.ms", protocol, protocol)
		}
	}
	return nil
}

// number is a group's own value, or the broker's.
func number(layers *Layers, own map[string]int64, name string) int64 {
	if n, set := own[name]; set {
		return n
	}
	return layers.Number("group." + name)
}

// groupBound is a broker's configuration that bounds a group's.
type groupBound struct {
	name, broker string
	most         bool
}

func groupBounds() []groupBound {
	var all []groupBound
	for _, protocol := range [...]string{"consumer", "share", "streams"} {
		for _, what := range [...]string{"heartbeat.interval.ms", "session.timeout.ms"} {
			all = append(all, groupBound{protocol + "." + what, "group." + protocol + ".min." + what, false},
				groupBound{protocol + "." + what, "group." + protocol + ".max." + what, true})
		}
	}
	return append(all,
		groupBound{"share.record.lock.duration.ms", "group.share.min.record.lock.duration.ms", false},
		groupBound{"share.record.lock.duration.ms", "group.share.max.record.lock.duration.ms", true},
		groupBound{"streams.num.standby.replicas", "group.streams.max.standby.replicas", true})
}

// clientMetricsKeys are the configurations of a subscription to clients' metrics, by name (KIP-714).
func clientMetricsKeys() []resourceKey {
	return []resourceKey{
		{"interval.ms", "300000", "How often the clients are to push their metrics.", domain{Kind: KindInt, least: -1 << 31, most: intMost}},
		{"match", "", "Which clients are meant: patterns like client_id=app-.*, all of which have to match.", domain{Kind: KindList}},
		{"metrics", "", "Which metrics are meant, by the beginnings of their names; * means all.", domain{Kind: KindList}},
	}
}

// checkClientMetrics judges a subscription; which code a fault has is Kafka's choice (ClientMetricsConfigs.validate).
func checkClientMetrics(values *ordered.Map[string, string]) (config, request error) {
	keys := clientMetricsKeys()
	for name, text := range values.All() {
		key := findResourceKey(keys, name)
		if key == nil {
			return nil, fmt.Errorf("Unknown client metrics configuration: %s", name)
		}
		v, err := key.parse(name, text)
		if err != nil {
			return err, nil
		}
		switch name {
		case "interval.ms":
			if v.number < 100 || v.number > hour {
				return nil, fmt.Errorf("Invalid value %d for interval.ms, interval must be between 100 and 3600000 (1 hour)", v.number)
			}
		case "match":
			if err := telemetry.CheckPatterns(telemetry.Elements(text)); err != nil {
				return err, nil
			}
		}
	}
	return nil, nil
}

func findResourceKey(keys []resourceKey, name string) *resourceKey {
	for i := range keys {
		if keys[i].name == name {
			return &keys[i]
		}
	}
	return nil
}

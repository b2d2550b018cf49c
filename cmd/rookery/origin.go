package main

import (
	"log/slog"
	"maps"
	"slices"
	"strings"

	"rookery/core/controller"
)

// layer is one place that keys are set in. A later one goes over an earlier one.
type layer struct {
	from   string // as it is shown
	values map[string]string
}

const (
	fromEnvironment = "environment"
	fromSet         = "--set"
	fromDev         = "rookery dev"
)

// origin is where a key's value comes from, and where it was set in vain.
type origin struct {
	from string
	over []string
}

// lay puts layers over each other.
func lay(layers ...layer) (map[string]string, map[string]origin) {
	values, origins := map[string]string{}, map[string]origin{}
	for _, l := range layers {
		for name, value := range l.values {
			o := origins[name]
			if o.from != "" {
				o.over = append(o.over, o.from)
			}
			o.from = l.from
			values[name], origins[name] = value, o
		}
	}
	return values, origins
}

// setLayer is what --set says; of one key set twice the last counts.
func setLayer(sets []string) (layer, error) {
	l := layer{from: fromSet, values: map[string]string{}}
	for _, set := range sets {
		name, value, ok := strings.Cut(set, "=")
		if !ok {
			return l, advise("for example: --set num.partitions=3", "--set %s has no =", set)
		}
		l.values[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return l, nil
}

const environmentPrefix = "KAFKA_"

// stranger is a variable that looks like a key and is none: the shell scripts of Kafka have variables of their own. One that
// is near a key was mistyped.
type stranger struct{ variable, meant string }

// environment takes the keys out of an environment, as Kafka's container images do: KAFKA_NUM_PARTITIONS is
// num.partitions, two underscores stand for one, three for a dash.
func environment(environ []string) (l layer, strangers []stranger) {
	l = layer{from: fromEnvironment, values: map[string]string{}}
	dotted := strings.NewReplacer("___", "-", "__", "_", "_", ".")
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		rest, ours := strings.CutPrefix(name, environmentPrefix)
		if !ours {
			continue
		}
		rest = strings.TrimPrefix(rest, "CFG_") // in Bitnami's images
		key := dotted.Replace(strings.ToLower(rest))
		if _, known := controller.FindBrokerKey(key); !known && !isOwnKey(key) {
			strangers = append(strangers, stranger{name, controller.MeantBrokerKey(key)})
			continue
		}
		l.values[key] = value
	}
	slices.SortFunc(strangers, func(a, b stranger) int { return strings.Compare(a.variable, b.variable) })
	return l, strangers
}

// noKey is the line about a stranger.
const noKey = "environment variable names no configuration key"

// noEffect is the line about a key that Kafka knows, and that does nothing here.
const noEffect = "configuration key has no effect here"

// tell writes one line of where the configuration comes from, and one for each key that has no effect. Values are not in
// them: some are secrets.
func (s *settings) tell(log *slog.Logger) {
	byOrigin := map[string][]string{}
	var overridden []string
	for _, name := range slices.Sorted(maps.Keys(s.origins)) {
		o := s.origins[name]
		byOrigin[o.from] = append(byOrigin[o.from], name)
		if len(o.over) > 0 {
			overridden = append(overridden, name+": "+o.from+" over "+strings.Join(o.over, ", "))
		}
	}
	var attributes []any
	for _, from := range slices.Sorted(maps.Keys(byOrigin)) {
		attributes = append(attributes, from, byOrigin[from])
	}
	if len(overridden) > 0 {
		attributes = append(attributes, "overridden", overridden)
	}
	log.Info("configuration", attributes...)
	for _, key := range s.Idle {
		log.Warn(noEffect, "key", key)
	}
	for _, x := range s.strangers {
		if x.meant == "" {
			log.Info(noKey, "variable", x.variable)
			continue
		}
		log.Warn(noKey, "variable", x.variable, "next", x.meant)
	}
}

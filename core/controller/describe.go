package controller

import (
	"slices"
	"strconv"
	"strings"

	"rookery/core/meta"
	"rookery/core/ordered"
)

// Entry is one configuration as a client is told it.
type Entry struct {
	Name          string
	Value         string
	Null          bool // there is no value, or nobody is shown it
	Kind          ConfigKind
	Source        int8
	ReadOnly      bool
	Sensitive     bool
	Synonyms      []Synonym // where its value comes from, the strongest first
	documentation string
	idle          bool
}

// Synonym is one value that an Entry could have, and which key gives it.
type Synonym struct {
	Name   string
	Value  string
	Null   bool
	Source int8
}

// idleNote stands behind the documentation of what has no effect here.
const idleNote = " Kept and shown; it has no effect in this broker."

// Documentation says what it is for, and whether it has an effect here.
func (e *Entry) Documentation() string {
	if e.idle {
		return e.documentation + idleNote
	}
	return e.documentation
}

// show is a value as it was understood: without blanks around it, numbers and truths in their one form.
func (d *domain) show(name, text string) string {
	v, err := d.parse(name, text)
	switch {
	case err != nil:
		return text
	case d.Kind == KindBoolean:
		return strconv.FormatBool(v.truth)
	case d.Kind == KindInt || d.Kind == KindLong || d.Kind == KindShort:
		return strconv.FormatInt(v.number, 10)
	case d.Kind == KindDouble:
		return shownDouble(strings.TrimSpace(text))
	case d.Kind == KindList:
		return strings.Join(d.once(elements(strings.TrimSpace(text))), ",")
	}
	return strings.TrimSpace(text)
}

// once drops the later ones of elements that are alike, where a list is one of choices (KIP-1161).
func (d *domain) once(all []string) (kept []string) {
	for _, element := range all {
		if d.choices == "" && d.rule != noEmptyValues || !slices.Contains(kept, element) {
			kept = append(kept, element)
		}
	}
	return kept
}

// shownDouble writes a decimal number as Java does: with a point, and with an exponent where it is small or large. More
// digits than a double is sure to hold are left as they are.
func shownDouble(text string) string {
	sign := ""
	if unsigned := strings.TrimLeft(text, "+-"); strings.HasPrefix(text, "-") {
		sign, text = "-", unsigned
	} else {
		text = unsigned
	}
	mantissa, exponent, ok := splitExponent(text)
	whole, part, _ := strings.Cut(mantissa, ".")
	all := strings.TrimLeft(whole+part, "0")
	point := len(whole) + exponent - (len(whole+part) - len(all)) // how many digits of all stand before it
	all = strings.TrimRight(all, "0")
	switch {
	case !ok || len(all) > 15:
		return sign + text
	case all == "":
		return sign + "0.0"
	case point < -2 || point > 7:
		return sign + all[:1] + "." + max(all[1:], "0") + "E" + strconv.Itoa(point-1)
	case point <= 0:
		return sign + "0." + strings.Repeat("0", -point) + all
	case point >= len(all):
		return sign + all + strings.Repeat("0", point-len(all)) + ".0"
	}
	return sign + all[:point] + "." + all[point:]
}

// Selection is the keys that a request names; of none, all.
type Selection map[string]bool

// Selected makes a Selection of names.
func Selected(names []string) Selection {
	s := make(Selection, len(names))
	for _, name := range names {
		s[name] = true
	}
	return s
}

func (s Selection) has(name string) bool { return len(s) == 0 || s[name] }

// DescribeTopic is every configuration of a topic by name: its own value, the broker's, or Kafka's. An internal one
// shows only where the topic sets it.
func DescribeTopic(layers *Layers, overrides *ordered.Map[string, string], asked Selection, withSynonyms bool) []Entry {
	keys := TopicKeys()
	all := make([]Entry, 0, len(keys))
	for i := range keys {
		key := &keys[i]
		text, own := overrides.Find(key.Name)
		if key.Internal && !own || !asked.has(key.Name) {
			continue
		}
		e := Entry{Name: key.Name, Value: text, Kind: key.Kind, Source: SourceTopic, documentation: key.Documentation, idle: key.Idle}
		if !own {
			e.Value, e.Source = layers.inherited(key)
		}
		e.Value = key.show(key.Name, e.Value)
		if withSynonyms {
			if own {
				e.Synonyms = append(e.Synonyms, Synonym{Name: key.Name, Value: e.Value, Source: SourceTopic})
			}
			for _, s := range synonyms(key.Name) {
				e.Synonyms = append(e.Synonyms, layers.synonymsOf(s.key)...)
			}
			slices.SortStableFunc(e.Synonyms, func(a, b Synonym) int { return int(a.Source) - int(b.Source) })
		}
		all = append(all, e)
	}
	return all
}

// inherited is what a topic's key is where the topic does not say, and by whom.
func (l *Layers) inherited(key *TopicKey) (text string, source int8) {
	for _, layer := range l.all() {
		if text, _, set := layer.inherited(key.Name); set {
			return text, layer.source
		}
	}
	return key.Default, SourceDefault
}

// synonymsOf is every value that a broker's key has, the default last.
func (l *Layers) synonymsOf(name string) []Synonym {
	key, _ := FindBrokerKey(name)
	var all []Synonym
	for _, layer := range l.all() {
		if layer.values == nil || !layer.counts(name, key.Mode) {
			continue
		}
		if text, set := layer.values.Find(name); set {
			all = append(all, Synonym{Name: name, Value: text, Source: layer.source})
		}
	}
	if key.Set {
		all = append(all, Synonym{Name: name, Value: key.Default, Source: SourceDefault})
	}
	if key.Sensitive() {
		for i := range all {
			all[i].Value, all[i].Null = "", true
		}
	}
	return all
}

// family of a broker's key: the keys that say the same in other units, and the key without a listener's name.
func family(name string) []string {
	switch name {
	case "log.roll.ms", "log.roll.hours":
		return []string{"log.roll.ms", "log.roll.hours"}
	case "log.roll.jitter.ms", "log.roll.jitter.hours":
		return []string{"log.roll.jitter.ms", "log.roll.jitter.hours"}
	case "log.flush.interval.ms":
		return []string{"log.flush.interval.ms", "log.flush.scheduler.interval.ms"}
	case "log.retention.ms", "log.retention.minutes", "log.retention.hours":
		return []string{"log.retention.ms", "log.retention.minutes", "log.retention.hours"}
	}
	if key, _ := FindBrokerKey(name); key.Name != name {
		return []string{name, key.Name}
	}
	return []string{name}
}

// DescribeBroker is every configuration of this broker by name. Keys for one listener, and those of tests, show only
// where they are set.
func DescribeBroker(layers *Layers, asked Selection) []Entry {
	var all []Entry
	for _, name := range brokerNames(layers) {
		if !asked.has(name) {
			continue
		}
		e := brokerEntry(name)
		for _, other := range family(name) {
			e.Synonyms = append(e.Synonyms, layers.synonymsOf(other)...)
		}
		slices.SortStableFunc(e.Synonyms, func(a, b Synonym) int { return int(a.Source) - int(b.Source) })
		for len(e.Synonyms) > 0 && e.Synonyms[0].Name != name {
			e.Synonyms = e.Synonyms[1:] // another unit that is stronger does not make this key's value
		}
		all = append(all, e.settled())
	}
	return all
}

// DescribeDefaultBroker is what was altered for all brokers.
func DescribeDefaultBroker(layers *Layers, asked Selection) []Entry {
	var all []Entry
	for name, text := range layers.Cluster.All() {
		if !asked.has(name) {
			continue
		}
		if key, _ := FindBrokerKey(name); !(layer{source: SourceDefaultBroker}).counts(name, key.Mode) {
			continue
		}
		e := brokerEntry(name)
		e.Synonyms = []Synonym{{Name: name, Value: text, Null: e.Sensitive, Source: SourceDefaultBroker}}
		all = append(all, e.settled())
	}
	return all
}

func brokerEntry(name string) Entry {
	key, _ := FindBrokerKey(name)
	return Entry{Name: name, Kind: key.Kind, ReadOnly: !key.Mode.Dynamic(), Sensitive: key.Sensitive(), documentation: key.Documentation, idle: key.Idle}
}

// settled takes value and source from the strongest synonym.
func (e Entry) settled() Entry {
	e.Source, e.Null = SourceDefault, true
	if len(e.Synonyms) > 0 {
		s := e.Synonyms[0]
		e.Source, e.Value, e.Null = s.Source, s.Value, s.Null
	}
	if key, known := FindBrokerKey(e.Name); known && !e.Null {
		e.Value = key.show(e.Name, e.Value)
	}
	return e
}

func brokerNames(layers *Layers) []string {
	var names []string
	for line := range strings.Lines(brokerKeys) {
		if key := brokerKey(line); key.Mode != Hidden && key.Mode != Rate || layers.Sets(key.Name) {
			names = append(names, key.Name)
		}
	}
	for _, layer := range layers.all() {
		if layer.values == nil {
			continue
		}
		for name := range layer.values.All() {
			if !strings.HasPrefix(name, listenerPrefix) {
				continue
			}
			if key, _ := FindBrokerKey(name); layer.counts(name, key.Mode) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// DescribeGroup is every configuration of a group by name: its own value, or else its default, which is the broker's value
// where that has one. As in Kafka it is told once and as a default, whoever has set it.
func DescribeGroup(layers *Layers, image *meta.Image, group string, asked Selection) []Entry {
	own := image.Configs(meta.ResourceGroup, group)
	var all []Entry
	for _, key := range groupKeys() {
		if !asked.has(key.name) {
			continue
		}
		e := Entry{Name: key.name, Kind: key.Kind, documentation: key.documentation, idle: key.idle()}
		text, source := key.def, SourceDefault
		if own, set := own.Find(key.name); set {
			text, source = own, SourceGroup
		} else if broker, set := layers.Own("group." + key.name); set {
			text = broker
		}
		e.Value, e.Source = key.show(key.name, text), source
		e.Synonyms = []Synonym{{Name: key.name, Value: e.Value, Source: source}}
		all = append(all, e)
	}
	return all
}

// DescribeClientMetrics is every configuration of a subscription to clients' metrics (KIP-714) by name.
func DescribeClientMetrics(image *meta.Image, subscription string, asked Selection) []Entry {
	own := image.Configs(meta.ResourceClientMetrics, subscription)
	var all []Entry
	for _, key := range clientMetricsKeys() {
		if !asked.has(key.name) {
			continue
		}
		e := Entry{Name: key.name, Value: key.def, Kind: key.Kind, Source: SourceDefault, documentation: key.documentation, idle: key.idle()}
		if text, set := own.Find(key.name); set {
			e.Value, e.Source = key.show(key.name, text), SourceClientMetrics
			e.Synonyms = []Synonym{{Name: key.name, Value: text, Source: SourceClientMetrics}}
		}
		all = append(all, e)
	}
	return all
}

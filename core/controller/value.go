package controller

import (
	"fmt"
	"strconv"
	"strings"
)

// ConfigKind is the type of a configuration, with Kafka's number of it in DescribeConfigs.
type ConfigKind int8

// The kinds, as DescribeConfigs numbers them (KIP-569).
const (
	KindBoolean  ConfigKind = 1
	KindString   ConfigKind = 2
	KindInt      ConfigKind = 3
	KindShort    ConfigKind = 4
	KindLong     ConfigKind = 5
	KindDouble   ConfigKind = 6
	KindList     ConfigKind = 7
	KindClass    ConfigKind = 8
	KindPassword ConfigKind = 9
)

// Config sources, as CreateTopics and DescribeConfigs number them.
const (
	SourceTopic         int8 = 1
	SourceBroker        int8 = 2 // altered for this broker
	SourceDefaultBroker int8 = 3 // altered for all brokers
	SourceStatic        int8 = 4 // what the broker was started with
	SourceDefault       int8 = 5
	SourceBrokerLogger  int8 = 6
	SourceClientMetrics int8 = 7
	SourceGroup         int8 = 8
)

// value is a configuration's value in the form that its kind asks for.
type value struct {
	number int64 // a double's in millionths
	truth  bool
	text   string
}

const (
	noLimit = 1<<63 - 1
	intMost = 1<<31 - 1
	million = 1_000_000
)

// domain is what the value of a configuration may be.
type domain struct {
	Kind    ConfigKind
	least   int64
	most    int64
	rule    rule
	choices string // of a string or a list, separated by ", "
}

// rule is what bounds cannot say.
type rule uint8

const (
	anything      rule = iota
	orMinusOne         // within the bounds, or -1
	notZero            // below zero is without bound
	notEmpty           // a string
	anyCase            // a choice, however it is written
	replicaList        // [partitionId]:[brokerId],... or *
	noEmptyValues      // of a list
	durationReset      // latest, earliest, by_duration:PnDTnHnMn.nS (KIP-1106)
)

const throttledReplicas = "[partitionId]:[brokerId],[partitionId]:[brokerId],..."

// parse reads a value as ConfigDef of Kafka does, and says in its words what is wrong.
func (d *domain) parse(name, text string) (value, error) {
	trimmed := strings.TrimSpace(text)
	switch d.Kind {
	case KindBoolean:
		return boolean(name, text, trimmed)
	case KindInt, KindLong, KindShort:
		return d.integer(name, text, trimmed)
	case KindDouble:
		return d.ratio(name, text, trimmed)
	case KindList:
		return d.list(name, trimmed)
	}
	return d.string(name, text, trimmed)
}

func wrong(name, text, why string) error {
	return fmt.Errorf("Invalid value %s for configuration %s: %s", text, name, why)
}

func boolean(name, text, trimmed string) (value, error) {
	if truth := strings.EqualFold(trimmed, "true"); truth || strings.EqualFold(trimmed, "false") {
		return value{truth: truth}, nil
	}
	return value{}, wrong(name, text, "Expected value to be either true or false")
}

func (d *domain) integer(name, text, trimmed string) (value, error) {
	bits, kind := 64, "LONG"
	switch d.Kind {
	case KindInt:
		bits, kind = 32, "INT"
	case KindShort:
		bits, kind = 16, "SHORT"
	}
	n, err := strconv.ParseInt(trimmed, 10, bits)
	if err != nil {
		return value{}, wrong(name, text, "Not a number of type "+kind)
	}
	within := d.least <= n && n <= d.most
	switch {
	case d.rule == orMinusOne && n != -1 && !within:
		return value{}, wrong(name, text, fmt.Sprintf("Value must be between %d and %d or equal to -1", d.least, d.most))
	case d.rule == notZero && n == 0:
		return value{}, wrong(name, text, "Value must be unlimited (-1) or at least 1")
	case d.rule == anything:
		return value{number: n}, d.bounded(name, text, n)
	}
	return value{number: n}, nil
}

func (d *domain) bounded(name, text string, n int64) error {
	if n < d.least {
		return wrong(name, text, fmt.Sprintf("Value must be at least %d", d.least))
	}
	if n > d.most {
		return wrong(name, text, fmt.Sprintf("Value must be no more than %d", d.most))
	}
	return nil
}

func (d *domain) ratio(name, text, trimmed string) (value, error) {
	n, ok := partsPerMillion(trimmed)
	if !ok {
		return value{}, wrong(name, text, "Not a number of type DOUBLE")
	}
	if n < d.least {
		return value{}, wrong(name, text, "Value must be at least 0")
	}
	if n > d.most {
		return value{}, wrong(name, text, "Value must be no more than "+decimalOf(d.most))
	}
	return value{number: n}, nil
}

// decimalOf writes millionths down.
func decimalOf(n int64) string {
	text := strconv.FormatInt(n/million, 10)
	if part := n % million; part > 0 {
		text += "." + strings.TrimRight(fmt.Sprintf("%06d", part), "0")
	}
	return text
}

// list reads a list. Kafka's lists keep no empty elements but at the end of a list of throttled replicas.
func (d *domain) list(name, trimmed string) (value, error) {
	all := elements(trimmed)
	if d.rule == replicaList {
		if trimmed != "*" && !throttledList(all) {
			return value{}, wrong(name, "["+strings.Join(all, ", ")+"]", name+
				" must be the literal '*' or a list of replicas in the following format: "+throttledReplicas)
		}
		return value{text: trimmed}, nil
	}
	for _, element := range all {
		if element == "" && (d.choices != "" || d.rule == noEmptyValues) {
			return value{}, fmt.Errorf("Configuration '%s' values must not be empty.", name)
		}
		if d.choices != "" && !oneOf(d.choices, element) {
			return value{}, wrong(name, element, "String must be one of: "+d.choices)
		}
	}
	return value{text: trimmed}, nil
}

func (d *domain) string(name, text, trimmed string) (value, error) {
	switch {
	case d.rule == notEmpty && trimmed == "":
		return value{}, wrong(name, text, "String must be non-empty")
	case d.rule == anyCase && !oneOf(strings.ToLower(d.choices), strings.ToLower(trimmed)):
		return value{}, wrong(name, text, "String must be one of (case insensitive): "+d.choices)
	case d.rule == durationReset && !isDurationReset(trimmed):
		return value{}, wrong(name, text, "The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.")
	case d.rule == anything && d.choices != "" && !oneOf(d.choices, trimmed):
		return value{}, wrong(name, text, "String must be one of: "+d.choices)
	}
	return value{text: trimmed}, nil
}

func elements(list string) []string {
	if list == "" {
		return nil
	}
	all := strings.Split(list, ",")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}

func throttledList(all []string) bool {
	for i, element := range all {
		partition, broker, colon := strings.Cut(element, ":")
		if element == "" && i == len(all)-1 {
			continue
		}
		if !colon || !digits(partition) || !digits(broker) {
			return false
		}
	}
	return true
}

// isDurationReset says whether a string is latest, earliest or by_duration: and a duration of ISO 8601 as Java reads it,
// not below zero.
func isDurationReset(s string) bool {
	duration, ok := strings.CutPrefix(s, "by_duration:")
	if !ok {
		return s == "latest" || s == "earliest"
	}
	duration, ok = strings.CutPrefix(strings.ToUpper(duration), "P")
	days, clock, timed := strings.Cut(duration, "T")
	if !ok || days == "" && clock == "" || timed && clock == "" {
		return false
	}
	if days != "" {
		if days, ok = strings.CutSuffix(days, "D"); !ok || !digits(days) {
			return false
		}
	}
	for _, unit := range []string{"H", "M"} {
		if n, rest, found := strings.Cut(clock, unit); found {
			if clock = rest; !digits(n) {
				return false
			}
		}
	}
	if clock == "" {
		return true
	}
	seconds, ok := strings.CutSuffix(clock, "S")
	whole, part, dot := strings.Cut(seconds, ".")
	return ok && digits(whole) && (!dot || part == "" || digits(part) && len(part) <= 9)
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func oneOf(choices, s string) bool {
	for _, choice := range strings.Split(choices, ", ") {
		if choice == s {
			return true
		}
	}
	return false
}

// partsPerMillion reads a decimal number as Java does, without floats: what lies below a millionth is rounded away
// from zero if it would leave the range from 0 to 1 unseen, towards zero otherwise; far out of range is enough.
func partsPerMillion(s string) (int64, bool) {
	negative := strings.HasPrefix(s, "-")
	mantissa, exponent, ok := splitExponent(strings.TrimLeft(s[:min(1, len(s))], "+-") + s[min(1, len(s)):])
	whole, part, _ := strings.Cut(mantissa, ".")
	if !ok || whole+part == "" || !digits(whole+part) {
		return 0, false
	}
	n, rest := scale(whole+part, len(whole)+exponent+6)
	if rest && (negative || n == million) {
		n++
	}
	if negative {
		n = -n
	}
	return n, true
}

func splitExponent(s string) (mantissa string, exponent int, ok bool) {
	i := strings.IndexAny(s, "eE")
	if i < 0 {
		return s, 0, true
	}
	exponent, err := strconv.Atoi(s[i+1:])
	return s[:i], max(-10_000, min(exponent, 10_000)), err == nil
}

// scale is the number that the first point digits make, zeroes following, and whether a digit behind them is not zero.
func scale(all string, point int) (n int64, rest bool) {
	for i := range all {
		if i >= point {
			rest = rest || all[i] != '0'
		} else if n <= million {
			n = n*10 + int64(all[i]-'0')
		}
	}
	for i := len(all); i < point && n > 0 && n <= million; i++ {
		n *= 10
	}
	return n, rest
}

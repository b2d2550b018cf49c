package controller

import (
	"strconv"
	"strings"

	"rookery/core/ordered"
)

// BrokerKey is one configuration of a broker.
type BrokerKey struct {
	Name          string
	Default       string
	Set           bool // whether there is a default at all
	Mode          Mode
	Idle          bool // accepted, and without effect here
	Documentation string
	domain
}

// Mode says when a broker's configuration can be changed, and for whom.
type Mode uint8

const (
	Fixed       Mode = iota // at its start only
	Hidden                  // likewise, and described only where it is set
	ClusterWide             // at run time, for all brokers or for one
	PerBroker               // at run time, for one broker
	Rate                    // as ClusterWide, and described only where it is set
)

// Dynamic says whether the key can be changed at run time (KIP-226).
func (m Mode) Dynamic() bool { return m >= ClusterWide }

// Sensitive values are never shown.
func (k *BrokerKey) Sensitive() bool { return k.Kind == KindPassword }

// Check says what is wrong with a value, in Kafka's words.
func (k *BrokerKey) Check(text string) error {
	_, err := k.parse(k.Name, text)
	if k.Name == connectionOverrides && err == nil {
		_, err = AddressLimits(text)
	}
	return err
}

const connectionOverrides = "max.connections.per.ip.overrides"

// AddressLimits reads max.connections.per.ip.overrides: address:number, separated by commas. Kafka takes names of hosts
// too, and asks for their addresses once; here they would be a name server's word for who may come.
func AddressLimits(text string) (ordered.Map[string, int64], error) {
	var limits ordered.Map[string, int64]
	for _, entry := range elements(strings.TrimSpace(text)) {
		at := strings.LastIndexByte(entry, ':')
		if at < 0 {
			return limits, wrong(connectionOverrides, text, entry+" is not address:number")
		}
		address, ok := canonicalAddress(strings.Trim(strings.TrimSpace(entry[:at]), "[]"))
		if !ok {
			return limits, wrong(connectionOverrides, text, entry[:at]+" is no address")
		}
		n, err := strconv.ParseInt(strings.TrimSpace(entry[at+1:]), 10, 32)
		if err != nil || n < 0 {
			return limits, wrong(connectionOverrides, text, entry[at+1:]+" is no number of connections")
		}
		limits.Put(address, n)
	}
	return limits, nil
}

// LetsIn says whether some address is allowed a connection.
func LetsIn(overrides *ordered.Map[string, int64]) bool {
	for _, most := range overrides.All() {
		if most > 0 {
			return true
		}
	}
	return false
}

// FindBrokerKey is the broker configuration of a name, and whether Kafka 4.2 knows it. A listener's own prefix
// (listener.name.<name>.) may stand before a key of ssl, sasl and the limits of connections. The table is in the order of
// names, and halved until the line is found: descriptions ask for hundreds.
func FindBrokerKey(name string) (BrokerKey, bool) {
	if rest, ok := strings.CutPrefix(name, listenerPrefix); ok {
		return findListenerKey(rest)
	}
	for low, high := 0, len(brokerKeys); low < high; {
		from := strings.LastIndexByte(brokerKeys[low:(low+high)/2], '\n') + 1 + low
		to := from + strings.IndexByte(brokerKeys[from:], '\n') + 1
		key, _, _ := strings.Cut(brokerKeys[from:to], " ")
		switch strings.Compare(name, key) {
		case 0:
			return brokerKey(brokerKeys[from:to]), true
		case -1:
			high = from
		default:
			low = to
		}
	}
	return BrokerKey{}, false
}

const listenerPrefix = "listener.name."

// InSmallLetters is a key as it is read: the name of the listener that it is for stands there in small letters, whatever it
// is in listeners.
func InSmallLetters(name string) string {
	rest, own := strings.CutPrefix(name, listenerPrefix)
	listener, key, _ := strings.Cut(rest, ".")
	if lower := strings.ToLower(listener); own && lower != listener {
		return listenerPrefix + lower + "." + key
	}
	return name
}

// findListenerKey finds what is left once one or two names (a listener's, a mechanism's) are taken off the front.
func findListenerKey(rest string) (BrokerKey, bool) {
	for range 2 {
		_, after, ok := strings.Cut(rest, ".")
		if !ok {
			break
		}
		rest = after
		if key, known := FindBrokerKey(rest); known {
			if strings.HasPrefix(rest, "max.connection") {
				key.Idle, key.Documentation = true, key.Documentation+" No listener has a limit of its own here: set it for all of them."
			}
			key.Idle = key.Idle || !strings.HasPrefix(rest, "ssl.")
			return key, true
		}
	}
	return BrokerKey{}, false
}

// BrokerKeys are all broker configurations by name.
func BrokerKeys() []BrokerKey {
	var keys []BrokerKey
	for line := range strings.Lines(brokerKeys) {
		keys = append(keys, brokerKey(line))
	}
	return keys
}

// brokerKey reads a line of brokerKeys.
func brokerKey(line string) BrokerKey {
	fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 7)
	def := fields[5]
	key := BrokerKey{Name: fields[0], Mode: modeNamed(fields[2]), Idle: fields[3] == "idle", Default: def, Set: def != "-", Documentation: fields[6]}
	if def == "-" || def == `""` {
		key.Default = ""
	}
	key.domain = domainOf(kindNamed(fields[1]), fields[4])
	return key
}

func modeNamed(name string) Mode {
	switch name {
	case "hidden":
		return Hidden
	case "cluster":
		return ClusterWide
	case "broker":
		return PerBroker
	case "rate":
		return Rate
	}
	return Fixed
}

func kindNamed(name string) ConfigKind {
	switch name {
	case "boolean":
		return KindBoolean
	case "int":
		return KindInt
	case "short":
		return KindShort
	case "long":
		return KindLong
	case "double":
		return KindDouble
	case "list":
		return KindList
	case "class":
		return KindClass
	case "password":
		return KindPassword
	}
	return KindString
}

// domainOf reads the bounds of a line of brokerKeys:
//
//   - anything          1..   at least 1     0..9   between      -1|1..9   between, or -1
//     nonzero  nonempty     a|b   one of these           ~a|b   one of these, in capitals or not
func domainOf(kind ConfigKind, bounds string) domain {
	d := domain{Kind: kind, least: -noLimit - 1, most: noLimit}
	switch {
	case bounds == "-":
		return d
	case bounds == "nonzero":
		d.rule = notZero
		return d
	case bounds == "nonempty":
		d.rule = notEmpty
		return d
	}
	if rest, ok := strings.CutPrefix(bounds, "-1|"); ok {
		bounds, d.rule = rest, orMinusOne
	}
	if least, most, ok := strings.Cut(bounds, ".."); ok {
		d.least = d.bound(least, d.least)
		d.most = d.bound(most, d.most)
		return d
	}
	if rest, ok := strings.CutPrefix(bounds, "~"); ok {
		bounds, d.rule = rest, anyCase
	}
	d.choices = strings.ReplaceAll(bounds, "|", ", ")
	return d
}

func (d *domain) bound(text string, none int64) int64 {
	if text == "" {
		return none
	}
	if d.Kind == KindDouble {
		n, _ := partsPerMillion(text)
		return n
	}
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// MeantBrokerKey is a question after the known key that takes the fewest changed, added or dropped letters to reach, for
// whoever mistyped one: "did you mean ...?"; or nothing, where so many letters differ that no key can be meant. The first
// by name wins a tie.
func MeantBrokerKey(name string) string {
	if nearest := nearestBrokerKey(name); nearest != "" {
		return "did you mean " + nearest + "?"
	}
	return ""
}

func nearestBrokerKey(name string) string {
	nearest, least := "", farthest(name)
	for line := range strings.Lines(brokerKeys) {
		key, _, _ := strings.Cut(line, " ")
		if d := editDistance(name, key, least); d < least {
			nearest, least = key, d
		}
	}
	return nearest
}

// farthest is how many letters another key differs in that cannot be meant: one in five, and two more.
func farthest(name string) int { return 2 + min(len(name), comparedMax)/5 }

const comparedMax = 256 // a longer name is compared by its beginning

// editDistance is how many letters differ, or enough, where one is longer than the other by as many.
func editDistance(a, b string, enough int) int {
	a = a[:min(len(a), comparedMax)]
	if len(a)-len(b) >= enough || len(b)-len(a) >= enough {
		return enough
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

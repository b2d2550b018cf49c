package group

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"rookery/core/ordered"
	"rookery/core/seam"
	"rookery/core/wire"
)

// A member may subscribe to whatever topics a regular expression matches from end to end, in RE2's language. Which these are
// is looked up beside the heartbeats, a topic an item, and recorded; members count as subscribers of nothing until then.

// expressionChange is what a heartbeat changes of a member's expression.
type expressionChange uint8

const (
	expressionSame     expressionChange = iota
	expressionChanged                   // it has yet to be looked up
	expressionResolved                  // it is known what it matches
)

// scanPause is the shortest time between two searches for one group.
const scanPause = 10 * seam.Second

// scan is a search for the topics that a group's expressions match.
type scan struct {
	expressions []string
	compiled    []*regexp.Regexp
	found       [][]string
	next        string // topic
	expression  int    // the next that it is held against
	version     int64
	began       int64
	recorded    int // the next expression whose topics are recorded
}

// expressionMax bounds what an expression stands for when its repetitions are written out, and with it the time that one
// topic takes.
const expressionMax = 1000

// compile makes an expression match from end to end; or it says why not, in the words that RE2 has for it.
func compile(expression string) (compiled *regexp.Regexp, why string) {
	parsed, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return nil, strings.TrimSuffix(strings.TrimPrefix(err.Error(), "error parsing regexp: "), ": `"+expression+"`")
	}
	if len(expression) > expressionMax || written(parsed) > expressionMax {
		return nil, "expression too large"
	}
	if compiled, err = regexp.Compile(`\A(?:` + parsed.String() + `)\z`); err != nil {
		return nil, "expression too large"
	}
	return compiled, ""
}

func written(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		n += written(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return n
}

// express takes a member's new expression over, and has the group's expressions looked up if it is time.
func (ch *change) express(now seam.Now, before, p *person) (expressionChange, refusal) {
	old, new, changed := before.expression(), p.expression(), expressionSame
	first := false
	if !equalText(before.TopicRegex, p.TopicRegex) {
		changed = expressionChanged
		if old != "" && ch.con.patterns.At(old) == 1 {
			ch.add(&RegularExpressionRecord{Group: ch.id, Expression: old})
		}
		switch {
		case new != "" && ch.con.patterns.At(new) == 0:
			if _, why := compile(new); why != "" {
				return changed, refusal{wire.InvalidRegularExpression, "SubscribedTopicRegex `" + new + "` is not a valid regular expression: " + why + "."}
			}
			first = true
		case new != "" && ch.con.expressions.At(new) != nil, new == "" && old != "":
			changed = expressionResolved
		}
	}
	ch.maybeScan(now, first, before, p)
	return changed, refusal{}
}

// maybeScan begins a search: when there are expressions that were not looked up, when topics were made since, and every so
// often.
func (ch *change) maybeScan(now seam.Now, first bool, before, p *person) {
	con := ch.con
	if !first && con.patterns.Len() == 0 {
		return
	}
	if _, under := ch.scans.Find(ch.id); under || con.expressions.Len() > 0 && con.scanned != 0 && now.Mono <= con.scanned+scanPause {
		return
	}
	wanted := con.patternsWith(before, p)
	if len(wanted) == 0 {
		return
	}
	known := int64(0)
	for _, r := range con.expressions.All() {
		known = r.Version
		break
	}
	every := seam.Mono(ch.config.Consumer.RegexRefreshMillis) * seam.Millisecond
	if first || len(wanted) != con.expressions.Len() || known < ch.Image.Created() || con.scanned == 0 || now.Mono > con.scanned+every {
		ch.scans.Put(ch.id, &scan{expressions: wanted, version: ch.Image.Offset(), began: int64(now.Wall)})
	}
}

// patternsWith are the expressions of the group's members, when before has become p.
func (con *consumer) patternsWith(before, p *person) (wanted []string) {
	for e, n := range con.patterns.All() {
		if e == before.expression() {
			n--
		}
		if n > 0 {
			wanted = append(wanted, e)
		}
	}
	if e := p.expression(); e != "" && !slices.Contains(wanted, e) {
		wanted = append(wanted, e)
		slices.Sort(wanted)
	}
	return wanted
}

// scanOn goes on with the search of the first group, and says whether there is time for more.
func (c *Coordinator) scanOn(now seam.Now, take func() bool) bool {
	id := c.scans.Keys()[0]
	s := c.scans.At(id)
	for len(s.compiled) < len(s.expressions) {
		if !take() {
			return false
		}
		compiled, _ := compile(s.expressions[len(s.compiled)]) // nil: another broker has let it in; it matches nothing
		s.compiled = append(s.compiled, compiled)
		s.found = append(s.found, []string{})
	}
	names := c.Image.TopicNames()
	for at, _ := slices.BinarySearch(names, s.next); at < len(names); at++ {
		for ; s.expression < len(s.compiled); s.expression++ {
			if !take() {
				return false
			}
			if e := s.compiled[s.expression]; e != nil && e.MatchString(names[at]) {
				s.found[s.expression] = append(s.found[s.expression], names[at])
			}
		}
		s.next, s.expression = names[at]+"\x00", 0
	}
	if c.scanned(now, id, s) {
		c.scans.Delete(id)
	}
	return true
}

// scanned records what was found, as much as one batch of the log holds, but of one expression all. If it is not what was known
// the group begins anew. False: there is more.
func (c *Coordinator) scanned(now seam.Now, id string, s *scan) (done bool) {
	con := c.find(id).modern()
	if con == nil {
		return true
	}
	ch := &change{Coordinator: c, id: id, con: con}
	next := *con
	next.expressions = ordered.Map[string, *ResolvedExpression]{}
	for e, r := range con.expressions.All() {
		next.expressions.Put(e, r)
	}
	con.scanned = now.Mono
	must, bytes := false, 0
	for ; s.recorded < len(s.expressions); s.recorded++ {
		e := s.expressions[s.recorded]
		if con.patterns.At(e) == 0 {
			continue
		}
		r := &ResolvedExpression{Topics: s.found[s.recorded], Version: s.version, Timestamp: s.began}
		record := &RegularExpressionRecord{Group: id, Expression: e, Value: r}
		key, value := Append(nil, nil, record)
		if bytes += recordOverhead + len(key) + len(value); len(ch.records) > 0 && bytes > c.config.RecordBytesMax {
			break
		}
		if old := con.expressions.At(e); old == nil && len(r.Topics) > 0 || old != nil && !slices.Equal(old.Topics, r.Topics) {
			must = true
		}
		next.expressions.Put(e, r)
		ch.add(record)
	}
	var members []person
	for _, m := range con.members.All() {
		members = append(members, m.person())
		must = must || next.strays(c, m)
	}
	if hash := c.metadataHash(next.namesOf(c, members)); must || hash != con.hash {
		ch.add(&ConsumerGroupRecord{Group: id, Value: &ConsumerGroupEpoch{Epoch: con.epoch + 1, MetadataHash: hash}})
	}
	c.commit(ch)
	return s.recorded == len(s.expressions)
}

// strays says whether a member is to have of a topic that it reads no more, since its expression is another one: somebody else
// may read that.
func (con *consumer) strays(c *Coordinator, m *consumerMember) bool {
	return m.expression() != "" && slices.ContainsFunc(con.targets.At(m.id), func(t TopicPartitions) bool {
		return !con.reads(c.Image, &m.MemberMetadata, t.TopicID)
	})
}

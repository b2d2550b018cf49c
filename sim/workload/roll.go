package workload

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/sim/check"
)

// roll is what the leader of a classic group was told of a generation: whom it has. A coordinator that is folded anew in the
// middle of a round gives the generation once more, and a group that nobody was in for a while begins with the first one again,
// under another leader.
type roll struct {
	ids    []string
	folded seam.Mono // when coordinators had folded their logs last, as the leader asked: an answer may come late
}

type generation struct {
	group, leader string
	number        int32
}

// offers is what a member says of itself for a protocol. In the pride that is nothing that a coordinator could read; in the pack
// it says what it subscribes to, so that what is committed of that stays, and of other topics expires.
func offers(group, name, protocol string) []byte {
	if group == "pride" {
		return []byte(name + protocol)
	}
	said := kmsg.NewConsumerMemberMetadata()
	said.Topics, said.UserData = []string{"firm", "loose"}, []byte(name+protocol)
	return said.AppendTo(nil)
}

// summoned holds what a member was told that has joined against what all have said: the protocol is one of its own, and a leader
// knows each of the others by what it said for that. folded is when coordinators had folded their logs last, as it asked.
func (m *member) summoned(folded seam.Mono, asked *kmsg.JoinGroupRequest, a *kmsg.JoinGroupResponse) {
	protocol := ""
	if a.Protocol != nil {
		protocol = *a.Protocol
	}
	m.run.require(slices.ContainsFunc(asked.Protocols, func(p kmsg.JoinGroupRequestProtocol) bool { return p.Name == protocol }), check.LeaderKnows,
		"%s: generation %d of %s goes by %q, which it did not offer", m.name, a.Generation, m.group, protocol)
	if a.LeaderID != a.MemberID {
		m.run.require(len(a.Members) == 0, check.LeaderKnows, "%s is told of %d members, and %s leads", m.name, len(a.Members), a.LeaderID)
		return
	}
	x := &roll{folded: folded}
	for i := range a.Members {
		one := &a.Members[i]
		x.ids = append(x.ids, one.MemberID)
		if name, known := m.run.memberIDs[one.MemberID]; known {
			m.run.require(string(one.ProtocolMetadata) == string(offers(m.group, name, protocol)) && (one.InstanceID == nil || *one.InstanceID == name), check.LeaderKnows,
				"%s: %s of generation %d is %s, and is said to be %v with %q for %s", m.name, one.MemberID, a.Generation, name, one.InstanceID, one.ProtocolMetadata, protocol)
		}
	}
	m.run.require(slices.Contains(x.ids, a.MemberID), check.LeaderKnows, "%s: generation %d of %s is %v, and is led by %s", m.name, a.Generation, m.group, x.ids, a.MemberID)
	m.run.rolls[generation{m.group, a.LeaderID, a.Generation}] = x
}

// enrolled: whoever has its place in a generation was named to the leader. A static member may have come back meanwhile, under
// another id.
func (m *member) enrolled(folded seam.Mono, leader string, number int32) {
	if x := m.run.rolls[generation{m.group, leader, number}]; x != nil && x.folded == folded && m.instance == "" {
		m.run.require(slices.Contains(x.ids, m.id), check.LeaderKnows, "%s has its place in generation %d of %s as %s; the leader was told of %v", m.name, number, m.group, m.id, x.ids)
	}
}

// reads says whether somebody who subscribes so is to read a topic. An expression has to fit the whole name.
func (s *subscribed) reads(topic string) bool {
	return slices.Contains(s.names, topic) || s.expression != "" && regexp.MustCompile("^(?:"+s.expression+")$").MatchString(topic)
}

// wanted: it is given nothing of a topic to which it has never subscribed.
func (g *grazer) wanted(s check.Share) {
	name := g.run.nameOf(s.Topic)
	if name == "" {
		return
	}
	g.run.require(slices.ContainsFunc(g.asked, func(x subscribed) bool { return x.reads(name) }), check.GivenAsAsked,
		"%s is given %s-%d, and has subscribed to %+v", g.name, name, s.Number, g.asked)
}

// nameOf is the topic of an id, if anybody has learnt it.
func (r *Run) nameOf(id [16]byte) string {
	for _, known := range r.ids {
		if known.id == id {
			return known.topic
		}
	}
	return ""
}

// possible is what a knob may have been from some time on.
type possible struct {
	from   seam.Mono
	values []string
}

// maybe notes that from now on a knob may be this, or that too if it may still be what it was.
func (r *Run) maybe(now seam.Mono, k knob, values ...string) {
	was := []string{r.atFirst(k)}
	if all := r.knobs[k]; len(all) > 0 {
		was = all[len(all)-1].values
	}
	r.certainly(now, k, append(slices.Clone(values), was...)...)
}

// certainly notes that from now on a knob is one of these.
func (r *Run) certainly(now seam.Mono, k knob, values ...string) {
	r.knobs[k] = append(r.knobs[k], possible{now, values})
}

// atFirst is what a knob is before anybody alters it.
func (r *Run) atFirst(k knob) string {
	if value, set := r.plan.config(k.of)[k.key]; set && k.of != "" && k.of != offsetsTopic {
		return value
	}
	return unset
}

// settings are all that a knob may have been.
func (r *Run) settings(k knob) []possible {
	return append([]possible{{0, []string{r.atFirst(k)}}}, r.knobs[k]...)
}

// certain is what a number was in which times, for certain. Topics that come and go have had it of each maker.
func (r *Run) certain(k knob) (spans []check.Certain) {
	all := r.settings(k)
	for i := range all {
		n, err := strconv.ParseInt(all[i].values[0], 10, 64)
		if err != nil || r.plan.isFleeting(k.of) || slices.ContainsFunc(all[i].values, func(v string) bool { return v != all[i].values[0] }) {
			continue
		}
		to := check.Unfinished
		if i+1 < len(all) {
			to = all[i+1].from
		}
		spans = append(spans, check.Certain{Span: check.Span{From: all[i].from, To: to}, Value: n})
	}
	return spans
}

// wasBetween says whether a knob that nobody has altered before, and is then at its default, may have been so in that time.
func (r *Run) wasBetween(k knob, value, otherwise string, from, to seam.Mono) bool {
	all := r.settings(k)
	for i := range all {
		over := i+1 < len(all) && all[i+1].from < from
		if !over && all[i].from <= to && slices.ContainsFunc(all[i].values, func(v string) bool { return v == value || v == unset && value == otherwise }) {
			return true
		}
	}
	return false
}

// telling is what may have been said of a knob, for whoever looks for the fault.
func (r *Run) telling(k knob) string {
	var parts []string
	for _, p := range r.knobs[k] {
		parts = append(parts, fmt.Sprintf("%v: %s", p.from, strings.Join(p.values, " or ")))
	}
	return strings.Join(parts, ", ")
}

// beaten: a member of the herd is told the interval of heartbeats that its group has, or may have.
func (r *Run) beaten(who string, sent, at seam.Mono, millis int32) {
	k := knob{herdGroup, heartbeatKey}
	r.require(r.wasBetween(k, strconv.Itoa(int(millis)), strconv.Itoa(consumerHeartbeat), sent, at), check.ConfigRegister, "%s was told at %v to be heard every %d ms; its group was told %s", who, at, millis, r.telling(k))
}

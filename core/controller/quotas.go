package controller

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/meta"
	"rookery/core/wire"
)

// The keys of quotas (KIP-13, 124, 599, 612).
const (
	ProducerByteRate       = "producer_byte_rate"       // bytes a second
	ConsumerByteRate       = "consumer_byte_rate"       // bytes a second
	RequestPercentage      = "request_percentage"       // of a thread: kept and described; nobody is held to it (specs/differences.md)
	ControllerMutationRate = "controller_mutation_rate" // partitions made and deleted a second
	ConnectionCreationRate = "connection_creation_rate" // connections a second, of an address
)

// QuotaHasNoEffect holds for a key that is kept and described, and to which nobody is held.
func QuotaHasNoEffect(key string) bool { return key == RequestPercentage }

// quotasMax is how many one request may alter: Kafka's bound of records in one batch.
const quotasMax = 10_000

// AlterQuotas (49, versions 0 and 1) sets and takes back quotas, entity by entity: all that is asked of one, or nothing.
// The checks and their order are Kafka's. A value that stays as it is needs no record.
func (c *Controller) AlterQuotas(req *wire.AlterClientQuotas) ([]meta.Record, *kmsg.AlterClientQuotasResponse) {
	resp := req.ResponseKind().(*kmsg.AlterClientQuotasResponse)
	resp.Entries = make([]kmsg.AlterClientQuotasResponseEntry, 0, len(req.Entries))
	var rs []meta.Record
	values := req.Values
	altered := map[string]bool{} // entities, by an earlier entry
	for i := range req.Entries {
		e := &req.Entries[i]
		made, no := c.alterQuota(e, values[:len(e.Ops)], altered)
		if len(req.Values) > quotasMax {
			made, no = nil, refuse(wire.PolicyViolation, "Excessively large number of quotas per request.")
		}
		values = values[len(e.Ops):]
		answer := kmsg.NewAlterClientQuotasResponseEntry()
		if no != nil {
			answer.ErrorCode, answer.ErrorMessage = int16(no.code), &no.message
		}
		for j := range e.Entity {
			answer.Entity = append(answer.Entity, kmsg.AlterClientQuotasResponseEntryEntity{Type: e.Entity[j].Type, Name: e.Entity[j].Name})
		}
		resp.Entries = append(resp.Entries, answer)
		rs = append(rs, made...)
	}
	if req.ValidateOnly {
		return nil, resp
	}
	return rs, resp
}

// alterQuota alters what the image has of an entity, and what earlier entries make of it.
func (c *Controller) alterQuota(e *kmsg.AlterClientQuotasRequestEntry, values []uint64, altered map[string]bool) (rs []meta.Record, no *refusal) {
	entity, no := quotaEntity(e)
	if no != nil {
		return nil, no
	}
	var has *meta.Quota
	if has = c.image.QuotaOf(entity...); has == nil {
		has = new(meta.Quota)
	}
	key := meta.EntityKey(entity)
	seen := make(map[string]bool, len(e.Ops))
	for i := range e.Ops {
		op := &e.Ops[i]
		if seen[op.Key] {
			return nil, refuse(wire.InvalidRequest, "Duplicate quota key %s.", op.Key)
		}
		seen[op.Key] = true
		value, set := has.Values.Find(op.Key)
		record := &meta.ClientQuotaRecord{Entity: entity, Key: op.Key}
		switch {
		case op.Remove && !set && !altered[key]:
			continue
		case op.Remove:
			record.Remove = true
		default:
			if no := quotaValue(entity, op.Key, values[i]); no != nil {
				return nil, no
			}
			if set && value == values[i] && !altered[key] {
				continue
			}
			record.Value = values[i]
		}
		rs = append(rs, record)
	}
	altered[key] = true
	return rs, nil
}

// quotaEntity is whom an entry is about, in order of type. A type that stands twice is taken once, the last time.
func quotaEntity(e *kmsg.AlterClientQuotasRequestEntry) (entity []meta.EntityPart, no *refusal) {
	for i := range e.Entity {
		part := meta.EntityPart{Type: e.Entity[i].Type, Name: e.Entity[i].Name}
		if part.Type != meta.EntityUser && part.Type != meta.EntityClientID && part.Type != meta.EntityIP {
			return nil, refuse(wire.InvalidRequest, "Unhandled client quota entity type: %s", part.Type) // before it is compared with thousands
		}
		if at := slices.IndexFunc(entity, func(p meta.EntityPart) bool { return p.Type == part.Type }); at >= 0 {
			entity[at] = part
			continue
		}
		entity = append(entity, part)
	}
	if len(entity) == 0 {
		return nil, refuse(wire.InvalidRequest, "Invalid empty client quota entity")
	}
	ofIP, ofClient := false, false
	for _, part := range entity {
		ofIP, ofClient = ofIP || part.Type == meta.EntityIP, ofClient || part.Type != meta.EntityIP
		if part.Name != nil && *part.Name == "" {
			return nil, refuse(wire.InvalidRequest, "Empty %s not supported", part.Type)
		}
	}
	if ofIP && ofClient {
		return nil, refuse(wire.InvalidRequest, "Invalid quota entity combination, IP entity should not be combined with User or ClientId")
	}
	if ofIP && entity[0].Name != nil {
		address, ok := canonicalAddress(*entity[0].Name)
		if !ok {
			return nil, refuse(wire.InvalidRequest, "%s is not a valid IP or resolvable host.", *entity[0].Name)
		}
		entity[0].Name = &address
	}
	slices.SortStableFunc(entity, func(a, b meta.EntityPart) int { return strings.Compare(a.Type, b.Type) })
	return entity, nil
}

// canonicalAddress is an address as connections have it: 0:0::1 is ::1. Kafka also takes a host's name and asks the resolver
// for it, which an address needs nobody for.
func canonicalAddress(name string) (address string, ok bool) {
	parsed, err := netip.ParseAddr(name)
	return parsed.Unmap().String(), err == nil
}

// quotaValue judges a value that is to be set.
func quotaValue(entity []meta.EntityPart, key string, bits uint64) *refusal {
	whole := int64(0) // the largest value; 0: any, fractions too
	switch ofIP := entity[0].Type == meta.EntityIP; {
	case ofIP && key == ConnectionCreationRate:
		whole = 1<<31 - 1
	case !ofIP && (key == ProducerByteRate || key == ConsumerByteRate):
		whole = 1<<63 - 1
	case !ofIP && (key == RequestPercentage || key == ControllerMutationRate):
	default:
		return refuse(wire.InvalidRequest, "Invalid configuration key %s", key)
	}
	switch d := double(bits); {
	case !d.positive():
		return refuse(wire.InvalidRequest, "Quota %s must be greater than 0", key)
	case whole == 0:
	case d.above(whole):
		return refuse(wire.InvalidRequest, "Proposed value for %s is too large.", key)
	case d.fractional():
		return refuse(wire.InvalidRequest, "%s cannot be a fractional value.", key)
	}
	return nil
}

// double is an IEEE double's bits, judged without floating point.
type double uint64

const (
	doubleFraction = 52
	doubleBias     = 1023
	doubleInfinite = 0x7ff << doubleFraction
)

// positive: above zero, and a number.
func (d double) positive() bool { return d > 0 && d <= doubleInfinite }

// above says whether a positive d is more than n, 2^31-1 or 2^63-1.
func (d double) above(n int64) bool {
	exponent := int(d>>doubleFraction) - doubleBias
	if n == 1<<31-1 {
		return exponent > 30
	}
	return exponent > 62
}

// fractional says whether a positive d is no whole number: more than a millionth above one, as with Kafka.
func (d double) fractional() bool {
	exponent := int(d>>doubleFraction) - doubleBias
	switch {
	case exponent < 0:
		return true
	case exponent >= doubleFraction:
		return false
	}
	return uint64(d<<(12+exponent))>>(12+exponent) > 1<<(doubleFraction-exponent)/million
}

// DescribeQuotas (48, versions 0 and 1) finds the quotas of the entities that a filter lets through. The checks and their
// order are Kafka's.
func DescribeQuotas(image *meta.Image, req *kmsg.DescribeClientQuotasRequest) *wire.DescribedClientQuotas {
	answer := &wire.DescribedClientQuotas{DescribeClientQuotasResponse: req.ResponseKind().(*kmsg.DescribeClientQuotasResponse)}
	if no := quotaFilter(req); no != nil {
		answer.ErrorCode, answer.ErrorMessage = int16(no.code), &no.message
		return answer
	}
	answer.Quotas = []wire.DescribedQuota{}
	for q := range image.Quotas() {
		if quotaMatches(q, req) {
			answer.Quotas = append(answer.Quotas, describedQuota(q))
		}
	}
	return answer
}

// How a component of a filter matches.
const (
	matchExact     = 0
	matchDefault   = 1
	matchSpecified = 2 // any, the default too
)

func quotaFilter(req *kmsg.DescribeClientQuotasRequest) *refusal {
	seen := map[string]bool{}
	for i := range req.Components {
		x := &req.Components[i]
		switch {
		case x.EntityType == "":
			return refuse(wire.InvalidRequest, "Invalid empty entity type.")
		case seen[x.EntityType]:
			return refuse(wire.InvalidRequest, "Entity type %s cannot appear more than once in the filter.", x.EntityType)
		case x.EntityType != meta.EntityUser && x.EntityType != meta.EntityClientID && x.EntityType != meta.EntityIP:
			return refuse(wire.UnsupportedVersion, "Unsupported entity type %s", x.EntityType)
		}
		seen[x.EntityType] = true
		switch x.MatchType {
		case matchExact:
			if x.Match == nil {
				return refuse(wire.InvalidRequest, "Request specified MATCH_TYPE_EXACT, but set match string to null.")
			}
		case matchDefault, matchSpecified:
			if x.Match != nil {
				return refuse(wire.InvalidRequest, "Request specified a match type that takes no match string, but also specified one.")
			}
		default:
			return refuse(wire.InvalidRequest, "Unknown match type %d", x.MatchType)
		}
	}
	if seen[meta.EntityIP] && len(seen) > 1 {
		return refuse(wire.InvalidRequest, "Invalid entity filter component combination, IP entity should not be combined with User or ClientId")
	}
	return nil
}

func quotaMatches(q *meta.Quota, req *kmsg.DescribeClientQuotasRequest) bool {
	if req.Strict && len(q.Entity) != len(req.Components) {
		return false
	}
	for i := range req.Components {
		x := &req.Components[i]
		name, found := q.Part(x.EntityType)
		switch {
		case !found:
			return false
		case x.MatchType == matchExact && (name == nil || *name != exact(x)):
			return false
		case x.MatchType == matchDefault && name != nil:
			return false
		}
	}
	return true
}

// exact is the name that a component asks for, as it is kept.
func exact(x *kmsg.DescribeClientQuotasRequestComponent) string {
	if x.EntityType == meta.EntityIP {
		if address, ok := canonicalAddress(*x.Match); ok {
			return address
		}
	}
	return *x.Match
}

func describedQuota(q *meta.Quota) (out wire.DescribedQuota) {
	for _, part := range q.Entity {
		out.Entity = append(out.Entity, wire.DescribedEntity{Type: part.Type, Name: part.Name})
	}
	for key, value := range q.Values.All() {
		out.Values = append(out.Values, wire.DescribedValue{Key: key, Value: value})
	}
	return out
}

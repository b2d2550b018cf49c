package meta

import (
	"iter"
	"slices"
	"strings"

	"rookery/core/ordered"
)

// The kinds of things that a quota may be for (KIP-55, 257, 612).
const (
	EntityUser     = "user"
	EntityClientID = "client-id"
	EntityIP       = "ip"
)

// EntityPart is one side of what a quota is for: a user's name, a client's id or an address; a nil Name is the default
// of its type.
type EntityPart struct {
	Type string
	Name *string
}

// Quota is what one entity may use. Values are the bits of IEEE doubles, as they stand in the records: core has no
// floating point, and never reckons with more than Rate.
type Quota struct {
	Entity []EntityPart // by type
	Values ordered.Map[string, uint64]
}

// Part is the name of one type in the entity; found is false where the type is not in it.
func (q *Quota) Part(kind string) (name *string, found bool) {
	for i := range q.Entity {
		if q.Entity[i].Type == kind {
			return q.Entity[i].Name, true
		}
	}
	return nil, false
}

// Quotas walks all quotas, in one order.
func (m *Image) Quotas() iter.Seq[*Quota] {
	return func(yield func(*Quota) bool) {
		for _, q := range m.quotas.All() {
			if !yield(q) {
				return
			}
		}
	}
}

// QuotaOf is what is set for exactly this entity, or nil.
func (m *Image) QuotaOf(entity ...EntityPart) *Quota { return m.quotas.At(EntityKey(entity)) }

// QuotaChanges is how many changes of quotas were folded: what was looked up at the same number still holds.
func (m *Image) QuotaChanges() int { return m.quotaChanges }

func (m *Image) changeQuota(r *ClientQuotaRecord) {
	m.quotaChanges++
	entity := slices.Clone(r.Entity)
	slices.SortStableFunc(entity, func(a, b EntityPart) int { return strings.Compare(a.Type, b.Type) })
	key := EntityKey(entity)
	q := m.quotas.At(key)
	if q == nil {
		if r.Remove {
			return
		}
		q = &Quota{Entity: entity}
		m.quotas.Put(key, q)
	}
	if !r.Remove {
		q.Values.Put(r.Key, r.Value)
		return
	}
	if q.Values.Delete(r.Key); q.Values.Len() == 0 {
		m.quotas.Delete(key)
	}
}

// EntityKey is another string for every other entity: types have no zero in them, and the longest name comes last.
func EntityKey(entity []EntityPart) string {
	var key []byte
	for i := range entity {
		key = append(key, entity[i].Type...)
		key = append(key, 0)
		if name := entity[i].Name; name != nil {
			key = append(key, 1, byte(len(*name)>>8), byte(len(*name)))
			key = append(key, *name...)
		}
		key = append(key, 0)
	}
	return string(key)
}

func (q *Quota) records() (rs []Record) {
	for key, value := range q.Values.All() {
		rs = append(rs, &ClientQuotaRecord{Entity: q.Entity, Key: key, Value: value})
	}
	return rs
}

// Rate is a double's value in thousandths, rounded down and at most 1<<62: what quotas are reckoned in. A negative value
// and no number are 0.
func Rate(bits uint64) int64 {
	const most, bias, mantissa = 1 << 62, 1023, 52
	exponent := int(bits>>mantissa) & 0x7ff
	switch {
	case bits>>63 == 1 || exponent == 0:
		return 0 // negative, or less than any thousandth
	case exponent == 0x7ff && bits<<12 != 0:
		return 0 // no number
	case exponent >= bias+mantissa:
		return most
	}
	whole := bits&(1<<mantissa-1) | 1<<mantissa // the value is whole / 2^shift
	shift := mantissa - (exponent - bias)
	if shift >= 64 {
		return 0
	}
	// whole < 2^53, so that a thousand times it fits
	return min(int64(whole*1000>>shift), most)
}

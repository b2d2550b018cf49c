package wire

import "github.com/twmb/franz-go/pkg/kmsg"

// Quotas are IEEE doubles on the wire. Core has no floating point: here they are their bits, beside kmsg's message.

// AlterClientQuotas (49) is a request with the bits of its values, one for each Op in their order.
type AlterClientQuotas struct {
	*kmsg.AlterClientQuotasRequest
	Values []uint64
}

// ReadFrom reads the body with its values.
func (r *AlterClientQuotas) ReadFrom(body []byte) error {
	if err := r.AlterClientQuotasRequest.ReadFrom(body); err != nil {
		return err
	}
	c := newCursor(body, KeyAlterClientQuotas, r.Version)
	r.Values = r.Values[:0]
	c.walkAlterClientQuotas(func(bits uint64) { r.Values = append(r.Values, bits) })
	return nil
}

func (c *cursor) walkAlterClientQuotas(value func(bits uint64)) {
	c.array(c.count(), func(c *cursor) {
		c.array(c.count(), func(c *cursor) { // entity
			c.text() // type
			c.nullableText()
		})
		c.array(c.count(), func(c *cursor) { // operations
			c.text()
			value(uint64(c.int64()))
			c.int8() // remove
		})
	})
	c.int8() // validate only
}

func (c *cursor) walkDescribeClientQuotas() {
	c.array(c.count(), func(c *cursor) {
		c.text()
		c.int8() // how it matches
		c.nullableText()
	})
	c.int8() // strict
}

// DescribedClientQuotas is the answer to DescribeClientQuotas (48).
type DescribedClientQuotas struct {
	*kmsg.DescribeClientQuotasResponse                  // without Entries
	Quotas                             []DescribedQuota // nil with an error
}

// DescribedQuota is what is set for one entity.
type DescribedQuota struct {
	Entity []DescribedEntity
	Values []DescribedValue
}

// DescribedEntity is one part of an entity; a nil Name is the default.
type DescribedEntity struct {
	Type string
	Name *string
}

// DescribedValue is one quota, its value the bits of a double.
type DescribedValue struct {
	Key   string
	Value uint64
}

// AppendTo appends the body.
func (a *DescribedClientQuotas) AppendTo(dst []byte) []byte {
	w := writer{bytes: dst, flexible: a.IsFlexible()}
	w.int32(a.ThrottleMillis)
	w.int16(a.ErrorCode)
	w.nullable(a.ErrorMessage)
	if a.Quotas == nil {
		w.noArray()
		w.noTags()
		return w.bytes
	}
	w.count(len(a.Quotas))
	for i := range a.Quotas {
		q := &a.Quotas[i]
		w.count(len(q.Entity))
		for j := range q.Entity {
			w.name([]byte(q.Entity[j].Type))
			w.nullable(q.Entity[j].Name)
			w.noTags()
		}
		w.count(len(q.Values))
		for j := range q.Values {
			w.name([]byte(q.Values[j].Key))
			w.int64(int64(q.Values[j].Value))
			w.noTags()
		}
		w.noTags()
	}
	w.noTags()
	return w.bytes
}

// nullable is a string that may be null, and may be empty.
func (w *writer) nullable(v *string) {
	switch {
	case v != nil:
		w.name([]byte(*v))
	case w.flexible:
		w.int8(0)
	default:
		w.int16(-1)
	}
}

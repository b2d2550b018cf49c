package controller

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/meta"
	"rookery/core/wire"
)

// A client that stands in two entries is altered by one after the other: what the second asks for counts, though it may be
// what was there before the first.
func TestQuotaOfAClientTwice(t *testing.T) {
	name := "c"
	c := []meta.EntityPart{{Type: meta.EntityClientID, Name: &name}}
	type op struct {
		remove bool
		value  float64
	}
	for what, each := range map[string]struct {
		before   []op
		ops      []op
		expected []uint64
	}{
		"there and back":        {[]op{{value: 100}}, []op{{value: 200}, {value: 100}}, []uint64{math.Float64bits(100)}},
		"set and removed":       {nil, []op{{value: 200}, {remove: true}}, nil},
		"removed and set again": {[]op{{value: 100}}, []op{{remove: true}, {value: 100}}, []uint64{math.Float64bits(100)}},
		"removed twice":         {[]op{{value: 100}}, []op{{remove: true}, {remove: true}}, nil},
	} {
		t.Run(what, func(t *testing.T) {
			b := newBench(DefaultConfig(), 1)
			alter := func(ops ...op) {
				req := &wire.AlterClientQuotas{AlterClientQuotasRequest: kmsg.NewPtrAlterClientQuotasRequest()}
				for _, op := range ops {
					e := kmsg.NewAlterClientQuotasRequestEntry()
					e.Entity = []kmsg.AlterClientQuotasRequestEntryEntity{{Type: meta.EntityClientID, Name: &name}}
					e.Ops = []kmsg.AlterClientQuotasRequestEntryOp{{Key: ProducerByteRate, Remove: op.remove}}
					req.Entries, req.Values = append(req.Entries, e), append(req.Values, math.Float64bits(op.value))
				}
				rs, resp := b.AlterQuotas(req)
				for i := range resp.Entries {
					require.Zero(t, resp.Entries[i].ErrorCode)
				}
				b.append(rs)
			}
			alter(each.before...)
			alter(each.ops...)
			var got []uint64
			if q := b.image.QuotaOf(c...); q != nil {
				for _, value := range q.Values.All() {
					got = append(got, value)
				}
			}
			require.Equal(t, each.expected, got)
		})
	}
}

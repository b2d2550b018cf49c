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

// A quota of an address holds for the connections of that address, however it was written; what is none is refused.
func TestQuotaOfAnAddress(t *testing.T) {
	alter := func(b *bench, name string) int16 {
		req := &wire.AlterClientQuotas{AlterClientQuotasRequest: kmsg.NewPtrAlterClientQuotasRequest()}
		e := kmsg.NewAlterClientQuotasRequestEntry()
		e.Entity = []kmsg.AlterClientQuotasRequestEntryEntity{{Type: meta.EntityIP, Name: &name}}
		e.Ops = []kmsg.AlterClientQuotasRequestEntryOp{{Key: ConnectionCreationRate}}
		req.Entries, req.Values = append(req.Entries, e), append(req.Values, math.Float64bits(5))
		rs, resp := b.AlterQuotas(req)
		b.append(rs)
		require.Equal(t, name, *resp.Entries[0].Entity[0].Name)
		return resp.Entries[0].ErrorCode
	}
	for given, kept := range map[string]string{"10.0.0.1": "10.0.0.1", "::1": "::1", "0:0:0:0:0:0:0:1": "::1", "FE80::1%eth0": "fe80::1%eth0", "::ffff:10.0.0.1": "10.0.0.1"} {
		b := newBench(DefaultConfig(), 1)
		require.Zero(t, alter(b, given))
		require.NotNil(t, b.image.QuotaOf(meta.EntityPart{Type: meta.EntityIP, Name: &kept}), given)
		req := kmsg.NewPtrDescribeClientQuotasRequest()
		req.Components = []kmsg.DescribeClientQuotasRequestComponent{{EntityType: meta.EntityIP, MatchType: matchExact, Match: &given}}
		require.Len(t, DescribeQuotas(b.image, req).Quotas, 1)
		limits, err := AddressLimits("[" + given + "]:3")
		require.NoError(t, err)
		require.Equal(t, []string{kept}, limits.Keys())
	}
	for _, wrong := range []string{"...", "1.2.3", "1.2.3.999", ":", "1:2:3", "localhost"} {
		require.EqualValues(t, wire.InvalidRequest, alter(newBench(DefaultConfig(), 1), wrong), wrong)
		_, err := AddressLimits(wrong + ":3")
		require.Error(t, err)
	}
}

// What arithmetic leaves of a whole number is one, as with Kafka: up to a millionth above it.
func TestWholeQuotas(t *testing.T) {
	for value, whole := range map[float64]bool{
		1: true, 1.5: false, 1100000.0000000002: true, 3.0000009: true, 3.0000011: false, 2.9999999: false, 1 << 52: true, 1<<51 + 0.5: false, 1 << 62: true, 0.5: false,
	} {
		require.Equal(t, !whole, double(math.Float64bits(value)).fractional(), value)
	}
}

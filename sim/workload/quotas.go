package workload

import (
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/seam"
	"rookery/core/wire"
	"rookery/sim/check"
)

// quotaOf is the knob of a quota: its entity, by default of its kind, stands for the topic.
func quotaOf(kind, key string) knob { return knob{"quota of every " + kind, key} }

// standing is a quota that may be set. All are lifted when the faults are over: a client that is kept waiting is late.
func (s *tuner) standing() (kind, key string, found bool) {
	for _, kind := range []string{"user", "client-id"} {
		for _, key := range []string{"producer_byte_rate", "consumer_byte_rate", "request_percentage"} {
			k := quotaOf(kind, key)
			if at := s.at(k); !s.lifted[k] && (at.value != unset || len(at.maybe) > 0) {
				return kind, key, true
			}
		}
	}
	return "", "", false
}

// tuneQuota sets, takes back or looks for a quota. Rates are such that a client is muted for less than it is patient: a
// user's is shared by all clients, of which each may have gone over it by a request before any of them is paid for.
func (s *tuner) tuneQuota(now seam.Mono, fx *seam.Effects) {
	kind := [...]string{"user", "client-id"}[s.stream.Choose(2)]
	if s.stream.Choose(3) == 0 || s.run.calm {
		s.lookForQuotas(now, kind, fx)
		return
	}
	bytes := []string{unset, "8000", "50000"}
	if kind == "user" {
		bytes = []string{unset, "80000", "500000"}
	}
	rates := [...]struct {
		key    string
		values []string
	}{
		{"producer_byte_rate", bytes},
		{"consumer_byte_rate", bytes},
		{"request_percentage", []string{unset, "12.5"}},
	}
	rate := rates[s.stream.Choose(len(rates))]
	s.alterQuota(now, kind, rate.key, rate.values[s.stream.Choose(len(rate.values))], fx)
}

func (s *tuner) alterQuota(now seam.Mono, kind, key, value string, fx *seam.Effects) {
	request := kmsg.NewPtrAlterClientQuotasRequest()
	request.Version = int16(s.stream.Choose(2))
	op := kmsg.AlterClientQuotasRequestEntryOp{Key: key, Remove: value == unset}
	if value != unset {
		op.Value, _ = strconv.ParseFloat(value, 64)
	}
	request.Entries = append(request.Entries, kmsg.AlterClientQuotasRequestEntry{
		Entity: []kmsg.AlterClientQuotasRequestEntryEntity{{Type: kind}}, Ops: []kmsg.AlterClientQuotasRequestEntryOp{op},
	})
	k, sent := quotaOf(kind, key), now
	s.run.maybe(now, k, value)
	s.ask(now, request, fx, &call{done: func(now seam.Mono, answer kmsg.Response, _ *seam.Effects) {
		if answer == nil {
			s.doubt(k, value)
			return
		}
		entries := answer.(*kmsg.AlterClientQuotasResponse).Entries
		if !s.run.require(len(entries) == 1, check.AnswersInOrder, "%s: an answer about %d entities", s.name, len(entries)) {
			return
		}
		s.run.told(question{key: wire.KeyAlterClientQuotas, sent: sent}, entries[0].ErrorCode, now)
		if entries[0].ErrorCode == none {
			s.sure(k, value)
			s.run.certainly(now, k, append(slices.Clone(s.at(k).maybe), value)...)
			s.lifted[k] = value == unset
		} else {
			s.doubt(k, value)
		}
	}})
}

func (s *tuner) lookForQuotas(now seam.Mono, kind string, fx *seam.Effects) {
	request := kmsg.NewPtrDescribeClientQuotasRequest()
	request.Version, request.Strict = int16(s.stream.Choose(2)), true
	request.Components = append(request.Components, kmsg.DescribeClientQuotasRequestComponent{EntityType: kind, MatchType: 1})
	s.ask(now, request, fx, &call{done: func(_ seam.Mono, answer kmsg.Response, _ *seam.Effects) {
		if answer == nil {
			return
		}
		found := map[string]string{}
		for _, entry := range answer.(*kmsg.DescribeClientQuotasResponse).Entries {
			for _, v := range entry.Values {
				found[v.Key] = strconv.FormatFloat(v.Value, 'g', -1, 64)
			}
		}
		for _, key := range []string{"consumer_byte_rate", "producer_byte_rate", "request_percentage"} {
			value, set := found[key]
			if !set {
				value = unset
			}
			k := quotaOf(kind, key)
			was := s.at(k)
			if s.run.require(value == was.value || slices.Contains(was.maybe, value), check.ConfigRegister, "%s of %s is %s, and it was left at %s (%v are in doubt)", key, k.of, value, was.value, was.maybe) {
				s.sure(k, value)
			}
		}
	}})
}

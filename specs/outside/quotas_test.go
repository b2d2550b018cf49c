package outside

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	producerRate  = "producer_byte_rate"
	consumerRate  = "consumer_byte_rate"
	mutationRate  = "controller_mutation_rate"
	requestShare  = "request_percentage"
	connectRate   = "connection_creation_rate"
	quotaExceeded = 89
)

// Set is an operation of AlterClientQuotas; a value that is no number takes the quota back.
func Set(key string, value float64) kmsg.AlterClientQuotasRequestEntryOp {
	if math.IsNaN(value) {
		return kmsg.AlterClientQuotasRequestEntryOp{Key: key, Remove: true}
	}
	return kmsg.AlterClientQuotasRequestEntryOp{Key: key, Value: value}
}

// AlterQuotas is one operation on one entity: types and names in turn, "" being the default.
func AlterQuotas(op kmsg.AlterClientQuotasRequestEntryOp, entity ...string) *kmsg.AlterClientQuotasRequest {
	r := kmsg.NewPtrAlterClientQuotasRequest()
	e := kmsg.AlterClientQuotasRequestEntry{Ops: []kmsg.AlterClientQuotasRequestEntryOp{op}}
	for i := 0; i+1 < len(entity); i += 2 {
		part := kmsg.AlterClientQuotasRequestEntryEntity{Type: entity[i]}
		if entity[i+1] != "" {
			part.Name = &entity[i+1]
		}
		e.Entity = append(e.Entity, part)
	}
	r.Entries = append(r.Entries, e)
	return r
}

// Match is a component that wants exactly this name; "" is the default, "*" anything.
func Match(kind, name string) kmsg.DescribeClientQuotasRequestComponent {
	switch name {
	case "":
		return kmsg.DescribeClientQuotasRequestComponent{EntityType: kind, MatchType: 1}
	case "*":
		return kmsg.DescribeClientQuotasRequestComponent{EntityType: kind, MatchType: 2}
	}
	return kmsg.DescribeClientQuotasRequestComponent{EntityType: kind, Match: &name}
}

// DescribeQuotas looks for what is set.
func DescribeQuotas(strict bool, components ...kmsg.DescribeClientQuotasRequestComponent) *kmsg.DescribeClientQuotasRequest {
	r := kmsg.NewPtrDescribeClientQuotasRequest()
	r.Strict, r.Components = strict, components
	return r
}

func alterQuota(t *testing.T, c *Client, version int16, op kmsg.AlterClientQuotasRequestEntryOp, entity ...string) int16 {
	t.Helper()
	answer := c.Ask(t, AlterQuotas(op, entity...), version).(*kmsg.AlterClientQuotasResponse)
	require.Len(t, answer.Entries, 1)
	require.Len(t, answer.Entries[0].Entity, len(entity)/2)
	return answer.Entries[0].ErrorCode
}

// quotasFound is how many entities a filter finds, and what is set for the first.
func quotasFound(t *testing.T, c *Client, version int16, strict bool, components ...kmsg.DescribeClientQuotasRequestComponent) (n int, first map[string]float64) {
	t.Helper()
	answer := c.Ask(t, DescribeQuotas(strict, components...), version).(*kmsg.DescribeClientQuotasResponse)
	require.Zero(t, answer.ErrorCode)
	require.NotNil(t, answer.Entries)
	first = map[string]float64{}
	if len(answer.Entries) > 0 {
		for _, v := range answer.Entries[0].Values {
			first[v.Key] = v.Value
		}
	}
	return len(answer.Entries), first
}

// TestQuotasAreKept: what AlterClientQuotas sets DescribeClientQuotas finds, after a restart too.
func TestQuotasAreKept(t *testing.T) {
	dir := t.TempDir()
	n := Start(t, binaryPath, dir)
	c := Dial(t, n)
	for version := int16(0); version <= 1; version++ {
		require.Zero(t, alterQuota(t, c, version, Set(producerRate, 1<<40), "user", "me", "client-id", "app"))
		require.Zero(t, alterQuota(t, c, version, Set(requestShare, 12.5), "client-id", "app", "user", "me"))
		require.Zero(t, alterQuota(t, c, version, Set(consumerRate, 1<<41), "user", "me"))
		require.Zero(t, alterQuota(t, c, version, Set(consumerRate, 1<<42), "user", ""))
		require.Zero(t, alterQuota(t, c, version, Set(connectRate, 1<<20), "ip", "10.0.0.1"))
		validate := AlterQuotas(Set(mutationRate, 7), "user", "other")
		validate.ValidateOnly = true
		require.Zero(t, c.Ask(t, validate, version).(*kmsg.AlterClientQuotasResponse).Entries[0].ErrorCode)
		if version == 0 {
			n.Kill()
			n = Start(t, binaryPath, dir)
			c = Dial(t, n)
		}
		for _, row := range []struct {
			strict     bool
			components []kmsg.DescribeClientQuotasRequestComponent
			n          int
			first      map[string]float64
		}{
			{false, nil, 4, nil},
			{true, nil, 0, nil},
			{false, []kmsg.DescribeClientQuotasRequestComponent{Match("user", "me")}, 2, nil},
			{true, []kmsg.DescribeClientQuotasRequestComponent{Match("user", "me")}, 1, map[string]float64{consumerRate: 1 << 41}},
			{true, []kmsg.DescribeClientQuotasRequestComponent{Match("user", "")}, 1, map[string]float64{consumerRate: 1 << 42}},
			{false, []kmsg.DescribeClientQuotasRequestComponent{Match("user", "*")}, 3, nil},
			{true, []kmsg.DescribeClientQuotasRequestComponent{Match("user", "*"), Match("client-id", "app")}, 1, map[string]float64{producerRate: 1 << 40, requestShare: 12.5}},
			{false, []kmsg.DescribeClientQuotasRequestComponent{Match("client-id", "")}, 0, nil},
			{false, []kmsg.DescribeClientQuotasRequestComponent{Match("user", "other")}, 0, nil},
			{true, []kmsg.DescribeClientQuotasRequestComponent{Match("ip", "10.0.0.1")}, 1, map[string]float64{connectRate: 1 << 20}},
			{true, []kmsg.DescribeClientQuotasRequestComponent{Match("ip", "")}, 0, nil},
		} {
			found, first := quotasFound(t, c, version, row.strict, row.components...)
			require.Equal(t, row.n, found, "%+v", row)
			if row.first != nil {
				require.Equal(t, row.first, first, "%+v", row)
			}
		}
		require.Zero(t, alterQuota(t, c, version, Set(requestShare, math.NaN()), "user", "me", "client-id", "app"))
		require.Zero(t, alterQuota(t, c, version, Set(requestShare, math.NaN()), "user", "me", "client-id", "app"), "taken back twice")
		_, first := quotasFound(t, c, version, true, Match("user", "me"), Match("client-id", "app"))
		require.Equal(t, map[string]float64{producerRate: 1 << 40}, first)
	}
}

// TestBadQuotas: each refusal for its entry alone.
func TestBadQuotas(t *testing.T) {
	c := Dial(t, start(t))
	none := math.NaN()
	for _, row := range []struct {
		what   string
		key    string
		value  float64
		entity []string
	}{
		{"nobody", producerRate, 1, nil},
		{"an unknown type", producerRate, 1, []string{"group", "g"}},
		{"an unknown key", "producer_byte_rates", 1, []string{"user", "u"}},
		{"a key of addresses", connectRate, 1, []string{"user", "u"}},
		{"a key of clients", producerRate, 1, []string{"ip", "10.0.0.1"}},
		{"zero", producerRate, 0, []string{"user", "u"}},
		{"below zero", requestShare, -1, []string{"user", "u"}},
		{"half a byte", producerRate, 1.5, []string{"user", "u"}},
		{"too many connections", connectRate, 1 << 31, []string{"ip", ""}},
		{"an address and a user", connectRate, 1, []string{"ip", "10.0.0.1", "user", "u"}},
		{"no address", connectRate, 1, []string{"ip", "not an address"}},
		{"an unknown type, to be taken back", producerRate, none, []string{"group", "g"}},
	} {
		for version := int16(0); version <= 1; version++ {
			require.EqualValues(t, invalidRequest, alterQuota(t, c, version, Set(row.key, row.value), row.entity...), row.what)
		}
	}
	empty := AlterQuotas(Set(producerRate, 1), "user", "u")
	name := ""
	empty.Entries[0].Entity[0].Name = &name
	require.EqualValues(t, invalidRequest, c.Ask(t, empty, 1).(*kmsg.AlterClientQuotasResponse).Entries[0].ErrorCode, "an empty name")
	found, _ := quotasFound(t, c, 1, false)
	require.Zero(t, found)

	bad := "x"
	for what, row := range map[string]struct {
		code       int16
		components []kmsg.DescribeClientQuotasRequestComponent
	}{
		"an empty type":           {invalidRequest, []kmsg.DescribeClientQuotasRequestComponent{Match("", "x")}},
		"an unknown type":         {35, []kmsg.DescribeClientQuotasRequestComponent{Match("group", "x")}},
		"a type twice":            {invalidRequest, []kmsg.DescribeClientQuotasRequestComponent{Match("user", "x"), Match("user", "y")}},
		"an address and a user":   {invalidRequest, []kmsg.DescribeClientQuotasRequestComponent{Match("user", "x"), Match("ip", "10.0.0.1")}},
		"an unknown match":        {invalidRequest, []kmsg.DescribeClientQuotasRequestComponent{{EntityType: "user", MatchType: 3}}},
		"exactly nothing":         {invalidRequest, []kmsg.DescribeClientQuotasRequestComponent{{EntityType: "user"}}},
		"the default with a name": {invalidRequest, []kmsg.DescribeClientQuotasRequestComponent{{EntityType: "user", MatchType: 1, Match: &bad}}},
	} {
		answer := c.Ask(t, DescribeQuotas(false, row.components...), 1).(*kmsg.DescribeClientQuotasResponse)
		require.Equal(t, row.code, answer.ErrorCode, what)
		require.Nil(t, answer.Entries, what)
	}
}

// TestQuotasAreHeldTo: who is beyond one is told how long to wait, and waits that long for the next answer; another client,
// and the same one when the quota is gone, does not.
func TestQuotasAreHeldTo(t *testing.T) {
	n := start(t)
	admin := Dial(t, n)
	id := Create(t, admin, "data")
	const rate = 20 // bytes a second: a burst of 200
	require.Zero(t, alterQuota(t, admin, 1, Set(producerRate, rate), "client-id", "outside"))
	require.Zero(t, alterQuota(t, admin, 1, Set(consumerRate, rate), "user", ""))
	c := Dial(t, n)
	waits := func(ask func() int32) {
		t.Helper()
		wait := time.Duration(0)
		for i := 0; wait == 0; i++ {
			require.Less(t, i, 10)
			wait = time.Duration(ask()) * time.Millisecond
		}
		began := time.Now()
		require.Zero(t, c.Ask(t, kmsg.NewPtrApiVersionsRequest(), 0).(*kmsg.ApiVersionsResponse).ErrorCode)
		require.Greater(t, time.Since(began), wait*9/10)
	}
	waits(func() int32 {
		answer := c.Ask(t, Produce("data", id, 0, -1, Three()), 13).(*kmsg.ProduceResponse)
		require.Zero(t, partitionOf(answer).ErrorCode)
		return answer.ThrottleMillis
	})
	waits(func() int32 {
		answer := c.Ask(t, Fetch("data", id, 0, 0), 13).(*kmsg.FetchResponse)
		require.NotEmpty(t, fetched(answer).RecordBatches)
		return answer.ThrottleMillis
	})
	require.Zero(t, alterQuota(t, admin, 1, Set(producerRate, math.NaN()), "client-id", "outside"))
	for range 10 {
		require.Zero(t, c.Ask(t, Produce("data", id, 0, -1, Three()), 13).(*kmsg.ProduceResponse).ThrottleMillis)
	}
}

// TestMutationsHaveAQuota: KIP-599. Partitions are what counts; a version that knows the error gets it, with nothing made, when
// the request before has gone beyond the quota. One that does not is told to wait.
func TestMutationsHaveAQuota(t *testing.T) {
	n := start(t)
	c := Dial(t, n)
	require.Zero(t, alterQuota(t, c, 1, Set(mutationRate, 4), "user", "ANONYMOUS"))
	made := c.Ask(t, NewTopics(NewTopic("wide", 42)), 7).(*kmsg.CreateTopicsResponse)
	require.Zero(t, made.Topics[0].ErrorCode)
	require.Zero(t, made.ThrottleMillis)

	again := Dial(t, n)
	refused := again.Ask(t, NewTopics(NewTopic("more", 1)), 7).(*kmsg.CreateTopicsResponse)
	require.EqualValues(t, quotaExceeded, refused.Topics[0].ErrorCode)
	require.Positive(t, refused.ThrottleMillis)
	require.LessOrEqual(t, refused.ThrottleMillis, int32(500)) // two partitions beyond ten seconds' worth
	more := kmsg.NewPtrCreatePartitionsRequest()
	more.Topics = append(more.Topics, kmsg.CreatePartitionsRequestTopic{Topic: "wide", Count: 43})
	old := Dial(t, n).Ask(t, NewTopics(NewTopic("old", 4)), 5).(*kmsg.CreateTopicsResponse)
	require.Zero(t, old.Topics[0].ErrorCode, "a version that does not know the error")
	require.Positive(t, old.ThrottleMillis)
	partitions := Dial(t, n).Ask(t, more, 3).(*kmsg.CreatePartitionsResponse)
	require.EqualValues(t, quotaExceeded, partitions.Topics[0].ErrorCode)
	gone := kmsg.NewPtrDeleteTopicsRequest()
	name := "wide"
	gone.Topics = append(gone.Topics, kmsg.DeleteTopicsRequestTopic{Topic: &name})
	require.EqualValues(t, quotaExceeded, Dial(t, n).Ask(t, gone, 6).(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode)

	Await(t, func() bool {
		return Dial(t, n).Ask(t, gone, 6).(*kmsg.DeleteTopicsResponse).Topics[0].ErrorCode == 0
	}, "the quota is paid")
}

// TestConnectionsHaveAQuota: KIP-612. A connection beyond it is not read until it is paid for.
func TestConnectionsHaveAQuota(t *testing.T) {
	n := start(t)
	c := Dial(t, n)
	require.Zero(t, alterQuota(t, c, 1, Set(connectRate, 2), "ip", ""))
	began := time.Now()
	for range 22 {
		require.Zero(t, Dial(t, n).Ask(t, kmsg.NewPtrApiVersionsRequest(), 0).(*kmsg.ApiVersionsResponse).ErrorCode)
	}
	require.Greater(t, time.Since(began), 900*time.Millisecond)
	require.Zero(t, c.Ask(t, kmsg.NewPtrApiVersionsRequest(), 0).(*kmsg.ApiVersionsResponse).ErrorCode)
}

package controller

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/wire"
)

// stepMost is far beyond what a request may take, and far below what it takes where it is not bounded.
const stepMost = 3 * time.Second

func soon(t *testing.T, do func()) {
	t.Helper()
	began := time.Now()
	do()
	require.Less(t, time.Since(began), stepMost)
}

// The elements of a list are not looked for one by one in another.
func TestLongLists(t *testing.T) {
	b := configBench()
	var list strings.Builder
	for i := range 150_000 {
		fmt.Fprintf(&list, "%x,", 1<<20+i)
	}
	more, less := topicChange("t", add("cleanup.policy", list.String())), topicChange("t", subtract("cleanup.policy", list.String()))
	soon(t, func() {
		_, got := b.AlterConfigs(&more)
		require.Equal(t, wire.InvalidConfig, got.Code)
		require.Contains(t, got.Message, "exceeds the maximum value size")
		_, got = b.AlterConfigs(&less)
		require.Equal(t, wire.None, got.Code)
	})
}

// The nearest of the known keys is looked for among those that are about as long.
func TestManyUnknownKeys(t *testing.T) {
	b := newBench(DefaultConfig(), 1)
	req := kmsg.NewPtrCreateTopicsRequest()
	for i := range partitionsMax {
		req.Topics = append(req.Topics, topic(fmt.Sprint("t", i), 1, 1, strings.Repeat("x", 250)+strconv.Itoa(i), "1"))
	}
	soon(t, func() {
		rs, resp := b.CreateTopics(req)
		require.Empty(t, rs)
		require.EqualValues(t, wire.InvalidConfig, resp.Topics[0].ErrorCode)
	})
}

// A topic has no more configurations than there are keys, by far.
func TestManyKeysOfATopic(t *testing.T) {
	b := newBench(DefaultConfig(), 1)
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics = append(req.Topics, topic("t", 1, 1), topic("u", 1, 1))
	for i := range 250_000 {
		req.Topics[0].Configs = append(req.Topics[0].Configs, kmsg.CreateTopicsRequestTopicConfig{Name: strconv.Itoa(1_000_000 - i), Value: kmsg.StringPtr("1")})
	}
	soon(t, func() {
		rs, resp := b.CreateTopics(req)
		require.EqualValues(t, wire.InvalidRequest, resp.Topics[0].ErrorCode)
		require.Zero(t, resp.Topics[1].ErrorCode)
		require.Len(t, rs, 2)
	})
}

// A topic that cannot be made counts too: it has to be looked at.
func TestManyWrongTopics(t *testing.T) {
	b := newBench(DefaultConfig(), 1)
	req := kmsg.NewPtrCreateTopicsRequest()
	for i := range partitionsMax + 1 {
		req.Topics = append(req.Topics, topic(fmt.Sprint("t", i), 0, 1))
	}
	_, resp := b.CreateTopics(req)
	require.Len(t, resp.Topics, partitionsMax+1)
	for i := range resp.Topics {
		require.EqualValues(t, wire.PolicyViolation, resp.Topics[i].ErrorCode)
	}
}

// A message that quotes a long value is a string that an answer of every version has room for.
func TestLongMessagesAreCut(t *testing.T) {
	b := newBench(DefaultConfig(), 1)
	value := strings.Repeat("\u00e9", configValueMax/2)
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version = 4
	req.Topics = append(req.Topics, topic("t", 1, 1, "segment.bytes", value), topic("u", 1, 1))
	_, resp := b.CreateTopics(req)
	read := kmsg.NewPtrCreateTopicsResponse()
	read.Version = 4
	require.NoError(t, read.ReadFrom(resp.AppendTo(nil)))
	require.Len(t, read.Topics, 2)
	require.Equal(t, "u", read.Topics[1].Topic)
	require.EqualValues(t, wire.InvalidConfig, read.Topics[0].ErrorCode)
	require.Contains(t, *read.Topics[0].ErrorMessage, "Invalid value \u00e9")
	require.True(t, utf8.ValidString(*read.Topics[0].ErrorMessage))
}

package fuzz

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/wire"
)

// addBodies seeds a target with the golden bodies of one API, or of all cold ones.
func addBodies(f *testing.F, wanted func(key int16) bool, add func(key, version int16, body []byte)) {
	for _, g := range goldenFrames(f) {
		var h wire.Header
		body, flaw := wire.ReadHeader(g.frame, &h)
		if flaw == wire.NoFlaw && wanted(h.Key) {
			add(h.Key, h.Version, body)
		}
	}
}

// within maps any number to a version that is spoken.
func within(key, version int16) int16 {
	oldest, newest, _ := wire.Range(key)
	return oldest + int16(uint16(version)%uint16(newest-oldest+1))
}

// sameText: an alias is nil where kmsg has nil, and holds the same bytes.
func sameText(t *testing.T, want *string, got []byte) {
	require.Equal(t, want == nil, got == nil)
	if want != nil {
		require.Equal(t, *want, string(got))
	}
}

// FuzzReadProduce: what is read is what kmsg reads; what runs past the end does so for kmsg too. (kmsg takes a null array
// for an empty one. It is asked about bodies with a flaw only where there are no tags: it would count to four billion.)
func FuzzReadProduce(f *testing.F) {
	addBodies(f, func(key int16) bool { return key == wire.KeyProduce }, func(_, version int16, body []byte) { f.Add(version, body) })
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		version = within(wire.KeyProduce, version)
		var got wire.ProduceRequest
		flaw := wire.ReadProduce(body, version, &got)
		want := kmsg.ProduceRequest{Version: version}
		if flaw != wire.NoFlaw {
			if flaw == wire.Short && !wire.Flexible(wire.KeyProduce, version) {
				require.Error(t, want.ReadFrom(body))
			}
			return
		}
		require.NoError(t, want.ReadFrom(body))
		sameText(t, want.TransactionID, got.TransactionalID)
		require.Equal(t, []any{want.Acks, want.TimeoutMillis}, []any{got.Acks, got.TimeoutMillis})
		n := 0
		for group, topic := range want.Topics {
			for _, partition := range topic.Partitions {
				p := got.Partitions[n]
				require.Equal(t, []any{topic.Topic, topic.TopicID, int32(group), partition.Partition}, []any{string(p.Topic), p.TopicID, p.Group, p.Index})
				require.True(t, bytes.Equal(partition.Records, p.Records))
				require.Equal(t, partition.Records == nil, p.Records == nil)
				n++
			}
		}
		require.Len(t, got.Partitions, n)
	})
}

// FuzzReadFetch: as FuzzReadProduce. kmsg reads known tags in versions that do not have them, and stumbles over short ones.
func FuzzReadFetch(f *testing.F) {
	addBodies(f, func(key int16) bool { return key == wire.KeyFetch }, func(_, version int16, body []byte) { f.Add(version, body) })
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		version = within(wire.KeyFetch, version)
		var got wire.FetchRequest
		flaw := wire.ReadFetch(body, version, &got)
		want := kmsg.FetchRequest{Version: version}
		if flaw != wire.NoFlaw {
			if flaw == wire.Short && !wire.Flexible(wire.KeyFetch, version) {
				require.Error(t, want.ReadFrom(body))
			}
			return
		}
		if err := want.ReadFrom(body); err != nil {
			require.True(t, wire.Flexible(wire.KeyFetch, version), err)
			return
		}
		sameFetch(t, &want, &got)
	})
}

func sameFetch(t *testing.T, want *kmsg.FetchRequest, got *wire.FetchRequest) {
	replica := []any{want.ReplicaID, int64(-1)}
	if want.Version >= 15 {
		replica = []any{want.ReplicaState.ID, want.ReplicaState.Epoch}
	}
	require.Equal(t, replica, []any{got.ReplicaID, got.ReplicaEpoch})
	require.Equal(t, []any{want.MaxWaitMillis, want.MinBytes, want.MaxBytes, want.IsolationLevel, want.SessionID, want.SessionEpoch, want.Rack},
		[]any{got.MaxWaitMillis, got.MinBytes, got.MaxBytes, got.IsolationLevel, got.SessionID, got.SessionEpoch, string(got.RackID)})
	sameText(t, want.ClusterID, got.ClusterID)
	n := 0
	for group, topic := range want.Topics {
		for _, p := range topic.Partitions {
			g := got.Partitions[n]
			require.Equal(t, []any{topic.Topic, topic.TopicID, int32(group), p.Partition, p.CurrentLeaderEpoch, p.FetchOffset, p.LastFetchedEpoch, p.LogStartOffset, p.PartitionMaxBytes},
				[]any{string(g.Topic), g.TopicID, g.Group, g.Index, g.CurrentLeaderEpoch, g.FetchOffset, g.LastFetchedEpoch, g.LogStartOffset, g.PartitionMaxBytes})
			n++
		}
	}
	require.Len(t, got.Partitions, n)
	n = 0
	for _, topic := range want.ForgottenTopics {
		for _, index := range topic.Partitions {
			g := got.Forgotten[n]
			require.Equal(t, []any{topic.Topic, topic.TopicID, index}, []any{string(g.Topic), g.TopicID, g.Index})
			n++
		}
	}
	require.Len(t, got.Forgotten, n)
}

// FuzzReadCold: what the walk lets through kmsg reads, and writing it back and reading that again changes nothing.
func FuzzReadCold(f *testing.F) {
	cold := func(key int16) bool { return key != wire.KeyProduce && key != wire.KeyFetch }
	addBodies(f, cold, func(key, version int16, body []byte) { f.Add(key, version, body) })
	f.Add(wire.KeyDescribeCluster, int16(0), []byte{0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, key, version int16, body []byte) {
		request, flaw := wire.ReadCold(key, version, body)
		if flaw != wire.NoFlaw {
			require.Nil(t, request)
			return
		}
		written := request.AppendTo(nil)
		again, flaw := wire.ReadCold(key, version, written)
		require.Equal(t, wire.NoFlaw, flaw)
		require.Equal(t, written, again.AppendTo(nil))
	})
}

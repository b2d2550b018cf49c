package controller

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/meta"
	"rookery/core/wire"
)

func TestRegistrationIsJudgedAsKafkaDoes(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*kmsg.BrokerRegistrationRequest)
		live   bool
		code   wire.Code
	}{
		{"again", func(*kmsg.BrokerRegistrationRequest) {}, true, none},
		{"another cluster", func(r *kmsg.BrokerRegistrationRequest) { r.ClusterID = "x" }, false, wire.InconsistentClusterID},
		{"another process while the first lives", func(r *kmsg.BrokerRegistrationRequest) { r.IncarnationID[15] = 99 }, true, wire.DuplicateBrokerRegistration},
		{"another process", func(r *kmsg.BrokerRegistrationRequest) { r.IncarnationID[15] = 99 }, false, none},
		{"no log directory", func(r *kmsg.BrokerRegistrationRequest) { r.LogDirs = nil }, false, wire.InvalidRegistration},
		{"a log directory twice", func(r *kmsg.BrokerRegistrationRequest) { r.LogDirs = append(r.LogDirs, r.LogDirs[0]) }, false, wire.InvalidRegistration},
		{"a reserved log directory", func(r *kmsg.BrokerRegistrationRequest) { r.LogDirs[0] = [16]byte{15: 99} }, false, wire.InvalidRegistration},
		{"the first id that is not reserved", func(r *kmsg.BrokerRegistrationRequest) { r.LogDirs[0] = [16]byte{15: 100} }, false, none},
		{"another broker's log directory", func(r *kmsg.BrokerRegistrationRequest) { r.LogDirs[0][15] = 2 }, false, wire.InvalidRegistration},
		{"no metadata.version", func(r *kmsg.BrokerRegistrationRequest) { r.Features = nil }, false, wire.InvalidRegistration},
		{"too old", func(r *kmsg.BrokerRegistrationRequest) { r.Features[0].MaxSupportedVersion = 28 }, false, wire.UnsupportedVersion},
		{"too new", func(r *kmsg.BrokerRegistrationRequest) { r.Features[0].MinSupportedVersion = 30 }, false, wire.UnsupportedVersion},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(DefaultConfig(), 1, 2)
			req := registrationRequest(1, 1)
			row.change(req)
			rs, epoch, code := b.RegisterBroker(req, b.next, row.live)
			require.Equal(t, row.code, code)
			if code.Failed() {
				require.Empty(t, rs)
				require.Equal(t, int64(-1), epoch)
				return
			}
			b.append(rs)
			require.Equal(t, epoch, b.image.Broker(1).Epoch)
		})
	}
}

// (epoch, offset) is unique because each incarnation leads in epochs of its own.
func TestEveryRegistrationBeginsNewLeaderEpochs(t *testing.T) {
	b := newBench(DefaultConfig(), 1, 2)
	rs, _ := b.CreateTopics(create(manual("t", -1, -1, []int32{0, 1, 2}, []int32{1, 2, 1}, []int32{2, 1, 2})))
	b.append(rs)
	orphan := meta.NewPartitionChange(b.image.Topic("t").ID, 2)
	orphan.Leader = meta.NoLeader
	b.append([]meta.Record{orphan})
	epochs := func() (all []int32) {
		for _, p := range b.image.Topic("t").Partitions {
			all = append(all, p.LeaderEpoch)
		}
		return all
	}
	require.Equal(t, []int32{0, 0, 1}, epochs())

	next := b.next
	epoch := b.register(1, 50)
	require.Equal(t, next, epoch, "a broker's epoch is its registration's offset")
	require.Equal(t, []int32{1, 0, 2}, epochs(), "what it leads, and what it is to lead")
	require.Equal(t, int32(1), b.image.Topic("t").Partition(2).Leader)
	require.Equal(t, int32(2), b.image.Topic("t").Partition(1).Leader, "another's partition stays")

	require.Equal(t, epoch, b.register(1, 50), "the same process again keeps its epoch")
	require.Equal(t, []int32{1, 0, 2}, epochs())
	require.True(t, b.image.Broker(1).Active(), "and its standing")
	b.register(1, 51)
	require.Equal(t, []int32{2, 0, 3}, epochs())
}

func TestHeartbeats(t *testing.T) {
	b := newBench(DefaultConfig())
	rs, epoch, _ := b.RegisterBroker(registrationRequest(1, 1), b.next, false)
	b.append(rs)
	require.False(t, b.image.Broker(1).Active(), "a new broker is fenced")
	for _, row := range []struct {
		name   string
		req    kmsg.BrokerHeartbeatRequest
		fenced bool
		code   wire.Code
	}{
		{"unknown", kmsg.BrokerHeartbeatRequest{BrokerID: 9}, true, wire.BrokerIDNotRegistered},
		{"old epoch", kmsg.BrokerHeartbeatRequest{BrokerID: 1, BrokerEpoch: epoch - 1}, true, wire.StaleBrokerEpoch},
		{"behind", kmsg.BrokerHeartbeatRequest{BrokerID: 1, BrokerEpoch: epoch, CurrentMetadataOffset: epoch - 1}, true, none},
		{"not yet", kmsg.BrokerHeartbeatRequest{BrokerID: 1, BrokerEpoch: epoch, CurrentMetadataOffset: epoch, WantFence: true}, true, none},
		{"ready", kmsg.BrokerHeartbeatRequest{BrokerID: 1, BrokerEpoch: epoch, CurrentMetadataOffset: epoch}, false, none},
		{"again", kmsg.BrokerHeartbeatRequest{BrokerID: 1, BrokerEpoch: epoch, CurrentMetadataOffset: epoch}, false, none},
	} {
		rs, fenced, code := b.BrokerHeartbeat(&row.req)
		require.Equal(t, row.code, code, row.name)
		require.Equal(t, row.fenced, fenced, row.name)
		require.Equal(t, row.name == "ready", len(rs) == 1, row.name)
		b.append(rs)
	}
	require.True(t, b.image.Broker(1).Active())
}

func TestProducerIDsAreHandedOutOnce(t *testing.T) {
	b := newBench(DefaultConfig(), 1)
	epoch := b.image.Broker(1).Epoch
	want := int64(0)
	for range 3 {
		rs, first, length, code := b.ProducerIDs(1, epoch)
		require.Equal(t, none, code)
		require.Equal(t, []int64{want, 1000}, []int64{first, length})
		b.append(rs)
		want += length
	}
	_, _, _, code := b.ProducerIDs(2, epoch)
	require.Equal(t, wire.BrokerIDNotRegistered, code)
	_, _, _, code = b.ProducerIDs(1, epoch+1)
	require.Equal(t, wire.StaleBrokerEpoch, code)
	b.append([]meta.Record{&meta.ProducerIDsRecord{NextProducerID: 1<<63 - 1000}})
	rs, _, _, code := b.ProducerIDs(1, epoch)
	require.Equal(t, wire.UnknownServerError, code, "the ids are used up")
	require.Empty(t, rs)
}

func TestBootstrapHappensOnce(t *testing.T) {
	config := DefaultConfig()
	config.Features = []meta.FeatureLevelRecord{{Name: "transaction.version", FeatureLevel: 2}, {Name: "group.version", FeatureLevel: 1}}
	b := newBench(config)
	require.Equal(t, int16(MetadataVersionLevel), b.image.Feature(MetadataVersion))
	require.Equal(t, int16(2), b.image.Feature("transaction.version"))
	require.Equal(t, int16(1), b.image.Feature("group.version"))
	require.Empty(t, b.Bootstrap())
	require.Empty(t, b.Finalize())
	require.Equal(t, []meta.Record{&meta.FeatureLevelRecord{Name: GroupVersion, FeatureLevel: 1}}, newBench(DefaultConfig()).Finalize())
	b.Skip(b.next, 2)
	require.Equal(t, b.next, b.Image().Offset())
}

package group

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/meta"
	"rookery/core/wire"
)

// What joins bring is bounded: of classic members of a consumer group too, when they are members already.
func TestAMemberThatJoinsAgainMayNotSayMore(t *testing.T) {
	w := newModernWorld(t)
	w.config.MembersBytesMax = 100_000
	w.c = w.coordinator()
	w.topic("orders", meta.UUID{1}, 2)
	require.Zero(t, w.beat("c", join("g", "d", "orders")).ErrorCode)
	w.decided()
	r := w.joinClassic(classicJoin("g", "m", "consumer", saying("orders")))
	require.Zero(t, r.ErrorCode)
	again := w.joinClassic(classicJoin("g", r.MemberID, "consumer", append(saying("orders"), make([]byte, 500_000)...)))
	require.Equal(t, int16(wire.CoordinatorNotAvailable), again.ErrorCode)
	require.Less(t, w.c.bytes, w.config.MembersBytesMax)
	require.Zero(t, w.joinClassic(classicJoin("g", r.MemberID, "consumer", saying("orders"))).ErrorCode)
}

// Whatever is long is counted, while it is there.
func TestLongNamesAreCounted(t *testing.T) {
	w := newModernWorld(t)
	w.topic("orders", meta.UUID{1}, 2)
	long := fmt.Sprintf("%032000d", 0)
	r := join("g", "m", "orders")
	r.InstanceID, r.RackID = &long, &long
	require.Zero(t, w.beat("c", r).ErrorCode)
	w.decided()
	require.Greater(t, w.c.bytes, int64(64_000))
	before := w.c.bytes
	require.Equal(t, int16(wire.MemberIDRequired), w.joinClassic(classicJoin(long, "", "consumer", saying("orders"))).ErrorCode)
	require.Greater(t, w.c.bytes-before, int64(32_000))
	w.c.drop(w.c.find(long))
	require.Equal(t, before, w.c.bytes)
}

// A static member is replaced by its classic self, which never asks for its assignment: it is put out as any other would be.
func TestAClassicSelfIsToSync(t *testing.T) {
	w := newModernWorld(t)
	w.topic("orders", meta.UUID{1}, 2)
	require.Zero(t, w.beat("c", instance(join("g", "s", "orders"))).ErrorCode)
	w.decided()
	require.Zero(t, w.beat("c", join("g", "d", "orders")).ErrorCode)
	w.decided()
	r := classicJoin("g", "", "consumer", saying("orders"))
	r.InstanceID = text("i")
	r.RebalanceTimeoutMillis = 60_000
	joined := w.joinClassic(r)
	require.Zero(t, joined.ErrorCode)
	m := w.c.find("g").consumer.members.At(joined.MemberID)
	require.NotZero(t, m.sync, "its sync is awaited")
}

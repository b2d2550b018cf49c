package core

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/controller"
	"rookery/core/seam"
)

// newLimited is a broker that was started with these keys, and has the bench's connection.
func newLimited(t *testing.T, keys map[string]string) *bench {
	t.Helper()
	static, err := controller.NewStatic(maps.All(keys))
	require.NoError(t, err)
	config := DefaultConfig()
	config.Controller.Static = static
	return newBenchOf(t, config)
}

// connect opens a connection, and says whether it may be read and whether it was cut.
func (w *bench) connect(id seam.Conn, remote string) (read, cut bool) {
	w.t.Helper()
	w.step(&seam.Opened{Conn: id, Host: "127.0.0.1", Port: 9092, Remote: remote})
	return w.creditOf(id)
}

// creditOf says what the last Step has said of a connection.
func (w *bench) creditOf(id seam.Conn) (read, cut bool) {
	for _, credit := range w.reading {
		if credit.Conn == id {
			read, cut = read || credit.Bytes > 0, cut || credit.Cut
		}
	}
	return read, cut
}

func TestAddressOf(t *testing.T) {
	for remote, address := range map[string]string{"10.0.0.1:55": "10.0.0.1", "[::1]:55": "::1", "me": "me", "": "", "[]:1": ""} {
		require.Equal(t, address, addressOf(remote))
	}
}

// An address has as many connections as it may, whatever others have, and may come again when one of them has gone.
func TestConnectionsOfOneAddress(t *testing.T) {
	w := newLimited(t, map[string]string{"max.connections.per.ip": "2", "max.connections.per.ip.overrides": "10.0.0.9:1, [::1]:0"})
	type said struct{ read, cut bool }
	connect := func(id seam.Conn, remote string) said {
		read, cut := w.connect(id, remote)
		return said{read, cut}
	}
	read, cut := said{read: true}, said{cut: true}
	require.Equal(t, read, connect(2, "10.0.0.1:1"))
	require.Equal(t, read, connect(3, "10.0.0.1:2"))
	require.Equal(t, cut, connect(4, "10.0.0.1:3"))
	require.Equal(t, read, connect(5, "10.0.0.2:1"))
	require.Equal(t, read, connect(6, "10.0.0.9:1"))
	require.Equal(t, cut, connect(7, "10.0.0.9:2"))
	require.Equal(t, cut, connect(8, "[::1]:2"))
	require.EqualValues(t, 3, w.status().Refused)
	w.step(&seam.Hangup{Conn: 4}) // one that was refused makes room for nobody
	require.Equal(t, cut, connect(9, "10.0.0.1:4"))
	w.step(&seam.Hangup{Conn: 9})
	w.step(&seam.Hangup{Conn: 2})
	require.Equal(t, read, connect(10, "10.0.0.1:5"))
}

// Beyond max.connections a connection waits until another has gone, in the order in which they came, or until the limit is
// raised; one that goes before its turn is not missed.
func TestConnectionsStandUntilThereIsRoom(t *testing.T) {
	w := newLimited(t, map[string]string{"max.connections": "2"}) // the bench has one
	read, _ := w.connect(2, "a:1")
	require.True(t, read)
	for id := seam.Conn(3); id <= 6; id++ {
		read, cut := w.connect(id, "a:1")
		require.False(t, read || cut)
	}
	require.Equal(t, 4, w.status().Standing)
	w.step(&seam.Hangup{Conn: 3})
	w.step(&seam.Hangup{Conn: 2})
	read, _ = w.creditOf(4)
	require.True(t, read)
	read, _ = w.creditOf(5)
	require.False(t, read)
	w.step(w.frame(brokerConfigRequest("max.connections", "3")))
	read, _ = w.creditOf(5)
	require.True(t, read)
	require.Equal(t, 1, w.status().Standing)
}

// New connections are read as fast as they may come: a burst of ten seconds' worth, then each waits until it is paid, and
// those that would wait for more than a second are cut and owe nothing.
func TestConnectionsComeAsFastAsTheyMay(t *testing.T) {
	w := newLimited(t, map[string]string{"max.connection.creation.rate": "4"})
	id, reads, waits, cuts := seam.Conn(2), 0, 0, 0
	for range 100 {
		switch read, cut := w.connect(id, "a:1"); {
		case read:
			reads++
		case cut:
			cuts++
		default:
			waits++
		}
		id++
	}
	require.Equal(t, []int{39, 4, 57}, []int{reads, waits, cuts}, "the bench has one of the burst of 40")
	w.now.Mono += seam.Second
	w.step(&seam.Alarm{})
	for id := seam.Conn(41); id < 45; id++ {
		read, _ := w.creditOf(id)
		require.True(t, read, "connection %d", id)
	}
	read, cut := w.connect(id, "a:1")
	require.False(t, read || cut, "it waits its quarter of a second")
}

// A connection that does nothing is cut in time: one that never said a word, one that fell silent, one that takes no
// answer. One that is muted cannot do anything.
func TestSilentConnectionsAreCut(t *testing.T) {
	w := newLimited(t, map[string]string{"connections.max.idle.ms": "10000"})
	w.createTopic("t")
	cut := func(id seam.Conn) bool { _, cut := w.creditOf(id); return cut }
	pass := func(by seam.Mono) {
		w.now.Mono += by
		w.step(&seam.Alarm{})
	}
	w.connect(2, "a:1")
	pass(5 * seam.Second)
	w.stepOn(3, fetchRequest("t", 0, 0)) // opened, and asked at once
	pass(5 * seam.Second)
	require.True(t, cut(2))
	require.False(t, cut(3))
	pass(4990 * seam.Millisecond)
	require.False(t, cut(3))
	pass(20 * seam.Millisecond)
	require.True(t, cut(3))

	w.step(&seam.Hangup{Conn: 3})
	w.connect(4, "a:1")
	c := w.broker.conns.At(4)
	w.broker.mute(w.now, c, 20*seam.Second)
	pass(20 * seam.Second)
	pass(9 * seam.Second)
	require.False(t, cut(4))
	pass(1010 * seam.Millisecond)
	require.True(t, cut(4))
	require.EqualValues(t, 4, w.status().Silent, "the bench's own too")
}

// brokerConfigRequest alters a broker's configuration, for all brokers.
func brokerConfigRequest(key, value string) *kmsg.IncrementalAlterConfigsRequest {
	r := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r.Version = 1
	resource := kmsg.IncrementalAlterConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeBroker}
	resource.Configs = append(resource.Configs, kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: key, Value: &value})
	r.Resources = append(r.Resources, resource)
	return r
}

// A connection that stands can do nothing, so it is not cut for that: it would come again at the end of the queue, and who
// is slower than those who come in between would never be read. From its seat on it has its time.
func TestStandingConnectionsAreNotSilent(t *testing.T) {
	w := newLimited(t, map[string]string{"max.connections": "2", "connections.max.idle.ms": "10000"}) // the bench has one
	cut := func(id seam.Conn) bool { _, cut := w.creditOf(id); return cut }
	pass := func(by seam.Mono) {
		w.now.Mono += by
		w.step(&seam.Alarm{})
	}
	w.createTopic("t")
	w.connect(2, "a:1")
	w.connect(3, "a:1")
	for range 5 {
		pass(6 * seam.Second)
		require.False(t, cut(3))
		w.stepOn(2, fetchRequest("t", 0, 0))
	}
	w.step(&seam.Hangup{Conn: 2})
	read, _ := w.creditOf(3)
	require.True(t, read)
	pass(9990 * seam.Millisecond)
	require.False(t, cut(3))
	pass(20 * seam.Millisecond)
	require.True(t, cut(3))
}

// A connection that its address's own rate refuses takes nothing of the rate of all: one address that comes too fast does not
// keep the others out.
func TestRefusedConnectionsAreChargedToNobody(t *testing.T) {
	w := newLimited(t, map[string]string{"max.connection.creation.rate": "4"}) // a burst of 40, of which the bench has one
	r := kmsg.NewPtrAlterClientQuotasRequest()
	r.Version = 1
	hasty := "10.0.0.9"
	r.Entries = []kmsg.AlterClientQuotasRequestEntry{{
		Entity: []kmsg.AlterClientQuotasRequestEntryEntity{{Type: "ip", Name: &hasty}},
		Ops:    []kmsg.AlterClientQuotasRequestEntryOp{{Key: "connection_creation_rate", Value: 1}},
	}}
	w.step(w.frame(r))
	cuts := 0
	for id := seam.Conn(2); id < 102; id++ {
		if _, cut := w.connect(id, hasty+":1"); cut {
			cuts++
		}
	}
	require.Equal(t, 89, cuts, "ten at once, and one that waits a second")
	for id := seam.Conn(102); id < 130; id++ {
		read, _ := w.connect(id, "other:1")
		require.True(t, read, "connection %d", id)
	}
}

// Limits that would let nobody in, as they may have been written before they were refused, let one in, who can alter them.
func TestSomebodyIsLetIn(t *testing.T) {
	for _, keys := range []map[string]string{
		{"max.connections": "0"},
		{"max.connections.per.ip": "0"},
		{"max.connections.per.ip": "0", "max.connections.per.ip.overrides": "10.0.0.9:0"},
		{"max.connections.per.ip": "0", "max.connections.per.ip.overrides": "10.0.0.1:1"},
	} {
		w := newLimited(t, keys)
		w.step(&seam.Hangup{Conn: 1})
		read, cut := w.connect(2, "10.0.0.1:1")
		require.True(t, read && !cut, keys)
		read, _ = w.connect(3, "10.0.0.1:2")
		require.False(t, read, keys)
	}
	w := newLimited(t, nil)
	w.step(w.frame(brokerConfigRequest("max.connections", "0")))
	answer := kmsg.NewPtrIncrementalAlterConfigsResponse()
	w.decode(brokerConfigRequest("", ""), answer)
	require.EqualValues(t, 40, answer.Resources[0].ErrorCode)
}

// Memory is short, and the client of a fetch that has been woken hangs up before it is looked at: there is nobody to wait.
func TestAFetchOfNobodyMutesNobody(t *testing.T) {
	config := DefaultConfig()
	config.StepItems = 100
	config.FrameBytes = 100 << 10
	config.ReplyBytes = 1 << 30
	w := newBenchOf(t, config)
	w.createTopicOf("t", 20)
	w.createTopicOf("big", 5000)
	fetch := fetchesOf("t", 20)
	fetch.MaxWaitMillis, fetch.MinBytes = 60_000, 1_000_000
	const clients = 12
	for i := range clients {
		w.stepOn(seam.Conn(10+i), fetch) // parked
	}
	require.Equal(t, clients, w.view().Fetches)
	// a client that does not take its answers
	w.step(&seam.Opened{Conn: 3, Host: "127.0.0.1", Port: 9092})
	all := kmsg.NewPtrMetadataRequest()
	all.Version = 9
	for range 1000 {
		if w.broker.crowded() {
			break
		}
		w.untaken(3, all)
	}
	require.True(t, w.broker.crowded(), "%d", w.broker.untaken)
	one := func(in seam.Input) {
		w.now.Mono += 1000
		w.fx.Reset()
		w.broker.Step(w.now, in, &w.fx)
		w.act()
	}
	w.inputs = append(w.inputs, w.frame(produceRequest(1, oneBatch(1, 10, -1, 0))))
	hung := false
	for n := 0; n < 200; n++ {
		if w.broker.wakes.Len() > 0 && !hung {
			hung = true
			one(&seam.Hangup{Conn: 10 + clients - 1})
			continue
		}
		in := seam.Input(&seam.Alarm{})
		if len(w.inputs) > 0 {
			in, w.inputs = w.inputs[0], w.inputs[1:]
		}
		one(in)
	}
	require.True(t, hung)
}

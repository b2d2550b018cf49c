package outside

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The budgets of the broker that is abused, small enough to be reached in a second.
const (
	abusedQueue = 64 << 20 // queued.max.request.bytes
	abusedFrame = 32 << 20 // socket.request.max.bytes
)

// abusedBytes is what it may have in memory beyond what it begins with: frames, one of them more than there was room for,
// the windows of connections, each in chunks of a power of two; answers; and as much again, which Go's collector lets lie
// before it looks.
const abusedBytes = 2 * (2*abusedQueue + 2*abusedFrame)

// What an honest client may suffer beside an abusive one, whatever else this machine is at: its median ten times what it
// was alone, or 100 ms; its 99th percentile twenty-five times, or 500 ms. One try in three has to hold.
const (
	medianFactor, medianFloor = 10, 100 * time.Millisecond
	tailFactor, tailFloor     = 25, 500 * time.Millisecond
	abuseTries                = 3
)

// latencies are those of an honest producer (until acknowledged) and an honest consumer (from the send on).
type latencies struct{ produced, consumed []time.Duration }

func (l *latencies) of(q float64) (produced, consumed time.Duration) {
	at := func(all []time.Duration) time.Duration {
		slices.Sort(all)
		return all[min(int(q*float64(len(all))), len(all)-1)]
	}
	return at(l.produced), at(l.consumed)
}

// abuse is what somebody does to a broker, for as long as it is let. It does so in a process of its own, or the honest
// client would wait for its turn there.
type abuse struct {
	name string
	do   func(address string)
}

// abuserIs is the variable of the environment that makes this test binary an abuser, and abusedAt says of whom.
const (
	abuserIs = "OUTSIDE_ABUSER"
	abusedAt = "OUTSIDE_ABUSED"
)

// becomeAbuser is what that process does until its standard input ends.
func becomeAbuser() {
	for _, a := range abuses() {
		if a.name == os.Getenv(abuserIs) {
			go a.do(os.Getenv(abusedAt))
		}
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// startAbuser returns when the abuse has begun.
func startAbuser(t *testing.T, n *Node, name string) (end func()) {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), abuserIs+"="+name, abusedAt+"="+n.Address)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := command.StdinPipe()
	require.NoError(t, err)
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	_, err = out.Read(make([]byte, 1))
	require.NoError(t, err)
	return func() {
		_ = in.Close()
		require.NoError(t, command.Wait())
	}
}

// begun tells whoever started us that the abuse has begun.
func begun() { _, _ = os.Stdout.Write([]byte{1}) }

// dialRude may be turned away.
func dialRude(address string) net.Conn {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return nil
	}
	return c
}

// crowd keeps connections that each do something of their own.
func crowd(address string, count int, each func(c net.Conn)) {
	for range count {
		if c := dialRude(address); c != nil {
			go each(c)
		}
	}
	begun()
	select {}
}

// flood writes something over and over, and throws away what comes back, or leaves it.
func flood(what []byte, listens bool) func(c net.Conn) {
	return func(c net.Conn) {
		if listens {
			go func() { _, _ = io.Copy(io.Discard, c) }()
		}
		for {
			if _, err := c.Write(what); err != nil {
				return
			}
		}
	}
}

func abuses() []abuse {
	sender := &Client{}
	question := func(request kmsg.Request, version int16) []byte { return framed(sender.Request(request, version)) }
	tiny := bytes.Repeat(question(kmsg.NewPtrApiVersionsRequest(), 0), 200)
	long := bytes.Repeat(question(kmsg.NewPtrMetadataRequest(), 1), 50)
	large := bytes.Repeat([]byte("x"), abusedFrame-4096)
	maximal := question(Produce("nothing", [16]byte{}, 0, 1, Batch(Record("k", string(large)))), 8)
	return []abuse{
		{"500 silent connections", func(address string) {
			crowd(address, 500, func(net.Conn) { select {} })
		}},
		{"200 frames that come a byte at a time", func(address string) {
			crowd(address, 200, func(c net.Conn) {
				_, _ = c.Write(binary.BigEndian.AppendUint32(nil, abusedFrame-1))
				for range time.Tick(100 * time.Millisecond) {
					if _, err := c.Write([]byte{0}); err != nil {
						return
					}
				}
			})
		}},
		{"60 frames of the maximum that lack a byte", func(address string) {
			crowd(address, 60, func(c net.Conn) { _, _ = c.Write(maximal[:len(maximal)-1]) })
		}},
		{"2 floods of frames of the maximum", func(address string) {
			crowd(address, 2, flood(maximal, true))
		}},
		{"4 floods of tiny requests", func(address string) {
			crowd(address, 4, flood(tiny, true))
		}},
		{"50 floods of requests whose answers are not taken", func(address string) {
			crowd(address, 50, flood(long, false))
		}},
		{"connections that come and go", func(address string) {
			begun()
			for {
				if c := dialRude(address); c != nil {
					_ = c.(*net.TCPConn).SetLinger(0)
					_ = c.Close()
				}
			}
		}},
	}
}

// TestAbuse: beside every kind of abuse an honest producer and an honest consumer keep their pace, what the broker has in
// memory stays within its budgets, and afterwards it is as it was.
func TestAbuse(t *testing.T) {
	n := start(t, "--set", "queued.max.request.bytes=67108864", "--set", "socket.request.max.bytes=33554432", "--set", "auto.create.topics.enable=false")
	admin := Dial(t, n)
	id := Create(t, admin, "honest", "flush.messages", "1000000")
	for _, name := range []string{"a", "b", "c", "d"} {
		Create(t, admin, "a-topic-of-some-length-"+name)
	}
	before := residentBytes(t, n)
	for _, a := range abuses() {
		t.Run(a.name, func(t *testing.T) {
			var said string
			for try := range abuseTries {
				alone := honest(t, n, id)
				most, beside := abused(t, n, id, a)
				require.Less(t, most, before+abusedBytes, "what is in memory is bounded")
				n.Alive(t)
				var held bool
				if said, held = compare(&alone, &beside); held {
					t.Logf("%s, %d MiB more in memory", said, (most-before)>>20)
					return
				}
				t.Logf("try %d: %s", try+1, said)
			}
			t.Errorf("honest clients do not keep their pace: %s", said)
		})
	}
	n.Stop(t)
}

// abused measures beside an abuse, and how much the broker has in memory meanwhile.
func abused(t *testing.T, n *Node, id [16]byte, a abuse) (most int64, beside latencies) {
	stop := make(chan struct{})
	end := startAbuser(t, n, a.name)
	var resident atomic.Int64
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			select {
			case <-tick.C:
				if now, err := n.resident(); err == nil {
					resident.Store(max(resident.Load(), now))
				}
			case <-stop:
				return
			}
		}
	}()
	beside = honest(t, n, id)
	close(stop)
	<-watching
	end()
	return resident.Load(), beside
}

func compare(alone, beside *latencies) (said string, held bool) {
	produced50, consumed50 := alone.of(0.5)
	produced99, consumed99 := alone.of(0.99)
	besideProduced50, besideConsumed50 := beside.of(0.5)
	besideProduced99, besideConsumed99 := beside.of(0.99)
	held = besideProduced50 <= max(medianFactor*produced50, medianFloor) && besideConsumed50 <= max(medianFactor*consumed50, medianFloor) &&
		besideProduced99 <= max(tailFactor*produced99, tailFloor) && besideConsumed99 <= max(tailFactor*consumed99, tailFloor)
	short := func(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }
	return "produce p50 " + short(produced50) + " -> " + short(besideProduced50) + ", p99 " + short(produced99) + " -> " + short(besideProduced99) +
		"; consume p50 " + short(consumed50) + " -> " + short(besideConsumed50) + ", p99 " + short(consumed99) + " -> " + short(besideConsumed99), held
}

// honest sends a record at a time for a while, on connections of its own, and has a fetch wait for each.
func honest(t *testing.T, n *Node, id [16]byte) (l latencies) {
	t.Helper()
	producer, consumer := Dial(t, n), Dial(t, n)
	offset := End(t, producer, "honest", 0)
	records := Batch(Record("k", string(make([]byte, 16_000))))
	for until := time.Now().Add(1200 * time.Millisecond); time.Now().Before(until) || len(l.produced) < 100; offset++ {
		fetch := Fetch("honest", id, 0, offset)
		fetch.MaxWaitMillis, fetch.MinBytes = 5000, 1
		consumer.Send(fetch, 13)
		began := time.Now()
		produced := partitionOf(producer.Ask(t, Produce("honest", id, 0, 1, records), 13))
		l.produced = append(l.produced, time.Since(began))
		require.Zero(t, produced.ErrorCode)
		require.Equal(t, offset, produced.BaseOffset)
		got := fetched(consumer.Receive(t, fetch, consumer.correlation).(*kmsg.FetchResponse))
		l.consumed = append(l.consumed, time.Since(began))
		require.NotEmpty(t, got.RecordBatches)
	}
	_, _ = producer.Close(), consumer.Close()
	return l
}

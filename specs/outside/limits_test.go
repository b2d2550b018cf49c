package outside

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// isServed says whether a connection is answered, and goes on being so.
func isServed(c *Client) bool {
	response, err := c.Try(kmsg.NewPtrApiVersionsRequest(), 0)
	return err == nil && response.(*kmsg.ApiVersionsResponse).ErrorCode == 0
}

// alterBrokers sets a configuration of all brokers.
func alterBrokers(t *testing.T, c *Client, key, value string) int16 {
	t.Helper()
	r := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource := kmsg.IncrementalAlterConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeBroker}
	resource.Configs = append(resource.Configs, kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: key, Value: &value})
	r.Resources = append(r.Resources, resource)
	return c.Ask(t, r, 1).(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode
}

// TestConnectionsOfAnAddressAreBounded: one too many is closed, with a line that says who and why; the limit is altered
// while the broker runs, and an override goes before it.
func TestConnectionsOfAnAddressAreBounded(t *testing.T) {
	n := start(t, "--set", "max.connections.per.ip=3", "--set", "max.connections.per.ip.overrides=127.0.0.2:1")
	var mine []*Client
	for range 3 {
		c := Dial(t, n)
		require.True(t, isServed(c))
		mine = append(mine, c)
	}
	Dial(t, n).Closed(t, "the fourth")
	other := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	for i := range 2 {
		c, err := other.Dial("tcp", n.Address)
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
		require.Equal(t, i == 0, isServed(&Client{Conn: c}))
	}
	var refused []string
	Await(t, func() bool {
		refused = n.Log.Lines("connection closed", "max.connections.per.ip")
		return len(refused) == 2
	}, "two lines: %s", n.Log)
	require.Contains(t, refused[1], "127.0.0.2:")
	require.Zero(t, alterBrokers(t, mine[0], "max.connections.per.ip", "4"))
	require.True(t, isServed(Dial(t, n)))
	require.NoError(t, mine[1].Close())
	Await(t, func() bool { return isServed(Dial(t, n)) }, "there is room for another")
	require.EqualValues(t, invalidRequest, alterBrokers(t, mine[0], "max.connections.per.ip.overrides", "a host:1"))
}

// TestConnectionsBeyondTheLimitWait: until one of the others has gone, or the limit is raised.
func TestConnectionsBeyondTheLimitWait(t *testing.T) {
	n := start(t, "--set", "max.connections=2")
	first, second, third, fourth := Dial(t, n), Dial(t, n), (*Client)(nil), (*Client)(nil)
	require.True(t, isServed(first))
	require.True(t, isServed(second))
	third = Dial(t, n)
	third.Send(kmsg.NewPtrApiVersionsRequest(), 0)
	require.NoError(t, third.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
	_, err := third.Read(make([]byte, 1))
	require.ErrorContains(t, err, "timeout")
	require.NoError(t, third.SetReadDeadline(time.Now().Add(patience)))
	require.NoError(t, first.Close())
	third.Receive(t, kmsg.NewPtrApiVersionsRequest(), third.correlation)
	fourth = Dial(t, n)
	fourth.Send(kmsg.NewPtrApiVersionsRequest(), 0)
	require.Zero(t, alterBrokers(t, second, "max.connections", "3"))
	fourth.Receive(t, kmsg.NewPtrApiVersionsRequest(), fourth.correlation)
}

// TestConnectionsComeAtARate: beyond a burst of ten seconds' worth they wait their turn, or are closed.
func TestConnectionsComeAtARate(t *testing.T) {
	n := start(t, "--set", "max.connection.creation.rate=5")
	began, closed, answered := time.Now(), 0, 0
	for range 80 {
		c := Dial(t, n)
		c.Send(kmsg.NewPtrApiVersionsRequest(), 0)
		if _, _, err := c.next(); err == nil {
			answered++
		} else {
			closed++
		}
	}
	require.GreaterOrEqual(t, answered, 50)
	require.LessOrEqual(t, float64(answered), 50+6*(time.Since(began).Seconds()+2))
	require.Equal(t, 80, answered+closed)
	Await(t, func() bool { return isServed(Dial(t, n)) }, "it goes on")
}

// TestSilentConnectionsAreClosed: one that says nothing, one that sends a frame a byte at a time, one that takes no answer;
// and not one that goes on asking.
func TestSilentConnectionsAreClosed(t *testing.T) { bothWays(t, silentConnectionsAreClosed) }

func silentConnectionsAreClosed(t *testing.T, start func(args ...string) *Node) {
	n := start("--set", "connections.max.idle.ms=1500")
	began := time.Now()
	busy, silent, slow, deaf := Dial(t, n), Dial(t, n), Dial(t, n), Dial(t, n)
	for i := range 40 {
		busy.Ask(t, NewTopics(NewTopic(fmt.Sprintf("a-topic-of-some-length-%d", i), 1)), 7)
	}
	frame := framed(deaf.Request(kmsg.NewPtrMetadataRequest(), 1))
	go func() {
		for {
			if _, err := deaf.Write(frame); err != nil {
				return
			}
		}
	}()
	slow.Bytes([]byte{0, 0, 1, 0})
	gone := make(chan string, 3)
	go func() {
		for {
			if _, err := slow.Write([]byte{0}); err != nil {
				gone <- "slow"
				return
			}
			time.Sleep(50 * time.Millisecond) // that is how slow it is
		}
	}()
	go func() {
		_, _ = silent.Read(make([]byte, 1))
		gone <- "silent"
	}()
	left := map[string]bool{"slow": true, "silent": true}
	for len(left) > 0 {
		select {
		case who := <-gone:
			delete(left, who)
			require.Greater(t, time.Since(began), 1500*time.Millisecond)
		default:
			require.True(t, isServed(busy))
			require.Less(t, time.Since(began), patience, "%v are not closed", left)
		}
	}
	Await(t, func() bool {
		require.True(t, isServed(busy))
		_, err := deaf.Write(frame)
		return err != nil
	}, "who takes no answer is closed")
}

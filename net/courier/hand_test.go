package courier

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rookery/core/client"
	"rookery/core/seam"
)

func newNowhere(delivered func(client.Delivered)) *Courier {
	config := client.DefaultConfig()
	config.Bootstrap = []seam.Address{{Kind: seam.ToPeer, Host: "127.0.0.1", Port: 1}}
	return New(Config{Client: config, Links: func(Mailbox) Links { return nowhere{} }, Delivered: delivered})
}

// tooLarge is told of at once.
func (c *Courier) tooLarge(tag uint64) {
	c.Tell(&client.Produce{Tag: tag, Topic: "t", Records: []client.Record{{Value: make([]byte, 2<<20)}}})
	c.Run()
}

// TestWhoSendsMayHoldALock: what a callback waits for may be whoever sends.
func TestWhoSendsMayHoldALock(t *testing.T) {
	var mu sync.Mutex
	told := make(chan uint64, 2)
	c := newNowhere(func(d client.Delivered) {
		mu.Lock()
		defer mu.Unlock()
		told <- d.Tag
	})
	mu.Lock()
	c.tooLarge(1)
	c.tooLarge(2)
	require.Empty(t, told)
	mu.Unlock()
	require.Equal(t, []uint64{1, 2}, []uint64{<-told, <-told})
}

// TestACallbackMayEndItsGoroutine: what came behind it is told all the same (testing.FailNow ends one).
func TestACallbackMayEndItsGoroutine(t *testing.T) {
	told := make(chan uint64, 3)
	c := newNowhere(func(d client.Delivered) {
		told <- d.Tag
		runtime.Goexit()
	})
	for tag := range uint64(3) {
		c.tooLarge(tag)
	}
	require.Equal(t, []uint64{0, 1, 2}, []uint64{<-told, <-told, <-told})
}

// TestALetterIsManyCallbacks: of several records that a letter tells of, each is due, whatever the callback of the one before has done,
// and none once the client is closed.
func TestALetterIsManyCallbacks(t *testing.T) {
	told := make(chan uint64, 3)
	c := newNowhere(func(d client.Delivered) {
		told <- d.Tag
		runtime.Goexit()
	})
	c.letters = append(c.letters, client.Deliveries{{Tag: 1}, {Tag: 2}, {Tag: 3}})
	require.True(t, c.claim())
	go c.hand()
	require.Equal(t, []uint64{1, 2, 3}, []uint64{<-told, <-told, <-told})

	c = newNowhere(func(d client.Delivered) {
		told <- d.Tag
		over, cancel := context.WithCancel(context.Background())
		cancel()
		_ = c.Close(over)
	})
	c.letters = append(c.letters, client.Deliveries{{Tag: 1}, {Tag: 2}})
	require.True(t, c.claim())
	c.hand()
	require.EqualValues(t, 1, <-told)
	require.Empty(t, told)
}

// TestNoCallbackHoldsWhoAsks: whoever closes or flushes waits for as long as his context lets him, however long a callback lasts.
func TestNoCallbackHoldsWhoAsks(t *testing.T) {
	for name, ask := range map[string]func(*Courier, context.Context) error{"Close": (*Courier).Close, "Flush": (*Courier).Flush} {
		t.Run(name, func(t *testing.T) {
			release := make(chan struct{})
			defer close(release)
			c := newNowhere(func(client.Delivered) { <-release })
			c.Tell(&client.Produce{Tag: 1, Topic: "t", Records: []client.Record{{Value: make([]byte, 2<<20)}}}) // as Send does, before it runs the machine
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			require.ErrorIs(t, ask(c, ctx), context.DeadlineExceeded)
		})
	}
}

// TestTheMachineHearsOfTheClose before the links are closed, however little time there is.
func TestTheMachineHearsOfTheClose(t *testing.T) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for range 200 {
		c := newNowhere(func(client.Delivered) {})
		_ = c.Close(over)
		require.False(t, c.isPending())
	}
}

// TestNothingIsToldAfterClose: whoever closes a client may give up what its callbacks use.
func TestNothingIsToldAfterClose(t *testing.T) {
	told := 0
	c := newNowhere(func(client.Delivered) { told++ })
	require.NoError(t, c.Close(context.Background()))
	c.letters = append(c.letters, client.Deliveries{{Tag: 1}})
	require.True(t, c.claim())
	c.hand()
	require.Zero(t, told)
	require.Empty(t, c.letters)
}

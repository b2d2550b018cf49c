package courier

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/client"
	"rookery/core/seam"
)

// nowhere are links that lead to no broker.
type nowhere struct{}

func (nowhere) Queue(_ *seam.Effects, ready []Chore) []Chore { return ready }
func (nowhere) Told(*seam.Mail)                              {}
func (nowhere) Close()                                       {}

// TestAnAnswerThatHasComeIsHeard: whoever was answered just before somebody else closed the client is told so.
func TestAnAnswerThatHasComeIsHeard(t *testing.T) {
	config := client.DefaultConfig()
	config.Bootstrap = []seam.Address{{Kind: seam.ToPeer, Host: "127.0.0.1", Port: 1}}
	c := New(Config{Client: config, Links: func(Mailbox) Links { return nowhere{} }})
	close(c.finished)
	for range 100 {
		require.NoError(t, c.Flush(context.Background()))
	}
}

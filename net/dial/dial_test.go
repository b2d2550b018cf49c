package dial_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rookery/core/seam"
	"rookery/net/dial"
)

// mailbox keeps what is posted, as a machine that never frees anything.
type mailbox chan seam.Mail

func (m mailbox) Post(in seam.Input) { m <- *in.(*seam.Mail) }
func (m mailbox) Run()               {}

func (m mailbox) next(t *testing.T) seam.Mail {
	select {
	case mail := <-m:
		return mail
	case <-time.After(10 * time.Second):
		t.Fatal("no mail came")
		return seam.Mail{}
	}
}

func listen(t *testing.T, address string) net.Listener {
	l, err := net.Listen("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func peerAt(l net.Listener) seam.Address {
	a := l.Addr().(*net.TCPAddr)
	return seam.Address{Kind: seam.ToPeer, Host: a.IP.String(), Port: int32(a.Port)}
}

func send(links *dial.Links, to seam.Address, body string) {
	data := append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	links.Queue(&seam.Effects{Sends: []seam.Send{{To: to, Data: data}}}, nil)
	clear(data) // it was copied
}

func newLinks(t *testing.T, config dial.Config) (*dial.Links, mailbox) {
	mail := make(mailbox, 1000)
	links := dial.New(config)
	links.Bind(mail)
	t.Cleanup(links.Close)
	return links, mail
}

func accept(t *testing.T, l net.Listener) net.Conn {
	c, err := l.Accept()
	require.NoError(t, err)
	require.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	return c
}

func expect(t *testing.T, c net.Conn, body string) {
	frame := make([]byte, 4+len(body))
	_, err := io.ReadFull(c, frame)
	require.NoError(t, err)
	require.Equal(t, body, string(frame[4:]))
}

func TestALinkIsMadeUsedLostAndMadeAgain(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	peer := peerAt(l)
	links, mail := newLinks(t, dial.Config{BackOffMin: time.Millisecond})

	send(links, peer, "first")
	send(links, peer, "second")
	c := accept(t, l)
	require.Equal(t, seam.Mail{From: peer, Link: 1}, mail.next(t))
	expect(t, c, "first")
	expect(t, c, "second")

	large := bytes.Repeat([]byte{7}, 300_000)
	stream := append([]byte{0, 0, 0, 2, 'h', 'i', 0, 0, 0, 0}, binary.BigEndian.AppendUint32(nil, uint32(len(large)))...)
	_, err := c.Write(append(stream, large...))
	require.NoError(t, err)
	for _, want := range [][]byte{[]byte("hi"), {}, large} {
		got := mail.next(t)
		require.Equal(t, uint64(1), got.Link)
		require.True(t, bytes.Equal(want, got.Frame))
		require.NotZero(t, got.Lease)
		links.Queue(&seam.Effects{Frees: []seam.Lease{got.Lease}}, nil)
	}

	require.NoError(t, c.Close())
	gone := mail.next(t)
	require.Equal(t, seam.Mail{From: peer, Link: 1, Fault: seam.Gone}, gone)
	send(links, peer, "sent by one who does not know yet")
	links.Told(&gone)
	send(links, peer, "third")
	again := accept(t, l)
	require.Equal(t, seam.Mail{From: peer, Link: 2}, mail.next(t))
	expect(t, again, "third")
}

func TestAPeerThatIsNotThere(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	peer := peerAt(l)
	require.NoError(t, l.Close())
	links, mail := newLinks(t, dial.Config{BackOffMin: time.Millisecond, BackOffMax: 2 * time.Millisecond})
	for link := range uint64(3) {
		send(links, peer, "hello")
		gone := mail.next(t)
		require.Equal(t, seam.Mail{From: peer, Link: link + 1, Fault: seam.Gone}, gone)
		links.Told(&gone)
	}
	send(links, peer, "hello")
	back := listen(t, l.Addr().String())
	for {
		got := mail.next(t)
		if got.Fault == seam.OK {
			break
		}
		links.Told(&got)
		send(links, peer, "hello")
	}
	expect(t, accept(t, back), "hello")
}

func TestAFrameWithABadLengthEndsTheLink(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	peer := peerAt(l)
	links, mail := newLinks(t, dial.Config{FrameBytesMax: 100})
	send(links, peer, "hello")
	c := accept(t, l)
	mail.next(t)
	_, err := c.Write([]byte{0, 0, 0, 101})
	require.NoError(t, err)
	require.Equal(t, seam.Gone, mail.next(t).Fault)
}

func TestALinkIsNotReadWhileTooMuchOfItIsLent(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	for _, frame := range []string{"12345678", ""} { // an empty one takes memory too
		links, mail := newLinks(t, dial.Config{LentBytesMax: seam.FrameCost + 10})
		send(links, peerAt(l), "hello")
		c := accept(t, l)
		mail.next(t)
		const frames = 200
		_, err := c.Write(bytes.Repeat(append([]byte{0, 0, 0, byte(len(frame))}, frame...), frames))
		require.NoError(t, err)
		before := mail.next(t)
		for range frames - 1 { // of two frames at a time
			next := mail.next(t)
			require.Empty(t, mail)
			links.Queue(&seam.Effects{Frees: []seam.Lease{before.Lease}}, nil)
			before = next
		}
	}
}

// What was sent right before Close goes out, and a peer that takes nothing holds Close up no longer than a moment.
func TestTheLastWordGoesOut(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	peer := peerAt(l)
	for range 50 {
		links, mail := newLinks(t, dial.Config{})
		send(links, peer, "first")
		c := accept(t, l)
		mail.next(t)
		expect(t, c, "first")
		send(links, peer, "last")
		links.Close()
		expect(t, c, "last")
		_, err := c.Read(make([]byte, 1))
		require.Error(t, err)
		require.NoError(t, c.Close())
	}
	links, mail := newLinks(t, dial.Config{})
	send(links, peer, string(make([]byte, 50<<20)))
	c := accept(t, l)
	mail.next(t)
	began := time.Now()
	links.Close()
	require.Less(t, time.Since(began), 5*time.Second)
	require.NoError(t, c.Close())
}

package outside

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Client is one connection, which believes nothing.
type Client struct {
	net.Conn
	correlation int32
}

// Dial connects, as the node's listener wants it.
func Dial(t testing.TB, n *Node) *Client {
	t.Helper()
	c, err := net.Dial("tcp", n.Address)
	if err != nil {
		t.Fatalf("%v\n%s", err, n.Log)
	}
	if n.TLS != nil {
		c = tls.Client(c, n.TLS)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &Client{Conn: c}
}

// Bytes sends anything. That the other side has hung up already shows when an answer is waited for.
func (c *Client) Bytes(b []byte) { _, _ = c.Write(b) }

// Frame sends a frame with its length.
func (c *Client) Frame(body []byte) {
	c.Bytes(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
}

// Request is a whole request without its length, with the correlation id that the client counts on for its answer.
func (c *Client) Request(request kmsg.Request, version int16) []byte {
	c.correlation++
	request.SetVersion(version)
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("outside")).AppendRequest(nil, request, c.correlation)[4:]
}

// Send sends a request and waits for nothing.
func (c *Client) Send(request kmsg.Request, version int16) { c.Frame(c.Request(request, version)) }

// Answer is the next frame: its correlation id and what follows.
func (c *Client) Answer(t testing.TB) (correlation int32, rest []byte) {
	t.Helper()
	correlation, rest, err := c.next()
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	return correlation, rest
}

func (c *Client) next() (correlation int32, rest []byte, err error) {
	var length [4]byte
	if _, err = io.ReadFull(c, length[:]); err != nil {
		return 0, nil, err
	}
	frame := make([]byte, binary.BigEndian.Uint32(length[:]))
	if _, err = io.ReadFull(c, frame); err != nil {
		return 0, nil, err
	}
	if len(frame) < 4 {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return int32(binary.BigEndian.Uint32(frame)), frame[4:], nil
}

// Receive is the answer to a request, which must be the next frame.
func (c *Client) Receive(t testing.TB, request kmsg.Request, correlation int32) kmsg.Response {
	t.Helper()
	response, err := c.receive(request, correlation)
	if err != nil {
		t.Fatalf("%s v%d: no answer: %v", kmsg.NameForKey(request.Key()), request.GetVersion(), err)
	}
	return response
}

func (c *Client) receive(request kmsg.Request, correlation int32) (kmsg.Response, error) {
	got, rest, err := c.next()
	if err != nil {
		return nil, err
	}
	if got != correlation {
		return nil, errors.New("the answer to another request")
	}
	response := request.ResponseKind()
	if response.IsFlexible() && request.Key() != int16(kmsg.ApiVersions) {
		if len(rest) < 1 || rest[0] != 0 {
			return nil, errors.New("tags in the header of an answer")
		}
		rest = rest[1:]
	}
	return response, response.ReadFrom(rest)
}

// Ask sends a request and waits for its answer.
func (c *Client) Ask(t testing.TB, request kmsg.Request, version int16) kmsg.Response {
	t.Helper()
	c.Send(request, version)
	return c.Receive(t, request, c.correlation)
}

// Try is Ask for a connection that may be cut meanwhile.
func (c *Client) Try(request kmsg.Request, version int16) (kmsg.Response, error) {
	c.Send(request, version)
	return c.receive(request, c.correlation)
}

// Closed waits until the other side has closed the connection, and fails if it says anything before.
func (c *Client) Closed(t testing.TB, what string) {
	t.Helper()
	var b [64]byte
	n, err := c.Read(b[:])
	switch {
	case n > 0:
		t.Fatalf("%s: answered with % x, where the connection closes", what, b[:n])
	case !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET):
		t.Fatalf("%s: the connection stays open: %v", what, err)
	}
}

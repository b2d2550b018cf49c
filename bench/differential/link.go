package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// link is one connection to a broker, made anew when the broker has closed it.
type link struct {
	address     string
	client      string // its id, if not that of all
	conn        net.Conn
	correlation int32
}

// What a broker may do instead of answering.
var (
	errClosed = errors.New("closes the connection")
	errSilent = errors.New("never answers")
	errBroken = errors.New("answers with what is no answer to this")
)

// patience is how long an answer may take.
const patience = 20 * time.Second

// ask sends a request and waits for its answer. exact says that the answer's bytes are those that kmsg would write.
func (l *link) ask(request kmsg.Request, version int16) (answer kmsg.Response, exact bool, err error) {
	request.SetVersion(version)
	l.correlation++
	frame := l.frame(request)
	rest, err := l.exchange(frame)
	if err != nil {
		l.close()
		return nil, false, err
	}
	answer = request.ResponseKind()
	answer.SetVersion(version)
	if answer.IsFlexible() && request.Key() != int16(kmsg.ApiVersions) {
		if len(rest) < 1 || rest[0] != 0 {
			return nil, false, errBroken
		}
		rest = rest[1:]
	}
	if err := answer.ReadFrom(bytes.Clone(rest)); err != nil {
		return nil, false, errBroken
	}
	return answer, bytes.Equal(answer.AppendTo(nil), rest), nil
}

// tell sends a request that is not to be answered, and then ApiVersions, whose answer, or a closed connection, tells
// that it was seen.
func (l *link) tell(request kmsg.Request, version int16) error {
	request.SetVersion(version)
	l.correlation++
	frame := l.frame(request)
	if err := l.send(frame); err != nil {
		l.close()
		return err
	}
	_, _, err := l.ask(kmsg.NewPtrApiVersionsRequest(), 0)
	return err
}

func (l *link) frame(request kmsg.Request) []byte {
	client := l.client
	if client == "" {
		client = "differential"
	}
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID(client)).AppendRequest(nil, request, l.correlation)
}

func (l *link) exchange(frame []byte) (rest []byte, err error) {
	if err := l.send(frame); err != nil {
		return nil, err
	}
	var length [4]byte
	if _, err := io.ReadFull(l.conn, length[:]); err != nil {
		return nil, reason(err)
	}
	body := make([]byte, binary.BigEndian.Uint32(length[:]))
	if _, err := io.ReadFull(l.conn, body); err != nil {
		return nil, reason(err)
	}
	if len(body) < 4 || int32(binary.BigEndian.Uint32(body)) != l.correlation {
		return nil, errBroken
	}
	return body[4:], nil
}

func (l *link) send(frame []byte) error {
	if l.conn == nil {
		conn, err := net.Dial("tcp", l.address)
		if err != nil {
			return err
		}
		l.conn = conn
	}
	if err := l.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := l.conn.Write(frame)
	return reason(err)
}

func (l *link) close() {
	if l.conn != nil {
		_ = l.conn.Close()
		l.conn = nil
	}
}

func reason(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errSilent
	}
	return errClosed
}

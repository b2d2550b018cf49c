package server_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/seam/contract"
	"rookery/net/server"
)

// TestNewKeysAreAnsweredAtOnce: what a client asks for while no reply is due does not wait for one, with a buffer around it.
func TestNewKeysAreAnsweredAtOnce(t *testing.T) {
	w := ways(t)[4]
	var keys strings.Builder
	w.client.KeyLogWriter = &keys
	w.server.SessionTicketsDisabled = true
	toy := &contract.Toy{Allowance: 1 << 20}
	s := open(t.Fatalf, toy, t.TempDir(), w, server.Config{FrameBytesMin: 1})
	defer s.close()
	c := s.Dial().(client)
	defer c.Close()
	secured := c.Conn.(*tls.Conn)
	require.NoError(t, secured.Handshake())
	require.Equal(t, tls.TLS_AES_128_GCM_SHA256, secured.ConnectionState().CipherSuite)
	in, out := newRecords(t, keys.String(), "SERVER_TRAFFIC_SECRET_0"), newRecords(t, keys.String(), "CLIENT_TRAFFIC_SECRET_0")
	wire := secured.NetConn()
	const size = 10_000
	frame := append([]byte{0, 0, size >> 8, size & 0xff, 'e'}, make([]byte, size-1)...)
	for i := range 100 {
		out.write(t, wire, handshake, []byte{24, 0, 0, 1, 1}) // KeyUpdate, update_requested
		out.renew(t)
		out.write(t, wire, applicationData, frame[i:i+1])
		kind, content := in.read(t, wire)
		require.Equal(t, handshake, kind)
		require.Equal(t, []byte{24, 0, 0, 1, 0}, content)
		in.renew(t)
	}
	for rest := frame[100:]; len(rest) > 0; {
		n := min(len(rest), 16<<10)
		out.write(t, wire, applicationData, rest[:n])
		rest = rest[n:]
	}
	for got := 0; got < 4+size-1; {
		kind, content := in.read(t, wire)
		require.Equal(t, applicationData, kind)
		got += len(content)
	}
}

const (
	handshake       byte = 22
	applicationData byte = 23
)

// records are one direction of a TLS 1.3 connection, by hand: crypto/tls takes new keys and never asks for them.
type records struct {
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	number uint64
}

func newRecords(t *testing.T, log, label string) *records {
	_, line, found := strings.Cut(log, label+" ")
	require.True(t, found)
	secret, err := hex.DecodeString(strings.Fields(line)[1])
	require.NoError(t, err)
	r := &records{secret: secret}
	r.derive(t)
	return r
}

func (r *records) derive(t *testing.T) {
	block, err := aes.NewCipher(r.expand(t, "key", 16))
	require.NoError(t, err)
	r.aead, err = cipher.NewGCM(block)
	require.NoError(t, err)
	r.iv, r.number = r.expand(t, "iv", 12), 0
}

func (r *records) expand(t *testing.T, label string, size int) []byte {
	label = "tls13 " + label
	info := append(append([]byte{0, byte(size), byte(len(label))}, label...), 0)
	out, err := hkdf.Expand(sha256.New, r.secret, string(info), size)
	require.NoError(t, err)
	return out
}

// renew goes over to the next keys.
func (r *records) renew(t *testing.T) {
	r.secret = r.expand(t, "traffic upd", sha256.Size)
	r.derive(t)
}

func (r *records) nonce() []byte {
	nonce := append([]byte{}, r.iv...)
	binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])^r.number)
	r.number++
	return nonce
}

func (r *records) write(t *testing.T, to io.Writer, kind byte, content []byte) {
	plain := append(append([]byte{}, content...), kind)
	header := []byte{applicationData, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(header[3:], uint16(len(plain)+r.aead.Overhead()))
	_, err := to.Write(r.aead.Seal(append([]byte{}, header...), r.nonce(), plain, header))
	require.NoError(t, err)
}

func (r *records) read(t *testing.T, from io.Reader) (kind byte, content []byte) {
	header := make([]byte, 5)
	_, err := io.ReadFull(from, header)
	require.NoError(t, err)
	sealed := make([]byte, binary.BigEndian.Uint16(header[3:]))
	_, err = io.ReadFull(from, sealed)
	require.NoError(t, err)
	plain, err := r.aead.Open(nil, r.nonce(), sealed, header)
	require.NoError(t, err)
	return plain[len(plain)-1], plain[:len(plain)-1]
}

package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sort"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/wire"
)

const (
	frameBytesMax  = 200 << 20
	goldenBytesMax = 4 << 10
	goldenCountMax = 3 // frames kept for each version
)

// proxies stand between the broker and each client, one listening port a client, so that what a client sends is known
// by name. They change one thing: the broker's port in the answers that tell clients where brokers are.
type proxies struct {
	brokerPort int
	mu         sync.Mutex
	seen       map[answered]int64
	frames     map[answered][][]byte
	gate       gate
	listeners  map[string]listener
}

// answered is an API in a version that a client sent and got an answer to.
type answered struct {
	client       string
	key, version int16
}

func newProxies(brokerPort int) *proxies {
	return &proxies{brokerPort: brokerPort, listeners: map[string]listener{}, seen: map[answered]int64{}, frames: map[answered][][]byte{}}
}

// listener is one user's port; several users may be the same client.
type listener struct {
	net.Listener
	client string
}

// listen opens a port for a user of a client, or the same one again, and returns its address.
func (p *proxies) listen(user, client, address string) (string, error) {
	l, err := net.Listen("tcp4", address)
	if err != nil {
		return "", err
	}
	p.listeners[user] = listener{l, client}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(user, client, conn.(*net.TCPConn))
		}
	}()
	return l.Addr().String(), nil
}

// down refuses new connections, as a broker's port does while nobody listens.
func (p *proxies) down() {
	for _, l := range p.listeners {
		l.Close()
	}
}

func (p *proxies) up() error {
	for user, l := range p.listeners {
		if _, err := p.listen(user, l.client, l.Addr().String()); err != nil {
			return err
		}
	}
	return nil
}

// link is one client's connection and its twin to the broker.
type link struct {
	*proxies
	user    string
	client  string
	port    int // where the client thinks the broker is
	mu      sync.Mutex
	waiting map[int32]answered
	ended   chan struct{}
}

func (p *proxies) serve(user, client string, near *net.TCPConn) {
	defer near.Close()
	far, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", p.brokerPort))
	if err != nil {
		return
	}
	defer far.Close()
	l := &link{proxies: p, user: user, client: client, port: near.LocalAddr().(*net.TCPAddr).Port, waiting: map[int32]answered{}, ended: make(chan struct{})}
	over := make(chan struct{}, 2)
	go func() { l.requests(near, far); over <- struct{}{} }()
	go func() { l.answers(far, near); over <- struct{}{} }()
	<-over
	close(l.ended)
}

// requests passes frames on and notes their headers: API key, version, correlation id.
func (l *link) requests(from io.Reader, to io.Writer) error {
	in := bufio.NewReaderSize(from, 64<<10)
	for {
		head, err := in.Peek(12)
		if err != nil {
			return err
		}
		size := int64(binary.BigEndian.Uint32(head))
		if size < 8 || size > frameBytesMax {
			return errors.New("a frame of no sense")
		}
		a := answered{l.client, int16(binary.BigEndian.Uint16(head[4:])), int16(binary.BigEndian.Uint16(head[6:]))}
		l.mu.Lock()
		l.waiting[int32(binary.BigEndian.Uint32(head[8:]))] = a
		l.mu.Unlock()
		if size <= goldenBytesMax || a.key == wire.KeyProduce {
			whole := make([]byte, size+4)
			if _, err := io.ReadFull(in, whole); err != nil {
				return err
			}
			if a.key == wire.KeyProduce && !l.gate.pass(l.user, producedRecords(whole[4:]), l.ended) {
				return errors.New("the connection ended while it was held")
			}
			if size <= goldenBytesMax {
				l.remember(a, whole[4:])
			}
			if _, err := to.Write(whole); err != nil {
				return err
			}
		} else if _, err := io.CopyN(to, in, size+4); err != nil {
			return err
		}
	}
}

// producedRecords is how many records the batches of a Produce frame say they have.
func producedRecords(frame []byte) (count int64) {
	request := kmsg.NewPtrProduceRequest()
	request.Version = int16(binary.BigEndian.Uint16(frame[2:]))
	body := frame[8:]
	if len(body) < 2 {
		return 0
	}
	body = body[min(len(body), 2+max(0, int(int16(binary.BigEndian.Uint16(body))))):] // client id
	if request.IsFlexible() {
		body = body[min(len(body), 1):] // nobody here sends tags in headers
	}
	if request.ReadFrom(body) != nil {
		return 0
	}
	for _, topic := range request.Topics {
		for _, partition := range topic.Partitions {
			if len(partition.Records) >= 61 {
				count += int64(binary.BigEndian.Uint32(partition.Records[57:]))
			}
		}
	}
	return count
}

func (p *proxies) remember(a answered, frame []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.frames[a]) < goldenCountMax {
		p.frames[a] = append(p.frames[a], frame)
	}
}

// answers passes answers back. Metadata, FindCoordinator and DescribeCluster name the broker's port.
func (l *link) answers(from io.Reader, to io.Writer) error {
	in := bufio.NewReaderSize(from, 64<<10)
	for {
		head, err := in.Peek(8)
		if err != nil {
			return err
		}
		size := int64(binary.BigEndian.Uint32(head))
		correlation := int32(binary.BigEndian.Uint32(head[4:]))
		l.mu.Lock()
		a, known := l.waiting[correlation]
		delete(l.waiting, correlation)
		l.mu.Unlock()
		if known {
			l.proxies.mu.Lock()
			l.seen[a]++
			l.proxies.mu.Unlock()
		}
		if known && (a.key == 3 || a.key == 10 || a.key == 60) && size <= frameBytesMax {
			whole := make([]byte, size+4)
			if _, err := io.ReadFull(in, whole); err != nil {
				return err
			}
			moved(whole, l.brokerPort, l.port)
			_, err = to.Write(whole)
		} else {
			_, err = io.CopyN(to, in, size+4)
		}
		if err != nil {
			return err
		}
	}
}

// moved puts another port wherever an address of this machine is followed by the broker's.
func moved(answer []byte, from, to int) {
	var old [4]byte
	binary.BigEndian.PutUint32(old[:], uint32(from))
	for _, host := range []string{"127.0.0.1", "localhost"} {
		for at, pattern := 0, append([]byte(host), old[:]...); ; {
			next := bytes.Index(answer[at:], pattern)
			if next < 0 {
				break
			}
			at += next + len(pattern)
			binary.BigEndian.PutUint32(answer[at-4:], uint32(to))
		}
	}
}

// apiRow is one line of the board: an API in one version, and the clients that it answered.
type apiRow struct {
	Key     int16    `json:"key"`
	Name    string   `json:"name"`
	Version int16    `json:"version"`
	Clients []string `json:"clients"`
}

func (p *proxies) rows() []apiRow {
	p.mu.Lock()
	defer p.mu.Unlock()
	clients := map[[2]int16][]string{}
	for a := range p.seen {
		api := [2]int16{a.key, a.version}
		clients[api] = append(clients[api], a.client)
	}
	var rows []apiRow
	for api, names := range clients {
		sort.Strings(names)
		rows = append(rows, apiRow{api[0], wire.Name(api[0]), api[1], names})
	}
	sort.Slice(rows, func(i, j int) bool {
		return rows[i].Key < rows[j].Key || rows[i].Key == rows[j].Key && rows[i].Version < rows[j].Version
	})
	return rows
}

// goldenKind is the kind that conn.Intake finds a frame to be; empty: nothing of the API is spoken, and its frames are not kept.
func goldenKind(key, version int16) string {
	_, _, known := wire.Range(key)
	switch {
	case !known:
		return ""
	case !wire.Spoken(key, version):
		return "unsupported"
	case key == wire.KeyProduce:
		return "produce"
	case key == wire.KeyFetch:
		return "fetch"
	}
	return "cold"
}

// writeFrames writes a file a client in the form of fuzz/testdata/frames: a line a frame, without its length.
func (p *proxies) writeFrames(folder string, clients map[string]string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for client, title := range clients {
		var apis []answered
		for a := range p.frames {
			if a.client == client && goldenKind(a.key, a.version) != "" && p.seen[a] > 0 {
				apis = append(apis, a)
			}
		}
		sort.Slice(apis, func(i, j int) bool {
			return apis[i].key < apis[j].key || apis[i].key == apis[j].key && apis[i].version < apis[j].version
		})
		text := "# " + title + ", as it came over the wire; rewritten by bench/interop -frames\n"
		for _, a := range apis {
			for _, frame := range p.frames[a] {
				text += fmt.Sprintf("%s v%d %s %s\n", wire.Name(a.key), a.version, goldenKind(a.key, a.version), hex.EncodeToString(frame))
			}
		}
		if err := os.WriteFile(filepath.Join(folder, client+".txt"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

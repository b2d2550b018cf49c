package contract

import (
	"bytes"
	"encoding/binary"

	"pgregory.net/rapid"

	"rookery/core/seam"
)

// LinkSubject is a driver of outbound links under test, around a machine that the suite plays.
type LinkSubject interface {
	// Listen opens a peer's door and Shut closes it: whoever links to it then is refused.
	Listen(peer int)
	Shut(peer int)
	Address(peer int) seam.Address
	// Accept is the peer's end of the next link that was made to it.
	Accept(peer int) PeerEnd
	// Do carries effects out, as one Step's.
	Do(fx *seam.Effects)
	// Step is the next thing that the machine is told, and only now is it told; it fails the test if nothing comes.
	Step() *seam.Mail
}

// PeerEnd is a peer's end of one link.
type PeerEnd interface {
	Write(frames []byte)          // whole frames, with their lengths
	Read(size int) ([]byte, bool) // exactly size bytes; false: the link ended before
	Close()
}

// peersMax is how many peers a LinkSubject must have.
const peersMax = 3

// Links checks the laws of links to peers: one at a time to each, made by the first Send and said once to be made,
// frames whole and in order both ways, said once and last to be gone; what is sent before the machine knows that is
// lost, what is sent after goes to another link with a higher number; Data is the machine's again after the Step.
func Links(t *rapid.T, subject LinkSubject) {
	m := &linkModel{subject: subject}
	for i := range peersMax {
		m.peers = append(m.peers, &peerModel{number: i, address: subject.Address(i)})
		subject.Listen(i)
	}
	t.Repeat(map[string]func(*rapid.T){
		"send":   m.send,
		"answer": m.answer,
		"close":  m.close,
		"cut":    m.cut,
		"refuse": m.refuse,
		"":       func(*rapid.T) {},
	})
	for _, p := range m.peers {
		if p.link != 0 {
			m.cutOff(t, p)
		}
	}
}

type peerModel struct {
	number  int
	address seam.Address
	link    uint64 // 0: none
	end     PeerEnd
}

type linkModel struct {
	subject LinkSubject
	peers   []*peerModel
	last    uint64 // the highest number of a link
}

func (m *linkModel) any(t *rapid.T) *peerModel {
	return rapid.SampledFrom(m.peers).Draw(t, "peer")
}

// frame is mostly small, at times larger than any buffer.
func frame(t *rapid.T) []byte {
	size := rapid.IntRange(0, 200).Draw(t, "size")
	if rapid.IntRange(0, 5).Draw(t, "large") == 0 {
		size = rapid.IntRange(200, frameEchoMax).Draw(t, "size")
	}
	body := bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, size)
	return append(binary.BigEndian.AppendUint32(nil, uint32(size)), body...)
}

// post sends a few frames and takes the memory back at once.
func (m *linkModel) post(t *rapid.T, p *peerModel) (stream []byte) {
	var fx seam.Effects
	fx.Reset()
	for range rapid.IntRange(1, 3).Draw(t, "frames") {
		data := frame(t)
		stream = append(stream, data...)
		fx.Sends = append(fx.Sends, seam.Send{To: p.address, Data: data})
	}
	m.subject.Do(&fx)
	for i := range fx.Sends {
		clear(fx.Sends[i].Data)
	}
	return stream
}

func (m *linkModel) send(t *rapid.T) {
	p := m.any(t)
	stream := m.post(t, p)
	if p.link == 0 {
		m.made(t, p)
	}
	if got, whole := p.end.Read(len(stream)); !whole || !bytes.Equal(got, stream) {
		t.Fatalf("peer %d was sent %d bytes and got %d, whole %v", p.number, len(stream), len(got), whole)
	}
}

// made takes the news of a link.
func (m *linkModel) made(t *rapid.T, p *peerModel) {
	mail := m.subject.Step()
	if mail.From != p.address || mail.Fault != seam.OK || mail.Frame != nil {
		t.Fatalf("%+v came, and the link to peer %d should have been made", *mail, p.number)
	}
	if mail.Link <= m.last {
		t.Fatalf("a link has number %d, and one before it %d", mail.Link, m.last)
	}
	p.link, m.last, p.end = mail.Link, mail.Link, m.subject.Accept(p.number)
}

// answer writes frames from the peer, which arrive whole, in order and as often as they were sent.
func (m *linkModel) answer(t *rapid.T) {
	p := m.any(t)
	if p.link == 0 {
		t.Skip("there is no link")
	}
	var frames [][]byte
	var stream []byte
	for range rapid.IntRange(1, 4).Draw(t, "frames") {
		data := frame(t)
		frames, stream = append(frames, data[lengthSize:]), append(stream, data...)
	}
	p.end.Write(stream)
	for _, want := range frames {
		m.expect(t, p, want)
	}
}

func (m *linkModel) expect(t *rapid.T, p *peerModel, want []byte) {
	mail := m.subject.Step()
	if mail.From != p.address || mail.Link != p.link || mail.Fault != seam.OK || mail.Frame == nil || !bytes.Equal(mail.Frame, want) {
		t.Fatalf("peer %d sent %d bytes over link %d; what came is from %v over link %d: %d bytes, %v", p.number, len(want), p.link, mail.From, mail.Link, len(mail.Frame), mail.Fault)
	}
	if mail.Lease != 0 {
		m.subject.Do(&seam.Effects{Frees: []seam.Lease{mail.Lease}, Alarm: seam.Never})
	}
}

func (m *linkModel) gone(t *rapid.T, p *peerModel) {
	mail := m.subject.Step()
	if mail.From != p.address || mail.Link != p.link || mail.Fault == seam.OK || mail.Frame != nil {
		t.Fatalf("%+v came, and link %d should have been gone", *mail, p.link)
	}
	p.link, p.end = 0, nil
}

// close: the peer ends the link. What it wrote before arrives before the end does; what was sent by a machine that did
// not know is lost with the link, and never comes out of the next one.
func (m *linkModel) close(t *rapid.T) {
	p := m.any(t)
	if p.link == 0 {
		t.Skip("there is no link")
	}
	last := frame(t)
	p.end.Write(last)
	p.end.Close()
	m.expect(t, p, last[lengthSize:])
	if rapid.Bool().Draw(t, "sends without knowing") {
		m.post(t, p)
	}
	m.gone(t, p)
	m.sendAfter(t, p)
}

// sendAfter: what is sent now goes to another link, and it alone.
func (m *linkModel) sendAfter(t *rapid.T, p *peerModel) {
	stream := m.post(t, p)
	m.made(t, p)
	if got, whole := p.end.Read(len(stream)); !whole || !bytes.Equal(got, stream) {
		t.Fatalf("peer %d was sent %d bytes over a new link and got %d, whole %v", p.number, len(stream), len(got), whole)
	}
}

// cut: the machine ends the link, and need not wait for the news of it before it sends anew.
func (m *linkModel) cut(t *rapid.T) {
	p := m.any(t)
	if p.link == 0 {
		t.Skip("there is no link")
	}
	if rapid.Bool().Draw(t, "waits for the end") {
		m.cutOff(t, p)
		return
	}
	old, oldEnd := p.link, p.end
	m.subject.Do(cutOf(old))
	stream := m.post(t, p)
	told := map[uint64]seam.Fault{}
	for range 2 { // in either order
		mail := m.subject.Step()
		if mail.From != p.address || mail.Frame != nil {
			t.Fatalf("%+v came, and news of two links was due", *mail)
		}
		told[mail.Link] = mail.Fault
		p.link = max(p.link, mail.Link)
	}
	if p.link == old || told[p.link] != seam.OK || told[old] == seam.OK {
		t.Fatalf("link %d was cut and another sent to; told was %v", old, told)
	}
	m.last = p.link
	m.ends(t, oldEnd)
	p.end = m.subject.Accept(p.number)
	if got, whole := p.end.Read(len(stream)); !whole || !bytes.Equal(got, stream) {
		t.Fatalf("what was sent after the cut: %d bytes of %d, whole %v", len(got), len(stream), whole)
	}
}

func cutOf(link uint64) *seam.Effects {
	return &seam.Effects{Reading: []seam.Credit{{Conn: seam.Conn(link), Cut: true}}, Alarm: seam.Never}
}

func (m *linkModel) cutOff(t *rapid.T, p *peerModel) {
	end := p.end
	m.subject.Do(cutOf(p.link))
	m.gone(t, p)
	m.ends(t, end)
}

func (m *linkModel) ends(t *rapid.T, end PeerEnd) {
	if _, more := end.Read(1); more {
		t.Fatalf("something came over a link that was cut")
	}
	end.Close()
}

// refuse: nobody listens. The machine is told that there was no link, each time it tries.
func (m *linkModel) refuse(t *rapid.T) {
	p := m.any(t)
	if p.link != 0 {
		t.Skip("there is a link")
	}
	m.subject.Shut(p.number)
	for range rapid.IntRange(1, 2).Draw(t, "tries") {
		m.post(t, p)
		mail := m.subject.Step()
		if mail.From != p.address || mail.Fault == seam.OK || mail.Frame != nil || mail.Link <= m.last {
			t.Fatalf("%+v came, and peer %d does not listen", *mail, p.number)
		}
		m.last = mail.Link
	}
	m.subject.Listen(p.number)
	m.sendAfter(t, p)
}

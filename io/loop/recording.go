package loop

import (
	"io"
	"sync"

	"rookery/core/seam"
	"rookery/core/seam/tape"
)

// Tape writes down what each machine of a process was handed and a digest of what it answered, in the format of
// core/seam/tape, so that the run can be replayed through the same machines. An entry is written inside the turn,
// before its effects run: whoever is handed the consequence of a Step comes after it.
type Tape struct {
	mu     sync.Mutex
	out    io.Writer
	err    error
	frames map[seam.Lease][]byte
}

// NewTape records to out, the configuration that the machines are made of first.
func NewTape(out io.Writer, config []byte) *Tape {
	t := &Tape{out: out, frames: map[seam.Lease][]byte{}}
	_, t.err = out.Write(tape.AppendBegin(nil, config))
	return t
}

// Frame keeps a copy of a frame as it arrived, before its intake repaired anything in it.
func (t *Tape) Frame(lease seam.Lease, frame []byte) {
	t.mu.Lock()
	t.frames[lease] = append([]byte(nil), frame...)
	t.mu.Unlock()
}

// Err is why recording stopped, if it did.
func (t *Tape) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

func (t *Tape) begin(entry []byte, to seam.Address, now seam.Now, in seam.Input) []byte {
	if r, is := in.(*seam.Request); is {
		t.mu.Lock()
		if frame, kept := t.frames[r.Lease]; kept {
			delete(t.frames, r.Lease)
			in = &seam.Request{Conn: r.Conn, Lease: r.Lease, Frame: frame}
		}
		t.mu.Unlock()
	}
	return tape.AppendInput(entry, to, now, in)
}

func (t *Tape) end(entry []byte, fx *seam.Effects) {
	var digest seam.Digest
	digest.Effects(fx)
	entry = tape.AppendDigest(entry, digest)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		_, t.err = t.out.Write(entry)
	}
}

package seam

// Digest is a running 64-bit hash of what a machine was handed or answered. Two runs of one machine over the same
// inputs have the same Digest after every Step; nothing else is promised of it, so it may change between releases.
type Digest uint64

const (
	prime1 = 0x9E3779B185EBCA87
	prime2 = 0xC2B2AE3D27D4EB4F
)

// Int mixes a number in.
func (d *Digest) Int(v uint64) {
	x := (uint64(*d) + prime2 ^ v) * prime1
	x ^= x >> 29
	x *= prime2
	*d = Digest(x ^ x>>32)
}

// Bytes mixes a length and that many bytes in.
func (d *Digest) Bytes(b []byte) { mix(d, b) }

// Text mixes a string in.
func (d *Digest) Text(s string) { mix(d, s) }

func mix[T []byte | string](d *Digest, b T) {
	d.Int(uint64(len(b)))
	for ; len(b) >= 8; b = b[8:] {
		d.Int(uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56)
	}
	var tail uint64
	for i := range len(b) {
		tail |= uint64(b[i]) << (8 * i)
	}
	d.Int(tail)
}

// Effects mixes everything that fx asks for, in order, the bytes included, behind the lengths of all lists. Bodies of Sends are values of the machines
// and count by their address only; Events and Alarm count too.
func (d *Digest) Effects(fx *Effects) {
	d.lengths(len(fx.Writes), len(fx.Syncs), len(fx.Files), len(fx.Reads), len(fx.Replies))
	d.lengths(len(fx.Rewrites), len(fx.Sends), len(fx.Frees), len(fx.Reading), len(fx.Events))
	for i := range fx.Writes {
		w := &fx.Writes[i]
		d.Int(uint64(w.Op))
		d.Int(uint64(w.File))
		d.Int(uint64(w.At))
		d.Bytes(w.Data)
	}
	for i := range fx.Syncs {
		s := &fx.Syncs[i]
		d.Int(uint64(s.Op))
		d.Int(uint64(s.File))
		d.path(s.Folder)
	}
	for i := range fx.Files {
		f := &fx.Files[i]
		d.Int(uint64(f.Op))
		d.Int(uint64(f.Deed))
		d.Int(uint64(f.File))
		d.path(f.Path)
		d.path(f.To)
		d.Int(uint64(f.Size))
	}
	for i := range fx.Reads {
		r := &fx.Reads[i]
		d.Int(uint64(r.Op))
		d.Int(uint64(r.File))
		d.Int(uint64(r.At))
		d.Int(uint64(r.Len))
	}
	for i := range fx.Replies {
		r := &fx.Replies[i]
		d.Int(uint64(r.Op))
		d.Int(uint64(r.Conn))
		d.Int(uint64(r.Then))
		d.Bytes(r.Head)
		d.Int(uint64(len(r.Body)))
		for _, g := range r.Body {
			d.Int(uint64(g.Before))
			d.Int(uint64(g.File))
			d.Int(uint64(g.At))
			d.Int(uint64(g.Len))
		}
	}
	for i := range fx.Rewrites {
		r := &fx.Rewrites[i]
		d.Int(uint64(r.Op))
		d.Int(uint64(r.Conn))
		d.Bytes(r.Data)
		d.Int(uint64(r.Codec))
		d.Int(uint64(r.Level))
	}
	for i := range fx.Sends {
		s := &fx.Sends[i]
		d.Int(uint64(s.To.Kind))
		d.Int(s.To.ID)
		d.Text(s.To.Host)
		d.Int(uint64(s.To.Port))
		d.Bytes(s.Data)
	}
	for _, l := range fx.Frees {
		d.Int(uint64(l))
	}
	for _, c := range fx.Reading {
		d.Int(uint64(c.Conn))
		d.Int(uint64(c.Bytes))
		d.flag(c.Cut)
	}
	for i := range fx.Events {
		e := &fx.Events[i]
		d.Int(uint64(e.Kind))
		d.Text(e.Topic)
		d.Int(uint64(e.Partition))
		d.Int(uint64(e.A))
		d.Int(uint64(e.B))
		d.Text(e.Text)
	}
	d.Int(uint64(fx.Alarm))
}

// lengths mixes five in as one number: nearly all are small.
func (d *Digest) lengths(a, b, c, e, f int) {
	d.Int(uint64(a) | uint64(b)<<12 | uint64(c)<<24 | uint64(e)<<36 | uint64(f)<<48)
}

func (d *Digest) path(p Path) {
	d.Int(uint64(p.Dir))
	d.Text(p.Name)
}

func (d *Digest) flag(b bool) {
	if b {
		d.Int(1)
	} else {
		d.Int(0)
	}
}

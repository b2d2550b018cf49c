package batch

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Scratch is memory to inflate into and the decompressors' own state, reused from call to call. It belongs to one
// goroutine at a time. The zero value is ready; a nil Scratch works too and makes everything anew.
type Scratch struct {
	// Large is called before more than a MiB is inflated: the caller may wait in it until there is memory for that. Nil: at once.
	Large func()

	inflated []byte
	source   bytes.Reader
	gzip     *gzip.Reader
	lz4      *lz4.Reader
	zstd     *zstd.Decoder
}

const (
	inflatedStart   = 16 << 10 // the first guess, where four times the compressed size is less
	scratchKept     = 1 << 20  // a Scratch that holds more than this lets go of it at the next call
	zstdWindowMax   = 128 << 20
	zstdBlockMax    = 128 << 10 // what one block of a frame makes at most
	snappyRatioMax  = 22        // three bytes make at most 64
	zstdRatioBits   = 15        // a run of 128 KiB takes four bytes, and nothing takes fewer
	xerialHeader    = 16
	xerialSignature = 0x82534e41 // the first four bytes of "\x82SNAPPY\x00", which no chunk's length can be
)

// inflate gives the records' bytes: src itself without a codec, else memory of s that the next call overwrites.
func (s *Scratch) inflate(codec Codec, src []byte, limit int) ([]byte, Fault) {
	if codec == None {
		return src, Fine
	}
	if s == nil {
		s = &Scratch{}
	}
	if s.Large != nil && limit > scratchKept {
		if dst, fault := s.inflateUpTo(codec, src, scratchKept); fault != TooLarge {
			return dst, fault
		}
		s.Large()
	}
	return s.inflateUpTo(codec, src, limit)
}

func (s *Scratch) inflateUpTo(codec Codec, src []byte, limit int) ([]byte, Fault) {
	if cap(s.inflated) > scratchKept {
		s.inflated = nil
	}
	dst := s.inflated[:0]
	if guess := min(max(4*len(src), inflatedStart), limit); cap(dst) < guess {
		dst = make([]byte, 0, guess)
	}
	dst, fault := s.decompress(codec, dst, src, limit)
	s.source.Reset(nil)
	s.inflated = dst[:0]
	return dst, fault
}

// Inflated is how long bytes are that were compressed without being records, if there are at most limit.
func (s *Scratch) Inflated(codec Codec, src []byte, limit int) (int, Fault) {
	dst, fault := s.inflate(codec, src, limit)
	return len(dst), fault
}

func (s *Scratch) decompress(codec Codec, dst, src []byte, limit int) ([]byte, Fault) {
	switch codec {
	case Gzip:
		return s.inflateGzip(dst, src, limit)
	case Snappy:
		return inflateSnappy(dst, src, limit)
	case LZ4:
		return s.inflateLZ4(dst, src, limit)
	case Zstd:
		return s.inflateZstd(dst, src, limit)
	}
	return dst, UnknownCodec
}

func (s *Scratch) inflateGzip(dst, src []byte, limit int) ([]byte, Fault) {
	s.source.Reset(src)
	if s.gzip == nil {
		s.gzip = new(gzip.Reader)
	}
	if s.gzip.Reset(&s.source) != nil {
		return dst, Malformed
	}
	return drain(dst, s.gzip, limit)
}

func (s *Scratch) inflateLZ4(dst, src []byte, limit int) ([]byte, Fault) {
	s.source.Reset(src)
	if s.lz4 == nil {
		s.lz4 = lz4.NewReader(&s.source) // not concurrent unless asked
	} else {
		s.lz4.Reset(&s.source)
	}
	return drain(dst, s.lz4, limit)
}

// drain reads all of r behind dst, at most limit bytes.
func drain(dst []byte, r io.Reader, limit int) ([]byte, Fault) {
	for idle := 0; idle < 100; {
		if len(dst) == cap(dst) {
			dst = grow(dst, min(2*cap(dst), limit+1))
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		switch {
		case len(dst) > limit:
			return dst, TooLarge
		case err == io.EOF:
			return dst, Fine
		case err != nil:
			return dst, Malformed
		case n == 0:
			idle++
		default:
			idle = 0
		}
	}
	return dst, Malformed
}

func grow(dst []byte, size int) []byte {
	return append(make([]byte, 0, size), dst...)
}

// inflateZstd decodes at once, which needs no memory for the window that a frame claims, into room that doubles: what a
// frame says of its own size is not believed, and streams say nothing of it. The decoder does not name the fault of a
// block that finds too little room, so a fault counts only where the largest block would have found room.
func (s *Scratch) inflateZstd(dst, src []byte, limit int) ([]byte, Fault) {
	if s.zstd == nil {
		decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true),
			zstd.WithDecoderMaxWindow(zstdWindowMax), zstd.WithDecoderLowmem(true))
		if err != nil {
			return dst, Malformed
		}
		s.zstd = decoder
	}
	possible := int64(len(src)) << zstdRatioBits
	for {
		out, err := s.zstd.DecodeAll(src, dst[:0])
		switch {
		case err == nil && len(out) > limit:
			return dst, TooLarge
		case err == nil:
			return out, Fine
		case err != zstd.ErrDecoderSizeExceeded && cap(dst)-len(out) >= zstdBlockMax:
			return dst, Malformed
		case cap(dst) >= limit+zstdBlockMax:
			return dst, TooLarge
		case int64(cap(dst)) > possible:
			return dst, Malformed
		}
		dst = make([]byte, 0, min(2*cap(dst), limit+zstdBlockMax))
	}
}

// inflateSnappy reads what snappy-java writes (a header of 16 bytes, then blocks behind their lengths; streams may follow
// one another) and the bare block that librdkafka and franz-go write.
func inflateSnappy(dst, src []byte, limit int) ([]byte, Fault) {
	if len(src) < xerialHeader || string(src[:8]) != "\x82SNAPPY\x00" {
		return inflateBlock(dst, src, limit)
	}
	fault := Fine
	for src = src[xerialHeader:]; len(src) > 0; {
		if len(src) < 4 {
			return dst, Malformed
		}
		size := binary.BigEndian.Uint32(src)
		if size == xerialSignature && len(src) >= xerialHeader {
			src = src[xerialHeader:]
			continue
		}
		if src = src[4:]; uint64(size) > uint64(len(src)) {
			return dst, Malformed
		}
		if dst, fault = inflateBlock(dst, src[:size], limit); fault != Fine {
			return dst, fault
		}
		src = src[size:]
	}
	return dst, Fine
}

func inflateBlock(dst, block []byte, limit int) ([]byte, Fault) {
	size, err := snappy.DecodedLen(block)
	if err != nil || size/snappyRatioMax > len(block) {
		return dst, Malformed
	}
	end := len(dst) + size
	if size > limit || end > limit {
		return dst, TooLarge
	}
	if end > cap(dst) {
		dst = grow(dst, max(end, min(2*cap(dst), limit)))
	}
	if _, err = snappy.Decode(dst[len(dst):end], block); err != nil {
		return dst, Malformed
	}
	return dst[:end], Fine
}

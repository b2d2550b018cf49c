package batch

import (
	"bytes"
	"encoding/binary"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"rookery/core/must"
)

// LevelOwn is the codec's own level, whatever that is.
const LevelOwn int32 = -1 << 31

// deflater is the compressors' own state, reused from call to call. The zero value is ready.
type deflater struct {
	buffer  bytes.Buffer
	snapped []byte
	gzip    *gzip.Writer
	lz4     *lz4.Writer
	zstd    *zstd.Encoder

	gzipLevel, zstdLevel int // of those that are there
}

const xerialBlock = 32 << 10 // snappy-java's

// append appends the records, compressed, to dst.
func (d *deflater) append(dst, records []byte, codec Codec, level int32) []byte {
	switch codec {
	case Gzip:
		return d.appendGzip(dst, records, level)
	case Snappy:
		return d.appendSnappy(dst, records)
	case LZ4:
		return d.appendLZ4(dst, records, level)
	case Zstd:
		return d.appendZstd(dst, records, level)
	}
	return append(dst, records...)
}

func (d *deflater) appendGzip(dst, records []byte, level int32) []byte {
	d.buffer.Reset()
	wanted := gzip.DefaultCompression
	if gzip.BestSpeed <= level && level <= gzip.BestCompression {
		wanted = int(level)
	}
	if d.gzip == nil || d.gzipLevel != wanted {
		w, err := gzip.NewWriterLevel(&d.buffer, wanted)
		must.Be(err == nil, "B12: the level of the gzip stream is a known one")
		d.gzip, d.gzipLevel = w, wanted
	}
	d.gzip.Reset(&d.buffer)
	_, err := d.gzip.Write(records)
	closing := d.gzip.Close()
	must.Be(err == nil && closing == nil, "B7: writing a gzip stream into memory does not fail")
	return append(dst, d.buffer.Bytes()...)
}

// appendLZ4 writes the frame that Java's client writes: independent blocks of 64 KiB, no checksums but the header's.
func (d *deflater) appendLZ4(dst, records []byte, level int32) []byte {
	d.buffer.Reset()
	if d.lz4 == nil {
		d.lz4 = lz4.NewWriter(&d.buffer)
	}
	d.lz4.Reset(&d.buffer)
	err := d.lz4.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false), lz4.ConcurrencyOption(1), lz4.CompressionLevelOption(lz4Level(level)))
	must.Be(err == nil, "B8: the options of the lz4 frame are known ones")
	_, err = d.lz4.Write(records)
	closing := d.lz4.Close()
	must.Be(err == nil && closing == nil, "B9: writing an lz4 frame into memory does not fail")
	return append(dst, d.buffer.Bytes()...)
}

// lz4Default is the level that means the fast compressor; all others are of the one that compresses better (KIP-390).
const lz4Default = 9

func lz4Level(level int32) lz4.CompressionLevel {
	if level < 1 || level == lz4Default {
		return lz4.Fast
	}
	return lz4.Level1 << (min(level, lz4Default) - 1)
}

func (d *deflater) appendSnappy(dst, records []byte) []byte {
	dst = append(dst, "\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"...)
	for len(records) > 0 {
		block := records[:min(len(records), xerialBlock)]
		records = records[len(block):]
		d.snapped = snappy.Encode(d.snapped[:cap(d.snapped)], block)
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(d.snapped)))
		dst = append(dst, d.snapped...)
	}
	return dst
}

// zstdDefault is zstd's own level.
const zstdDefault = 3

// appendZstd has four strengths for zstd's levels, each the nearest one.
func (d *deflater) appendZstd(dst, records []byte, level int32) []byte {
	if level == LevelOwn || level == 0 {
		level = zstdDefault
	}
	wanted := zstd.EncoderLevelFromZstd(int(level))
	if d.zstd == nil || d.zstdLevel != int(wanted) {
		encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithEncoderLevel(wanted))
		must.Be(err == nil, "B10: the options of the zstd encoder are known ones")
		d.zstd, d.zstdLevel = encoder, int(wanted)
	}
	return d.zstd.EncodeAll(records, dst)
}

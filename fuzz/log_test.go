package fuzz

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/batch"
	"rookery/core/log"
	"rookery/core/seam"
)

func FuzzParseOffsets(f *testing.F) {
	f.Add([]byte{0, 0, 0, 4, 0, 0, 16, 1, 0, 0, 0, 9, 0, 0, 32, 2}, int64(1<<20))
	f.Fuzz(func(t *testing.T, data []byte, size int64) {
		if entries, ok := log.ParseOffsets(data, size); ok {
			x := log.Index{Offsets: entries}
			require.Equal(t, append([]byte{}, data...), x.EncodeOffsets())
		}
	})
}

func FuzzParseTimes(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4})
	f.Fuzz(func(t *testing.T, data []byte) {
		if entries, ok := log.ParseTimes(data); ok {
			x := log.Index{Times: entries}
			require.Equal(t, append([]byte{}, data...), x.EncodeTimes())
		}
	})
}

func FuzzParseEpochs(f *testing.F) {
	f.Add([]byte("0\n2\n0 0\n3 17\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if e, ok := log.ParseEpochs(data); ok {
			again, ok := log.ParseEpochs(e.Encode())
			require.True(t, ok)
			require.Equal(t, e, again)
		}
	})
}

func FuzzParsePartitionOffsets(f *testing.F) {
	f.Add([]byte("0\n1\ntopic 0 17\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if lines, ok := log.ParsePartitionOffsets(data); ok {
			again, ok := log.ParsePartitionOffsets(log.EncodeOffsets(lines))
			require.True(t, ok)
			require.Equal(t, lines, again)
		}
	})
}

// dumbEnd is how many bytes of a segment of base 0 a dumb reader accepts.
func dumbEnd(data []byte) (at int, next int64) {
	epoch := int32(-1)
	for len(data)-at >= 61 {
		b := data[at:]
		size := 12 + int64(int32(binary.BigEndian.Uint32(b[8:])))
		if size < 61 || size > int64(len(b)) || b[16] != 2 || int64(binary.BigEndian.Uint64(b)) != next {
			break
		}
		delta, e := int32(binary.BigEndian.Uint32(b[23:])), int32(binary.BigEndian.Uint32(b[12:]))
		if delta < 0 || e < epoch || next+int64(delta) > 1<<31-1 ||
			crc32.Checksum(b[21:size], crc32.MakeTable(crc32.Castagnoli)) != binary.BigEndian.Uint32(b[17:]) {
			break
		}
		at, next, epoch = at+int(size), next+int64(delta)+1, e
	}
	return at, next
}

// FuzzRecovery: over any bytes a Recovery keeps exactly what the dumb reader accepts.
func FuzzRecovery(f *testing.F) {
	var b batch.Builder
	b.Begin(batch.Plain(batch.None))
	b.Add(5, nil, []byte("jackdaw"), nil)
	one := append([]byte(nil), b.Finish()...)
	two := append([]byte(nil), one...)
	batch.Stamp(two, 1, 0)
	f.Add(append(append([]byte(nil), one...), two...))
	f.Add(append(append([]byte(nil), one...), two[:40]...))
	f.Add(make([]byte, 200))
	f.Fuzz(func(t *testing.T, data []byte) {
		machine, fx := log.NewRecovery(), seam.Effects{}
		file := append([]byte(nil), data...)
		request := &log.RecoveryRequest{
			Topic: "t", Folder: seam.Path{Name: "t-0"}, First: 1,
			Files:  []seam.Entry{{Path: seam.Path{Name: "t-0/00000000000000000000.log"}, Size: int64(len(file))}},
			Config: log.Config{SegmentBytes: 1 << 30, SegmentMillis: 1 << 40, IndexBytes: 1 << 20, IndexIntervalBytes: 64},
		}
		inputs := []seam.Input{&seam.Mail{Body: request}}
		var out *log.Recovered
		for n := 0; len(inputs) > 0; n++ {
			require.Less(t, n, 1000)
			fx.Reset()
			machine.Step(seam.Now{}, inputs[0], &fx)
			inputs = inputs[1:]
			for _, x := range fx.Files {
				if x.Deed == seam.Truncate {
					file = file[:x.Size]
				}
				inputs = append(inputs, &seam.Wrote{Op: x.Op, Bytes: int64(len(file))})
			}
			for _, x := range fx.Writes {
				require.Equal(t, file[x.At:int(x.At)+len(x.Data)], x.Data, "the same bytes again")
				inputs = append(inputs, &seam.Wrote{Op: x.Op, Bytes: int64(len(x.Data))})
			}
			for _, x := range fx.Reads {
				inputs = append(inputs, &seam.Loaded{Op: x.Op, Data: append([]byte(nil), file[x.At:min(len(file), int(x.At)+int(x.Len))]...)})
			}
			for _, x := range fx.Syncs {
				inputs = append(inputs, &seam.Synced{Op: x.Op})
			}
			for _, x := range fx.Sends {
				out = x.Body.(*log.Recovered)
			}
		}
		require.NotNil(t, out)
		size, next := dumbEnd(data)
		require.Equal(t, seam.OK, out.Fault, out.Reason)
		require.Equal(t, log.Mark{Offset: next, Position: int64(size)}, out.End)
		require.Len(t, file, size)
	})
}

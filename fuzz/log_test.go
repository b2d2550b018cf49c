package fuzz

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/log"
)

// kafkaFiles are the files of Kafka 4.2.0's own directories whose paths end so.
func kafkaFiles(t testing.TB, ends ...string) (files [][]byte) {
	for _, end := range ends {
		for _, folder := range []string{"*", "*/*"} {
			paths, err := filepath.Glob("../cmd/rookery/testdata/kafka-4.2.0/" + folder + end)
			require.NoError(t, err)
			for _, path := range paths {
				data, err := os.ReadFile(path)
				require.NoError(t, err)
				files = append(files, data)
			}
		}
	}
	require.NotEmpty(t, files)
	return files
}

func FuzzParseOffsets(f *testing.F) {
	f.Add([]byte{0, 0, 0, 4, 0, 0, 16, 1, 0, 0, 0, 9, 0, 0, 32, 2}, int64(1<<20))
	for _, file := range kafkaFiles(f, ".index") {
		f.Add(file, int64(1<<20))
	}
	f.Fuzz(func(t *testing.T, data []byte, size int64) {
		if entries, ok := log.ParseOffsets(data, size); ok {
			x := log.Index{Offsets: entries}
			require.Equal(t, append([]byte{}, data...), x.EncodeOffsets())
		}
	})
}

func FuzzParseTimes(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4})
	for _, file := range kafkaFiles(f, ".timeindex") {
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if entries, ok := log.ParseTimes(data); ok {
			x := log.Index{Times: entries}
			require.Equal(t, append([]byte{}, data...), x.EncodeTimes())
		}
	})
}

func FuzzParseEpochs(f *testing.F) {
	f.Add([]byte("0\n2\n0 0\n3 17\n"))
	for _, file := range kafkaFiles(f, "leader-epoch-checkpoint") {
		f.Add(file)
	}
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
	for _, file := range kafkaFiles(f, "offset-checkpoint") {
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if lines, ok := log.ParsePartitionOffsets(data); ok {
			again, ok := log.ParsePartitionOffsets(log.EncodeOffsets(lines))
			require.True(t, ok)
			require.Equal(t, lines, again)
		}
	})
}

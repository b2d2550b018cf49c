package xxh

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The hashes that hash4j 0.22, which Apache Kafka 4.2.0 uses, has of bytes that are i*31 + i/251 + 7: lengths around every
// edge of the algorithm.
func TestHashesAreHash4Js(t *testing.T) {
	for _, c := range []struct {
		length int
		want   uint64
	}{
		{0, 0x2d06800538d394c2},
		{1, 0x4c5cca45d0f4811f},
		{2, 0xa7e250c97710ff27},
		{3, 0x15f7093b173d005c},
		{4, 0xdca012f95811b6b9},
		{5, 0xb290cafc7b254345},
		{7, 0x7561869c23da3c1b},
		{8, 0xdec6a9a43575982e},
		{9, 0xcbe393399f17ffbd},
		{12, 0x46aaf92c7550afa4},
		{16, 0x7e484c18d74895d0},
		{17, 0x208bde5ee2bed407},
		{31, 0xa937652b0119ca11},
		{32, 0x3df0ac5255d1446},
		{33, 0x199a362122d71f46},
		{63, 0x76d4eec1f092847f},
		{64, 0xdd30702ab46b3745},
		{65, 0xfab36b851b94ce20},
		{96, 0xd245cd2541582982},
		{97, 0x60e3e1d0d43785b3},
		{127, 0xa915ed6396db8cc0},
		{128, 0xf92b70eaa21a6288},
		{129, 0xf8f76713f2bb60fa},
		{143, 0xc372f52c27156971},
		{144, 0xd87f00765ee3d89e},
		{145, 0x65d480417b4734f8},
		{200, 0x12fdb864685f344d},
		{239, 0xcaa9b7a588464745},
		{240, 0xccc7375172c41f03},
		{241, 0xb3b630948ce4a00},
		{255, 0x8a64125808fda21f},
		{256, 0xbd7313bec92e09c0},
		{257, 0xafae5775b437fad8},
		{300, 0x7d491ba55cfab15c},
		{1023, 0x2b3e6191376aa407},
		{1024, 0x1d5027662b1f45f8},
		{1025, 0xd717a347397c8fe4},
		{1087, 0x4ff6e815638a69f3},
		{1088, 0x6a95f47544b8a8d4},
		{1089, 0xcf31f53758c198e8},
		{2047, 0x156394e48507dfdf},
		{2048, 0xe76f16a19fecdfc8},
		{2049, 0x9eed6ef0072a9baf},
		{5000, 0xca978b040910323c},
	} {
		b := make([]byte, c.length)
		for i := range b {
			b[i] = byte(i*31 + i/251 + 7)
		}
		require.Equal(t, c.want, Sum64(b), "%d bytes", c.length)
	}
}

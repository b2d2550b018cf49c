package world

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rookery/core/seam"
)

// A copy of a file of which a bit has turned is excused as that file is, whichever came first; and nothing is any more when
// such files are gone, whatever is made under their names.
func TestRotGoesWithTheFile(t *testing.T) {
	at := func(dir int32, name string) seam.Path { return seam.Path{Dir: dir, Name: name} }
	for name, before := range map[string]bool{"turned before it is copied": true, "turned while it is copied": false} {
		t.Run(name, func(t *testing.T) {
			d := NewDisk(2)
			source, _ := d.create(at(0, "t-0/0.log"))
			d.create(at(0, "t-0/9.log"))
			if before {
				d.rot(source)
			}
			d.create(at(1, "t-0.0123-future/0.log"))
			d.create(at(1, "t-0.0123-future/9.log"))
			d.create(at(1, "t-1.0123-future/0.log"))
			if !before {
				d.rot(source)
			}
			d.rename(at(0, "t-0"), at(0, "t-0.0123-delete"))
			require.False(t, d.Rotted("t-0"))
			d.rename(at(1, "t-0.0123-future"), at(1, "t-0"))
			d.rename(at(1, "t-1.0123-future"), at(1, "t-1"))
			require.True(t, d.Rotted("t-0"))
			require.False(t, d.Rotted("t-1"), "the source is another partition's")
			d.remove(at(1, "t-0/0.log"), 1)
			require.False(t, d.Rotted("t-0"), "the other segment's copy is sound")
			d.create(at(1, "t-0/0.log"))
			require.False(t, d.Rotted("t-0"))
		})
	}
}

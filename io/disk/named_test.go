package disk

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/seam"
)

// TestUnderFindsWhatAWalkFinds moves names about, and looks for each of them by index and by walking all files.
func TestUnderFindsWhatAWalkFinds(t *testing.T) {
	names := []string{"a", "a/b", "a/b/c", "ab", "ab/c", "b", "b/c"}
	rapid.Check(t, func(t *rapid.T) {
		d := New(Config{Dirs: []string{"", ""}})
		path := rapid.Custom(func(t *rapid.T) seam.Path {
			return seam.Path{Dir: rapid.Int32Range(0, 1).Draw(t, "dir"), Name: rapid.SampledFrom(names).Draw(t, "name")}
		})
		id := rapid.Custom(func(t *rapid.T) seam.File { return seam.File(rapid.IntRange(1, 12).Draw(t, "id")) })
		t.Repeat(map[string]func(*rapid.T){
			"know": func(t *rapid.T) { d.know(id.Draw(t, "file"), path.Draw(t, "path")) },
			"unknow": func(t *rapid.T) {
				if f := d.file(id.Draw(t, "file")); f != nil {
					d.unknow(f)
					d.unknow(f)
				}
			},
			"move": func(t *rapid.T) {
				if f := d.file(id.Draw(t, "file")); f != nil {
					d.moved(f, path.Draw(t, "to"))
				}
			},
			"": func(t *rapid.T) {
				for _, name := range names {
					p := seam.Path{Dir: 1, Name: name}
					walked := slices.DeleteFunc(d.known(), func(f *file) bool {
						return f.path.Dir != p.Dir || f.path.Name != p.Name && !strings.HasPrefix(f.path.Name, p.Name+"/")
					})
					require.ElementsMatch(t, walked, d.under(p))
				}
			},
		})
		for _, f := range d.known() {
			d.unknow(f)
		}
		require.Empty(t, d.named)
	})
}

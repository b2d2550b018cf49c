package specs

import (
	"fmt"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"rookery/core/wire"
)

const mapLinesMax = 150

// TestMap keeps the map true: every package is on it, every package on it exists, every law that it names exists, and
// it stays short enough to be read.
func TestMap(t *testing.T) {
	text := read(t, "README.md")
	if lines := strings.Count(text, "\n"); lines > mapLinesMax {
		t.Errorf("the map has %d lines, and %d is the most that anybody reads", lines, mapLinesMax)
	}
	s := &source{root: "..", fset: token.NewFileSet(), folders: map[string]*folder{}}
	s.parse(t)
	onMap := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z/]+)` \\| [^|]+ \\|([^|]*)\\|$").FindAllStringSubmatch(text, -1) {
		onMap[row[1]] = true
		if s.folders[row[1]] == nil {
			t.Errorf("%s is on the map, and there is no such package", row[1])
		}
	}
	for name := range s.folders {
		if !onMap[name] {
			t.Errorf("package %s is not on the map: give it a row with a sentence", name)
		}
	}
	laws := lawNumbers(t)
	for _, number := range regexp.MustCompile(`\b[A-Z][0-9]+\b`).FindAllString(text, -1) {
		if !laws[number] {
			t.Errorf("the map names law %s, and there is no such law", number)
		}
	}
}

// TestPagesNameLaws holds the other pages to the same: a law or a page that they name exists.
func TestPagesNameLaws(t *testing.T) {
	laws := lawNumbers(t)
	for _, page := range []string{"README.md", "delivery.md", "wire.md", "differences.md", "operations.md"} {
		text := read(t, page)
		for _, number := range regexp.MustCompile(`\b[BCFHLMNPQRSTVW][0-9]{1,2}\b`).FindAllString(text, -1) {
			if !laws[number] {
				t.Errorf("%s names law %s, and there is no such law", page, number)
			}
		}
		for _, m := range regexp.MustCompile("`([a-z]+\\.md)`").FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(m[1]); err != nil {
				t.Errorf("%s names %s: %v", page, m[1], err)
			}
		}
	}
}

// lawNumbers are those of the code's must.Be and of sim/check's list.
func lawNumbers(t *testing.T) map[string]bool {
	t.Helper()
	laws := map[string]bool{}
	err := filepath.WalkDir("../core", func(name string, d os.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".go" {
			return err
		}
		for _, m := range regexp.MustCompile(`must\.Be\([^\n]*"([A-Z]+[0-9]+): `).FindAllStringSubmatch(read(t, name), -1) {
			laws[m[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(read(t, "../sim/check/laws.txt")) {
		number, _, _ := strings.Cut(line, " ")
		laws[number] = true
	}
	return laws
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestWirePage holds wire.md's table to the code's.
func TestWirePage(t *testing.T) {
	var want []string
	for key := range int16(128) {
		oldest, newest, ok := wire.Range(key)
		if !ok {
			continue
		}
		first, last, _ := wire.Advertised(key)
		flexible := "none"
		if v := wire.FirstFlexible(key); v <= newest {
			flexible = fmt.Sprint(v)
		}
		want = append(want, fmt.Sprintf("| %d | %s | %d–%d | %d–%d | %s |", key, wire.Name(key), oldest, newest, first, last, flexible))
	}
	got := regexp.MustCompile(`(?m)^\| \d.*$`).FindAllString(read(t, "wire.md"), -1)
	if !slices.Equal(got, want) {
		t.Errorf("wire.md says\n%s\nand the code\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

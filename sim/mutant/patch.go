package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// plant is one planted bug: a header that says what it is, and a unified diff.
type plant struct {
	name       string
	what       string // the bug in a sentence
	bringsBack string
	where      string
	oracle     string // number of the law of sim/check that has to kill it
	must       string // when that is W12: the law of core that fires
	why        string // what has to happen
	faultFree  string // how its fault-free runs differ from others'; empty: they do not
	hunks      []hunk
}

// hunk is one place that is changed. Line numbers are not looked at: a patch outlives changes elsewhere in its file.
type hunk struct {
	file     string
	old, new []string
}

// readPlants reads every patch of a folder, by name.
func readPlants(folder string) ([]*plant, error) {
	names, err := filepath.Glob(filepath.Join(folder, "*.patch"))
	var plants []*plant
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		p, err := parsePlant(strings.TrimSuffix(filepath.Base(name), ".patch"), string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		plants = append(plants, p)
	}
	return plants, err
}

func parsePlant(name, text string) (*plant, error) {
	p := &plant{name: name}
	header, diff, found := strings.Cut(text, "\n\n")
	if !found {
		return nil, fmt.Errorf("no empty line between header and diff")
	}
	if err := p.readHeader(header); err != nil {
		return nil, err
	}
	return p, p.readDiff(diff)
}

// readHeader takes lines of the form "Key: text"; a line that begins with two spaces goes on with the one before.
func (p *plant) readHeader(header string) error {
	fields := map[string]*string{"What": &p.what, "Brings back": &p.bringsBack, "Where": &p.where,
		"Oracle": &p.oracle, "Must": &p.must, "Why": &p.why, "Fault-free": &p.faultFree}
	var last *string
	for line := range strings.Lines(header) {
		line = strings.TrimRight(line, "\n")
		if more, ok := strings.CutPrefix(line, "  "); ok && last != nil {
			*last += " " + more
			continue
		}
		key, value, _ := strings.Cut(line, ": ")
		if last = fields[key]; last == nil || *last != "" {
			return fmt.Errorf("header line %q", line)
		}
		*last = value
	}
	for _, key := range []string{"What", "Brings back", "Where", "Oracle", "Why"} {
		if *fields[key] == "" {
			return fmt.Errorf("the header has no %s", key)
		}
	}
	return nil
}

func (p *plant) readDiff(diff string) error {
	file := ""
	for line := range strings.Lines(diff) {
		line = strings.TrimRight(line, "\n")
		body := ""
		if line != "" {
			body = line[1:]
		}
		switch {
		case strings.HasPrefix(line, "--- a/"):
			file = strings.TrimPrefix(line, "--- a/")
		case strings.HasPrefix(line, "+++ "):
		case strings.HasPrefix(line, "@@ "):
			p.hunks = append(p.hunks, hunk{file: file})
		case len(p.hunks) == 0:
			return fmt.Errorf("%q before the first hunk", line)
		default:
			if err := p.hunks[len(p.hunks)-1].add(line, body); err != nil {
				return err
			}
		}
	}
	return nil
}

func (h *hunk) add(line, body string) error {
	switch {
	case line == "" || line[0] == ' ':
		h.old, h.new = append(h.old, body), append(h.new, body)
	case line[0] == '-':
		h.old = append(h.old, body)
	case line[0] == '+':
		h.new = append(h.new, body)
	default:
		return fmt.Errorf("%q is no line of a diff", line)
	}
	return nil
}

// files are those that the patch changes.
func (p *plant) files() (files []string) {
	for _, h := range p.hunks {
		if !slices.Contains(files, h.file) {
			files = append(files, h.file)
		}
	}
	return files
}

// apply is what a file looks like with the bug in it.
func (p *plant) apply(root, file string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return nil, err
	}
	lines := strings.Split(string(text), "\n")
	from := 0
	for _, h := range p.hunks {
		if h.file != file {
			continue
		}
		at, err := h.find(lines, from)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", p.name, file, err)
		}
		lines = slices.Replace(lines, at, at+len(h.old), h.new...)
		from = at + len(h.new)
	}
	return []byte(strings.Join(lines, "\n")), nil
}

// find is where the hunk's old lines stand: behind the hunk before it, and once.
func (h *hunk) find(lines []string, from int) (int, error) {
	found := -1
	for at := from; at+len(h.old) <= len(lines); at++ {
		if !slices.Equal(lines[at:at+len(h.old)], h.old) {
			continue
		}
		if found >= 0 {
			return 0, fmt.Errorf("its lines stand there twice, at %d and %d:\n%s", found+1, at+1, strings.Join(h.old, "\n"))
		}
		found = at
	}
	if found < 0 {
		return 0, fmt.Errorf("the patch does not apply any more; these lines are not there:\n%s", strings.Join(h.old, "\n"))
	}
	return found, nil
}

package specs

import (
	"bytes"
	"go/ast"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// largeBlobs are the files that may be larger than blobBytesMax, each with the reason.
var largeBlobs = map[string]string{}

const blobBytesMax = 256 << 10

// kept lists the files of a tree as git would keep them, with slashes, below root; without git, all of them.
func kept(t *testing.T, root string) []string {
	t.Helper()
	list := exec.Command("git", "ls-files", "-co", "--exclude-standard", "-z")
	list.Dir = root
	if out, err := list.Output(); err == nil {
		var files []string
		for _, name := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
			if info, err := os.Lstat(filepath.Join(root, name)); err == nil && !info.IsDir() {
				files = append(files, name)
			}
		}
		slices.Sort(files)
		return slices.Compact(files)
	}
	var files []string
	err := filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(root, name)
			files = append(files, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// names are held to Kafka's nouns: a word that says nothing about the thing is left out.
func names(h *house) {
	vague := regexp.MustCompile(`(Manager|Helper|Util|Utils|Impl|Service)s?$`)
	say := func(id *ast.Ident) {
		if vague.MatchString(id.Name) {
			h.complainAt(id, "%s: say what it is", id.Name)
		}
	}
	for _, name := range h.names() {
		f := h.folders[name]
		if leaf := path.Base(name); vague.MatchString(strings.ToUpper(leaf[:1]) + leaf[1:]) {
			h.complainAt(f.files[0].Name, "package %s: say what it is", leaf)
		}
		for _, file := range f.files {
			for _, d := range file.Decls {
				switch d := d.(type) {
				case *ast.FuncDecl:
					say(d.Name)
					if rest, ok := strings.CutPrefix(d.Name.Name, "Get"); ok && (rest == "" || rest[0] >= 'A' && rest[0] <= 'Z') {
						h.complainAt(d.Name, "%s: the name of what it returns is enough", d.Name.Name)
					}
				case *ast.GenDecl:
					for _, spec := range d.Specs {
						if spec, ok := spec.(*ast.TypeSpec); ok {
							say(spec.Name)
						}
					}
				}
			}
		}
	}
}

// docs asks for a package's page, and for a sentence on each exported type and function. The methods that std's own
// interfaces name (String, Error, Unwrap) need none.
func docs(h *house) {
	for _, name := range h.names() {
		f := h.folders[name]
		if !slices.ContainsFunc(f.files, func(file *ast.File) bool { return file.Doc != nil }) {
			h.complainAt(f.files[0].Name, "package %s has no doc", path.Base(name))
		}
		if f.files[0].Name.Name == "main" {
			continue
		}
		for _, file := range f.files {
			for i, d := range file.Decls {
				if i == 0 || !h.shares(file.Decls[i-1], d) {
					h.document(d)
				}
			}
		}
	}
}

// shares holds for a one-line function right below another one: a run of them shares the sentence above the first.
func (h *house) shares(before, d ast.Decl) bool {
	_, ok1 := before.(*ast.FuncDecl)
	_, ok2 := d.(*ast.FuncDecl)
	_, end := h.at(before.End())
	_, from := h.at(d.Pos())
	_, to := h.at(d.End())
	return ok1 && ok2 && from == to && from == end+1
}

func (h *house) document(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		plain := slices.Contains([]string{"String", "Error", "Unwrap"}, d.Name.Name)
		if d.Name.IsExported() && d.Doc == nil && !plain && exportedReceiver(d) {
			h.complainAt(d.Name, "%s has no doc", d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			spec, ok := spec.(*ast.TypeSpec)
			if ok && spec.Name.IsExported() && spec.Doc == nil && spec.Comment == nil && d.Doc == nil {
				h.complainAt(spec.Name, "%s has no doc", spec.Name.Name)
			}
		}
	}
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	exported := false
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && !exported {
			exported = id.IsExported()
			return false
		}
		return true
	})
	return exported
}

// lawNumber is how a law's text begins: one or more letters, a number, a colon.
var lawNumber = regexp.MustCompile("^[\"`]([A-Z]+[0-9]+): ")

// mustMessages keeps a crash greppable: a text stands in one place, and a number in one room.
func mustMessages(h *house) {
	texts, rooms := map[string]string{}, map[string]string{}
	h.nodes(func(f *folder, _ *ast.File, n ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok || f.called(call) != module+"/core/must.Be" || len(call.Args) != 2 {
			return
		}
		text, ok := call.Args[1].(*ast.BasicLit)
		if !ok || text.Kind != token.STRING {
			h.complainAt(call, "the law is not a literal, so a crash cannot be found by its text")
			return
		}
		number := lawNumber.FindStringSubmatch(text.Value)
		if number == nil {
			h.complainAt(call, "%s does not begin with the law's number", text.Value)
			return
		}
		if _, taken := texts[text.Value]; taken {
			h.complainAt(call, "%s is also in %s", text.Value, texts[text.Value])
		} else if room, taken := rooms[number[1]]; taken && room != f.name {
			h.complainAt(call, "law %s belongs to %s", number[1], room)
		}
		texts[text.Value], rooms[number[1]] = f.name, f.name
	})
}

// leftovers looks at every text of the tree.
func leftovers(h *house) {
	note := regexp.MustCompile(`\b(` + strings.Join([]string{"FIX" + "ME", "XX" + "X", "TO" + "DO", "HA" + "CK"}, "|") + `)\b`)
	for _, name := range h.files {
		text, err := os.ReadFile(filepath.Join(h.root, name))
		if err != nil || bytes.IndexByte(text, 0) >= 0 || name == "LICENSE" {
			continue
		}
		for i, line := range strings.Split(string(text), "\n") {
			if word := note.FindString(line); word != "" {
				h.complain(name, i+1, "%s: do it or write down why not", word)
			}
		}
	}
}

func prints(h *house) {
	h.nodes(func(f *folder, file *ast.File, n ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok || file.Name.Name == "main" {
			return
		}
		switch name := f.called(call); name {
		case "fmt.Print", "fmt.Printf", "fmt.Println", "print", "println":
			h.complainAt(n, "%s: return it, or emit an Event", name)
		}
	})
}

// hygiene looks at what is no Go.
func hygiene(h *house) {
	for _, name := range h.files {
		info, err := os.Lstat(filepath.Join(h.root, name))
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if info.Size() > blobBytesMax && largeBlobs[name] == "" {
			h.complain(name, 0, "%d bytes: generate it, or list it with a reason", info.Size())
			continue
		}
		text, err := os.ReadFile(filepath.Join(h.root, name))
		if err != nil {
			h.complain(name, 0, "%v", err)
			continue
		}
		script := bytes.HasPrefix(text, []byte("#!"))
		if executable := info.Mode()&0o111 != 0; executable && !script {
			h.complain(name, 0, "an executable that is no script")
		}
		if path.Ext(name) == ".md" && titles(string(text)) != 1 {
			h.complain(name, 0, "%d titles (lines that begin with one #): a page has one", titles(string(text)))
		}
	}
}

func titles(markdown string) int {
	n, fenced := 0, false
	for _, line := range strings.Split(markdown, "\n") {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		if !fenced && strings.HasPrefix(line, "# ") {
			n++
		}
	}
	return n
}

// TestLoosePlants plants what cannot lie in the repository: a large blob, a stray executable, a note of unfinished
// work, a page with two titles.
func TestLoosePlants(t *testing.T) {
	root := t.TempDir()
	plant := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	plant("blob.txt", strings.Repeat("x", blobBytesMax+1), 0o644)
	plant("run.txt", "no script", 0o755)
	plant("script", "#!/bin/sh\n", 0o755)
	plant("two.md", "# one\n\n```\n# not a title\n```\n# two\n", 0o644)
	plant("note.txt", "fine\n"+"TO"+"DO: the rest\n", 0o644)
	h := &house{source: &source{root: root, fset: token.NewFileSet()}, files: kept(t, root)}
	h.rule = "hygiene"
	hygiene(h)
	h.rule = "leftover"
	leftovers(h)
	var got []string
	for _, c := range h.complaints {
		got = append(got, c.rule+" "+c.file)
	}
	want := []string{"hygiene blob.txt", "hygiene run.txt", "hygiene two.md", "leftover note.txt"}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("found %q, planted %q", got, want)
	}
}

// TestLongest prints the longest files and functions. It fails nothing: a number does not know when a long table is
// the clearest form.
func TestLongest(t *testing.T) {
	type length struct {
		lines int
		what  string
	}
	var all []length
	s := &source{root: "..", fset: token.NewFileSet(), folders: map[string]*folder{}}
	s.parse(t)
	for _, name := range s.names() {
		for _, file := range s.folders[name].files {
			all = append(all, length{s.fset.Position(file.End()).Line, s.below(s.fset.Position(file.Pos()).Filename)})
			for _, d := range file.Decls {
				if d, ok := d.(*ast.FuncDecl); ok {
					lines := s.fset.Position(d.End()).Line - s.fset.Position(d.Pos()).Line + 1
					all = append(all, length{lines * 10, name + "." + d.Name.Name}) // a function of 70 ranks with a file of 700
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b length) int { return b.lines - a.lines })
	for _, l := range all[:min(len(all), 12)] {
		if !strings.HasSuffix(l.what, ".go") {
			l.lines /= 10
		}
		t.Logf("%5d lines  %s", l.lines, l.what)
	}
}

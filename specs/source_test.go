package specs

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "rookery"

// folder is one package as it lies on disk, parsed; checked says whether its types are known too.
type folder struct {
	name  string      // below the module: "core/log", "" for the root
	files []*ast.File // without tests
	tests []*ast.File
	pkg   *types.Package
	info  *types.Info
	wrong []error // what the type checker said
}

// source is a tree of packages. What it does not hold itself it takes from beneath (a planted violation stands on the
// real module), and what that does not hold from compiled packages.
type source struct {
	root    string
	fset    *token.FileSet
	folders map[string]*folder
	beneath *source
	outside types.Importer
}

// loadModule parses the module that this test lies in.
func loadModule(t *testing.T) *source {
	t.Helper()
	s := &source{root: "..", fset: token.NewFileSet(), folders: map[string]*folder{}}
	s.parse(t)
	paths := s.imported()
	violations, err := filepath.Glob("testdata/violations/*")
	if err != nil || len(violations) == 0 {
		t.Fatalf("no planted violations: %v", err)
	}
	for _, v := range violations {
		planted := &source{root: v, fset: s.fset, folders: map[string]*folder{}}
		planted.parse(t)
		paths = append(paths, planted.imported()...)
	}
	slices.Sort(paths)
	s.outside = compiled(t, s.fset, slices.Compact(paths))
	return s
}

// plant parses a small tree that stands on s.
func (s *source) plant(t *testing.T, root string) *source {
	t.Helper()
	planted := &source{root: root, fset: s.fset, folders: map[string]*folder{}, beneath: s, outside: s.outside}
	planted.parse(t)
	return planted
}

func (s *source) parse(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(s.root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return s.enter(name, d.Name())
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		if matches, err := build.Default.MatchFile(filepath.Dir(name), d.Name()); err != nil || !matches {
			return err
		}
		file, err := parser.ParseFile(s.fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		s.add(filepath.Dir(name), file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// enter says which folders hold no packages of this module.
func (s *source) enter(name, base string) error {
	if name == s.root {
		return nil
	}
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "node_modules" {
		return filepath.SkipDir
	}
	if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
		return filepath.SkipDir
	}
	return nil
}

func (s *source) add(dir string, file *ast.File) {
	name := s.below(dir)
	f := s.folders[name]
	if f == nil {
		f = &folder{name: name}
		s.folders[name] = f
	}
	if strings.HasSuffix(s.fset.Position(file.Package).Filename, "_test.go") {
		f.tests = append(f.tests, file)
	} else {
		f.files = append(f.files, file)
	}
}

// below is a path on disk as the module sees it, with slashes.
func (s *source) below(name string) string {
	rel, err := filepath.Rel(s.root, name)
	if err != nil || rel == "." {
		return ""
	}
	return filepath.ToSlash(rel)
}

// at is a position as the module sees it.
func (s *source) at(pos token.Pos) (string, int) {
	p := s.fset.Position(pos)
	return s.below(p.Filename), p.Line
}

func (s *source) names() []string {
	var names []string
	for name, f := range s.folders {
		if len(f.files) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// imported lists what the packages (not their tests) need from outside the module.
func (s *source) imported() []string {
	var paths []string
	for _, f := range s.folders {
		for _, file := range f.files {
			for _, spec := range file.Imports {
				p := importPath(spec)
				if !inModule(p) && p != "unsafe" && p != "C" {
					paths = append(paths, p)
				}
			}
		}
	}
	return paths
}

func importPath(spec *ast.ImportSpec) string { return strings.Trim(spec.Path.Value, `"`+"`") }

func inModule(importPath string) bool {
	return importPath == module || strings.HasPrefix(importPath, module+"/")
}

// standard holds for packages that come with Go: their first element has no dot.
func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".") && !inModule(importPath)
}

// compiled reads the types of packages outside the module from the build cache.
func compiled(t *testing.T, fset *token.FileSet, paths []string) types.Importer {
	t.Helper()
	list := exec.Command("go", append([]string{"list", "-e", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}"}, paths...)...)
	var complaint bytes.Buffer
	list.Stderr = &complaint
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, complaint.String())
	}
	exports := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		name, export, _ := strings.Cut(lines.Text(), "\t")
		exports[name] = export
	}
	return importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("%s has not been compiled", path)
		}
		return os.Open(exports[path])
	})
}

// Import makes a source the importer of its own packages.
func (s *source) Import(importPath string) (*types.Package, error) {
	if importPath == "unsafe" {
		return types.Unsafe, nil
	}
	if !inModule(importPath) {
		return s.outside.Import(importPath)
	}
	name := strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/")
	if f := s.folders[name]; f != nil && len(f.files) > 0 {
		s.check(f)
		return f.pkg, nil
	}
	if s.beneath != nil {
		return s.beneath.Import(importPath)
	}
	return nil, fmt.Errorf("there is no package %s", importPath)
}

// check finds the types of one package, once.
func (s *source) check(f *folder) {
	if f.info != nil {
		return
	}
	f.info = &types.Info{
		Types:      map[ast.Expr]types.TypeAndValue{},
		Uses:       map[*ast.Ident]types.Object{},
		Defs:       map[*ast.Ident]types.Object{},
		Selections: map[*ast.SelectorExpr]*types.Selection{},
	}
	config := types.Config{Importer: s, Error: func(err error) { f.wrong = append(f.wrong, err) }}
	f.pkg, _ = config.Check(path.Join(module, f.name), s.fset, f.files, f.info)
}

package specs

import (
	"errors"
	"go/ast"
	"go/types"
	"os/exec"
	"path"
	"slices"
	"strings"
	"sync"
)

// allowed finds the policy's line for a package: its own before one that ends in /... . Nil: it is not listed.
func allowed(name string) []string {
	var general []string
	for _, line := range strings.Split(policy, "\n") {
		pattern, list, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		switch pattern = strings.TrimSpace(pattern); {
		case pattern == name:
			return append([]string{""}, strings.Fields(list)...)
		case matches(pattern, name):
			general = append([]string{""}, strings.Fields(list)...)
		}
	}
	return general
}

// matches holds a word of the policy against a package of the module or a library.
func matches(word, name string) bool {
	if below, ok := strings.CutSuffix(word, "/..."); ok {
		return name == below || strings.HasPrefix(name, below+"/")
	}
	if strings.HasSuffix(word, "/") {
		return strings.HasPrefix(name, word) || name+"/" == word
	}
	return word == name
}

// permits says whether one line of the policy lets a package be imported.
func permits(words []string, importPath string) bool {
	name := importPath
	if inModule(importPath) {
		name = strings.TrimPrefix(importPath, module+"/")
	}
	for _, word := range words {
		switch word {
		case "ANY":
			return true
		case "STD":
			if standard(importPath) && importPath != "log" {
				return true
			}
		case "PURE":
			if slices.Contains(pure, importPath) {
				return true
			}
		default:
			if matches(word, name) {
				return true
			}
		}
	}
	return false
}

func isCore(name string) bool {
	return (name == "core" || strings.HasPrefix(name, "core/")) && !slices.Contains(testOnly, name)
}

func isDriver(name string) bool {
	return name == "io" || name == "net" || strings.HasPrefix(name, "io/") || strings.HasPrefix(name, "net/")
}

// imports calls visit for each import of each package's own files.
func (h *house) imports(visit func(f *folder, spec *ast.ImportSpec, importPath string)) {
	for _, name := range h.names() {
		f := h.folders[name]
		for _, file := range f.files {
			for _, spec := range file.Imports {
				visit(f, spec, importPath(spec))
			}
		}
	}
}

func compiles(h *house) {
	for _, name := range h.names() {
		for _, err := range h.folders[name].wrong {
			var at types.Error
			if !errors.As(err, &at) {
				h.complain(name, 0, "%v", err)
				continue
			}
			file, line := h.at(at.Pos)
			h.complain(file, line, "%s", at.Msg)
		}
	}
}

func layering(h *house) {
	for _, name := range h.names() {
		if allowed(name) == nil {
			h.complainAt(h.folders[name].files[0].Name, "the policy does not list %s", name)
		}
	}
	h.imports(func(f *folder, spec *ast.ImportSpec, importPath string) {
		if words := allowed(f.name); words != nil && inModule(importPath) && !permits(words, importPath) {
			h.complainAt(spec, "%s may not import %s", f.name, importPath)
		}
	})
}

func allowList(h *house) {
	h.imports(func(f *folder, spec *ast.ImportSpec, importPath string) {
		if words := allowed(f.name); words != nil && !inModule(importPath) && !permits(words, importPath) {
			h.complainAt(spec, "%s may not import %s", f.name, importPath)
		}
	})
}

func codec(h *house) {
	h.imports(func(f *folder, spec *ast.ImportSpec, importPath string) {
		if !isDriver(f.name) {
			return
		}
		if importPath == module+"/core/wire" || importPath == module+"/core/batch" || strings.Contains(importPath, "/kmsg") {
			h.complainAt(spec, "%s may not know the protocol: cmd hands it conn.Intake", f.name)
		}
	})
}

func stdLog(h *house) {
	h.imports(func(f *folder, spec *ast.ImportSpec, importPath string) {
		if importPath == "log" && !slices.Contains(allowed(f.name), "ANY") || isCore(f.name) && importPath == "log/slog" {
			h.complainAt(spec, "%s: core emits Events, everything else uses log/slog", importPath)
		}
	})
}

// simulation follows the broker's imports to the end.
func simulation(h *house) {
	var follow func(name string, way []string)
	seen := map[string]bool{}
	follow = func(name string, way []string) {
		f := h.folders[name]
		if seen[name] || f == nil || len(f.files) == 0 {
			return
		}
		seen[name] = true
		if strings.HasPrefix(name, "sim/") || slices.Contains(testOnly, name) {
			h.complainAt(f.files[0].Name, "linked into the broker by %s", strings.Join(way, " -> "))
			return
		}
		for _, file := range f.files {
			for _, spec := range file.Imports {
				if below, ok := strings.CutPrefix(importPath(spec), module+"/"); ok {
					follow(below, append(slices.Clone(way), name))
				}
			}
		}
	}
	follow("cmd/rookery", nil)
}

// leafNames keeps a reader from asking which of two packages is meant.
func leafNames(h *house) {
	std := standardLeaves()
	first := map[string]string{}
	for _, name := range h.names() {
		leaf := path.Base(name)
		at := h.folders[name].files[0].Name
		if other, taken := first[leaf]; taken && !commandOf(name, other) {
			h.complainAt(at, "%s and %s have the same last element", other, name)
		}
		first[leaf] = name
		if std[leaf] && name != "core/log" {
			h.complainAt(at, "%s has the name of a package of std", name)
		}
	}
}

// commandOf holds for a command beside the folder that it runs: cmd/sim and sim.
func commandOf(a, b string) bool {
	return path.Dir(a) == "cmd" && path.Dir(b) == "." || path.Dir(b) == "cmd" && path.Dir(a) == "."
}

var standardLeaves = sync.OnceValue(func() map[string]bool {
	leaves := map[string]bool{}
	out, err := exec.Command("go", "list", "std").Output()
	if err != nil {
		panic("go list std: " + err.Error())
	}
	for _, name := range strings.Fields(string(out)) {
		if !strings.Contains(name, "internal/") && !strings.HasPrefix(name, "vendor/") {
			leaves[path.Base(name)] = true
		}
	}
	return leaves
})

package specs

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// core calls visit for each node of each pure package.
func (h *house) core(visit func(f *folder, file *ast.File, n ast.Node)) {
	h.nodes(func(f *folder, file *ast.File, n ast.Node) {
		if isCore(f.name) {
			visit(f, file, n)
		}
	})
}

// nodes calls visit for each node of each package's own files.
func (h *house) nodes(visit func(f *folder, file *ast.File, n ast.Node)) {
	for _, name := range h.names() {
		f := h.folders[name]
		for _, file := range f.files {
			ast.Inspect(file, func(n ast.Node) bool {
				if n != nil {
					visit(f, file, n)
				}
				return true
			})
		}
	}
}

// called is the function a call names, as "path.Name" ("" for methods, closures and conversions). A function reached
// through a variable escapes it, which is why the allow-list of imports comes first.
func (f *folder) called(call *ast.CallExpr) string {
	fun := ast.Unparen(call.Fun)
	if index, ok := fun.(*ast.IndexExpr); ok {
		fun = index.X
	}
	switch fun := fun.(type) {
	case *ast.SelectorExpr:
		return f.named(fun.Sel)
	case *ast.Ident:
		return f.named(fun)
	}
	return ""
}

// named is the package-level object that an identifier uses, as "path.Name"; for a builtin its name alone.
func (f *folder) named(id *ast.Ident) string {
	object := f.info.Uses[id]
	switch {
	case object == nil:
		return ""
	case object.Pkg() == nil:
		return object.Name()
	case object.Parent() == object.Pkg().Scope():
		return object.Pkg().Path() + "." + object.Name()
	}
	return ""
}

func concurrency(h *house) {
	h.core(func(f *folder, _ *ast.File, n ast.Node) {
		switch n := n.(type) {
		case *ast.GoStmt:
			h.complainAt(n, "a goroutine")
		case *ast.SelectStmt:
			h.complainAt(n, "a select")
		case *ast.ChanType:
			h.complainAt(n, "a channel")
		case *ast.SendStmt:
			h.complainAt(n, "a send")
		}
	})
}

func mapOrder(h *house) {
	sorted := map[*ast.CallExpr]bool{} // calls that hand their map straight to a sort
	h.core(func(f *folder, file *ast.File, n ast.Node) {
		switch n := n.(type) {
		case *ast.RangeStmt:
			if isMap(f.info.TypeOf(n.X)) && !h.excused(file, n, "//tidy:unordered ") {
				h.complainAt(n, "a range over a map (core/ordered has an order; else sort the keys)")
			}
		case *ast.CallExpr:
			name := f.called(n)
			if strings.HasPrefix(name, "slices.Sorted") && len(n.Args) > 0 {
				if inner, ok := ast.Unparen(n.Args[0]).(*ast.CallExpr); ok {
					sorted[inner] = true
				}
			}
			if ordersByMap(name) && !sorted[n] && !h.excused(file, n, "//tidy:unordered ") {
				h.complainAt(n, "%s outside slices.Sorted", name)
			}
		}
	})
}

func ordersByMap(name string) bool {
	return name == "maps.Keys" || name == "maps.Values" || name == "maps.All" || name == "maps.DeleteFunc"
}

func isMap(t types.Type) bool {
	if t == nil {
		return false
	}
	if constraint, ok := t.Underlying().(*types.Interface); ok {
		for embedded := range constraint.EmbeddedTypes() {
			if union, ok := embedded.(*types.Union); ok && union.Len() > 0 {
				embedded = union.Term(0).Type()
			}
			if _, ok := embedded.Underlying().(*types.Map); ok {
				return true
			}
		}
	}
	_, ok := t.Underlying().(*types.Map)
	return ok
}

// excused holds when the line of n, or the one above, ends in the escape and a reason.
func (h *house) excused(file *ast.File, n ast.Node, escape string) bool {
	line := h.fset.Position(n.Pos()).Line
	for _, group := range file.Comments {
		for _, c := range group.List {
			at := h.fset.Position(c.Pos()).Line
			if reason, ok := strings.CutPrefix(c.Text, escape); ok && strings.TrimSpace(reason) != "" && (at == line || at == line-1) {
				return true
			}
		}
	}
	return false
}

func clock(h *house) {
	h.core(func(f *folder, _ *ast.File, n ast.Node) {
		id, ok := n.(*ast.Ident)
		if !ok {
			return
		}
		switch name := f.named(id); name {
		case "time.Now", "time.Since", "time.Until", "time.After", "time.AfterFunc", "time.NewTimer", "time.NewTicker",
			"time.Tick", "time.Sleep":
			h.complainAt(id, "%s: the time is Step's first argument", name)
		default:
			if global, ok := strings.CutPrefix(name, "math/rand/v2."); ok && isGlobalRandom(f.info.Uses[id], global) {
				h.complainAt(id, "%s: randomness comes from core/rng, seeded in the config", name)
			}
			if strings.HasPrefix(name, "math/rand.") || strings.HasPrefix(name, "crypto/rand.") {
				h.complainAt(id, "%s: randomness comes from core/rng, seeded in the config", name)
			}
		}
	})
}

// isGlobalRandom holds for the functions that draw from the process's own generator; New and its sources do not.
func isGlobalRandom(object types.Object, name string) bool {
	_, isFunc := object.(*types.Func)
	return isFunc && !strings.HasPrefix(name, "New")
}

func float(h *house) {
	h.core(func(f *folder, _ *ast.File, n ast.Node) {
		e, ok := n.(ast.Expr)
		if !ok {
			return
		}
		t := f.info.TypeOf(e)
		if t == nil {
			return
		}
		if basic, ok := t.Underlying().(*types.Basic); ok && basic.Info()&(types.IsFloat|types.IsComplex) != 0 {
			h.complainAt(n, "a floating point value")
		}
	})
}

// global leaves only `var _ I = x`, which says that a type has methods.
func global(h *house) {
	h.eachDecl(func(f *folder, d *ast.GenDecl) {
		if d.Tok != token.VAR || !isCore(f.name) {
			return
		}
		for _, spec := range d.Specs {
			for _, id := range spec.(*ast.ValueSpec).Names {
				if id.Name != "_" {
					h.complainAt(id, "%s is a package-level variable: a constant, a function with a switch, or a field of a machine", id.Name)
				}
			}
		}
	})
}

// eachDecl calls visit for each declaration of constants, variables, types or imports at the top of a file.
func (h *house) eachDecl(visit func(f *folder, d *ast.GenDecl)) {
	for _, name := range h.names() {
		f := h.folders[name]
		for _, file := range f.files {
			for _, d := range file.Decls {
				if d, ok := d.(*ast.GenDecl); ok {
					visit(f, d)
				}
			}
		}
	}
}

func noRecover(h *house) {
	h.core(func(f *folder, _ *ast.File, n ast.Node) {
		if call, ok := n.(*ast.CallExpr); ok && f.called(call) == "recover" {
			h.complainAt(n, "recover")
		}
	})
}

func address(h *house) {
	h.core(func(f *folder, _ *ast.File, n ast.Node) {
		switch n := n.(type) {
		case *ast.Ident:
			if f.named(n) == "uintptr" || f.named(n) == "unsafe.Pointer" {
				h.complainAt(n, "%s: an address differs from run to run", n.Name)
			}
		case *ast.BasicLit:
			if n.Kind == token.STRING && strings.Contains(n.Value, "%p") {
				h.complainAt(n, "%%p prints an address, which differs from run to run")
			}
		}
	})
}

func unstableSort(h *house) {
	unstable := []string{"slices.SortFunc", "slices.SortedFunc", "sort.Slice", "sort.Sort"}
	h.core(func(f *folder, _ *ast.File, n ast.Node) {
		if call, ok := n.(*ast.CallExpr); ok && slices.Contains(unstable, f.called(call)) {
			h.complainAt(n, "%s: take the stable one", f.called(call))
		}
	})
}

// closedSum looks at every type switch of the module whose operand is a closed set. To look for one kind, ask
// `if h, is := in.(*seam.Hangup); is`: that says what it is.
func closedSum(h *house) {
	h.nodes(func(f *folder, _ *ast.File, n ast.Node) {
		s, ok := n.(*ast.TypeSwitchStmt)
		if !ok || slices.Contains(testOnly, f.name) {
			return
		}
		kinds := h.kindsOf(f.info.TypeOf(operand(s)))
		if kinds == nil {
			return
		}
		for _, c := range s.Body.List {
			if c.(*ast.CaseClause).List == nil {
				h.complainAt(c, "a default hides the kind that is added next")
			}
			for _, e := range c.(*ast.CaseClause).List {
				delete(kinds, bare(f.info.TypeOf(e)))
			}
		}
		for _, kind := range sortedNames(kinds) {
			h.complainAt(s, "%s is not listed", kind)
		}
	})
}

func operand(s *ast.TypeSwitchStmt) ast.Expr {
	var e ast.Expr
	switch a := s.Assign.(type) {
	case *ast.ExprStmt:
		e = a.X
	case *ast.AssignStmt:
		e = a.Rhs[0]
	}
	return e.(*ast.TypeAssertExpr).X
}

// kindsOf is the set of a closed set's kinds, nil if t is none.
func (h *house) kindsOf(t types.Type) map[*types.TypeName]bool {
	named, ok := t.(*types.Named)
	if !ok || named.Obj().Pkg() == nil || !slices.Contains(sums, named.Obj().Pkg().Path()+"."+named.Obj().Name()) {
		return nil
	}
	kinds := map[*types.TypeName]bool{}
	scope := named.Obj().Pkg().Scope()
	for _, name := range scope.Names() {
		kind, ok := scope.Lookup(name).(*types.TypeName)
		if ok && !types.IsInterface(kind.Type()) &&
			(types.Implements(types.NewPointer(kind.Type()), named.Underlying().(*types.Interface))) {
			kinds[kind] = true
		}
	}
	return kinds
}

func bare(t types.Type) *types.TypeName {
	if pointer, ok := t.(*types.Pointer); ok {
		t = pointer.Elem()
	}
	if named, ok := t.(*types.Named); ok {
		return named.Obj()
	}
	return nil
}

func sortedNames(kinds map[*types.TypeName]bool) []string {
	var names []string
	for kind := range kinds {
		names = append(names, kind.Name())
	}
	slices.Sort(names)
	return names
}

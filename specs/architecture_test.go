package specs

import (
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// policy is the layering of the house: a package, and what it may import beside packages of its own list. It is
// policy, not a record of what is the case: DO NOT CHANGE THIS TO FIX A BUILD. A package that no line names fails, so a
// new room begins with a line here. Tests may import anything.
//
//	core/x    a package of the module        x/...   it and every package below
//	PURE      the part of std that reads nothing but its arguments
//	STD       all of std but log (log/slog is meant)
//	ANY       anything
//	name/     every package of that repository
//
// core/* are pure: a room imports rooms that stand before it, and only core itself imports them all.
const policy = `
core/seam          :
core/must          :
core/ordered       : PURE core/must
core/timer         : PURE core/must core/seam core/ordered
core/rng           : PURE core/must math/rand/v2
core/wire          : PURE core/must core/seam github.com/twmb/franz-go/
core/batch         : PURE core/must core/seam core/ordered core/wire github.com/klauspost/compress/ github.com/pierrec/lz4/v4/ github.com/golang/snappy/ io compress/gzip
core/producer      : PURE core/must core/seam core/ordered core/timer core/wire core/batch
core/log           : PURE core/must core/seam core/ordered core/timer core/wire core/batch core/producer
core/compact       : PURE core/must core/seam core/ordered core/batch core/log crypto/sha256
core/replica       : PURE core/must core/seam core/ordered core/timer core/wire core/batch core/producer core/log
core/fetch         : PURE core/must core/seam core/ordered core/timer core/rng core/wire core/batch core/log core/replica
core/xxh           : PURE
core/schema        : PURE core/must
core/meta          : PURE core/must core/seam core/ordered core/wire core/batch core/schema github.com/twmb/franz-go/
core/telemetry     : PURE core/must core/seam core/ordered core/timer core/rng core/wire core/meta regexp
core/controller    : PURE core/must core/seam core/ordered core/timer core/rng core/wire core/batch core/meta core/telemetry github.com/twmb/franz-go/ net/netip
core/assign        : PURE core/must core/meta
core/group         : PURE core/must core/seam core/ordered core/timer core/rng core/wire core/batch core/xxh core/schema core/meta core/assign github.com/twmb/franz-go/ regexp regexp/syntax unicode/utf16
core/quorum        : PURE core/must core/seam core/ordered core/timer core/rng core/wire core/batch core/log core/meta github.com/twmb/franz-go/
core/conn          : PURE core/must core/seam core/ordered core/wire core/batch github.com/twmb/franz-go/
core/client/assignor : PURE core/must core/ordered
core/client        : PURE core/must core/seam core/ordered core/timer core/rng core/wire core/batch core/client/assignor github.com/twmb/franz-go/ regexp
core               : PURE core/... github.com/twmb/franz-go/
core/seam/tape     : PURE core/must core/seam
core/seam/contract : STD core/must core/seam pgregory.net/rapid

io/disk            : STD core/must core/seam golang.org/x/sys/
io/loop            : STD core/must core/seam core/seam/tape
net/server         : STD core/must core/seam golang.org/x/sys/
net/dial           : STD core/must core/seam
net/courier        : STD core/must core/seam core/client
net/kafka          : STD core/seam core/client core/client/assignor net/courier net/dial

sim/world          : STD core/... sim/...
sim/workload       : STD core/... sim/... github.com/twmb/franz-go/ github.com/klauspost/compress/ github.com/pierrec/lz4/v4/ github.com/golang/snappy/
sim/check          : STD core/... sim/... github.com/anishathalye/porcupine github.com/klauspost/compress/ github.com/pierrec/lz4/v4/ github.com/golang/snappy/
sim/...            : STD core/... sim/... github.com/twmb/franz-go/ github.com/anishathalye/porcupine

cmd/rookery        : STD core/... io/... net/... github.com/spf13/cobra github.com/spf13/pflag github.com/magiconair/properties github.com/prometheus/ github.com/twmb/franz-go/ golang.org/x/sys/
cmd/sim            : STD core/... sim/... github.com/spf13/cobra github.com/spf13/pflag

bench/...          : ANY
specs              : ANY
specs/...          : ANY
fuzz               : ANY
fuzz/...           : ANY
`

// pure is the allow-list of std for core: what reads nothing but its arguments. An allow-list needs no upkeep when std
// grows. Not on it, on purpose (math is, for its limits; the float rule sees the rest): time, sync, os, net, context, log, math/rand, hash/maphash, unsafe, runtime, reflect.
var pure = []string{
	"bytes", "cmp", "encoding/binary", "errors", "fmt", "hash/crc32", "iter", "maps", "math", "math/bits", "slices",
	"sort", "strconv", "strings", "unicode/utf8",
}

// testOnly packages hold code that only tests and the simulator call: they owe core's layering but not its purity.
var testOnly = []string{"core/seam/contract"}

// sums are the closed sets: a type switch over one lists every kind and has no default.
var sums = []string{module + "/core/seam.Input"}

// rules are all the rules that are held against the module and against each planted violation. The name is what a
// complaint and a plant's `want` comment call it.
var rules = []struct {
	name  string
	law   string
	check func(*house)
}{
	{"compiles", "every package type-checks", compiles},
	{"layering", "a package imports what the policy lists and no more; a package that it does not list fails", layering},
	{"allow-list", "std and libraries reach core room by room, by an allow-list", allowList},
	{"codec", "nothing under io or net knows the protocol: no core/wire, core/batch or kmsg", codec},
	{"simulation", "simulation code is never linked into the broker", simulation},
	{"std-log", "std log is banned where core/log is a word; log/slog is meant, and never in core", stdLog},
	{"concurrency", "core has no goroutine, channel, send or select", concurrency},
	{"map-order", "core never depends on a map's order", mapOrder},
	{"clock", "core reads no clock and no global randomness", clock},
	{"float", "core has no floating point: the Go spec lets it differ by CPU", float},
	{"global", "core has no package-level variable: state lives in a machine", global},
	{"recover", "core does not recover: a broken law ends the process", noRecover},
	{"address", "core turns no pointer into a number or a text", address},
	{"unstable-sort", "core sorts stably or by a total order: std's unstable sorts are not promised across versions", unstableSort},
	{"sum", "a type switch over a closed set lists every kind and has no default", closedSum},
	{"leaf", "the last element of a package's path is unique in the module and not one of std's, but for core/log", leafNames},
	{"name", "no Manager, Helper, Util, Impl, Service; no Get", names},
	{"doc", "every package says what it is; every exported type and function is documented", docs},
	{"must", "every must.Be names its law by number; a text stands in one place and a number in one room", mustMessages},
	{"leftover", "no note of unfinished work is left in the tree", leftovers},
	{"print", "only commands print", prints},
	{"hygiene", "no large blob, no stray executable, one title a page", hygiene},
}

// complaint is one broken rule at one place.
type complaint struct {
	rule, file string
	line       int
	text       string
}

func (c complaint) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", c.file, c.line, c.rule, c.text)
}

// house is what a rule looks at, and where it complains.
type house struct {
	*source
	files      []string // every file of the tree that git would keep
	complaints []complaint
	rule       string
}

func (h *house) complain(file string, line int, format string, args ...any) {
	c := complaint{h.rule, file, line, fmt.Sprintf(format, args...)}
	if !slices.Contains(h.complaints, c) {
		h.complaints = append(h.complaints, c)
	}
}

func (h *house) complainAt(n ast.Node, format string, args ...any) {
	file, line := h.at(n.Pos())
	h.complain(file, line, format, args...)
}

// inspect holds every rule against a tree.
func inspect(t *testing.T, s *source) []complaint {
	t.Helper()
	h := &house{source: s, files: kept(t, s.root)}
	for _, name := range s.names() {
		s.check(s.folders[name])
	}
	for _, r := range rules {
		h.rule = r.name
		r.check(h)
	}
	slices.SortStableFunc(h.complaints, func(a, b complaint) int {
		return strings.Compare(fmt.Sprintf("%s %06d", a.file, a.line), fmt.Sprintf("%s %06d", b.file, b.line))
	})
	return h.complaints
}

// TestArchitecture holds the module to every rule, and every rule to its planted violations.
func TestArchitecture(t *testing.T) {
	s := loadModule(t)
	t.Run("module", func(t *testing.T) {
		for _, c := range inspect(t, s) {
			t.Error(c)
		}
	})
	caught := map[string]int{}
	plants, _ := filepath.Glob("testdata/violations/*")
	for _, dir := range plants {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			got := inspect(t, s.plant(t, dir))
			for _, c := range got {
				caught[c.rule]++
			}
			compare(t, dir, got)
		})
	}
	for _, r := range rules {
		if caught[r.name] == 0 && !plantedElsewhere(r.name) {
			t.Errorf("rule %s (%s) has no planted violation below testdata/violations", r.name, r.law)
		}
	}
}

// plantedElsewhere names the rules whose plants cannot lie in the repository without breaking it: TestLoosePlants has them.
func plantedElsewhere(rule string) bool {
	return rule == "hygiene" || rule == "leftover" || rule == "compiles"
}

var want = regexp.MustCompile(`//\s*want ([a-z-]+(?: [a-z-]+)*)\s*$`)

// compare holds what was found in a plant against its `want` comments, line by line: no more, no less.
func compare(t *testing.T, dir string, got []complaint) {
	t.Helper()
	wanted := map[string]bool{}
	for _, file := range kept(t, dir) {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if m := want.FindStringSubmatch(line); m != nil {
				for _, rule := range strings.Fields(m[1]) {
					wanted[fmt.Sprintf("%s:%d: %s", file, i+1, rule)] = true
				}
			}
		}
	}
	if len(wanted) == 0 {
		t.Error("this plant wants nothing")
	}
	found := map[string]bool{}
	for _, c := range got {
		place := fmt.Sprintf("%s:%d: %s", c.file, c.line, c.rule)
		if found[place] = true; !wanted[place] {
			t.Errorf("not planted, but found: %s", c)
		}
	}
	for place := range wanted {
		if !found[place] {
			t.Errorf("planted, but not found: %s", place)
		}
	}
}

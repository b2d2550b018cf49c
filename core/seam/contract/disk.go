package contract

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"pgregory.net/rapid"

	"rookery/core/seam"
)

// DiskSubject is a disk under test, with the machine's side of it in the suite's hands.
type DiskSubject interface {
	// Do carries out what one Step asked for and returns once all of it has come back, in the order it came.
	Do(fx *seam.Effects) []seam.Input
	// Cut ends the machine and, if it can, the power; ids are forgotten. False: this disk cannot lose what was
	// written, so only the process has died.
	Cut() (powerLost bool)
	// Limit makes writes that reach beyond bytes of any file fail, in part or whole; zero lifts it. False: it cannot.
	Limit(bytes int64) bool
}

// Disk checks laws 2 and 3 and the bytes, against a twin that is a map.
func Disk(t *rapid.T, subject DiskSubject) {
	m := &diskModel{subject: subject, names: map[string]*twinFile{}, had: map[string][]*twinFile{}, ids: map[seam.File]*openTwin{}}
	t.Repeat(map[string]func(*rapid.T){
		"create":        m.create,
		"create again":  m.createAgain,
		"open":          m.open,
		"open nothing":  m.openNothing,
		"append":        m.append,
		"step of many":  m.many,
		"read":          m.read,
		"sync file":     m.syncFile,
		"truncate":      m.truncate,
		"close":         m.close,
		"unlink":        m.unlink,
		"rename file":   m.renameFile,
		"rename folder": m.renameFolder,
		"remove folder": m.removeFolder,
		"list":          m.list,
		"measure":       m.measure,
		"unknown ids":   m.unknown,
		"full":          m.full,
		"cut":           m.cut,
		"":              func(*rapid.T) {},
	})
	m.compareAll(t)
}

// twinFile is what a file should hold. A cut may take away what is beyond durable, and the name unless it is kept.
type twinFile struct {
	data    []byte
	durable int
	lowest  int // the shortest it has been since durable was last set
}

type openTwin struct {
	file *twinFile
	name string
}

type diskModel struct {
	subject DiskSubject
	op      seam.Op
	file    seam.File
	names   map[string]*twinFile
	had     map[string][]*twinFile // what each name has stood for since the last cut: a power cut may bring it back
	ids     map[seam.File]*openTwin
	folder  int
}

func (m *diskModel) nextOp() seam.Op {
	m.op++
	return m.op
}

// do runs one Step's effects and checks that each Op came back exactly once, by the right kind of input.
func (m *diskModel) do(t *rapid.T, fx *seam.Effects) map[seam.Op]seam.Input {
	asked := map[seam.Op]string{}
	for _, w := range fx.Writes {
		asked[w.Op] = "wrote"
	}
	for _, f := range fx.Files {
		asked[f.Op] = "wrote"
	}
	for _, r := range fx.Reads {
		asked[r.Op] = "loaded"
	}
	for _, s := range fx.Syncs {
		asked[s.Op] = "synced"
	}
	came := map[seam.Op]seam.Input{}
	for _, in := range m.subject.Do(fx) {
		op, kind := opOf(in)
		if asked[op] != kind {
			t.Fatalf("op %d came back as %s, it was asked for as %q", op, kind, asked[op])
		}
		if came[op] != nil {
			t.Fatalf("op %d came back twice", op)
		}
		came[op] = in
	}
	for op := range asked {
		if came[op] == nil {
			t.Fatalf("op %d never came back", op)
		}
	}
	return came
}

func opOf(in seam.Input) (seam.Op, string) {
	switch in := in.(type) {
	case *seam.Wrote:
		return in.Op, "wrote"
	case *seam.Synced:
		return in.Op, "synced"
	case *seam.Loaded:
		return in.Op, "loaded"
	}
	return 0, fmt.Sprintf("%T", in)
}

func (m *diskModel) wrote(t *rapid.T, fx *seam.Effects, op seam.Op, want seam.Fault) *seam.Wrote {
	in := m.do(t, fx)[op].(*seam.Wrote)
	if in.Fault != want {
		t.Fatalf("answered %q, not %q", in.Fault, want)
	}
	return in
}

func (m *diskModel) fileOp(t *rapid.T, op seam.FileOp, want seam.Fault) *seam.Wrote {
	op.Op = m.nextOp()
	return m.wrote(t, &seam.Effects{Files: []seam.FileOp{op}, Alarm: seam.Never}, op.Op, want)
}

var fewNames = []string{"a", "b", "p/1", "p/2", "q/1", "q/2"}

func path(name string) seam.Path { return seam.Path{Name: name} }

func (m *diskModel) newID() seam.File {
	m.file++
	return m.file
}

// anyID draws an id that is open, or skips.
func (m *diskModel) anyID(t *rapid.T) (seam.File, *openTwin) {
	if len(m.ids) == 0 {
		t.Skip("no file is open")
	}
	ids := make([]seam.File, 0, len(m.ids))
	for id := range m.ids {
		ids = append(ids, id)
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i] < ids[j] })
	id := rapid.SampledFrom(ids).Draw(t, "id")
	return id, m.ids[id]
}

func (m *diskModel) anyName(t *rapid.T) string {
	if len(m.names) == 0 {
		t.Skip("there is no file")
	}
	return rapid.SampledFrom(m.sortedNames()).Draw(t, "name")
}

func (m *diskModel) sortedNames() []string {
	names := make([]string, 0, len(m.names))
	for name := range m.names {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func (m *diskModel) create(t *rapid.T) {
	name := rapid.SampledFrom(fewNames).Draw(t, "name")
	if m.names[name] != nil {
		t.Skip("it exists")
	}
	id := m.newID()
	m.fileOp(t, seam.FileOp{Deed: seam.Create, File: id, Path: path(name)}, seam.OK)
	file := &twinFile{}
	m.name(name, file)
	m.ids[id] = &openTwin{file: file, name: name}
}

// createAgain: a create of what exists fails, and so does every write of that id (law 3).
func (m *diskModel) createAgain(t *rapid.T) {
	id := m.newID()
	m.fileOp(t, seam.FileOp{Deed: seam.Create, File: id, Path: path(m.anyName(t))}, seam.Exists)
	m.planned(t, id)
	op := m.nextOp()
	fx := &seam.Effects{Files: []seam.FileOp{{Op: op, Deed: seam.Truncate, File: id}}, Alarm: seam.Never}
	if m.do(t, fx)[op].(*seam.Wrote).Fault == seam.OK {
		t.Fatalf("the id of a failed create truncated the file that was there")
	}
}

func (m *diskModel) planned(t *rapid.T, id seam.File) {
	op := m.nextOp()
	m.wrote(t, &seam.Effects{Writes: []seam.Write{{Op: op, File: id, Data: []byte("never")}}, Alarm: seam.Never}, op, seam.Planned)
}

func (m *diskModel) open(t *rapid.T) {
	name := m.anyName(t)
	for _, o := range m.ids {
		if o.name == name {
			t.Skip("it is open: two ids of one file are not promised an order")
		}
	}
	id := m.newID()
	wrote := m.fileOp(t, seam.FileOp{Deed: seam.Open, File: id, Path: path(name)}, seam.OK)
	file := m.names[name]
	if wrote.Bytes != int64(len(file.data)) {
		t.Fatalf("%s opened with %d bytes, it has %d", name, wrote.Bytes, len(file.data))
	}
	m.ids[id] = &openTwin{file: file, name: name}
}

func (m *diskModel) openNothing(t *rapid.T) {
	id := m.newID()
	m.fileOp(t, seam.FileOp{Deed: seam.Open, File: id, Path: path("p/nothing")}, seam.NotFound)
	m.planned(t, id)
}

func someBytes(t *rapid.T) []byte {
	return bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, rapid.IntRange(1, 9000).Draw(t, "bytes"))
}

// put writes into the twin.
func (f *twinFile) put(at int, data []byte) {
	if end := at + len(data); end > len(f.data) {
		f.data = append(f.data, make([]byte, end-len(f.data))...)
	}
	copy(f.data[at:], data)
	f.lowest = min(f.lowest, at)
}

func (m *diskModel) append(t *rapid.T) {
	id, o := m.anyID(t)
	fx := &seam.Effects{Alarm: seam.Never}
	for range rapid.IntRange(1, 6).Draw(t, "writes") {
		data := someBytes(t)
		fx.Writes = append(fx.Writes, seam.Write{Op: m.nextOp(), File: id, At: int64(len(o.file.data)), Data: data})
		o.file.put(len(o.file.data), data)
	}
	m.allOK(t, fx)
}

func (m *diskModel) allOK(t *rapid.T, fx *seam.Effects) map[seam.Op]seam.Input {
	came := m.do(t, fx)
	for _, w := range fx.Writes {
		if in := came[w.Op].(*seam.Wrote); in.Fault != seam.OK || in.Bytes != int64(len(w.Data)) {
			t.Fatalf("a write of %d bytes answered %d, %q", len(w.Data), in.Bytes, in.Fault)
		}
	}
	return came
}

// many: one Step that creates, writes (overwriting too) and reads: reads see the writes of their Step.
func (m *diskModel) many(t *rapid.T) {
	m.folder++
	name := fmt.Sprintf("many/%d", m.folder)
	file, id := &twinFile{}, m.newID()
	fx := &seam.Effects{Alarm: seam.Never}
	fx.Files = append(fx.Files, seam.FileOp{Op: m.nextOp(), Deed: seam.Create, File: id, Path: path(name)})
	for range rapid.IntRange(1, 8).Draw(t, "writes") {
		data := someBytes(t)
		at := rapid.IntRange(0, len(file.data)).Draw(t, "at")
		fx.Writes = append(fx.Writes, seam.Write{Op: m.nextOp(), File: id, At: int64(at), Data: data})
		file.put(at, data)
	}
	read := seam.Read{Op: m.nextOp(), File: id, Len: int32(len(file.data) + 10)}
	fx.Reads = append(fx.Reads, read)
	m.name(name, file)
	m.ids[id] = &openTwin{file: file, name: name}
	loaded := m.allOK(t, fx)[read.Op].(*seam.Loaded)
	if loaded.Fault != seam.OK || !bytes.Equal(loaded.Data, file.data) {
		t.Fatalf("a read behind the writes of its Step saw %d bytes (%q), not the %d written", len(loaded.Data), loaded.Fault, len(file.data))
	}
}

func (m *diskModel) load(t *rapid.T, id seam.File, at, size int) *seam.Loaded {
	op := m.nextOp()
	fx := &seam.Effects{Reads: []seam.Read{{Op: op, File: id, At: int64(at), Len: int32(size)}}, Alarm: seam.Never}
	return m.do(t, fx)[op].(*seam.Loaded)
}

func (m *diskModel) read(t *rapid.T) {
	id, o := m.anyID(t)
	at := rapid.IntRange(0, len(o.file.data)+100).Draw(t, "at")
	size := rapid.IntRange(1, 20_000).Draw(t, "size")
	loaded := m.load(t, id, at, size)
	from := min(at, len(o.file.data))
	want := o.file.data[from:min(from+size, len(o.file.data))]
	if loaded.Fault != seam.OK || !bytes.Equal(loaded.Data, want) {
		t.Fatalf("%s at %d: %d bytes (%q), not the %d there", o.name, at, len(loaded.Data), loaded.Fault, len(want))
	}
}

// syncFile makes a file and every folder above it durable.
func (m *diskModel) syncFile(t *rapid.T) {
	id, o := m.anyID(t)
	fx := &seam.Effects{Syncs: []seam.Sync{{Op: m.nextOp(), File: id}}, Alarm: seam.Never}
	for folder := o.name; strings.Contains(folder, "/"); {
		folder = folder[:strings.LastIndex(folder, "/")]
		fx.Syncs = append(fx.Syncs, seam.Sync{Op: m.nextOp(), Folder: path(folder)})
	}
	fx.Syncs = append(fx.Syncs, seam.Sync{Op: m.nextOp(), Folder: path("")})
	for _, in := range m.do(t, fx) {
		if fault := in.(*seam.Synced).Fault; fault != seam.OK {
			t.Fatalf("sync of %s answered %q", o.name, fault)
		}
	}
	o.file.durable, o.file.lowest = len(o.file.data), len(o.file.data)
}

func (m *diskModel) truncate(t *rapid.T) {
	id, o := m.anyID(t)
	size := rapid.IntRange(0, len(o.file.data)).Draw(t, "size")
	m.fileOp(t, seam.FileOp{Deed: seam.Truncate, File: id, Size: int64(size)}, seam.OK)
	o.file.data = o.file.data[:size:size]
	o.file.lowest = min(o.file.lowest, size)
}

func (m *diskModel) close(t *rapid.T) {
	id, _ := m.anyID(t)
	m.fileOp(t, seam.FileOp{Deed: seam.Close, File: id}, seam.OK)
	delete(m.ids, id)
}

func (m *diskModel) unlink(t *rapid.T) {
	id, o := m.anyID(t)
	m.fileOp(t, seam.FileOp{Deed: seam.Unlink, File: id}, seam.OK)
	delete(m.ids, id)
	delete(m.names, o.name)
}

// renameFile moves a file over another or to a new name; its id follows.
func (m *diskModel) renameFile(t *rapid.T) {
	from := m.anyName(t)
	to := rapid.SampledFrom([]string{"renamed", "renamed too"}).Draw(t, "to")
	if from == to {
		t.Skip("the same name")
	}
	m.closeName(t, to)
	m.fileOp(t, seam.FileOp{Deed: seam.Rename, Path: path(from), To: path(to)}, seam.OK)
	m.name(to, m.names[from])
	delete(m.names, from)
	m.follow(from, to)
}

func (m *diskModel) closeName(t *rapid.T, name string) {
	for id, o := range m.ids {
		if o.name == name {
			m.fileOp(t, seam.FileOp{Deed: seam.Close, File: id}, seam.OK)
			delete(m.ids, id)
		}
	}
}

func (m *diskModel) follow(from, to string) {
	for _, o := range m.ids {
		if o.name == from {
			o.name = to
		}
	}
}

// renameFolder moves a folder to a name of its own: what is open in it is read and written as before.
func (m *diskModel) renameFolder(t *rapid.T) {
	from := rapid.SampledFrom([]string{"p", "q"}).Draw(t, "folder")
	inside := m.inside(from)
	if len(inside) == 0 {
		t.Skip("no such folder")
	}
	for _, name := range m.sortedNames() { // what has its name already is not replaced, but a file by a file
		if folder, _, is := strings.Cut(name, "/"); is && folder != from {
			m.fileOp(t, seam.FileOp{Deed: seam.Rename, Path: path(from), To: path(folder)}, seam.Exists)
		} else if !is {
			m.fileOp(t, seam.FileOp{Deed: seam.Rename, Path: path(from), To: path(name)}, seam.Exists)
			m.fileOp(t, seam.FileOp{Deed: seam.Rename, Path: path(name), To: path(from)}, seam.Exists)
		}
	}
	m.folder++
	to := fmt.Sprintf("%s.%d-delete", from, m.folder)
	m.fileOp(t, seam.FileOp{Deed: seam.Rename, Path: path(from), To: path(to)}, seam.OK)
	for _, name := range inside {
		moved := to + strings.TrimPrefix(name, from)
		m.name(moved, m.names[name])
		delete(m.names, name)
		m.follow(name, moved)
	}
}

func (m *diskModel) inside(folder string) []string {
	var inside []string
	for _, name := range m.sortedNames() {
		if strings.HasPrefix(name, folder+"/") {
			inside = append(inside, name)
		}
	}
	return inside
}

func (m *diskModel) removeFolder(t *rapid.T) {
	name := m.anyName(t)
	slash := strings.Index(name, "/")
	if slash < 0 {
		t.Skip("not in a folder")
	}
	for _, name := range m.inside(name[:slash]) {
		m.closeName(t, name)
		delete(m.names, name)
	}
	m.fileOp(t, seam.FileOp{Deed: seam.Remove, Path: path(name[:slash])}, seam.OK)
	m.fileOp(t, seam.FileOp{Deed: seam.Remove, Path: path(name[:slash])}, seam.NotFound)
}

func (m *diskModel) list(t *rapid.T) {
	name := m.anyName(t)
	folder := ""
	if slash := strings.Index(name, "/"); slash >= 0 {
		folder = name[:slash]
	}
	wrote := m.fileOp(t, seam.FileOp{Deed: seam.List, Path: path(folder)}, seam.OK)
	sizes, last := map[string]int64{}, ""
	for _, e := range wrote.Entries {
		if e.Path.Name <= last {
			t.Fatalf("a listing has %q behind %q", e.Path.Name, last)
		}
		last = e.Path.Name
		if !e.Folder {
			sizes[e.Path.Name] = e.Size
		}
	}
	for name, file := range m.names {
		if isIn(name, folder) {
			if size, there := sizes[name]; !there || size != int64(len(file.data)) {
				t.Fatalf("a listing of %q has %q with %d bytes (there: %v), not %d", folder, name, size, there, len(file.data))
			}
			delete(sizes, name)
		}
	}
	if len(sizes) > 0 {
		t.Fatalf("a listing of %q has what nobody made: %v", folder, sizes)
	}
}

func (m *diskModel) measure(t *rapid.T) {
	wrote := m.fileOp(t, seam.FileOp{Deed: seam.Measure, Path: path("")}, seam.OK)
	if len(wrote.Entries) != 1 || wrote.Bytes < 0 || wrote.Bytes > wrote.Entries[0].Size {
		t.Fatalf("%d bytes are left of a file system %v", wrote.Bytes, wrote.Entries)
	}
}

func isIn(name, folder string) bool {
	slash := strings.LastIndex(name, "/")
	return folder == "" && slash < 0 || slash >= 0 && name[:slash] == folder
}

// unknown ids and names answer NotFound, and answer.
func (m *diskModel) unknown(t *rapid.T) {
	id := m.newID()
	m.fileOp(t, seam.FileOp{Deed: seam.Truncate, File: id}, seam.NotFound)
	m.fileOp(t, seam.FileOp{Deed: seam.Unlink, File: id}, seam.NotFound)
	m.fileOp(t, seam.FileOp{Deed: seam.Rename, Path: path("nowhere"), To: path("elsewhere")}, seam.NotFound)
	m.fileOp(t, seam.FileOp{Deed: seam.List, Path: path("nowhere")}, seam.NotFound)
	m.fileOp(t, seam.FileOp{Deed: seam.Measure, Path: path("nowhere")}, seam.NotFound)
	if fault := m.load(t, id, 0, 10).Fault; fault != seam.NotFound {
		t.Fatalf("a read of an unknown file answered %q", fault)
	}
}

// full: the write that does not fit fails, in part or whole; all behind it answer Planned; a truncate ends that.
func (m *diskModel) full(t *rapid.T) {
	id, o := m.anyID(t)
	before := len(o.file.data)
	if !m.subject.Limit(int64(before + rapid.IntRange(0, 12_000).Draw(t, "room"))) {
		t.Skip("this disk is never full")
	}
	fx := &seam.Effects{Alarm: seam.Never}
	at := before
	for range 4 {
		data := someBytes(t)
		fx.Writes = append(fx.Writes, seam.Write{Op: m.nextOp(), File: id, At: int64(at), Data: data})
		at += len(data)
	}
	came := m.do(t, fx)
	failed := m.checkFull(t, fx, came)
	if failed {
		m.planned(t, id)
	}
	m.subject.Limit(0)
	if failed {
		m.planned(t, id)
	}
	m.fileOp(t, seam.FileOp{Deed: seam.Truncate, File: id, Size: int64(before)}, seam.OK)
	o.file.lowest = min(o.file.lowest, before)
	op := m.nextOp()
	m.wrote(t, &seam.Effects{Writes: []seam.Write{{Op: op, File: id, At: int64(before), Data: []byte("again")}}, Alarm: seam.Never}, op, seam.OK)
	o.file.put(before, []byte("again"))
}

func (m *diskModel) checkFull(t *rapid.T, fx *seam.Effects, came map[seam.Op]seam.Input) bool {
	failed := false
	for _, w := range fx.Writes {
		in := came[w.Op].(*seam.Wrote)
		switch {
		case failed && (in.Fault != seam.Planned || in.Bytes != 0):
			t.Fatalf("a write behind a failed one answered %d bytes, %q", in.Bytes, in.Fault)
		case !failed && in.Fault == seam.OK && in.Bytes != int64(len(w.Data)):
			t.Fatalf("a write of %d bytes answered %d and no fault", len(w.Data), in.Bytes)
		case !failed && in.Fault == seam.Planned:
			t.Fatalf("the first write that fails must say why")
		}
		failed = failed || in.Fault != seam.OK
	}
	return failed
}

// cut: what was synced is there; what was not may be.
func (m *diskModel) cut(t *rapid.T) {
	lost := m.subject.Cut()
	m.ids = map[seam.File]*openTwin{}
	if !lost {
		m.compareAll(t)
		return
	}
	m.adopt(t)
}

// adopt takes over what a power cut left, once it has been found to hold all that was promised. Names are promised
// only by a folder sync later than their last change, which the simulator's own checks look at: here a name may be gone,
// or stand for whatever it stood for since the last cut, with the bytes of that file that were synced.
func (m *diskModel) adopt(t *rapid.T) {
	for _, name := range slices.Sorted(maps.Keys(m.had)) {
		id, op := m.newID(), m.nextOp()
		fx := &seam.Effects{Files: []seam.FileOp{{Op: op, Deed: seam.Open, File: id, Path: path(name)}}, Alarm: seam.Never}
		wrote := m.do(t, fx)[op].(*seam.Wrote)
		if wrote.Fault == seam.NotFound {
			delete(m.names, name)
			delete(m.had, name)
			continue
		}
		data := append([]byte(nil), m.load(t, id, 0, int(wrote.Bytes)+1).Data...)
		i := slices.IndexFunc(m.had[name], func(f *twinFile) bool { return f.mayHold(data) })
		if i < 0 {
			t.Fatalf("%s lost bytes that were synced: %d are left of %d", name, len(data), m.had[name][0].kept())
		}
		was := m.had[name][i]
		m.names[name] = &twinFile{data: data, durable: was.durable, lowest: min(was.lowest, len(data))}
		m.had[name] = []*twinFile{m.names[name]}
		m.fileOp(t, seam.FileOp{Deed: seam.Close, File: id}, seam.OK)
	}
}

// kept is how many of the file's bytes a power cut may not take.
func (f *twinFile) kept() int { return min(f.durable, f.lowest) }

func (f *twinFile) mayHold(data []byte) bool {
	return len(data) >= f.kept() && bytes.Equal(data[:f.kept()], f.data[:f.kept()])
}

// name gives a name to a file.
func (m *diskModel) name(name string, file *twinFile) {
	m.names[name] = file
	if i := slices.Index(m.had[name], file); i < 0 {
		m.had[name] = append(m.had[name], file)
	}
}

// compareAll opens every name and compares its bytes.
func (m *diskModel) compareAll(t *rapid.T) {
	for _, name := range m.sortedNames() {
		m.closeName(t, name)
		id := m.newID()
		m.fileOp(t, seam.FileOp{Deed: seam.Open, File: id, Path: path(name)}, seam.OK)
		data := m.names[name].data
		if loaded := m.load(t, id, 0, len(data)+1); !bytes.Equal(loaded.Data, data) {
			t.Fatalf("%s holds %d bytes, not the %d written", name, len(loaded.Data), len(data))
		}
		m.fileOp(t, seam.FileOp{Deed: seam.Close, File: id}, seam.OK)
	}
}

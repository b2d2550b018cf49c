package log

import (
	"slices"
	"strconv"
	"strings"

	"rookery/core/must"
	"rookery/core/seam"
)

// Replacement replaces one small file as a whole, so that a reader after a crash finds the old content or the new:
//
//	create x.tmp ─▶ write ─▶ (sync) ─▶ rename to x ─▶ (sync of the folder) ─▶ done
//
// The syncs are left out for files that can be derived. One Replacement serves one path for ever; content offered while
// one is under way waits, and only the newest of it is written.
type Replacement struct {
	Path    seam.Path
	Durable bool
	Numbers *Numbers

	phase    replacePhase
	op       seam.Op
	file     seam.File
	content  []byte
	waiting  []byte
	goal     uint64 // of the content under way
	offered  uint64
	settled  uint64
	fault    seam.Fault
	homeless bool // there was no folder for the temporary file
}

type replacePhase uint8

const (
	idle replacePhase = iota
	creating
	removing // a temporary file was left by a crash
	writing
	syncingFile
	closingFile
	renaming
	syncingFolder
	givingUp // what was half written is removed
)

// Offer asks for new content and returns its number: Settled reaches it when the content is in place (and durable, if
// that was asked for).
func (r *Replacement) Offer(content []byte, fx *seam.Effects) uint64 {
	r.offered++
	r.waiting = content
	if r.phase == idle {
		r.begin(fx)
	}
	return r.offered
}

// Settled is the number of the newest content in place.
func (r *Replacement) Settled() uint64 { return r.settled }

// Busy says whether a replacement is under way.
func (r *Replacement) Busy() bool { return r.phase != idle }

// Awaits says whether an operation of this one is under way that is called so.
func (r *Replacement) Awaits(op seam.Op) bool { return r.phase != idle && r.op == op }

// Fault is what stopped the last replacement, or OK.
func (r *Replacement) Fault() seam.Fault { return r.fault }

// Homeless says whether the last replacement failed for want of a folder.
func (r *Replacement) Homeless() bool { return r.homeless }

func (r *Replacement) begin(fx *seam.Effects) {
	r.content, r.waiting, r.goal = r.waiting, nil, r.offered
	r.file = r.Numbers.File()
	r.create(fx)
}

func (r *Replacement) create(fx *seam.Effects) {
	r.do(creating, seam.FileOp{Deed: seam.Create, File: r.file, Path: r.temporary()}, fx)
}

func (r *Replacement) temporary() seam.Path {
	return seam.Path{Dir: r.Path.Dir, Name: r.Path.Name + ".tmp"}
}

func (r *Replacement) folder() seam.Path {
	return seam.Path{Dir: r.Path.Dir, Name: r.Path.Name[:max(0, strings.LastIndexByte(r.Path.Name, '/'))]}
}

func (r *Replacement) do(phase replacePhase, op seam.FileOp, fx *seam.Effects) {
	r.phase, r.op = phase, r.Numbers.Op()
	op.Op = r.op
	fx.Files = append(fx.Files, op)
}

// Wrote takes a completion, if it is this one's.
func (r *Replacement) Wrote(in *seam.Wrote, fx *seam.Effects) bool {
	if in.Op != r.op || r.phase == idle {
		return false
	}
	switch {
	case r.phase == givingUp:
		r.stopped(fx)
	case r.phase == creating && in.Fault == seam.Exists:
		r.do(removing, seam.FileOp{Deed: seam.Remove, Path: r.temporary()}, fx)
	case r.phase == removing && in.Fault == seam.NotFound:
		r.advance(fx)
	case in.Fault != seam.OK || r.phase == writing && in.Bytes != int64(len(r.content)):
		r.failed(in.Fault, fx)
	default:
		r.advance(fx)
	}
	return true
}

// Synced takes a completion, if it is this one's.
func (r *Replacement) Synced(in *seam.Synced, fx *seam.Effects) bool {
	if in.Op != r.op || r.phase == idle {
		return false
	}
	if in.Fault != seam.OK {
		r.failed(in.Fault, fx)
	} else {
		r.advance(fx)
	}
	return true
}

func (r *Replacement) advance(fx *seam.Effects) {
	switch r.phase {
	case removing:
		r.file = r.Numbers.File() // an id is never used twice
		r.create(fx)
	case creating:
		r.phase, r.op = writing, r.Numbers.Op()
		fx.Writes = append(fx.Writes, seam.Write{Op: r.op, File: r.file, Data: r.content})
	case writing:
		if !r.Durable {
			r.close(fx)
			return
		}
		r.phase, r.op = syncingFile, r.Numbers.Op()
		fx.Syncs = append(fx.Syncs, seam.Sync{Op: r.op, File: r.file})
	case syncingFile:
		r.close(fx)
	case closingFile:
		r.do(renaming, seam.FileOp{Deed: seam.Rename, Path: r.temporary(), To: r.Path}, fx)
	case renaming:
		if !r.Durable {
			r.finished(fx)
			return
		}
		r.phase, r.op = syncingFolder, r.Numbers.Op()
		fx.Syncs = append(fx.Syncs, seam.Sync{Op: r.op, Folder: r.folder()})
	case syncingFolder:
		r.finished(fx)
	case idle, givingUp:
		must.Be(false, "L12: a replacement that has ended waits for nothing")
	}
}

func (r *Replacement) close(fx *seam.Effects) {
	r.do(closingFile, seam.FileOp{Deed: seam.Close, File: r.file}, fx)
}

func (r *Replacement) finished(fx *seam.Effects) {
	r.phase, r.op, r.fault, r.homeless, r.settled, r.content = idle, 0, seam.OK, false, r.goal, nil
	if r.waiting != nil {
		r.begin(fx)
	}
}

// failed leaves the old file in place. A rename whose folder was not synced is not settled either.
func (r *Replacement) failed(fault seam.Fault, fx *seam.Effects) {
	r.homeless = r.phase == creating && fault == seam.NotFound
	if fault == seam.OK {
		fault = seam.NoSpace
	}
	r.fault = fault
	if r.phase == writing || r.phase == syncingFile {
		r.do(givingUp, seam.FileOp{Deed: seam.Unlink, File: r.file}, fx)
		return
	}
	r.stopped(fx)
}

func (r *Replacement) stopped(fx *seam.Effects) {
	r.phase, r.op, r.content = idle, 0, nil
	if r.waiting != nil {
		r.begin(fx)
	}
}

// PartitionOffset is one line of a directory's checkpoint file.
type PartitionOffset struct {
	Topic     string
	Partition int32
	Offset    int64
}

// EncodeOffsets is the text of recovery-point-offset-checkpoint and its kin.
func EncodeOffsets(lines []PartitionOffset) []byte {
	out := append(make([]byte, 0, 16+32*len(lines)), "0\n"...)
	out = strconv.AppendInt(out, int64(len(lines)), 10)
	out = append(out, '\n')
	for _, x := range lines {
		out = append(append(out, x.Topic...), ' ')
		out = append(strconv.AppendInt(out, int64(x.Partition), 10), ' ')
		out = append(strconv.AppendInt(out, x.Offset, 10), '\n')
	}
	return out
}

// ParsePartitionOffsets reads such a file; a line that is not of the form spoils it whole.
func ParsePartitionOffsets(data []byte) ([]PartitionOffset, bool) {
	lines, ok := checkpointLines(data)
	if !ok {
		return nil, false
	}
	out := make([]PartitionOffset, 0, len(lines))
	for _, line := range lines {
		fields := strings.Split(line, " ")
		if len(fields) != 3 {
			return nil, false
		}
		partition, err1 := strconv.ParseInt(fields[1], 10, 32)
		offset, err2 := strconv.ParseInt(fields[2], 10, 64)
		if err1 != nil || err2 != nil || fields[0] == "" || partition < 0 || offset < 0 {
			return nil, false
		}
		out = append(out, PartitionOffset{fields[0], int32(partition), offset})
	}
	return slices.Clip(out), true
}

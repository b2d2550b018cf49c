package world

import (
	_ "embed"
	"strings"
)

// Fault is something that the world did to a machine. The names are in faults.txt, one a line, in this order.
type Fault int

const (
	Killed Fault = iota
	KilledAtEffect
	PowerLost
	StoppedCleanly
	Paused
	ClockJumped
	LinkCut
	ResponseLost
	LinkStalled
	DialRefused
	WriteFailed
	WriteCutShort
	SyncFailed
	FolderSyncFailed
	ReadFailed
	FileOpFailed
	DiskFull
	DiskHung
	AnsweredLate
	RangeFailed
	WriteTornByKill
	PageLost
	PageTorn
	SizeLost
	NameLost
	BitRotted
	Muted
	LeftWhileRewriting
	DirSyncsFail
	DirWritesFail
	DirHung
	DirPowerLost
	DirMissing
	DirFenced
	NeverRead
	HalfClosed
	Dripped
	SequenceWrapped
	EpochBumped
	EpochLast
	EpochStrayed
	BegunFarUp
	BegunDeep
	ReplicaMoved
	FolderCarried
	Ambushed
	GroupsCompacted
	GroupsMoved
	GroupsConfigured
	faults
)

//go:embed faults.txt
var faultNames string

// FaultNames lists the faults in their order.
func FaultNames() []string {
	var names []string
	for line := range strings.SplitSeq(strings.TrimSpace(faultNames), "\n") {
		names = append(names, strings.TrimSpace(strings.SplitN(line, "#", 2)[0]))
	}
	return names
}

//go:embed faults_short.txt
var shortFaults string

// ShortFaults lists the faults that even a short run must have seen.
func ShortFaults() []string { return strings.Fields(shortFaults) }

// Counts is how often each fault fired.
type Counts [faults]int

// Rates says how often the world misbehaves, in ten thousandths of the operations concerned, and how often the
// nemesis looks for something bigger to do. The zero value is a perfect world with delays.
type Rates struct {
	WriteError, SyncError, ReadError, FileError int
	KillAtEffect                                int // of steps
	CutOnFrame, LoseResponse                    int // of frames
	SlowDisk, SlowLink                          int // of operations and frames: a delay far beyond the usual
	Deaf, HalfClose, Drip                       int // of answers, frames and frames: what odd clients do to their links
	Ambush                                      int // of unlinks in a folder where a rename is in doubt: the power fails
	Carry                                       int // of starts: an operator has moved folders between log directories

	Haste int // how much shorter than usual what lasts is; 0: not at all

	// The nemesis wakes about every NemesisPause and does one of these, by weight.
	NemesisPause                                                      int // milliseconds; 0: never
	Kill, Power, Stop, Pause, Clock, Hang, Full, Cut, Rot, Disk, Dull int
}

// Package check says whether what a simulated cluster did was right: laws after a step, over one read-only view of the
// broker's state; a history of what clients asked and were answered, judged at the end in O(n log n); three small
// models for porcupine; and a reader of segment files that shares no code with the broker's own log.
//
//	world ── Step ──▶ Watch (V laws)            clients ──▶ History ──▶ Judge (H, S laws) ──▶ porcupine (P1 to P3)
//	                                            disk ─────▶ ReadLog ──────┘
//
// Rules: every law has a number and one line in laws.txt; a law that a long run never evaluates has failed as surely as
// one that is broken, and so has one that no violation made by hand was seen to break (violations_test.go, here and where
// else laws are checked). Nothing here uses the broker's own code to judge the broker, but for the plain structs of its
// View. Unknown outcomes are settled from what the simulator knows before a model sees them.
package check

import (
	_ "embed"
	"fmt"
	"strings"
)

// Law is one thing that must hold. The lines of laws.txt are in this order.
type Law int

const (
	FileKnown Law = iota
	OpOnce
	BytesUntouched
	HeadUntouched
	LeaseOnce
	FileIDOnce
	LentUntouched
	NamesAtRest
	ConnKnown
	Bounded
	NoSpin
	MachineHolds
	StopsInTime

	OffsetsInOrder
	HighWatermarkKept
	DurableIsDurable
	EpochKept
	NoLostWakeup
	StateRebuilt
	CreditGiven
	NothingLeft
	ClientAwake

	AckedIsThere
	DurableIsThere
	NoDuplicates
	ProducerOrder
	DenseOffsets
	ReadsAreSlices
	ReadsAgree
	RealTime
	SeenAfterAck
	WatermarkNeverBack
	NothingTakenBack
	NothingForeign
	RefusedIsAbsent
	EveryoneFinishes
	AnswersInOrder
	RightlyNumbered
	FetchProgress
	ClientTells
	ClientReadsOn
	ErrorsAreDue
	StoredAsAsked
	TimesOfTheBroker
	LeftOutUnchanged
	OneOwner
	CommitsKept
	NoZombie
	NothingPassedOver
	AllProcessed
	ResumedBehindCommit
	HeardIsKept
	IDsOnce
	OneHand
	RoomKept
	RecordAsSent
	EpochsEnd
	LeaderKnows
	GivenAsAsked
	OffsetsExpire
	FetchBounded
	QuotaKept
	StraysRefused
	KeyChooses
	LedForward
	FetchWaits
	AllShared
	LeaderIsHeard
	SaidBeforeGone
	EachInTurn

	TopicRegister
	ProducerIDs
	SmallLog
	ConfigRegister

	StartBelowEnd
	StartNeverBack
	BelowStartIsOut
	StartHasReason
	SearchFindsFirst
	LiesInOnePlace
	RetentionGetsOn
	FlushGetsOn
	SegmentHasRoom
	DeletedIsGone
	IndexIsTrue
	MoveResumed

	LastValueKept
	DeleteSeen
	KeptAsWritten
	ActiveUntouched
	ProducerKept
	CompactionGetsOn
	laws
)

//go:embed laws.txt
var lawLines string

// LawNames lists "number text" for each law.
func LawNames() []string { return strings.Split(strings.TrimSpace(lawLines), "\n") }

//go:embed laws_short.txt
var shortLaws string

// ShortLaws lists the numbers of the laws that even a short run must have evaluated.
func ShortLaws() []string { return strings.Fields(shortLaws) }

// Number is the law's short name, such as H1.
func (l Law) Number() string {
	number, _, _ := strings.Cut(LawNames()[l], " ")
	return number
}

// Counts is how often each law was evaluated.
type Counts [laws]int64

// Failure is a law that did not hold.
type Failure struct {
	Law  Law
	Text string
}

func (f *Failure) Error() string {
	return fmt.Sprintf("%s: %s", strings.TrimSpace(LawNames()[f.Law]), f.Text)
}

// Fail makes a Failure.
func Fail(law Law, format string, args ...any) *Failure {
	return &Failure{law, fmt.Sprintf(format, args...)}
}

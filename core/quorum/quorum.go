// Package quorum is KRaft's vote: which voter leads the metadata log, in which epoch, and how far that log is committed.
//
//	              Stand                 Persisted, and its own vote is a majority
//	Unattached ──────────▶ Candidate ─────────────────────────────────────────────▶ Leader
//	     ▲                     │ Stand again: the next epoch                           │
//	     └─────────────────────┴──────────── a higher epoch is heard of ───────────────┘
//
// The roles are those of Kafka's QuorumState (KIP-595, KIP-996): Unattached knows an epoch and no leader of it,
// Prospective asks whether it would win before it raises the epoch, Candidate has voted for itself, Leader has a
// majority's votes, Follower knows the leader, Resigned was leader and waits for the next epoch. A voter whose own vote
// is a majority needs to ask nobody, so of a quorum of one only Unattached, Candidate and Leader are ever reached.
//
// Rules: a vote counts only once it is on the disk (Persisted), so that nobody votes twice in one epoch; the epoch only
// rises, and every start stands in a new one, so that (epoch, offset) names one entry for ever; a leader's first entry is
// a LeaderChange control batch; the high watermark is the greatest offset durable on a majority, moves only once an entry
// of the leader's own epoch is among them (section 5.4.2 of the Raft paper), and never goes back.
package quorum

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"rookery/core/meta"
	"rookery/core/must"
)

// Role is what a voter is to the others.
type Role uint8

// The roles that a quorum of one reaches.
const (
	Unattached Role = iota
	Candidate
	Leader
)

func (r Role) String() string { return [...]string{"unattached", "candidate", "leader"}[r] }

// Voter is a controller with its disk: another disk under the same id is another voter (KIP-853).
type Voter struct {
	ID          int32
	DirectoryID meta.UUID
}

// Quorum is one voter's view. It is a plain value: whoever holds it writes State to the disk.
type Quorum struct {
	self          Voter
	voters        []Voter
	state         State
	role          Role
	granted       []int32 // ids of the voters that gave this candidate their votes, ascending
	epochStart    int64   // where the leader's own epoch begins
	highWatermark int64   // -1: not known yet
}

// New is a voter as it comes up: persisted is what its disk says, or None().
func New(self Voter, voters []Voter, persisted State) Quorum {
	must.Be(slices.Contains(voters, self), "Q1: a voter is one of the voters")
	return Quorum{self: self, voters: slices.Clone(voters), state: persisted, highWatermark: -1}
}

// Role is what this voter is now.
func (q *Quorum) Role() Role { return q.role }

// State is what the disk must say, or will once the write under way is done.
func (q *Quorum) State() State { return q.state }

// Epoch is the newest epoch heard of.
func (q *Quorum) Epoch() int32 { return q.state.Epoch }

// EpochStart is where the leader's own epoch begins.
func (q *Quorum) EpochStart() int64 { return q.epochStart }

// Alone says whether this voter's own vote is a majority: it may stand at once.
func (q *Quorum) Alone() bool { return Majority(len(q.voters)) == 1 }

// Saw is told of the newest epoch in the log. The state on the disk may be an older one, of a backup, or be lost; in an epoch that it does
// not know it has promised nothing that binds a voter who stands for the next.
func (q *Quorum) Saw(epoch int32) {
	if epoch > q.state.Epoch {
		q.state = State{Leader: NoOne, Voted: NoOne, Epoch: epoch}
	}
}

// Stand makes this voter a candidate of the next epoch. The State returned is to be durable before anything else
// happens in that epoch; then Persisted.
func (q *Quorum) Stand() State {
	must.Be(q.role != Leader, "Q2: a leader does not stand against itself")
	must.Be(q.state.Epoch < 1<<31-1, "Q3: the epochs of the quorum are not used up")
	q.role, q.granted = Candidate, nil
	q.state = State{Leader: NoOne, Epoch: q.state.Epoch + 1, Voted: q.self.ID, VotedDirectory: q.self.DirectoryID}
	return q.state
}

// Persisted counts this candidate's own vote, which is on the disk now. True: it leads, from logEnd on, and must append
// a LeaderChange batch there before all else.
func (q *Quorum) Persisted(logEnd int64) bool {
	must.Be(q.role == Candidate, "Q4: only a candidate waits for its vote to be durable")
	q.granted = []int32{q.self.ID}
	if len(q.granted) < Majority(len(q.voters)) {
		return false
	}
	q.role, q.epochStart = Leader, logEnd
	q.state.Leader = q.self.ID
	return true
}

// LeaderChange is the message of the control batch that begins the leader's epoch.
func (q *Quorum) LeaderChange() kmsg.LeaderChangeMessage {
	must.Be(q.role == Leader, "Q5: only a leader announces itself")
	m := kmsg.NewLeaderChangeMessage()
	m.LeaderID = q.self.ID
	for _, v := range q.voters {
		voter := kmsg.NewLeaderChangeMessageVoter()
		voter.VoterID = v.ID
		m.Voters = append(m.Voters, voter)
		if slices.Contains(q.granted, v.ID) {
			m.GrantingVoters = append(m.GrantingVoters, voter)
		}
	}
	return m
}

// HighWatermark moves to what the voters' durable log ends allow (one for each voter, in any order) and says where it
// stands: -1 while nothing of the leader's own epoch is on a majority.
func (q *Quorum) HighWatermark(durableEnds []int64) int64 {
	must.Be(len(durableEnds) == len(q.voters), "Q6: every voter's log has one end")
	if q.role != Leader {
		return q.highWatermark
	}
	if at := MajorityOffset(durableEnds); at > q.epochStart && at > q.highWatermark {
		q.highWatermark = at
	}
	return q.highWatermark
}

// Majority is how many of n voters are more than half.
func Majority(n int) int { return n/2 + 1 }

// MajorityOffset is the greatest offset that more than half of the ends have reached.
func MajorityOffset(ends []int64) int64 {
	var few [8]int64
	sorted := append(few[:0], ends...)
	slices.Sort(sorted)
	return sorted[len(sorted)-Majority(len(sorted))]
}

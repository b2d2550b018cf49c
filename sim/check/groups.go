package check

import "rookery/core/seam"

// Claim is what a member of a group was assigned in a generation: the numbers of shares.
type Claim struct {
	Group      string
	Generation int32
	Owner      string // an instance that is static, else the member
	Member     string
	Shares     []int32
	At         seam.Mono // when it was told
}

// Commit is an offset that a client committed for a share. No two commits have the same offset, but for -1: the share was
// taken back.
type Commit struct {
	Group      string
	Share      int32
	Offset     int64
	Generation int32 // -1: of nobody
	Owner      string
	Member     string
	Call       seam.Mono
	Return     seam.Mono
	Outcome    Outcome
	Aging      bool // its time runs from the commit on, though it stays as long as the member reads
}

// Committed is an answer about what was committed for a share; -1: nothing.
type Committed struct {
	Group        string
	Share        int32
	Offset       int64
	Call, Return seam.Mono
}

// Share is a partition of a topic that may have had others of its name.
type Share struct {
	Topic  [16]byte
	Number int32
}

// Hold is a share that a member of the consumer protocol was given: told at From, and let go by nobody when To was, at
// which it sent a heartbeat that was taken.
type Hold struct {
	Group string
	Share
	Member   string
	From, To seam.Mono
}

// Work is what an application in a group did with a partition: it took it over, to go on at From, or it processed Count
// records from there.
type Work struct {
	Group     string
	Partition Partition
	At        seam.Mono
	From      int64
	Count     int64 // 0: it took it over
}

// Works holds the applications of groups to at-least-once: whoever takes a partition over goes on behind nothing that
// nobody has processed, and in the end everything was. The works are in the order of time.
func Works(h *History, f *Facts, laws *Counts) error {
	type place struct {
		group string
		Partition
	}
	done := map[place]map[int64]bool{}
	prefix := map[place]int64{} // all before it are done
	for _, w := range h.Works {
		at := place{w.Group, w.Partition}
		if done[at] == nil {
			done[at], prefix[at] = map[int64]bool{}, f.Origins[w.Partition] // a log may have been brought over from elsewhere
		}
		for i := range w.Count {
			done[at][w.From+i] = true
		}
		for done[at][prefix[at]] {
			prefix[at]++
		}
		if w.Count > 0 {
			continue
		}
		laws[NothingPassedOver]++
		if w.From > prefix[at] {
			return Fail(NothingPassedOver, "%s goes on with %s-%d at %d at %v, and %d was not processed", w.Group, w.Partition.Topic, w.Partition.Number, w.From, w.At, prefix[at])
		}
	}
	for _, p := range f.Worked {
		for _, group := range f.Crews {
			laws[AllProcessed]++
			if at := (place{group, p}); prefix[at] < f.Logs[p].End {
				return Fail(AllProcessed, "%s has not processed %s-%d %d; the log ends at %d", group, p.Topic, p.Number, prefix[at], f.Logs[p].End)
			}
		}
	}
	return nil
}

// Groups holds what members of groups were told against each other.
func Groups(h *History, laws *Counts) error {
	for _, pass := range []func(*History, *Counts) error{claims, holds, zombies, committed} {
		if err := pass(h, laws); err != nil {
			return err
		}
	}
	return nil
}

// claims: within a generation a share has one owner. A group that is forgotten, since nothing that it committed is kept, begins
// anew, at its first generation.
func claims(h *History, laws *Counts) error {
	if h.Expiry > 0 {
		return nil
	}
	type place struct {
		group      string
		generation int32
		share      int32
	}
	owners := map[place]string{}
	for _, c := range h.Claims {
		for _, share := range c.Shares {
			at := place{c.Group, c.Generation, share}
			laws[OneOwner]++
			if owner, known := owners[at]; known && owner != c.Owner {
				return Fail(OneOwner, "share %d of %s is %s's and %s's in generation %d", share, c.Group, owner, c.Owner, c.Generation)
			}
			owners[at] = c.Owner
		}
	}
	return nil
}

// holds: no two members have a share at the same time.
func holds(h *History, laws *Counts) error {
	type place struct {
		group string
		Share
	}
	all := map[place][]*Hold{}
	for _, one := range h.Holds {
		at := place{one.Group, one.Share}
		for _, other := range all[at] {
			laws[OneHand]++
			if one.Member != other.Member && max(one.From, other.From) < min(one.To, other.To) {
				return Fail(OneHand, "%x-%d of %s is %s's from %v until at least %v, and %s's from %v until at least %v",
					one.Topic, one.Number, one.Group, other.Member, other.From, other.To, one.Member, one.From, one.To)
			}
		}
		all[at] = append(all[at], one)
	}
	return nil
}

// zombies: who commits in the name of a generation after a later one was told to anybody, or of a member id that its instance
// has since got another for, is refused.
func zombies(h *History, laws *Counts) error {
	if h.Expiry > 0 { // likewise
		return nil
	}
	for _, c := range h.Commits {
		if c.Outcome != Done || c.Generation < 0 {
			continue
		}
		var newest *Claim // of who commits, under whatever id
		for _, claim := range h.Claims {
			if claim.Group != c.Group || claim.At > c.Call {
				continue
			}
			if claim.Owner == c.Owner {
				newest = claim
			}
			if claim.At == c.Call {
				continue
			}
			laws[NoZombie]++
			if claim.Generation > c.Generation {
				return Fail(NoZombie, "offset %d of generation %d of %s, sent at %v, was taken; generation %d was told at %v", c.Offset, c.Generation, c.Group, c.Call, claim.Generation, claim.At)
			}
		}
		if newest != nil && newest.Member != c.Member {
			return Fail(NoZombie, "offset %d of %s, sent at %v by %s as %s, was taken; it is %s since %v", c.Offset, c.Group, c.Call, c.Owner, c.Member, newest.Member, newest.At)
		}
	}
	return nil
}

// committed: what is read is what was committed last, or what somebody is just committing, and nothing that was refused.
func committed(h *History, laws *Counts) error {
	type place struct {
		group string
		share int32
	}
	all := map[place][]*Commit{}
	for _, c := range h.Commits {
		at := place{c.Group, c.Share}
		all[at] = append(all[at], c)
	}
	for _, r := range h.Committed {
		laws[CommitsKept]++
		commits := all[place{r.Group, r.Share}]
		if h.expired(r, commits) {
			continue
		}
		why := Fail(CommitsKept, "share %d of %s was read at %v as %d, which nobody had committed", r.Share, r.Group, r.Return, r.Offset)
		if r.Offset < 0 {
			why = r.since(nil, commits)
		}
		for _, c := range commits {
			if c.Offset == r.Offset && c.Outcome != Refused && c.Call <= r.Return && why != nil {
				why = r.since(c, commits)
			}
		}
		if why != nil {
			return why
		}
	}
	return nil
}

// since fails if another commit was told of between the one that is read, or the beginning, and the reading.
func (r *Committed) since(read *Commit, commits []*Commit) *Failure {
	for _, c := range commits {
		if c.Outcome == Done && c.Return < r.Call && (read == nil || read.Return < c.Call) {
			return Fail(CommitsKept, "share %d of %s was read at %v as %d; %d had been committed at %v", r.Share, r.Group, r.Return, r.Offset, c.Offset, c.Return)
		}
	}
	return nil
}

// expired: nothing is read, and all that was committed for sure was so long ago that it may be forgotten. What a member of a
// classic group has committed stays as long as it is one, whatever the clock says, and its time runs from when the last has gone.
func (h *History) expired(r *Committed, commits []*Commit) bool {
	if r.Offset >= 0 || h.Expiry == 0 {
		return false
	}
	for _, c := range commits {
		if c.Offset < 0 || c.Outcome != Done || c.Return >= r.Call {
			continue
		}
		heard := h.Heard[c.Member]
		since := max(c.Call, heard)
		if c.Aging {
			since = c.Call
		}
		if heard >= r.Return || r.Return-since < h.Expiry && !h.Jumped {
			return false
		}
	}
	return true
}

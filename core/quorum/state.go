package quorum

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"rookery/core/meta"
)

// NoOne stands where no voter's id is known.
const NoOne int32 = -1

// State is what a voter must not forget: the file quorum-state of Kafka, version 1.
type State struct {
	Leader         int32 // NoOne: not known
	Epoch          int32
	Voted          int32 // NoOne: no vote was cast in Epoch
	VotedDirectory meta.UUID
}

// None is the state of a voter that has never been in a quorum.
func None() State { return State{Leader: NoOne, Voted: NoOne} }

// Append writes the file's content behind dst.
func (s State) Append(dst []byte) []byte {
	dst = append(dst, `{"leaderId":`...)
	dst = strconv.AppendInt(dst, int64(s.Leader), 10)
	dst = append(dst, `,"leaderEpoch":`...)
	dst = strconv.AppendInt(dst, int64(s.Epoch), 10)
	dst = append(dst, `,"votedId":`...)
	dst = strconv.AppendInt(dst, int64(s.Voted), 10)
	dst = append(dst, `,"votedDirectoryId":"`...)
	dst = append(dst, s.VotedDirectory.String()...)
	return append(dst, `","data_version":1}`...)
}

const stateMax = 4096 // far more than a state takes

// ParseState reads the file's content: one JSON object with the five members of version 1, each once, in any order.
func ParseState(b []byte) (State, error) {
	s, err := parseState(b)
	if err != nil {
		return None(), fmt.Errorf("quorum-state: %w", err)
	}
	return s, nil
}

func parseState(b []byte) (State, error) {
	var s State
	if len(b) > stateMax {
		return s, fmt.Errorf("%d bytes", len(b))
	}
	body := strings.TrimSpace(string(b))
	body, open := strings.CutPrefix(body, "{")
	body, closed := strings.CutSuffix(body, "}")
	if !open || !closed {
		return s, errors.New("not an object")
	}
	seen := 0
	for _, member := range strings.Split(body, ",") { // no value of version 1 holds a comma
		name, value, colon := strings.Cut(member, ":")
		bit, err := s.set(strings.TrimSpace(name), strings.TrimSpace(value))
		if !colon || err != nil {
			return s, fmt.Errorf("%q: %w", member, errors.Join(err, colonMissing(colon)))
		}
		if seen&bit != 0 {
			return s, fmt.Errorf("%q stands twice", name)
		}
		seen |= bit
	}
	if seen != allMembers {
		return s, errors.New("a member is missing")
	}
	return s, nil
}

func colonMissing(colon bool) error {
	if colon {
		return nil
	}
	return errors.New("no colon")
}

const allMembers = 1<<5 - 1

// set takes one member and says which of the five it was.
func (s *State) set(name, text string) (int, error) {
	switch name {
	case `"leaderId"`:
		return 1, setID(&s.Leader, text)
	case `"leaderEpoch"`:
		return 2, setInt(&s.Epoch, text, 0)
	case `"votedId"`:
		return 4, setID(&s.Voted, text)
	case `"votedDirectoryId"`:
		return 8, setUUID(&s.VotedDirectory, text)
	case `"data_version"`:
		if text != "1" {
			return 16, errors.New("unknown version")
		}
		return 16, nil
	}
	return 0, errors.New("unknown member")
}

func setID(p *int32, text string) error { return setInt(p, text, NoOne) }

func setInt(p *int32, text string, least int32) error {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || strconv.FormatInt(n, 10) != text {
		return errors.New("not a number")
	}
	if n < int64(least) {
		return errors.New("below its least value")
	}
	*p = int32(n)
	return nil
}

func setUUID(p *meta.UUID, text string) error {
	text, open := strings.CutPrefix(text, `"`)
	text, closed := strings.CutSuffix(text, `"`)
	id, ok := meta.ParseUUID(text)
	if !open || !closed || !ok {
		return errors.New("not an id")
	}
	*p = id
	return nil
}

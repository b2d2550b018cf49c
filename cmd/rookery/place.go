package main

import (
	"cmp"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"rookery/core/client"
)

// place is where in a partition to begin or to stop, as a human says it.
type place struct {
	kind  placeKind
	n     int64     // of an offset, or how far from an end
	at    time.Time // of a time
	given bool
}

type placeKind uint8

const (
	atStart placeKind = iota
	atEnd
	atOffset
	afterStart
	beforeEnd
	atTime
)

// placeHelp is what help says of places.
const placeHelp = `Places are start (or earliest), end (or latest), an offset, +N (N after the start), -N (N before the end) or @TIME:
seconds, milliseconds or nanoseconds since 1970, a date (2026-01-31), a date and time (2026-01-31T12:00:00Z), or a time
ago (@-1h30m).
FROM:UNTIL names both, and either may be left out (":end": what there is now). kcat's s@MS and e@MS are understood.`

// parsePlace reads one place.
func parsePlace(s string, now time.Time) (place, error) {
	switch s {
	case "start", "beginning", "oldest", "earliest":
		return place{kind: atStart, given: true}, nil
	case "end", "newest", "latest":
		return place{kind: atEnd, given: true}, nil
	}
	if after, timed := strings.CutPrefix(s, "@"); timed {
		at, err := parseTime(after, now)
		return place{kind: atTime, at: at, given: true}, err
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return place{}, fmt.Errorf("%q is none of start, end, an offset, +N, -N, @TIME", s)
	}
	p := place{kind: atOffset, n: n, given: true}
	switch s[0] {
	case '+':
		p.kind = afterStart
	case '-':
		p.kind, p.n = beforeEnd, -n
	}
	return p, nil
}

// parseTime reads a time by its form: the number of digits says the unit, as rpk has it.
func parseTime(s string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(s); err == nil && (s[0] == '-' || s[0] == '+') {
		return now.Add(ago), nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		switch digits := len(s); {
		case digits <= 10:
			return time.Unix(n, 0), nil
		case digits <= 13:
			return time.UnixMilli(n), nil
		default:
			return time.Unix(0, n), nil
		}
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339Nano, "2006-01-02T15:04:05"} {
		if at, err := time.Parse(layout, s); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("@%s is no time: seconds or milliseconds since 1970, 2026-01-31, 2026-01-31T12:00:00Z, -1h", s)
}

// parsePlaces reads FROM, FROM:UNTIL, :UNTIL, s@MS or e@MS into what was given before.
func parsePlaces(s string, now time.Time, from, until *place) error {
	if err := splitPlaces(s, now, from, until); err != nil {
		return err
	}
	if from.given && until.given && from.behind(*until) {
		return fmt.Errorf("%s: it would stop before it begins", s)
	}
	return nil
}

// behind says whether p is known to lie behind q without asking anybody: only like places can be compared.
func (p place) behind(q place) bool {
	switch {
	case p.kind != q.kind:
		return false
	case p.kind == atTime:
		return p.at.After(q.at)
	case p.kind == beforeEnd:
		return p.n < q.n
	}
	return p.n > q.n
}

// splitPlaces: times have colons of their own, so each colon is tried.
func splitPlaces(s string, now time.Time, from, until *place) error {
	if ms, ok := strings.CutPrefix(s, "s@"); ok {
		return parseInto("@"+ms, now, from)
	}
	if ms, ok := strings.CutPrefix(s, "e@"); ok {
		return parseInto("@"+ms, now, until)
	}
	whole := parseInto(s, now, from)
	if whole == nil {
		return nil
	}
	for i := range len(s) {
		if s[i] != ':' {
			continue
		}
		first, last := *from, *until
		if i == 0 {
			first = place{kind: atStart, given: true}
		}
		if before := parseInto(s[:i], now, &first); before == nil || i == 0 {
			if after := parseInto(s[i+1:], now, &last); after == nil || i == len(s)-1 {
				*from, *until = first, last
				return nil
			}
		}
	}
	return whole
}

func parseInto(s string, now time.Time, into *place) error {
	p, err := parsePlace(s, now)
	if err == nil {
		*into = p
	}
	return err
}

// offsets are the place's in these partitions, asked of their leaders. A time without a record after it is the end.
func (p place) offsets(c *session, topic string, leaders, partitions []int32) (located, error) {
	switch p.kind {
	case atStart, afterStart:
		return offsetsAt(c, topic, leaders, partitions, client.Earliest).plus(p.n).whole()
	case atEnd:
		return offsetsAt(c, topic, leaders, partitions, client.Latest).whole()
	case beforeEnd:
		starts, errStart := offsetsAt(c, topic, leaders, partitions, client.Earliest).whole()
		ends, errEnd := offsetsAt(c, topic, leaders, partitions, client.Latest).plus(-p.n).whole()
		if err := cmp.Or(errStart, errEnd); err != nil {
			return nil, err
		}
		for partition, start := range starts {
			ends[partition] = offsetOrError{offset: max(ends[partition].offset, start.offset)}
		}
		return ends, nil
	case atTime:
		found, err := offsetsAt(c, topic, leaders, partitions, max(p.at.UnixMilli(), 0)).whole()
		if err != nil {
			return nil, err
		}
		var beyond []int32
		for _, partition := range partitions {
			if found[partition].offset < 0 {
				beyond = append(beyond, partition)
			}
		}
		ends, err := offsetsAt(c, topic, leaders, beyond, client.Latest).whole() // asks nobody if there are none
		maps.Copy(found, ends)
		return found, err
	}
	same := located{}
	for _, partition := range partitions {
		same[partition] = offsetOrError{offset: p.n}
	}
	return same, nil
}

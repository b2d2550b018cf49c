package main

import (
	"fmt"
	"regexp"
	"strings"
)

// A difference is one field of one answer in which two sides are not alike.
type difference struct {
	where  string // the case and the request
	field  string // the field's path, without indexes
	path   string
	a, b   string
	reason string    // of an accepted one
	codes  [2]string // the errors in both answers
}

func (d difference) String() string {
	return fmt.Sprintf("%s  (errors:%s |%s)\n    %s: %s | %s", d.where, d.codes[0], d.codes[1], d.path, d.a, d.b)
}

// signature is the same for what is probably the same cause.
func (d difference) signature() string {
	return api(d.where) + d.codes[0] + "|" + d.codes[1] + " " + d.field + " " + digits.ReplaceAllString(d.a, "n") + " | " + digits.ReplaceAllString(d.b, "n")
}

var (
	index  = regexp.MustCompile(`\[[^\]]*\]`)
	digits = regexp.MustCompile(`[0-9]+`)
)

// api is the name of the API of a request, of a "case: API version ..." line.
func api(where string) string {
	_, request, _ := strings.Cut(where, ": ")
	name, _, _ := strings.Cut(request, " ")
	return name
}

const absent = "(absent)"

// compare lists what is not alike in what two sides were told. It stops after the request in which a field differs that
// is not accepted: whatever comes after may only follow from it.
func compare(name string, a, b *side, accepted *ledger) []difference {
	var found []difference
	for i := range max(len(a.told), len(b.told)) {
		if i >= len(a.told) || i >= len(b.told) {
			return append(found, difference{where: name, path: "requests", field: "requests",
				a: fmt.Sprint(len(a.told)), b: fmt.Sprint(len(b.told))})
		}
		unlike := compareStep(name, a.told[i], b.told[i])
		stop := false
		for j := range unlike {
			unlike[j].reason = accepted.reason(unlike[j])
			stop = stop || unlike[j].reason == ""
		}
		found = append(found, unlike...)
		if stop {
			break
		}
	}
	return found
}

func compareStep(name string, a, b step) (found []difference) {
	where := name + ": " + a.request
	if a.request != b.request {
		return []difference{{where: where, path: "request", field: "request", a: a.request, b: b.request}}
	}
	note := func(path, x, y string) {
		found = append(found, difference{where: where, field: index.ReplaceAllString(path, ""), path: path, a: x, b: y,
			codes: [2]string{errorCodes(a), errorCodes(b)}})
	}
	other := make(map[string]string, len(b.fields))
	for _, f := range b.fields {
		other[f.path] = f.value
	}
	if whole(a) != whole(b) {
		note("answer", outcome(a), outcome(b))
		return found
	}
	for _, f := range a.fields {
		value, ok := other[f.path]
		if delete(other, f.path); !ok {
			value = absent
		}
		if value != f.value {
			note(f.path, f.value, value)
		}
	}
	for _, f := range b.fields {
		if _, left := other[f.path]; left {
			note(f.path, absent, f.value)
		}
	}
	return found
}

// whole says that there was an answer at all.
func whole(s step) bool { return len(s.fields) != 1 || s.fields[0].path != "" }

func outcome(s step) string {
	if whole(s) {
		return "answers" + errorCodes(s)
	}
	return s.fields[0].value
}

// errorCodes are the codes in an answer that are not 0.
func errorCodes(s step) (codes string) {
	for _, f := range s.fields {
		if strings.HasSuffix(f.path, ".ErrorCode") && f.value != "0" {
			codes += " " + f.value
		}
	}
	return codes
}

package main

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// call is one system call of the trace. Lines of the trace are its clock: strace stops a thread before the call is
// made and after it has come back, so "came back on an earlier line than the other one began" is true of the machine
// too.
type call struct {
	name      string
	begin     int // line
	end       int // line; 0: it never came back
	seconds   float64
	arguments string
	result    int64
}

var (
	linePattern   = regexp.MustCompile(`^(\d+) +(\d+\.\d+) (.*)$`)
	resumePattern = regexp.MustCompile(`^<\.\.\. (\w+) resumed>(.*)$`)
	callPattern   = regexp.MustCompile(`^(\w+)\((.*)$`)
	resultPattern = regexp.MustCompile(`\) += (-?\d+)[^)"]*$`)
)

const unfinished = " <unfinished ...>"

// parseTrace reads the output of strace -f -ttt. Calls come in the order in which they began.
func parseTrace(in io.Reader) ([]*call, error) {
	var calls []*call
	pending := map[string]*call{}
	reader := bufio.NewReaderSize(in, 1<<20)
	for number := 1; ; number++ {
		line, err := reader.ReadString('\n')
		if err == io.EOF {
			return calls, nil
		}
		if err != nil {
			return nil, err
		}
		parts := linePattern.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if parts == nil {
			continue
		}
		thread, text := parts[1], parts[3]
		if resumed := resumePattern.FindStringSubmatch(text); resumed != nil {
			if c := pending[thread]; c != nil && c.name == resumed[1] {
				delete(pending, thread)
				c.finish(resumed[2], number)
			}
			continue
		}
		parts2 := callPattern.FindStringSubmatch(text)
		if parts2 == nil {
			continue
		}
		seconds, _ := strconv.ParseFloat(parts[2], 64)
		c := &call{name: parts2[1], begin: number, seconds: seconds}
		calls = append(calls, c)
		if rest, cut := strings.CutSuffix(parts2[2], unfinished); cut {
			c.arguments = rest
			pending[thread] = c
			continue
		}
		c.finish(parts2[2], number)
	}
}

func (c *call) finish(rest string, line int) {
	c.end, c.result = line, -1
	if at := resultPattern.FindStringSubmatchIndex(rest); at != nil {
		c.result, _ = strconv.ParseInt(rest[at[2]:at[3]], 10, 64)
		rest = rest[:at[0]]
	}
	c.arguments += rest
}

// target is what the first argument's descriptor stands for: a path, or TCP:[from->to].
func (c *call) target() string {
	name, _ := described(c.arguments)
	return name
}

// described cuts "7</a/b>, rest" or "7<TCP:[a->b]>, rest".
func described(arguments string) (name, rest string) {
	open := strings.IndexByte(arguments, '<')
	if open < 0 || strings.ContainsAny(arguments[:open], `", `) {
		return "", arguments
	}
	mark := ">"
	if strings.HasPrefix(arguments[open+1:], "TCP") {
		mark = "]>"
	}
	shut := strings.Index(arguments[open:], mark)
	if shut < 0 {
		return "", arguments
	}
	shut += open + len(mark) - 1
	return arguments[open+1 : shut], arguments[shut+1:]
}

// data is the bytes that the call carries, its vectors joined, cut to what the call says it has moved.
func (c *call) data() ([]byte, error) {
	var b []byte
	_, rest := described(c.arguments)
	for {
		open := strings.IndexByte(rest, '"')
		if open < 0 {
			break
		}
		piece, after, err := unquote(rest[open+1:])
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(after, "...") {
			return nil, fmt.Errorf("strace cut the data of a %s: its -s is too small", c.name)
		}
		b, rest = append(b, piece...), after
	}
	if c.result >= 0 && c.result < int64(len(b)) {
		b = b[:c.result]
	}
	return b, nil
}

// unquote reads a C string up to its closing quote.
func unquote(s string) (b []byte, rest string, err error) {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b, s[i+1:], nil
		case s[i] != '\\':
			b = append(b, s[i])
			continue
		}
		i++
		if i == len(s) {
			break
		}
		if at := strings.IndexByte(`ntrvf"\`, s[i]); at >= 0 {
			b = append(b, "\n\t\r\v\f\"\\"[at])
			continue
		}
		digits := 0
		for digits < 3 && i+digits < len(s) && s[i+digits] >= '0' && s[i+digits] <= '7' {
			digits++
		}
		value, err := strconv.ParseUint(s[i:i+digits], 8, 8)
		if err != nil {
			return nil, "", fmt.Errorf("escape in a string of the trace: %w", err)
		}
		b = append(b, byte(value))
		i += digits - 1
	}
	return nil, "", fmt.Errorf("a string of the trace has no end")
}

// paths are the call's path arguments, made absolute by the folder that comes before each.
func (c *call) paths() []string {
	var found []string
	folder, rest := described(c.arguments)
	for {
		open := strings.IndexByte(rest, '"')
		if open < 0 {
			return found
		}
		path, after, err := unquote(rest[open+1:])
		if err != nil {
			return found
		}
		name := string(path)
		if !filepath.IsAbs(name) {
			name = filepath.Join(folder, name)
		}
		found = append(found, filepath.Clean(name))
		if next := strings.TrimPrefix(after, ", "); strings.Contains(next, "<") {
			folder, rest = described(next)
		} else {
			rest = after
		}
	}
}

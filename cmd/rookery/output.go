package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// form is how a list is printed: text for eyes, json for programs.
type form string

// flag adds -o to a command that lists.
func (f *form) flag(c *cobra.Command) {
	*f = "text"
	c.Flags().VarP(f, "output", "o", "text or json")
	completeFrom(c, "output", "text", "json")
}

func (f *form) json() bool     { return *f == "json" }
func (f *form) String() string { return string(*f) }

// Set takes the flag's value.
func (f *form) Set(s string) error {
	if s != "text" && s != "json" {
		return fmt.Errorf("%q is neither text nor json", s)
	}
	*f = form(s)
	return nil
}

// Type is what help calls the flag's value.
func (f *form) Type() string { return "text|json" }

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// printLine is JSON an object a line, for what may be long.
func printLine(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// counted is a number of things, named by one of them.
func counted(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + one + "s"
}

// table prints rows under a heading, in columns.
func table(w io.Writer, heading string, rows [][]string) error {
	var lines bytes.Buffer
	t := tabwriter.NewWriter(&lines, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.ReplaceAll(heading, " ", "\t"))
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	first, rest, _ := strings.Cut(lines.String(), "\n")
	_, err := io.WriteString(w, paint(w, bold, first)+"\n"+rest) // painted last: columns are as wide as what is seen
	return err
}

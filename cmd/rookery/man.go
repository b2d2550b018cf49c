package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "man DIR",
		Short:   "write the manual pages of all commands",
		Example: "  rookery man /usr/local/share/man/man1",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			pages, err := writePages(c.Root(), args[0])
			if err == nil {
				_, err = fmt.Fprintf(c.OutOrStdout(), "%d pages; read one with: man -l %s/rookery.1\n", pages, args[0])
			}
			return err
		},
	}
}

// writePages writes a command's page and those below it. (cobra/doc would, by way of Markdown: two libraries whose
// start every broker would pay for.)
func writePages(c *cobra.Command, dir string) (pages int, err error) {
	c.InitDefaultHelpFlag()
	var page strings.Builder
	manPage(&page, c)
	if err := os.WriteFile(filepath.Join(dir, manName(c)+".1"), []byte(page.String()), 0o644); err != nil {
		return 0, err
	}
	pages = 1
	for _, sub := range c.Commands() {
		if !isOnPage(sub) {
			continue
		}
		below, err := writePages(sub, dir)
		if err != nil {
			return pages, err
		}
		pages += below
	}
	return pages, nil
}

func manName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func isOnPage(c *cobra.Command) bool { return c.IsAvailableCommand() && c.Name() != "help" }

// manPage writes a page in the macros of man(7).
func manPage(w io.Writer, c *cobra.Command) {
	fmt.Fprintf(w, ".TH %s 1 \"\" Rookery \"Rookery manual\"\n", roffText(strings.ToUpper(manName(c))))
	fmt.Fprintf(w, ".SH NAME\n%s \\- %s\n", roffText(manName(c)), roffText(c.Short))
	fmt.Fprintf(w, ".SH SYNOPSIS\n.B %s\n", roffText(c.UseLine()))
	if c.Long != "" {
		fmt.Fprintf(w, ".SH DESCRIPTION\n.nf\n%s\n.fi\n", roffLines(c.Long))
	}
	manFlags(w, c)
	if c.Example != "" {
		fmt.Fprintf(w, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roffLines(c.Example))
	}
	manOthers(w, c)
}

func manFlags(w io.Writer, c *cobra.Command) {
	if !c.HasAvailableFlags() {
		return
	}
	fmt.Fprint(w, ".SH OPTIONS\n")
	c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name, usage := pflag.UnquoteUsage(f)
		short := ""
		if f.Shorthand != "" {
			short = "-" + f.Shorthand + ", "
		}
		if name != "" {
			name = " " + name
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "0" {
			usage += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(w, ".TP\n.B %s\n%s\n", roffText(short+"--"+f.Name+name), roffText(usage))
	})
}

func manOthers(w io.Writer, c *cobra.Command) {
	var others []string
	if c.HasParent() {
		others = append(others, manName(c.Parent())+"(1)")
	}
	for _, sub := range c.Commands() {
		if isOnPage(sub) {
			others = append(others, manName(sub)+"(1)")
		}
	}
	if len(others) > 0 {
		fmt.Fprintf(w, ".SH SEE ALSO\n%s\n", roffText(strings.Join(others, ", ")))
	}
}

// roffText is text that stays what it is: no escape, no dash that becomes a hyphen, no line that is a macro.
func roffText(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n", " ").Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

func roffLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = roffText(lines[i])
	}
	return strings.Join(lines, "\n")
}

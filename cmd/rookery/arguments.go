package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// sayWhatIsMissing has a command and those below it refuse, in plain words, arguments that do not fit. A family of
// commands alone (rookery topic) prints its help, as kubectl's and rpk's do; with a name that is none of them it fails.
func sayWhatIsMissing(c *cobra.Command) {
	switch check := c.Args; {
	case c.Name() == "help":
		c.Run, c.RunE = nil, func(c *cobra.Command, args []string) error {
			at, rest, err := c.Root().Find(args)
			switch {
			case err != nil:
				return err
			case at.HasSubCommands() && len(rest) > 0:
				return unknownCommand(at, rest[0])
			}
			return at.Help()
		}
	case c.HasSubCommands():
		c.Args, c.DisableFlagsInUseLine = cobra.ArbitraryArgs, true
		c.RunE = func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return c.Help()
		}
	case check != nil:
		c.Args = func(c *cobra.Command, args []string) error {
			if check(c, args) == nil {
				return nil
			}
			usage := "usage: " + c.UseLine()
			required := placesOf(c)
			if len(args) < len(required) {
				return advise(usage, "%s: %s is missing", belowRoot(c), required[len(args)])
			}
			tooMany := len(required)
			for tooMany < len(args)-1 && check(c, args[:tooMany+1]) == nil {
				tooMany++
			}
			return advise(usage, "%s does not take %q", belowRoot(c), args[tooMany])
		}
	}
	for _, sub := range c.Commands() {
		sayWhatIsMissing(sub)
	}
}

// placesOf are the arguments that a command's usage line requires: TOPIC of "produce TOPIC [FILE...]". A flag's value
// (--config FILE, [--topic TOPIC]) is none.
func placesOf(c *cobra.Command) (names []string) {
	words := strings.Fields(c.Use)
	for i, word := range words[1:] {
		if !strings.HasPrefix(word, "[") && !strings.HasPrefix(word, "-") && !strings.HasPrefix(strings.TrimPrefix(words[i], "["), "-") {
			names = append(names, strings.TrimSuffix(word, "..."))
		}
	}
	return names
}

// belowRoot is a command's path without our own name, which report prints anyway.
func belowRoot(c *cobra.Command) string {
	return strings.TrimPrefix(strings.TrimPrefix(c.CommandPath(), c.Root().Name()), " ")
}

func unknownCommand(c *cobra.Command, name string) error {
	next := "see: " + c.CommandPath() + " --help"
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(name); len(near) > 0 {
		next = "did you mean " + c.CommandPath() + " " + near[0] + "?"
	} else if at, _, err := c.Root().Find([]string{name}); err == nil && at != c.Root() { // rpk topic consume
		next = "did you mean " + at.CommandPath() + "?"
	}
	return advise(next, "unknown command %s", strings.TrimSpace(belowRoot(c)+" "+name))
}

// emptyIsMeant marks flags to which an empty value says something.
const emptyIsMeant = "rookery: an empty value is meant"

func mayBeEmpty(c *cobra.Command, flags ...string) {
	for _, name := range flags {
		_ = c.Flags().SetAnnotation(name, emptyIsMeant, nil) // fails for no flag only
	}
}

// gathered is a list's flag that remembers being given nothing, of which no part of the list tells (--topic a --topic "").
type gathered struct {
	pflag.Value
	pflag.SliceValue
	nothing bool
}

func (g *gathered) Set(text string) error {
	g.nothing = g.nothing || text == ""
	return g.Value.Set(text)
}

// rememberNothing has refuseEmpty told of every list of a command, and of those below it.
func rememberNothing(c *cobra.Command) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		_, mayHaveNone := f.Value.(*addresses)
		if parts, ok := f.Value.(pflag.SliceValue); ok && !mayHaveNone {
			f.Value = &gathered{Value: f.Value, SliceValue: parts}
		}
	})
	for _, sub := range c.Commands() {
		rememberNothing(sub)
	}
}

// refuseEmpty has every command refuse a flag that is given and empty. It is a variable of a script that was never set, and
// to take it for a flag that was left out is to do to all topics what was meant for one.
func refuseEmpty(c *cobra.Command, _ []string) (err error) {
	c.Flags().Visit(func(f *pflag.Flag) {
		what := ""
		if list, ok := f.Value.(pflag.SliceValue); ok {
			told, _ := f.Value.(*gathered)
			switch parts := list.GetSlice(); {
			case len(parts) == 0 || len(parts) == 1 && parts[0] == "":
				what = "is empty"
			case slices.Contains(parts, ""), told != nil && told.nothing:
				what = "has a part that is empty"
			}
		} else if f.Value.String() == "" {
			what = "is empty"
		}
		if _, meant := f.Annotations[emptyIsMeant]; what != "" && !meant && err == nil {
			err = advise("give it a value, or leave it out: "+f.Usage, "--%s %s", f.Name, what)
		}
	})
	return err
}

// flagAdvice says what to do about a flag that does not fit: one that is meant may be the longer or the shorter name, or
// the argument that has a flag with Kafka's own tools.
func flagAdvice(c *cobra.Command, err error) string {
	next := "see: " + c.CommandPath() + " --help"
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || len(unknown.GetSpecifiedName()) < 2 {
		return next
	}
	bare := func(name string) string { return strings.ReplaceAll(name, "-", "") }
	name := bare(unknown.GetSpecifiedName())
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if strings.HasPrefix(bare(f.Name), name) || strings.HasPrefix(name, bare(f.Name)) {
			next = "did you mean --" + f.Name + "? see: " + c.CommandPath() + " --help"
		}
	})
	if name == "topic" && strings.Contains(c.Use, "TOPIC") {
		next = "usage: " + c.UseLine()
	}
	return next
}

package main

import (
	"strings"

	"github.com/spf13/cobra"
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
			return advise(usage, "%s does not take %q", belowRoot(c), args[len(required)])
		}
	}
	for _, sub := range c.Commands() {
		sayWhatIsMissing(sub)
	}
}

// placesOf are the arguments that a command's usage line requires: TOPIC of "produce TOPIC [FILE...]". A flag's value
// (--config FILE) is none.
func placesOf(c *cobra.Command) (names []string) {
	words := strings.Fields(c.Use)
	for i, word := range words[1:] {
		if !strings.HasPrefix(word, "[") && !strings.HasPrefix(word, "-") && !strings.HasPrefix(words[i], "-") {
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
	}
	return advise(next, "unknown command %s", strings.TrimSpace(belowRoot(c)+" "+name))
}

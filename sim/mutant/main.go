package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mutant:", err)
		os.Exit(1)
	}
}

const usage = "usage: mutant run [flags] | mutant build NAME OUT [PACKAGE]"

func command(args []string) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	plants, err := readPlants(filepath.Join(root, "sim", "mutant"))
	if err != nil {
		return err
	}
	switch args[0] {
	case "run":
		return runCommand(root, plants, args[1:])
	case "build":
		return buildCommand(root, plants, args[1:])
	}
	return errors.New(usage)
}

// moduleRoot is the folder of go.mod, here or above.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("there is no go.mod here or above")
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}

func named(plants []*plant, name string) (*plant, error) {
	var names []string
	for _, p := range plants {
		if p.name == name {
			return p, nil
		}
		names = append(names, p.name)
	}
	return nil, fmt.Errorf("no plant %q; there are %s", name, strings.Join(names, ", "))
}

// buildCommand leaves a binary with a bug in it, for whoever wants to see that it is caught elsewhere too.
func buildCommand(root string, plants []*plant, args []string) error {
	if len(args) < 2 || len(args) > 3 {
		return errors.New(usage)
	}
	p, err := named(plants, args[0])
	if err != nil {
		return err
	}
	out, err := filepath.Abs(args[1])
	if err != nil {
		return err
	}
	pkg := "./cmd/rookery"
	if len(args) == 3 {
		pkg = args[2]
	}
	scratch, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	return build(root, p, scratch, pkg, out)
}

func runCommand(root string, plants []*plant, args []string) error {
	h := hunter{root: root}
	flags := flag.NewFlagSet("mutant run", flag.ContinueOnError)
	only := flags.String("only", "", "the bugs to plant, with commas between (all)")
	flags.IntVar(&h.roots, "roots", 5, "hunts of each, from other root seeds")
	flags.IntVar(&h.faultFree, "fault-free", 200, "seeds without faults that have to pass")
	flags.DurationVar(&h.limit, "limit", 10*time.Minute, "CPU time of one hunt")
	flags.DurationVar(&h.shrinkFor, "shrink", time.Minute, "time to shrink one failure of each; 0: not at all")
	result := flags.String("result", "", "write the table for the board into this file")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *only != "" {
		var chosen []*plant
		for name := range strings.SplitSeq(*only, ",") {
			p, err := named(plants, name)
			if err != nil {
				return err
			}
			chosen = append(chosen, p)
		}
		plants = chosen
	}
	scratch, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	h.scratch = scratch
	trophies, err := h.huntAll(plants)
	if err != nil {
		return err
	}
	older, err := os.ReadFile(*result)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	table := boardTable(root, &h, trophies, string(older))
	fmt.Print("\n", table)
	if *result != "" {
		if err := os.WriteFile(*result, []byte(table), 0o644); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(trophies, func(t *trophy) bool { return t.complaint() != "" }) {
		return errors.New("not every planted bug was killed as its header says")
	}
	return nil
}

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// plantedFile is laid beside core/must, where it gives the patches the one call that production code does not have.
const plantedFile = `package must

import "sync/atomic"

var planted atomic.Bool

// Planted says, once, that the changed line was reached and made a difference.
func Planted() {
	if !planted.Swap(true) {
		println("` + reachedLine + `")
	}
}
`

const reachedLine = "the planted line was reached"

// build makes a binary of a package with a bug in it: the patched files lie in a folder of their own and reach the
// compiler as an overlay, so that the tree is never touched. A nil plant builds the tree as it is.
func build(root string, p *plant, scratch, pkg, out string) error {
	args := []string{"build", "-o", out}
	if p != nil {
		overlay, err := writeOverlay(root, p, scratch)
		if err != nil {
			return err
		}
		args = append(args, "-overlay", overlay)
	}
	c := exec.Command("go", append(args, pkg)...)
	c.Dir = root
	if text, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, text)
	}
	return nil
}

func writeOverlay(root string, p *plant, scratch string) (string, error) {
	replace := map[string]string{}
	put := func(file string, content []byte) error {
		to := filepath.Join(scratch, fmt.Sprintf("%s-%d.go", p.name, len(replace)))
		replace[filepath.Join(root, file)] = to
		return os.WriteFile(to, content, 0o644)
	}
	for _, file := range p.files() {
		content, err := p.apply(root, file)
		if err == nil {
			err = put(file, content)
		}
		if err != nil {
			return "", err
		}
	}
	if err := put("core/must/planted.go", []byte(plantedFile)); err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(scratch, p.name+".json")
	return name, os.WriteFile(name, text, 0o644)
}

package main

import (
	"errors"

	"rookery/core/seam"
)

func (n *node) broker() (seam.Machine, error) {
	return nil, errors.New("this build has no broker in it")
}
func (n *node) maker() func(seam.Address) seam.Machine { return nil }

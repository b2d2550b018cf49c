package main

import (
	"errors"
	"os"
	"runtime/pprof"
)

// profiled runs something under the profilers of go tool pprof; an empty name leaves that one out.
func profiled(cpu, heap string, run func() error) error {
	if cpu != "" {
		file, err := os.Create(cpu)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	failed := run()
	if heap == "" {
		return failed
	}
	file, err := os.Create(heap)
	if err != nil {
		return errors.Join(failed, err)
	}
	defer file.Close()
	return errors.Join(failed, pprof.Lookup("allocs").WriteTo(file, 0))
}

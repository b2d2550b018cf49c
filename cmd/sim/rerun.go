package main

import (
	"fmt"
	"os"

	"rookery/sim/rerun"
)

// replayRecording steps the core through a real broker's recording, and says where it first answers otherwise.
func replayRecording(file string) error {
	recorded, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	report, err := rerun.Replay(recorded)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	fmt.Printf("%d steps of %d machines, %d requests\n", report.Steps, report.Machines, report.Requests)
	if report.Cut {
		fmt.Println("the last entry was not written to its end")
	}
	fmt.Printf("hash=%016x\n", uint64(report.Hash))
	if report.Difference != nil {
		return report.Difference
	}
	return nil
}

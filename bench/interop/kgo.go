package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

// kgoLeftOut are the tests of franz-go that are not run, and why.
var kgoLeftOut = map[string]string{
	"TestTxnEtl":                               "transactions are not built yet",
	"TestShareGroup":                           "share groups are not built",
	"TestShareGroupETL":                        "share groups are not built",
	"TestShareGroupAckOnClose":                 "share groups are not built",
	"TestShareGroupOffsetsAdmin":               "share groups are not built",
	"TestConsumeRegexShareSkipsInternal":       "share groups are not built",
	"TestSCRAMAuth":                            "it wants a listener with SCRAM",
	"TestSCRAMAuthBadCredentials":              "it wants a listener with SCRAM",
	"TestIssueProduceBrokerTooOldFailsRecords": "ApiVersions answers Produce from version 0 on, as Kafka's does (KAFKA-18659), and it skips itself then",
}

// kgoGroups are the chains of consumer groups that have to be among those that passed: every balancer, both protocols, and
// static members.
var kgoGroups = []string{"range", "cooperative-sticky", "range/848", "sticky/848", "cooperative-sticky/static", "sticky/848/static"}

// kgoRecords go through each of six chains of three groups, whose members come and go.
const kgoRecords = 100_000

// moveKgo has franz-go's own tests, of the version that is a client here, run against the broker.
func moveKgo(s *session) {
	var reasons []string
	for _, name := range slices.Sorted(maps.Keys(kgoLeftOut)) {
		reasons = append(reasons, name+": "+kgoLeftOut[name])
	}
	s.leftOut += len(reasons)
	s.check("pkg/kgo's own tests", "franz-go", "left out: "+strings.Join(reasons, "; "), s.runKgo)
}

func (s *session) runKgo(ctx context.Context) (string, error) {
	var names []string
	for name := range kgoLeftOut {
		names = append(names, name)
	}
	slices.Sort(names)
	list := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "github.com/twmb/franz-go/pkg/kgo")
	list.Dir = filepath.Join(s.source, "go")
	folder, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("go list: %w", err)
	}
	tests := exec.CommandContext(ctx, filepath.Join(s.home, "go", "kgo.test"), "-test.v", "-test.skip", "^("+strings.Join(names, "|")+")$", "-test.timeout", checkPatience.String())
	tests.Dir = strings.TrimSpace(string(folder)) // some read their own source
	tests.Env = append(os.Environ(), "KGO_SEEDS="+s.through["franz-go"], "KGO_TEST_RF=1", fmt.Sprintf("KGO_TEST_RECORDS=%d", kgoRecords), "KGO_LOG_LEVEL=none")
	tests.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := tests.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := tests.Start(); err != nil {
		return "", err
	}
	found, readErr := readTests(out)
	err = errors.Join(readErr, tests.Wait())
	if len(found["FAIL"])+len(found["SKIP"]) > 0 {
		err = errors.Join(err, fmt.Errorf("failed: %v, skipped: %v", found["FAIL"], found["SKIP"]))
	}
	for _, group := range kgoGroups {
		if !slices.Contains(found["PASS"], "TestGroupETL/"+group) {
			err = errors.Join(err, fmt.Errorf("TestGroupETL/%s has not passed", group))
		}
	}
	return fmt.Sprintf("%d tests and parts of tests; %d records through %d chains of groups", len(found["PASS"]), kgoRecords, len(kgoGroups)), err
}

var testVerdict = regexp.MustCompile(`--- (PASS|FAIL|SKIP): (\S+) \(`)

// readTests reads the names of tests by their verdicts off what a test binary says.
func readTests(out io.Reader) (map[string][]string, error) {
	found := map[string][]string{}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		if m := testVerdict.FindStringSubmatch(lines.Text()); m != nil {
			found[m[1]] = append(found[m[1]], m[2])
		}
	}
	return found, lines.Err()
}

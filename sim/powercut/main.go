// Powercut pulls the plug on the real broker.
//
// The broker's data lies on a file system of ours, served over FUSE, that knows what was synced and what was not. A
// cut freezes it in the middle of a load, kills the broker, unmounts (so the kernel's cache is gone too), takes a
// seeded part of what was not synced, mounts, and starts the broker again. Then all that anybody was promised has to
// be there.
//
//	kcat, franz-go ──▶ rookery dev ──▶ kernel ──▶ FUSE ──▶ disk (present + how to go back)
//	      │                                                     ▲
//	      └── histories: acknowledged, read ── verify ── cut ───┘
//
// Rules:
//
//   - In durable mode (the default) nothing acknowledged by acks=all is lost, nothing read is taken back, and no group begins
//     before what it has committed.
//   - With Kafka's default flush.messages the same run must show losses, or the test proves nothing; but no group begins before
//     what it has committed even then, since internal topics are durable whatever is configured.
//   - Each counted cut lands with a produce unanswered and one answered within the last second.
//   - Without root, /dev/fuse, kcat or the broker it fails; it never skips.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	brokerBinary = flag.String("binary", "bin/rookery", "the broker")
	cuts         = flag.Int("cuts", 50, "cuts in durable mode")
	flushCuts    = flag.Int("default-flush-cuts", 10, "cuts with flush.messages at Kafka's default, which must show losses")
	seed         = flag.Uint64("seed", 0, "0: a new one")
	directories  = flag.Int("dirs", 3, "log directories, between which partitions move")
	port         = flag.Int("port", 29092, "of the broker")
	startTimeout = flag.Duration("start-timeout", 30*time.Second, "how long a start may take, recovery included")
	resultFile   = flag.String("result", "", "write the figures there as JSON")
	keep         = flag.Bool("keep", false, "keep the working folder (the broker's output is in it)")
)

func main() {
	flag.Parse()
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	fmt.Printf("powercut: seed=%d\n", *seed)
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "powercut: FAILED: %v\n  again: --seed %d\n", err, *seed)
		os.Exit(1)
	}
	fmt.Println("powercut: passed")
}

// outcome is one mode's figures.
type outcome struct {
	Mode             string  `json:"mode"`
	Directories      int     `json:"log directories"`
	Moves            int     `json:"moves of partitions between them asked for"`
	Cuts             int     `json:"cuts"`
	EarlyCuts        int     `json:"cuts during a start"`
	UnderWay         int     `json:"cuts with an answer outstanding and one in the last second"`
	LostAPage        int     `json:"cuts that lost an unsynced page"`
	PagesLost        int     `json:"pages lost"`
	PagesTorn        int     `json:"pages torn"`
	EntriesLost      int     `json:"folder changes lost"`
	KcatAcks         int     `json:"records acknowledged to kcat"`
	KcatRead         int     `json:"records read by kcat"`
	Acknowledged     int     `json:"records acknowledged by acks=all"`
	AcknowledgedGone int     `json:"of them lost"`
	Read             int     `json:"records read"`
	TakenBack        int     `json:"of them taken back"`
	Topics           int     `json:"topics created or kept"`
	TopicsGone       int     `json:"of them gone"`
	Deletions        int     `json:"topics deleted"`
	DeletedCameBack  int     `json:"of them back"`
	Commits          int     `json:"commits acknowledged"`
	CommitsBack      int     `json:"partitions whose commit went back"`
	Seconds          float64 `json:"seconds"`
}

// Segments of the smallest size that Kafka allows: they roll every second or so.
var smallSegments = []string{"log.segment.bytes=1048576"}

func run() error {
	durable, err := newRun("durable", smallSegments)
	if err != nil {
		return err
	}
	if err := durable.all(*cuts, true); err != nil {
		return err
	}
	pageCache, err := newRun("page-cache", append(smallSegments, "log.flush.interval.messages=9223372036854775807"))
	if err != nil {
		return err
	}
	if err := pageCache.all(*flushCuts, false); err != nil {
		return err
	}
	if *resultFile != "" {
		b, _ := json.MarshalIndent([]outcome{durable.outcome, pageCache.outcome}, "", "  ")
		if err := os.WriteFile(*resultFile, append(b, '\n'), 0o644); err != nil {
			return err
		}
	}
	return judge(durable.outcome, pageCache.outcome)
}

func judge(durable, pageCache outcome) error {
	var wrong []string
	say := func(format string, a ...any) { wrong = append(wrong, fmt.Sprintf(format, a...)) }
	if broken := durable.AcknowledgedGone + durable.TakenBack + durable.TopicsGone + durable.DeletedCameBack + durable.CommitsBack; broken > 0 {
		say("durable mode broke %d promises", broken)
	}
	if durable.Cuts > 0 && durable.Directories > 1 && durable.Moves == 0 {
		say("no partition was moved")
	}
	if durable.Commits < 10*durable.Cuts {
		say("only %d commits were acknowledged", durable.Commits)
	}
	if durable.Cuts > 0 && (durable.KcatAcks == 0 || durable.KcatRead == 0) {
		say("kcat was told of %d records, and read %d", durable.KcatAcks, durable.KcatRead)
	}
	if durable.UnderWay < durable.Cuts {
		say("only %d of %d cuts landed under load", durable.UnderWay, durable.Cuts)
	}
	if durable.LostAPage*5 < durable.Cuts*4 {
		say("only %d of %d cuts lost an unsynced page", durable.LostAPage, durable.Cuts)
	}
	if pageCache.Cuts > 0 && pageCache.AcknowledgedGone == 0 {
		say("with Kafka's default flush nothing was lost: this test cannot fail")
	}
	if pageCache.CommitsBack > 0 {
		say("with Kafka's default flush %d commits went back", pageCache.CommitsBack)
	}
	if broken := pageCache.TopicsGone + pageCache.DeletedCameBack; broken > 0 { // the metadata log is durable always
		say("with Kafka's default flush %d topics are gone, or back", broken)
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%s", strings.Join(wrong, "; "))
	}
	return nil
}

// theRun is one disk, one broker at a time, and what its clients were promised.
type theRun struct {
	outcome   outcome
	settings  []string
	folder    string
	data      string
	disk      *disk
	server    *fuse.Server
	broker    *exec.Cmd
	output    *bytes.Buffer
	histories *histories
	commits   *commits
	random    *rand.Rand
	address   string
}

func newRun(mode string, settings []string) (*theRun, error) {
	folder, err := os.MkdirTemp("", "powercut-"+mode+"-")
	if err != nil {
		return nil, err
	}
	r := &theRun{
		outcome: outcome{Mode: mode, Directories: *directories}, settings: settings, folder: folder, data: filepath.Join(folder, "data"),
		histories: newHistories(), commits: newCommits(), random: rand.New(rand.NewPCG(*seed, 1)), address: fmt.Sprintf("127.0.0.1:%d", *port),
	}
	backing := filepath.Join(folder, "backing")
	for _, each := range []string{r.data, backing} {
		if err := os.Mkdir(each, 0o755); err != nil {
			return nil, err
		}
	}
	r.disk, err = newDisk(backing, *seed)
	return r, err
}

func (r *theRun) all(count int, stopAtFirst bool) error {
	defer r.cleanUp()
	if count == 0 {
		return nil
	}
	defer r.cleanUpOnSignal()()
	began := time.Now()
	var err error
	if r.server, err = mount(r.disk, r.data); err != nil {
		return err
	}
	for round := 0; round < count; round++ {
		if round%8 == 0 { // the first of them: in the middle of formatting, or soon after
			if err := r.earlyCut(round); err != nil {
				return fmt.Errorf("%s: early cut before cut %d: %w\n%s", r.outcome.Mode, round+1, err, r.lastWords())
			}
		}
		broken, err := r.oneCut(round)
		if err != nil {
			return fmt.Errorf("%s: cut %d: %w\n%s", r.outcome.Mode, round+1, err, r.lastWords())
		}
		r.outcome.Cuts++
		if stopAtFirst && broken {
			break
		}
	}
	if err := r.kill(); err != nil {
		return err
	}
	r.outcome.Seconds = time.Since(began).Round(time.Second).Seconds()
	fmt.Printf("%s, %d log directories, %d moves between them: %d cuts and %d early ones in %.0f s: under load %d, lost a page %d; acknowledged %d lost %d, read %d taken back %d, topics %d lost %d, commits %d gone back %d\n",
		r.outcome.Mode, r.outcome.Directories, r.outcome.Moves, r.outcome.Cuts, r.outcome.EarlyCuts, r.outcome.Seconds, r.outcome.UnderWay, r.outcome.LostAPage,
		r.outcome.Acknowledged, r.outcome.AcknowledgedGone, r.outcome.Read, r.outcome.TakenBack, r.outcome.Topics, r.outcome.TopicsGone, r.outcome.Commits, r.outcome.CommitsBack)
	return nil
}

// earlyCut takes the power while the broker starts: no promise is at stake but that it starts again.
func (r *theRun) earlyCut(round int) error {
	if err := r.kill(); err != nil {
		return err
	}
	if err := r.startBroker(); err != nil {
		return err
	}
	after := time.Duration(r.random.IntN(150)) * time.Millisecond
	time.Sleep(after)
	r.disk.freeze(func(int, int) bool { return true })
	done, err := r.takePower()
	if err != nil {
		return err
	}
	r.outcome.EarlyCuts++
	fmt.Printf("%s: early cut %v after a start: %v\n", r.outcome.Mode, after, done)
	return nil
}

func (r *theRun) oneCut(round int) (broken bool, err error) {
	if r.broker == nil {
		if err := r.startBroker(); err != nil {
			return false, err
		}
	}
	if err := reachable(r.address, *startTimeout); err != nil {
		return false, err
	}
	if !r.histories.has(steadyTopic) || round%10 == 0 { // a new one now and then: every verdict reads all of it
		if err := r.createSteady(); err != nil {
			return false, err
		}
	}
	l := startLoad(r.address, r.histories, r.commits, *seed, round, r.dirs())
	underWay, err := r.awaitMoment(l, round)
	if err != nil {
		l.end()
		return false, err
	}
	if err := r.kill(); err != nil {
		return false, err
	}
	l.end()
	r.outcome.Moves += int(l.moves.Load())
	r.outcome.KcatAcks += int(l.kcatAcks.Load())
	r.outcome.KcatRead += int(l.kcatRead.Load())
	if problem := l.problems.Load(); problem != nil {
		return false, fmt.Errorf("%s", *problem)
	}
	done, err := r.takePower()
	if err != nil {
		return false, err
	}
	if err := r.startBroker(); err != nil {
		return false, err
	}
	started := time.Now()
	if err := reachable(r.address, *startTimeout); err != nil {
		return false, err
	}
	ready := time.Since(started)
	v, err := verify(r.address, r.histories, r.commits)
	if err != nil {
		return false, err
	}
	r.count(done, v, underWay)
	fmt.Printf("%s: cut %d under load %v, back in %d ms: %v\n   %v\n", r.outcome.Mode, round+1, underWay, ready.Milliseconds(), done, v)
	return v.broken() > 0, nil
}

// awaitMoment lets the load run for a while, then freezes the disk at a moment that proves something. The rounds take
// turns: any moment with an unsynced page; one with an unsynced name too (a new segment, a new topic); the moment of the
// first answers after a kill -9, when what is in the page cache is not on the disk. Each tenth cut asks for nothing.
func (r *theRun) awaitMoment(l *load, round int) (underWay bool, err error) {
	time.Sleep(time.Duration(700+r.random.IntN(1200)) * time.Millisecond)
	defer r.disk.slowDown(false)
	acksBefore := int64(-1)
	if round%3 == 2 {
		if acksBefore, err = r.killAndStart(l); err != nil {
			return false, err
		}
	}
	deadline := time.Now().Add(20 * time.Second)
	patience := time.Now().Add(3 * time.Second)
	proves := func(pages, names int) bool {
		switch {
		case !l.underWay() || l.acks.Load() <= acksBefore:
			return false
		case round%10 == 9:
			return true
		}
		return pages > 0 && (names > 0 || round%3 != 1 || time.Now().After(patience))
	}
	for !r.disk.freeze(proves) {
		if time.Now().After(deadline) {
			return false, fmt.Errorf("no moment to cut: %d answers so far, %d outstanding", l.acks.Load(), l.waiting.Load())
		}
		if round%3 != 2 {
			time.Sleep(time.Duration(r.random.IntN(2000)) * time.Microsecond)
		}
	}
	return true, nil
}

// killAndStart leaves the disk as it is, but for its speed. Producers send again what was not answered.
func (r *theRun) killAndStart(l *load) (acks int64, err error) {
	r.disk.slowDown(true)
	if err := r.kill(); err != nil {
		return 0, err
	}
	l.waiting.Store(0)
	acks = l.acks.Load()
	if err := r.startBroker(); err != nil {
		return 0, err
	}
	return acks, reachable(r.address, *startTimeout)
}

func (r *theRun) createSteady() error {
	client, err := kgo.NewClient(kgo.SeedBrokers(r.address))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if r.histories.has(steadyTopic) {
		r.histories.forget(steadyTopic)
		r.commits.forget(steadyTopic)
		if err := deleteTopic(ctx, client, steadyTopic); err != nil {
			return fmt.Errorf("delete %s: %w", steadyTopic, err)
		}
	}
	if err := createTopic(ctx, client, steadyTopic, steadyPartitions); err != nil {
		return fmt.Errorf("create %s: %w", steadyTopic, err)
	}
	r.histories.topic(steadyTopic, created)
	return nil
}

func (r *theRun) count(done damage, v verdict, underWay bool) {
	o := &r.outcome
	if done.pagesLost+done.pagesTorn > 0 {
		o.LostAPage++
	}
	if underWay {
		o.UnderWay++
	}
	o.Acknowledged += v.acked
	o.AcknowledgedGone += v.ackedLost
	o.Read += v.read
	o.TakenBack += v.takenBack
	o.Topics += v.topics
	o.TopicsGone += v.topicsLost
	o.Deletions += v.deletions
	o.DeletedCameBack += v.cameBack
	o.Commits += v.commits
	o.CommitsBack += v.commitsBack
	o.PagesLost += done.pagesLost
	o.PagesTorn += done.pagesTorn
	o.EntriesLost += done.createsLost + done.unlinksLost + done.renamesLost
}

func (r *theRun) startBroker() error {
	arguments := []string{"dev", "--port", fmt.Sprint(*port), "--data-dir", r.data}
	for _, each := range r.settings {
		arguments = append(arguments, "--set", each)
	}
	if dirs := r.dirs(); len(dirs) > 1 {
		arguments = append(arguments, "--set", "log.dirs="+strings.Join(dirs, ","))
	}
	r.output = &bytes.Buffer{}
	r.broker = exec.Command(*brokerBinary, arguments...)
	r.broker.Stdout, r.broker.Stderr = r.output, r.output
	r.broker.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	err := r.broker.Start()
	if err != nil {
		r.broker = nil
	}
	return err
}

// dirs are the log directories: all on the one disk, whose every page and name is lost or kept for itself.
func (r *theRun) dirs() (dirs []string) {
	for i := range *directories {
		dirs = append(dirs, filepath.Join(r.data, fmt.Sprintf("log-%d", i)))
	}
	return dirs
}

func (r *theRun) kill() error {
	if r.broker == nil {
		return nil
	}
	syscall.Kill(-r.broker.Process.Pid, syscall.SIGKILL)
	r.broker.Wait()
	r.broker = nil
	return nil
}

// takePower ends what runs, lets the kernel forget, decides what is left, and gives the power back.
func (r *theRun) takePower() (done damage, err error) {
	if err := r.kill(); err != nil {
		return done, err
	}
	if err := unmount(r.data); err != nil {
		return done, err
	}
	r.server.Wait()
	if done, err = r.disk.cut(); err != nil {
		return done, err
	}
	r.server, err = mount(r.disk, r.data)
	return done, err
}

func (r *theRun) lastWords() string {
	if r.output == nil {
		return ""
	}
	r.kill()
	lines := strings.Split(strings.TrimSpace(r.output.String()), "\n")
	return "the broker's last words:\n  " + strings.Join(lines[max(0, len(lines)-30):], "\n  ")
}

// cleanUpOnSignal leaves no mount behind when somebody loses patience.
func (r *theRun) cleanUpOnSignal() (stop func()) {
	signals, over := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		select {
		case s := <-signals:
			fmt.Fprintf(os.Stderr, "powercut: FAILED: %v\n", s)
			syscall.Unmount(r.data, syscall.MNT_DETACH)
			os.RemoveAll(r.folder)
			os.Exit(1) // the broker goes with us: Pdeathsig
		case <-over:
		}
	}()
	return func() { signal.Stop(signals); close(over) }
}

func (r *theRun) cleanUp() {
	r.kill()
	syscall.Unmount(r.data, syscall.MNT_DETACH)
	if !*keep {
		os.RemoveAll(r.folder)
	}
}

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sys/unix"

	"rookery/core/client"
	"rookery/io/disk"
	"rookery/net/kafka"
)

// finding is what doctor says of one thing.
type finding struct {
	Check   string  `json:"check"`
	Verdict verdict `json:"verdict"`
	What    string  `json:"what"`
	Advice  string  `json:"advice,omitempty"`
}

type verdict string

const (
	fine   verdict = "ok"
	doubt  verdict = "warn"
	broken verdict = "fail"
)

// examination is one run of doctor.
type examination struct {
	session
	dirs     []string
	findings []finding

	partitions int // that the broker has
}

func (x *examination) say(check string, v verdict, advice, what string, args ...any) {
	if v == fine {
		advice = ""
	}
	x.findings = append(x.findings, finding{check, v, fmt.Sprintf(what, args...), advice})
}

func doctorCommand() *cobra.Command {
	var x examination
	var form form
	var config string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "look for what is wrong with a broker, and with the machine that it runs on",
		Long: `Ask a broker where it tells clients to go, and go there; then look at this machine: log directories (file system, space, what
a sync takes), limits, memory, clock. Run it where the broker runs; it changes nothing. Exit status 1 if anything fails.`,
		Example: `  rookery doctor
  rookery doctor --config server.properties -b broker.example:9092`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			defer x.close()
			if err := x.chooseDirs(config, c.Flags().Changed("data-dir")); err != nil {
				return err
			}
			x.brokers()
			x.offline()
			for _, dir := range x.dirs {
				x.directory(dir)
			}
			x.limits()
			x.memory()
			x.clock()
			return x.print(c, form)
		},
	}
	x.flags(c)
	x.patience = 5 * time.Second
	c.Flags().Lookup("timeout").DefValue = x.patience.String()
	c.Flags().StringVarP(&config, "config", "c", "", "a server's properties file: its log.dirs are looked at")
	c.Flags().StringSliceVar(&x.dirs, "data-dir", []string{"rookery-data"}, "log directories to look at")
	form.flag(c)
	return c
}

// chooseDirs takes a server's directories, those named, or dev's if they are here.
func (x *examination) chooseDirs(config string, named bool) error {
	if config != "" {
		settings, err := loadServer(config, nil)
		if err != nil {
			return err
		}
		x.dirs = settings.Dirs
		return nil
	}
	if _, err := os.Stat(x.dirs[0]); err != nil && !named {
		x.say("log directory", doubt, "name them: --data-dir DIR or --config server.properties", "%s is not here, so none was looked at", x.dirs[0])
		x.dirs = nil
	}
	return nil
}

// brokers goes where clients are told to go.
func (x *examination) brokers() {
	began := time.Now()
	answer, err := x.call(metadataOf(), client.AnyBroker)
	where := strings.Join(x.bootstrap, ",")
	if err != nil {
		next := "is a broker running? rookery dev starts one; --bootstrap-server names another"
		var a *advice
		if errors.As(err, &a) {
			next = a.next
		}
		x.say("broker", broken, next, "%s: %v", where, err)
		return
	}
	m := answer.(*kmsg.MetadataResponse)
	cluster := orDash(m.ClusterID)
	x.say("broker", fine, "", "%s answers in %s; cluster %s, %s", where, short(time.Since(began)), cluster, counted(len(m.Brokers), "broker"))
	for _, b := range m.Brokers {
		x.advertised(net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))), b.NodeID, cluster)
	}
	x.topics(m)
}

// metadataOf asks for every topic.
func metadataOf() *kmsg.MetadataRequest {
	request := kmsg.NewPtrMetadataRequest()
	request.AllowAutoTopicCreation = false
	return request
}

func orDash(s *string) string {
	if s == nil || *s == "" {
		return "-"
	}
	return *s
}

// advertised dials the address that clients of this broker go on with.
func (x *examination) advertised(address string, node int32, cluster string) {
	const check = "advertised listener"
	next := "set advertised.listeners to an address that clients can reach, or leave it out: then it is the one they came by"
	s := session{bootstrap: []string{address}, patience: x.patience, config: kafka.Default()}
	defer s.close()
	began := time.Now()
	answer, err := s.call(metadataOf(), client.AnyBroker)
	if err != nil {
		x.say(check, broken, next, "clients are told that node %d is at %s, and it does not answer there: %v", node, address, err)
		return
	}
	took := time.Since(began)
	m := answer.(*kmsg.MetadataResponse)
	if other := orDash(m.ClusterID); other != cluster {
		x.say(check, broken, next, "clients are told that node %d is at %s, and cluster %s answers there, not %s", node, address, other, cluster)
		return
	}
	if !slices.ContainsFunc(m.Brokers, func(b kmsg.MetadataResponseBroker) bool { return b.NodeID == node }) {
		x.say(check, broken, next, "node %d is said to be at %s, and whoever answers there does not know of it", node, address)
		return
	}
	if isLoopback(address) && !slices.ContainsFunc(x.bootstrap, isLoopback) {
		x.say(check, broken, next, "clients are told that node %d is at %s: that is their own machine", node, address)
		return
	}
	only := ""
	if isLoopback(address) {
		only = " (clients on this machine only)"
	}
	x.say(check, fine, "", "node %d answers at %s in %s%s", node, address, short(took), only)
}

func isLoopback(address string) bool {
	host := address
	if h, _, err := net.SplitHostPort(address); err == nil {
		host = h
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// offline asks a broker for the log directories that it goes without (DescribeLogDirs, KIP-113).
func (x *examination) offline() {
	const check = "offline directories"
	if x.courier == nil { // no broker answered, and that has been said
		return
	}
	request := kmsg.NewPtrDescribeLogDirsRequest()
	request.Topics = []kmsg.DescribeLogDirsRequestTopic{} // the directories, and nothing of what is in them
	answer, err := x.call(request, client.AnyBroker)
	if err != nil {
		x.say(check, doubt, "see the broker's log", "it does not say: %v", err)
		return
	}
	described := answer.(*kmsg.DescribeLogDirsResponse)
	if err := codeError(described.ErrorCode, nil); err != nil {
		x.say(check, doubt, "see the broker's log", "it does not say: %v", err)
		return
	}
	var gone []string
	for i := range described.Dirs {
		if d := &described.Dirs[i]; d.ErrorCode != 0 {
			gone = append(gone, d.Dir)
		}
	}
	if len(gone) > 0 {
		x.say(check, broken, "look at the disk (is it mounted? the kernel's log; the broker's: log directory failed), mend it, and start the broker again: only that takes the directory into service, with what is in it",
			"the broker goes without %d of %d: %s; their partitions are not served", len(gone), len(described.Dirs), strings.Join(gone, ", "))
		return
	}
	x.say(check, fine, "", "none of %d", len(described.Dirs))
}

func (x *examination) topics(m *kmsg.MetadataResponse) {
	partitions, leaderless, thin := 0, []string{}, []string{}
	for _, t := range m.Topics {
		for _, p := range t.Partitions {
			partitions++
			name := fmt.Sprintf("%s-%d", orDash(t.Topic), p.Partition)
			if p.Leader < 0 || p.ErrorCode != 0 {
				leaderless = append(leaderless, name)
			} else if len(p.ISR) < len(p.Replicas) {
				thin = append(thin, name)
			}
		}
	}
	x.partitions = partitions
	switch {
	case len(leaderless) > 0:
		x.say("partitions", broken, "see: rookery topic describe TOPIC, and the broker's log", "%d of %d cannot be used: %s", len(leaderless), partitions, someOf(leaderless))
	case len(thin) > 0:
		x.say("partitions", doubt, "see: rookery topic describe TOPIC", "%d of %d have replicas that are not in sync: %s", len(thin), partitions, someOf(thin))
	default:
		x.say("partitions", fine, "", "all %d of %d topics have a leader", partitions, len(m.Topics))
	}
}

func someOf(names []string) string {
	if len(names) > 3 {
		return strings.Join(names[:3], ", ") + ", ..."
	}
	return strings.Join(names, ", ")
}

func short(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }

// fileSystems names what statfs(2) calls by a number, and says which of them to doubt.
var fileSystems = map[int64]struct {
	name  string
	doubt string
}{
	0xef53: {"ext4", ""}, 0x58465342: {"xfs", ""}, 0x9123683e: {"btrfs", ""}, 0x2fc12fc1: {"zfs", ""}, 0xf2f52010: {"f2fs", ""},
	0x01021994: {"tmpfs", "it is memory: a power cut takes all of it"}, 0x858458f6: {"ramfs", "it is memory: a power cut takes all of it"},
	0x794c7630: {"overlayfs", "it goes with its container: give the broker a volume"},
	0x6969:     {"nfs", "a network's pause is the broker's, and locks and syncs depend on its server"},
	0xff534d42: {"cifs", "a network's pause is the broker's, and locks and syncs depend on its server"},
	0x65735546: {"fuse", "what a sync means there is up to another program"},
	0x01021997: {"9p", "what a sync means there is up to another machine"},
}

const (
	spaceWarn  = 1 << 30
	spaceFail  = 64 << 20
	syncsTried = 64
	syncWarn   = 50 * time.Millisecond
)

func (x *examination) directory(dir string) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		x.say("log directory", broken, "format it with: rookery format, or name another: --data-dir DIR", "%s: %v", dir, err)
		return
	}
	if id, err := readIdentity(dir); err != nil {
		x.say("log directory", doubt, "format it with: rookery format (dev does it by itself)", "%s is not formatted: %v", dir, err)
	} else {
		x.say("log directory", fine, "", "%s belongs to node %d of cluster %s", dir, id.NodeID, id.ClusterID)
	}
	kind, known := fileSystems[int64(fs.Type)]
	switch {
	case !known:
		x.say("file system", doubt, "ext4 and xfs are what is tried every day", "%s is on a file system of type %#x", dir, fs.Type)
	case kind.doubt != "":
		x.say("file system", doubt, kind.doubt, "%s is on %s", dir, kind.name)
	default:
		x.say("file system", fine, "", "%s is on %s", dir, kind.name)
	}
	x.space(dir, &fs)
	x.syncs(dir)
}

func (x *examination) space(dir string, fs *unix.Statfs_t) {
	free, size := int64(fs.Bavail)*int64(fs.Bsize), int64(fs.Blocks)*int64(fs.Bsize)
	v := fine
	switch {
	case free < spaceFail:
		v = broken
	case free < spaceWarn, fs.Files > 0 && fs.Ffree < 10_000:
		v = doubt
	}
	x.say("space", v, "make room, or let topics be shorter (retention.ms, retention.bytes)", "%s has %s free of %s, %d more files",
		dir, bytesText(float64(free)), bytesText(float64(size)), fs.Ffree)
}

// syncs measures what acks=all waits for, on a file without a name: nothing is left behind, whatever happens.
func (x *examination) syncs(dir string) {
	const next = "acks=all waits for this: a disk with a power-safe cache has well below a millisecond"
	f, err := nameless(dir)
	if err != nil {
		x.say("sync", broken, "the broker's user must be able to write there", "%s: %v", dir, err)
		return
	}
	defer f.Close()
	var h histogram
	page, longest := make([]byte, 4096), time.Duration(0)
	for range syncsTried {
		began := time.Now()
		_, err := f.Write(page)
		if err = errors.Join(err, unix.Fdatasync(int(f.Fd()))); err != nil {
			x.say("sync", broken, "look at the disk (dmesg)", "%s: %v", dir, err)
			return
		}
		took := time.Since(began)
		h.observe(int64(took))
		longest = max(longest, took)
	}
	v := fine
	if time.Duration(h.quantile(0.9)) > syncWarn {
		v = doubt
	}
	x.say("sync", v, next, "%s: 4 KiB are durable in %s (median of %d), %s at worst", dir, short(time.Duration(h.quantile(0.5))), syncsTried, short(longest))
}

func nameless(dir string) (*os.File, error) {
	if fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600); err == nil {
		return os.NewFile(uintptr(fd), dir), nil
	}
	f, err := os.CreateTemp(dir, ".doctor-") // not every file system has files without a name
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

const (
	openFilesWanted = 100_000
	openFilesNeeded = 256
	openFilesFew    = 4096
	mapsWanted      = 262_144
)

func (x *examination) limits() {
	var files unix.Rlimit
	if limit, pid := x.brokersLimit(); pid > 0 {
		x.openFiles(limit, fmt.Sprintf("the broker (process %d) has", pid))
	} else if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err == nil {
		x.openFiles(int(min(files.Max, 1<<30)), "no broker runs over these directories; one started from here would have")
	}
	if n, err := numberIn("/proc/sys/vm/max_map_count"); err == nil {
		v := fine
		if n < mapsWanted {
			v = doubt
		}
		x.say("memory maps", v, fmt.Sprintf("sysctl vm.max_map_count=%d: segments that are read are mapped", mapsWanted), "at most %d", n)
	}
}

// brokersLimit is how many files the broker over one of the directories may have open, and its process; 0: there is none,
// or none that we may look at. Whoever holds a directory has written its number into the lock.
func (x *examination) brokersLimit() (limit, pid int) {
	for _, dir := range x.dirs {
		name := filepath.Join(dir, disk.LockName)
		if !isLocked(name) {
			continue
		}
		n, err := numberIn(name)
		if err != nil {
			continue
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", n))
		if err != nil {
			continue
		}
		if _, rest, found := strings.Cut(string(text), "Max open files"); found {
			if limit, err := strconv.Atoi(strings.Fields(rest)[0]); err == nil { // the soft one: it was raised at the start
				return limit, int(n)
			}
		}
	}
	return 0, 0
}

func isLocked(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// openFiles judges the limit of whoever has it.
func (x *examination) openFiles(limit int, who string) {
	handles, connections := shares(limit)
	v := fine
	switch {
	case limit < openFilesNeeded:
		v = broken
	case limit < openFilesFew || handles < min(x.partitions, handlesMany):
		v = doubt
	}
	x.say("open files", v, fmt.Sprintf("ulimit -n %d, or LimitNOFILE=%d in its systemd unit: a partition that is written to wants one, "+
		"and with fewer files are closed and opened again all the time; beyond so many connections clients are turned away", openFilesWanted, openFilesWanted),
		"%s at most %d: %d for files of %d partitions, %d for connections", who, limit, handles, x.partitions, connections)
}

// numberIn reads a file that holds one number.
func numberIn(file string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

const memoryWanted = 256 << 20

func (x *examination) memory() {
	available := int64(-1)
	text, _ := os.ReadFile("/proc/meminfo")
	for _, line := range strings.Split(string(text), "\n") {
		if rest, found := strings.CutPrefix(line, "MemAvailable:"); found {
			kib, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			available = kib << 10
		}
	}
	if limit, err := numberIn("/sys/fs/cgroup/memory.max"); err == nil { // "max" is no number: no limit
		available = min(available, limit)
	}
	if available < 0 {
		return
	}
	v := fine
	if available < memoryWanted {
		v = doubt
	}
	x.say("memory", v, "what is free is the page cache, which consumers read from", "%s available", bytesText(float64(available)))
}

// clock asks the kernel whether anything keeps its clock right. Records are stamped with it, and retention goes by it.
func (x *examination) clock() {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	switch {
	case err != nil:
		x.say("clock", doubt, "is chronyd or systemd-timesyncd running?", "the kernel does not say whether it is synchronised: %v", err)
	case time.Now().Year() < 2024:
		x.say("clock", broken, "set it: retention would delete what clients with a right clock write", "it is %s here", time.Now().Format(time.RFC3339))
	case state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0:
		x.say("clock", doubt, "start chronyd or systemd-timesyncd: timestamps and retention go by this clock", "nothing keeps it right; it is %s", time.Now().UTC().Format(time.RFC3339))
	default:
		x.say("clock", fine, "", "synchronised, with an error of at most %s", short(time.Duration(t.Maxerror)*time.Microsecond))
	}
}

func (x *examination) print(c *cobra.Command, form form) error {
	failed := 0
	for _, f := range x.findings {
		if f.Verdict == broken {
			failed++
		}
	}
	var err error
	if form.json() {
		err = printJSON(c.OutOrStdout(), x.findings)
	} else {
		err = printFindings(c.OutOrStdout(), x.findings)
	}
	if err == nil && failed > 0 {
		err = fmt.Errorf("%d of %d checks failed", failed, len(x.findings))
	}
	return err
}

func printFindings(w io.Writer, findings []finding) error {
	colors := map[verdict]color{fine: green, doubt: yellow, broken: red}
	for _, f := range findings {
		if _, err := fmt.Fprintf(w, "%s  %-20s %s\n", paint(w, colors[f.Verdict], fmt.Sprintf("%-4s", f.Verdict)), f.Check, f.What); err != nil {
			return err
		}
		if f.Advice != "" {
			fmt.Fprintf(w, "      %-20s %s\n", "", f.Advice)
		}
	}
	return nil
}

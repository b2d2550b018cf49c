package main

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"

	"rookery/core"
	"rookery/core/batch"
	"rookery/core/compact"
	"rookery/core/conn"
	"rookery/core/log"
	"rookery/core/seam"
	"rookery/io/disk"
	"rookery/io/loop"
	"rookery/net/server"
)

// node is a broker with everything around it:
//
//	net/server ──▶ io/loop ──▶ core.Broker
//	    ▲             │
//	    └── ranges ── io/disk
type node struct {
	settings *settings
	ids      []identity
	logger   *slog.Logger
	notes    *outlet
	record   string
	profile  string
	profiles bool // on the HTTP port

	listeners []server.Listener // those that were opened before it was made
	monitor   *monitor
	slow      *slowLog // nil: nothing is slow
	refusals  rationed // lines about connections that were closed

	metricsAt string // where the HTTP port is open; empty: nowhere

	disk     *disk.Disk
	files    *disk.Port // the broker's way to the disk
	port     int32      // the first listener's
	server   *server.Server
	loop     *loop.Loop
	ready    []string // what clients connect to, for the banner
	stopped  chan struct{}
	stopOnce sync.Once
	failed   chan error
	tape     *os.File

	recording *loop.Tape
}

// run takes the directories, opens the doors and serves until a signal comes.
func (n *node) run(signals <-chan os.Signal) error {
	locks, err := n.lockAll()
	if err != nil {
		return err
	}
	defer unlockAll(locks)
	listeners := n.listeners
	if listeners == nil {
		if listeners, err = bind(n.settings, n.logger); err != nil {
			return err
		}
	}
	n.listeners, n.port = listeners, portOf(listeners[0])
	if err := n.assemble(); err != nil {
		return err
	}
	unwatch, err := n.watch()
	if err != nil {
		return err
	}
	defer unwatch()
	endProfile, err := n.startProfile()
	if err != nil {
		return err
	}
	defer endProfile()
	for _, l := range listeners {
		n.ready = append(n.ready, l.Addr().String())
	}
	n.loop.Post(n.disk.Started())
	go n.loop.Run() // here nobody waits for a disk: a signal must be heard
	var serving sync.WaitGroup
	for _, l := range listeners {
		serving.Go(func() {
			if err := n.server.Serve(l); err != nil {
				n.logger.Error("listener ended", "address", l.Addr().String(), "why", err.Error())
			}
		})
	}
	err = n.wait(signals)
	n.hangUp(&serving)
	if n.tape != nil {
		if broken := n.recording.Err(); broken != nil {
			err = errors.Join(err, fmt.Errorf("the recording ends early: %w", broken))
		}
		err = errors.Join(err, n.tape.Close())
	}
	return err
}

// hangUp closes the doors. It gives up soon: who sends may wait for a disk that does not answer, and the process ends all
// the same.
func (n *node) hangUp(serving *sync.WaitGroup) {
	closed := make(chan struct{})
	go func() {
		n.server.Close()
		serving.Wait()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(hangUpMax):
		n.logger.Error("connections are left as they are: a disk does not answer", "after", hangUpMax.String())
	}
}

const hangUpMax = 5 * time.Second

// wait returns when the broker has stopped: nil if it did so in order.
func (n *node) wait(signals <-chan os.Signal) error {
	select {
	case s := <-signals:
		n.logger.Info("stopping", "signal", s.String())
	case err := <-n.failed:
		return err
	}
	told := time.Now()
	n.monitor.stop()
	n.loop.Post(&seam.Stop{})
	go n.loop.Run()
	for {
		select {
		case <-n.stopped:
			n.logger.Info("stopped")
			return nil
		case err := <-n.failed:
			return err
		case s := <-signals:
			if time.Since(told) > sameSignal {
				return fmt.Errorf("%s again: ended without a clean stop; the next start will recover", s)
			}
		}
	}
}

// sameSignal is how long a signal may come once more and mean nothing else: timeout(1), and a shell whose job is ended, tell
// the process and its group.
const sameSignal = 500 * time.Millisecond

// lockAll takes the directories for this process. One that cannot be written to, but the first, has none of us.
func (n *node) lockAll() ([]*disk.Locked, error) {
	var locks []*disk.Locked
	for i, dir := range n.settings.Dirs {
		if n.ids[i] == (identity{}) {
			continue
		}
		l, err := disk.Lock(dir)
		if i > 0 && unreachable(dir, err) {
			n.ids[i] = identity{}
			continue
		}
		if err != nil {
			unlockAll(locks)
			if at := (*fs.PathError)(nil); errors.As(err, &at) { // it could not even be asked for
				return nil, advise(ownDir+"; or "+otherDir, "%w", err)
			}
			return nil, advise("stop that process, or "+otherDir, "%w", err)
		}
		locks = append(locks, l)
	}
	return locks, nil
}

func unlockAll(locks []*disk.Locked) {
	for _, l := range locks {
		_ = l.Unlock()
	}
}

// assemble puts the parts together; nothing runs yet.
func (n *node) assemble() error {
	mind, err := n.config()
	if err != nil {
		return err
	}
	n.stopped, n.failed = make(chan struct{}), make(chan error, 1)
	handlesMax, connsMax := shares(descriptorLimit())
	n.disk = disk.New(disk.Config{Dirs: n.settings.Dirs, OpenHandlesMax: handlesMax})
	clock, mono := loop.Watches()
	n.observe(core.NewBroker(mind), mono)
	limits := conn.Limits{FrameMax: n.settings.RequestBytesMax}
	config := server.Config{
		Intake:        intake(places(), limits, mono),
		Rewrite:       rewrite(limits),
		Pin:           func(file seam.File) (server.Source, seam.Fault) { return n.pin(file) },
		InUse:         n.disk.InUse,
		FrameBytesMax: int(n.settings.RequestBytesMax),
		ConnsMax:      connsMax,
		Refused: func(remote, why string) {
			n.refusals.tell(n.logger, "connection closed", "remote", remote, "why", why)
		},
	}
	tape, err := n.startTape(mind)
	if err != nil {
		return err
	}
	if tape != nil {
		config.Arrived = tape.Frame
	}
	n.server = server.New(config)
	n.loop = loop.New(loop.Config{
		Machine: n.monitor.meter,
		Clock:   clock,
		Mono:    mono,
		Turned:  n.monitor.turned,
		Disk:    n.openPort,
		Conns:   n.server,
		Make:    makeMachine,
		Event:   n.event,
		Tape:    tape,
		Broken:  n.broken,
	})
	n.server.Bind(n.loop)
	return nil
}

// config says to the core what the settings say, in its words.
func (n *node) config() (core.Config, error) {
	s, c := n.settings, core.DefaultConfig()
	c.NodeID, c.ClusterID = n.ids[0].NodeID, n.ids[0].ClusterID
	for _, id := range n.ids {
		if id == (identity{}) {
			c.DirectoryIDs = append(c.DirectoryIDs, [16]byte{})
			continue
		}
		directory, err := parseID(id.DirectoryID)
		if err != nil {
			return c, err
		}
		c.DirectoryIDs = append(c.DirectoryIDs, directory)
	}
	c.Directories = s.Dirs
	rand.Read(c.Incarnation[:]) // never fails
	rand.Read(c.Seed[:])
	c.Controller.ClusterID = c.ClusterID
	c.Controller.NumPartitions, c.Controller.DefaultReplicationFactor = s.NumPartitions, s.ReplicationFactor
	c.Controller.DeleteTopicEnable, c.Controller.Static = s.DeleteTopics, s.Static
	c.ConfigureGroups(&s.Static)
	c.Telemetry.Receives = s.telemetry
	if s.Rack != "" {
		c.Rack = &s.Rack
	}
	if s.QueuedBytes > 0 {
		c.FrameBytes = s.QueuedBytes
	}
	if s.Recoveries > 0 {
		c.RecoveriesMax = int(s.Recoveries) * len(s.Dirs)
	}
	c.Listeners = n.introduce()
	c.AutoCreateTopics, c.FetchBytesMax = s.AutoCreateTopics, s.FetchBytesMax
	c.DescribedMax = s.DescribedMax
	c.FetchSessionsMax = int(s.FetchSessions)
	c.ProducerExpiry = seam.Mono(s.ProducerExpiry) * seam.Millisecond
	c.RetentionCheckEvery = seam.Mono(s.RetentionCheck) * seam.Millisecond
	c.InitialTaskDelay = seam.Mono(s.InitialTaskDelay) * seam.Millisecond
	c.ProducerExpiryEvery = seam.Mono(s.ProducerLook) * seam.Millisecond
	c.CheckpointEvery = seam.Mono(s.CheckpointEvery) * seam.Millisecond
	return c, nil
}

// introduce says what the listeners are called, and what their clients are told.
func (n *node) introduce() []core.Listener {
	all := make([]core.Listener, len(n.settings.Listeners))
	for i, e := range n.settings.Listeners {
		security, _ := n.settings.security(e) // was judged when the settings were
		told := n.settings.advertised(e)
		all[i] = core.Listener{Name: e.Name, Security: security, Host: told.Host, Port: cmp.Or(told.Port, e.Port)}
	}
	for _, l := range n.listeners {
		if told := &all[l.Position]; told.Port == 0 {
			told.Port = portOf(l)
		}
	}
	return all
}

// makeMachine makes what the broker writes to: a Recovery for each partition that it opens, a Search for each question
// that records must be read for, a Cleaner for each log that it compacts, a Copier for what moves between log directories.
func makeMachine(address seam.Address) seam.Machine {
	switch address.Kind {
	case seam.ToRecovery:
		return log.NewRecovery()
	case seam.ToSearch:
		return log.NewSearch()
	case seam.ToCleaner:
		return compact.New()
	case seam.ToCopier:
		return log.NewCopier()
	default:
		return nil
	}
}

// pin finds a file to send from. An interface that holds a nil handle is not nil, hence the second return.
func (n *node) pin(file seam.File) (server.Source, seam.Fault) {
	handle, fault := n.files.Pin(file)
	if fault != seam.OK {
		return nil, fault
	}
	return handle, seam.OK
}

// openPort gives a machine its way to the disk; the first that asks is the broker, whose files clients are sent.
func (n *node) openPort(mail *loop.Loop, calm bool) loop.Disk {
	port := n.disk.Port(mail, calm)
	if n.files == nil {
		n.files = port
	}
	return port
}

// inflater is what a frame's batches inflate into. Of those that need much few are at work at once: a frame of kilobytes may
// inflate to a hundred MiB, and five hundred connections may bring one at the same time.
type inflater struct {
	batch.Scratch
	large bool // it has a place among them
}

const inflatersMax = 4

// places has room for those that are at work at once.
func places() chan struct{} { return make(chan struct{}, min(runtime.GOMAXPROCS(0), inflatersMax)) }

// intake makes a conn.Request of a frame. What it inflates into is shared by connections.
func intake(places chan struct{}, limits conn.Limits, mono func() seam.Mono) func(frame []byte, reuse any) any {
	inflaters := sync.Pool{New: func() any {
		i := new(inflater)
		i.Large = func() {
			if !i.large {
				places <- struct{}{}
				i.large = true
			}
		}
		return i
	}}
	return func(frame []byte, reuse any) any {
		request, ok := reuse.(*conn.Request)
		if !ok {
			request = new(conn.Request)
		}
		arrived := mono()
		i := inflaters.Get().(*inflater)
		request.Scratch = &i.Scratch
		conn.Intake(frame, limits, request)
		request.Scratch, request.Arrived = nil, arrived
		if !i.large {
			inflaters.Put(i)
			return request
		}
		<-places // and i, with what it holds, is nobody's any more
		return request
	}
}

// rewrite compresses batches anew, with memory that connections share.
func rewrite(limits conn.Limits) func(data []byte, codec uint8, level int32, into []byte) []byte {
	rewriters := sync.Pool{New: func() any { return &batch.Rewriter{Limits: batch.Limits{InflatedMax: limits.InflatedMax}} }}
	return func(data []byte, codec uint8, level int32, into []byte) []byte {
		r := rewriters.Get().(*batch.Rewriter)
		into = r.Append(into, data, batch.Codec(codec), level)
		rewriters.Put(r)
		return into
	}
}

// startTape begins a recording with all that the broker is told about itself.
func (n *node) startTape(mind core.Config) (*loop.Tape, error) {
	if n.record == "" {
		return nil, nil
	}
	config, err := json.Marshal(mind)
	if err != nil {
		return nil, err
	}
	f, err := os.Create(n.record)
	if err != nil {
		return nil, err
	}
	n.tape, n.recording = f, loop.NewTape(f, config)
	return n.recording, nil
}

func (n *node) startProfile() (end func(), err error) {
	if n.profile == "" {
		return func() {}, nil
	}
	f, err := os.Create(n.profile)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, nil
}

// broken says which law was broken before the panic ends the process.
func (n *node) broken(cause any, stack []byte) {
	n.logger.Error("the broker has broken one of its own laws and ends", "law", fmt.Sprint(cause), "stack", string(stack))
	n.notes.flush(flushMax)
}

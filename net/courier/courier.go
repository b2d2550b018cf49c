// Package courier drives a client.Client over whatever links it is given; net/kafka is what programs see of it.
//
//	Tell, Call, Flush, Close   ──▶ Post ──▶ turn: Step ──▶ Queue(fx) ──▶ links ──▶ brokers
//	callbacks, waiting callers ◀── Sends to the operator ◀── ...  ◀── Mail ◀────┘
//
// Rules:
//   - Whoever posts takes the turn if it is free; otherwise its holder steps what was posted. Nothing waits inside a turn.
//   - Callbacks run after the turn, in the order of the answers, one at a time, and not on the goroutine of who sends. One may post
//     again, but must not wait for an answer: it would wait for itself.
//   - What a call means is not known here: requests and answers pass through unopened.
package courier

import (
	"context"
	"errors"
	"sync"
	"time"

	"rookery/core/client"
	"rookery/core/seam"
)

// Mailbox takes what has happened. Post copies the input and does not run the machine; Run runs it.
type Mailbox interface {
	Post(in seam.Input)
	Run()
}

// Chore is work that Queue hands back, to be done outside the turn; true means do it again.
type Chore = interface{ Do() (again bool) }

// Links lead to the brokers: net/dial has them.
type Links interface {
	Queue(fx *seam.Effects, ready []Chore) []Chore // in the turn
	Told(mail *seam.Mail)                          // in the turn: the machine is about to learn what became of a link
	Close()
}

// Config is what a Courier is made of.
type Config struct {
	Client client.Config
	Links  func(mail Mailbox) Links
	Clock  func() seam.Now // nil: the process's own

	Delivered func(client.Delivered) // hears of records; nil: none are produced
	Fetched   func(*client.Fetched)  // is given what was read; nil: nothing is
	Group     func(letter any)       // hears *Assigned, *Revoked and *GroupTrouble; nil: there is no group
}

// Courier is a client in use. Its methods may be called from any goroutine.
type Courier struct {
	config  Config
	machine *client.Client
	links   Links
	clock   func() seam.Now

	turn  sync.Mutex // of the machine, links and fx
	fx    seam.Effects
	ready []Chore

	mu       sync.Mutex
	inbox    []seam.Input
	spare    []seam.Input
	letters  []any // from the machine, not handed over yet
	handing  bool
	alarm    seam.Mono
	timer    *time.Timer
	tag      uint64
	answers  map[uint64]func(any)
	shut     bool
	finished chan struct{}
}

// ErrClosed is returned once Close was called.
var ErrClosed = errors.New("the client is closed")

// New makes a Courier and starts it. It connects when there is something to ask.
func New(config Config) *Courier {
	c := &Courier{config: config, machine: client.New(config.Client), clock: config.Clock, alarm: seam.Never,
		answers: map[uint64]func(any){}, finished: make(chan struct{})}
	if c.clock == nil {
		c.clock = clock()
	}
	c.links = config.Links(c)
	c.Post(&seam.Started{})
	c.Run()
	return c
}

func clock() func() seam.Now {
	began := time.Now()
	return func() seam.Now {
		now := time.Now()
		return seam.Now{Mono: seam.Mono(now.Sub(began)) + 1, Wall: seam.Wall(now.UnixMilli())}
	}
}

// Post takes what has happened; it is for the links.
func (c *Courier) Post(in seam.Input) {
	c.mu.Lock()
	c.inbox = append(c.inbox, in)
	c.mu.Unlock()
}

// Run steps the machine until nothing waits, unless somebody else does already. What it answers is handed over on another
// goroutine: whoever calls may hold what a callback waits for, and a link must go on being read.
func (c *Courier) Run() { c.run(func() { go c.hand() }) }

func (c *Courier) run(hand func()) {
	for c.isPending() && c.turn.TryLock() {
		for _, in := range c.take() {
			c.step(in)
		}
		ready := c.ready
		c.ready = nil
		c.turn.Unlock()
		for _, chore := range ready {
			for chore.Do() {
			}
		}
		if c.claim() {
			hand()
		}
	}
}

// claim says whether there are letters that nobody hands over yet. The caller has to then.
func (c *Courier) claim() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.handing || len(c.letters) == 0 {
		return false
	}
	c.handing = true
	return true
}

func (c *Courier) isPending() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.inbox) > 0
}

func (c *Courier) take() []seam.Input {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.inbox
	clear(c.spare)
	c.inbox, c.spare = c.spare[:0], taken
	return taken
}

func (c *Courier) step(in seam.Input) {
	if mail, ok := in.(*seam.Mail); ok && mail.Frame == nil {
		c.links.Told(mail)
	}
	c.fx.Reset()
	now := c.clock()
	c.machine.Step(now, in, &c.fx)
	c.ready = c.links.Queue(&c.fx, c.ready)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.fx.Sends {
		if s := &c.fx.Sends[i]; s.To.Kind == seam.ToOperator {
			c.letters = append(c.letters, s.Body)
		}
	}
	if _, rang := in.(*seam.Alarm); rang {
		c.alarm = seam.Never
	}
	c.set(now.Mono, c.fx.Alarm)
}

// set makes sure that the machine is called at the latest at wish.
func (c *Courier) set(now, wish seam.Mono) {
	if wish <= now && !c.shut {
		c.inbox = append(c.inbox, &seam.Alarm{})
		return
	}
	if wish >= c.alarm || c.shut {
		return
	}
	c.alarm = wish
	wait := time.Duration(wish - now)
	if c.timer == nil {
		c.timer = time.AfterFunc(wait, c.ring)
		return
	}
	c.timer.Reset(wait)
}

func (c *Courier) ring() {
	c.Post(&seam.Alarm{})
	c.Run()
}

// hand gives the machine's letters to whom they are for, until the client is closed. Whoever calls it has claimed them.
func (c *Courier) hand() {
	over := false
	defer func() {
		if !over { // a callback has panicked, or ended its goroutine (testing.FailNow does): the others are due all the same
			go c.hand()
		}
	}()
	for letter, more := c.letter(); more; letter, more = c.letter() {
		c.open(letter)
	}
	over = true
}

// letter takes the next; false: there is none, and nobody hands letters over any more.
func (c *Courier) letter() (letter any, more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shut {
		c.letters = nil
	}
	if len(c.letters) == 0 {
		c.handing = false
		return nil, false
	}
	if some, are := c.letters[0].(client.Deliveries); are && len(some) > 1 { // one at a time: a callback may end its goroutine, or the client be closed
		letter, c.letters[0] = some[:1:1], some[1:]
		return letter, true
	}
	letter, c.letters[0] = c.letters[0], nil
	c.letters = c.letters[1:]
	return letter, true
}

func (c *Courier) open(letter any) {
	switch letter := letter.(type) {
	case client.Deliveries:
		for i := range letter {
			c.config.Delivered(letter[i])
		}
	case *client.Fetched:
		c.config.Fetched(letter)
	case *client.Assigned, *client.Revoked, *client.GroupTrouble:
		if c.config.Group != nil {
			c.config.Group(letter)
		}
	case *client.Committed:
		c.onAnswer(letter.Tag, letter)
	case *client.Answer:
		c.onAnswer(letter.Tag, letter)
	case *client.Flushed:
		c.onAnswer(letter.Tag, letter)
	case *client.Closed:
		c.onAnswer(letter.Tag, letter)
	}
}

func (c *Courier) onAnswer(tag uint64, letter any) {
	c.mu.Lock()
	then := c.answers[tag]
	delete(c.answers, tag)
	c.mu.Unlock()
	if then != nil {
		then(letter)
	}
}

// Done is closed when the client is.
func (c *Courier) Done() <-chan struct{} { return c.finished }

// Tell leaves a letter for the machine: a Produce, an Assign, ... (core/client). Run has it read.
func (c *Courier) Tell(body any) {
	c.Post(&seam.Mail{From: seam.Address{Kind: seam.ToOperator}, Body: body})
}

// ask writes to the machine and waits for what it answers to tag.
func (c *Courier) ask(ctx context.Context, body func(tag uint64) any) (any, error) {
	answered := make(chan any, 1)
	c.mu.Lock()
	if c.shut {
		c.mu.Unlock()
		return nil, ErrClosed
	}
	c.tag++
	tag := c.tag
	c.answers[tag] = func(letter any) { answered <- letter }
	c.mu.Unlock()
	c.Tell(body(tag))
	var handed sync.WaitGroup
	c.run(func() { // the machine hears of it here, before the links are closed; no callback runs here: it may last, or need what the caller holds
		handed.Go(c.hand)
	})
	select {
	case letter := <-answered:
		return letter, nil
	case <-c.finished:
		over := make(chan struct{})
		go func() {
			defer close(over)
			handed.Wait()
		}()
		select { // an answer that has come counts, whoever closes the client
		case <-over:
		case <-ctx.Done():
		}
		select {
		case letter := <-answered: // before the client was closed: letters are handed over in order
			return letter, nil
		default:
			return nil, ErrClosed
		}
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.answers, tag)
		c.mu.Unlock()
		return nil, context.Cause(ctx)
	}
}

// Call asks one request, once. The error says that there is no answer; what the answer says is for the caller to read.
func (c *Courier) Call(ctx context.Context, call client.Call) (*client.Answer, error) {
	letter, err := c.ask(ctx, func(tag uint64) any {
		call.Tag = tag
		return &call
	})
	if err != nil {
		return nil, err
	}
	answer := letter.(*client.Answer)
	if answer.Fault != client.NoFault {
		return answer, &CallError{Answer: *answer}
	}
	return answer, nil
}

// Commit puts places down, and waits until that is done or has failed.
func (c *Courier) Commit(ctx context.Context, places []client.Place) (*client.Committed, error) {
	letter, err := c.ask(ctx, func(tag uint64) any { return &client.Commit{Tag: tag, Places: places} })
	if err != nil {
		return nil, err
	}
	return letter.(*client.Committed), nil
}

// CommitAsync does not wait: then hears what became of it.
func (c *Courier) CommitAsync(places []client.Place, then func(*client.Committed)) error {
	c.mu.Lock()
	if c.shut {
		c.mu.Unlock()
		return ErrClosed
	}
	c.tag++
	tag := c.tag
	c.answers[tag] = func(letter any) { then(letter.(*client.Committed)) }
	c.mu.Unlock()
	c.Tell(&client.Commit{Tag: tag, Places: places})
	c.Run()
	return nil
}

// CallError says that a call was not answered.
type CallError struct{ Answer client.Answer }

func (e *CallError) Error() string {
	if e.Answer.Unknown {
		return e.Answer.Fault.String() + "; what was asked may have been done"
	}
	return e.Answer.Fault.String()
}

// Flush waits until everything that was sent before is delivered or has failed.
func (c *Courier) Flush(ctx context.Context) error {
	_, err := c.ask(ctx, func(tag uint64) any { return &client.Flush{Tag: tag} })
	return err
}

// Close flushes for as long as ctx lets it, and ends the links. What is not delivered by then is never told of.
func (c *Courier) Close(ctx context.Context) error {
	letter, err := c.ask(ctx, func(tag uint64) any { return &client.Close{Tag: tag} })
	if closed, is := letter.(*client.Closed); is && closed.Uncommitted != nil {
		err = errors.New("not all that was processed is committed: " + closed.Uncommitted.String())
	}
	c.mu.Lock()
	again := c.shut
	c.shut = true
	if c.timer != nil {
		c.timer.Stop()
	}
	c.mu.Unlock()
	if again {
		return ErrClosed
	}
	close(c.finished)
	c.links.Close()
	return err
}

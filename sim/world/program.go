package world

import (
	"slices"

	"rookery/core/seam"
)

// Program adds a client machine with an application around it. What the machine writes to its operator is received in
// order, each letter some time after it was written; what the application tells becomes Mail from the operator. kill ends
// both without a word.
func (w *World) Program(name string, m seam.Machine, receive func(now seam.Mono, letter any)) (tell func(body any), kill func()) {
	a := w.addClient(name, m)
	a.receive = receive
	return func(body any) {
		a.push(&seam.Mail{From: seam.Address{Kind: seam.ToOperator}, Body: body})
	}, func() { w.killClient(a) }
}

// post carries a letter to the application.
func (a *actor) post(letter any) {
	w := a.world
	if a.receive == nil {
		return
	}
	a.lettersAt = max(a.lettersAt, w.now+callTimes[w.delays.Choose(8)])
	w.queue.call(a.lettersAt, func() {
		if !a.dead {
			a.receive(w.now, letter)
		}
	})
}

// cutLink ends a link as its client wished. What the client sends from now on goes to another one.
func (a *actor) cutLink(number uint64) {
	for i, l := range a.links {
		if l.number == number {
			a.links = slices.Delete(a.links, i, i+1)
			l.Cut()
			return
		}
	}
}

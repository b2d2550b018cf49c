package log

import (
	"slices"
	"strconv"
	"strings"
)

// Epoch says at which offset a leader epoch begins.
type Epoch struct {
	Epoch int32
	Start int64
}

// Epochs is a partition's leader epochs, both columns rising (KIP-101, KIP-279).
type Epochs struct{ List []Epoch }

// Latest is the newest epoch, or -1.
func (e *Epochs) Latest() int32 {
	if len(e.List) == 0 {
		return -1
	}
	return e.List[len(e.List)-1].Epoch
}

// Assign notes that epoch begins at start, unless it is known already. It says whether anything changed.
func (e *Epochs) Assign(epoch int32, start int64) bool {
	if epoch < 0 || epoch <= e.Latest() {
		return false
	}
	e.TruncateFromEnd(start)
	e.List = append(e.List, Epoch{epoch, start})
	return true
}

// TruncateFromEnd forgets the epochs that begin at or above end.
func (e *Epochs) TruncateFromEnd(end int64) {
	for n := len(e.List); n > 0 && e.List[n-1].Start >= end; n-- {
		e.List = e.List[:n-1]
	}
}

// TruncateFromStart forgets the epochs that lie below start; the one that start lies in begins there.
func (e *Epochs) TruncateFromStart(start int64) {
	n := 0
	for n < len(e.List) && e.List[n].Start <= start {
		n++
	}
	if n > 0 {
		e.List = e.List[n-1:]
		e.List[0].Start = start
	}
}

// At is the epoch of the batch at offset, or -1.
func (e *Epochs) At(offset int64) int32 {
	i, found := slices.BinarySearchFunc(e.List, offset, func(x Epoch, o int64) int { return int(min(1, max(-1, x.Start-o))) })
	if found {
		return e.List[i].Epoch
	}
	if i == 0 {
		return -1
	}
	return e.List[i-1].Epoch
}

// EndOffsetFor answers OffsetForLeaderEpoch: the largest known epoch that is not above the asked one, and where it ends
// (-1, -1: not known). logEnd is where the newest one ends.
func (e *Epochs) EndOffsetFor(epoch int32, logEnd int64) (int32, int64) {
	n := len(e.List)
	switch {
	case n == 0 || epoch == -1 || epoch > e.List[n-1].Epoch:
		return -1, -1
	case epoch == e.List[n-1].Epoch:
		return epoch, logEnd
	case epoch < e.List[0].Epoch:
		return epoch, e.List[0].Start
	}
	i := n - 1
	for e.List[i].Epoch > epoch {
		i--
	}
	return e.List[i].Epoch, e.List[i+1].Start
}

// Encode is the text of a leader-epoch-checkpoint file: version, count, then a line an epoch.
func (e *Epochs) Encode() []byte {
	out := append([]byte("0\n"), strconv.Itoa(len(e.List))...)
	out = append(out, '\n')
	for _, x := range e.List {
		out = strconv.AppendInt(out, int64(x.Epoch), 10)
		out = append(out, ' ')
		out = strconv.AppendInt(out, x.Start, 10)
		out = append(out, '\n')
	}
	return out
}

// ParseEpochs reads a leader-epoch-checkpoint file. Anything but rising epochs at rising offsets is refused.
func ParseEpochs(data []byte) (e Epochs, ok bool) {
	lines, ok := checkpointLines(data)
	if !ok {
		return e, false
	}
	for _, line := range lines {
		epoch, offset, two := strings.Cut(line, " ")
		a, err1 := strconv.ParseInt(epoch, 10, 32)
		b, err2 := strconv.ParseInt(offset, 10, 64)
		if !two || err1 != nil || err2 != nil || a < 0 || b < 0 {
			return Epochs{}, false
		}
		if n := len(e.List); n > 0 && (e.List[n-1].Epoch >= int32(a) || e.List[n-1].Start >= b) {
			return Epochs{}, false
		}
		e.List = append(e.List, Epoch{int32(a), b})
	}
	return e, true
}

// checkpointLines splits Kafka's checkpoint text: "0", the number of lines, the lines.
func checkpointLines(data []byte) ([]string, bool) {
	text, whole := strings.CutSuffix(string(data), "\n")
	lines := strings.Split(text, "\n")
	if !whole || len(lines) < 2 || lines[0] != "0" {
		return nil, false
	}
	n, err := strconv.Atoi(lines[1])
	if err != nil || n != len(lines)-2 {
		return nil, false
	}
	return lines[2:], true
}

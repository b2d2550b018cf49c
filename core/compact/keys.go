package compact

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"

	"rookery/core/must"
)

// keys maps the hash of a key to the offset of its last record, in bounded memory: 16 bytes of SHA-256, so that nobody
// can make two keys that are taken for one, and 8 of offset, in a table that is probed place by place. It grows by doubling, to
// nine tenths full of as many as it may hold and no further.
type keys struct {
	slots []slot
	used  int
	most  int
	full  int // slots that it grows to
}

type slot struct {
	hash   [16]byte
	offset int64 // and one: zero is a free place
}

// SlotBytes is the memory that one key takes.
const SlotBytes = 24

func newKeys(most int) keys {
	k := keys{most: max(1, most)}
	k.full = k.most + k.most/9 + 1
	size := k.full
	for size > 32 {
		size = (size + 1) / 2
	}
	k.slots = make([]slot, size)
	return k
}

// put notes the offset of a key's record; offsets of one key rise. False: there is no room for another key.
func (k *keys) put(key []byte, offset int64) bool {
	hash := hashOf(key)
	s := k.find(hash)
	if s.offset == 0 {
		if k.used >= k.most {
			return false
		}
		if k.used*4 >= len(k.slots)*3 && len(k.slots) < k.full {
			k.grow()
			s = k.find(hash)
		}
		s.hash = hash
		k.used++
	}
	s.offset = offset + 1
	return true
}

// last is the offset of the key's last record, -1 if it has none.
func (k *keys) last(key []byte) int64 { return k.find(hashOf(key)).offset - 1 }

func hashOf(key []byte) (hash [16]byte) {
	sum := sha256.Sum256(key)
	copy(hash[:], sum[:])
	return hash
}

// find is the place of a hash, or the free one where it would go.
func (k *keys) find(hash [16]byte) *slot {
	n := uint64(len(k.slots))
	for i, _ := bits.Mul64(binary.BigEndian.Uint64(hash[:]), n); ; i++ {
		if i == n {
			i = 0
		}
		if s := &k.slots[i]; s.offset == 0 || s.hash == hash {
			return s
		}
	}
}

func (k *keys) grow() {
	old := k.slots
	k.slots = make([]slot, min(2*len(old), k.full))
	for i := range old {
		if old[i].offset != 0 {
			*k.find(old[i].hash) = old[i]
		}
	}
	must.Be(k.used < len(k.slots), "K1: the map of keys has a free place")
}

package batch

// The numbers inside records are zigzag varints. The readers take an index and give back the next one, -1 once anything
// was malformed; a reader called with -1 answers -1, so that a chain of them is checked once at its end.

func varint(b []byte, i int) (value int32, next int) {
	if uint(i) < uint(len(b)) && b[i] < 0x80 {
		return int32(b[i]>>1) ^ -int32(b[i]&1), i + 1
	}
	return varintLong(b, i)
}

// short reads a varint of one byte; next is -1 where it is longer, or not there. Small enough to be inlined.
func short(b []byte, i int) (value int32, next int) {
	if uint(i) < uint(len(b)) && b[i] < 0x80 {
		return int32(b[i]>>1) ^ -int32(b[i]&1), i + 1
	}
	return 0, -1
}

func varlong(b []byte, i int) (value int64, next int) {
	if uint(i) < uint(len(b)) && b[i] < 0x80 {
		return int64(b[i]>>1) ^ -int64(b[i]&1), i + 1
	}
	return varlongLong(b, i)
}

func varintLong(b []byte, i int) (int32, int) {
	if i < 0 {
		return 0, -1
	}
	if i+2 <= len(b) && b[i+1] < 0x80 { // two bytes: the sizes of most keys, values and records
		u := uint32(b[i]&0x7f) | uint32(b[i+1])<<7
		return int32(u>>1) ^ -int32(u&1), i + 2
	}
	var u uint32
	for shift := uint(0); i < len(b) && shift < 35; shift, i = shift+7, i+1 {
		c := b[i]
		if shift == 28 && c > 0x0f {
			return 0, -1
		}
		if u |= uint32(c&0x7f) << shift; c < 0x80 {
			return int32(u>>1) ^ -int32(u&1), i + 1
		}
	}
	return 0, -1
}

func varlongLong(b []byte, i int) (int64, int) {
	if i < 0 {
		return 0, -1
	}
	var u uint64
	for shift := uint(0); i < len(b) && shift < 70; shift, i = shift+7, i+1 {
		c := b[i]
		if shift == 63 && c > 1 {
			return 0, -1
		}
		if u |= uint64(c&0x7f) << shift; c < 0x80 {
			return int64(u>>1) ^ -int64(u&1), i + 1
		}
	}
	return 0, -1
}

// skip passes over size bytes at i; size -1 stands for null and has none.
func skip(b []byte, i int, size int32) int {
	if i < 0 || size < -1 || int(size) > len(b)-i {
		return -1
	}
	return i + int(max(size, 0))
}

// span cuts size bytes at i out of b; null for size -1.
func span(b []byte, i int, size int32) (bytes []byte, next int) {
	if next = skip(b, i, size); next < 0 || size < 0 {
		return nil, next
	}
	return b[i:next:next], next
}

func appendVarint(b []byte, value int32) []byte { return appendVarlong(b, int64(value)) }

func appendVarlong(b []byte, value int64) []byte {
	u := uint64(value)<<1 ^ uint64(value>>63)
	for ; u >= 0x80; u >>= 7 {
		b = append(b, byte(u)|0x80)
	}
	return append(b, byte(u))
}

func varlongSize(value int64) int {
	u := uint64(value)<<1 ^ uint64(value>>63)
	size := 1
	for ; u >= 0x80; u >>= 7 {
		size++
	}
	return size
}

// appendBytes appends a length and the bytes; null has length -1.
func appendBytes(b, bytes []byte) []byte {
	if bytes == nil {
		return appendVarint(b, -1)
	}
	return append(appendVarint(b, int32(len(bytes))), bytes...)
}

func bytesSize(bytes []byte) int {
	if bytes == nil {
		return 1
	}
	return varlongSize(int64(len(bytes))) + len(bytes)
}

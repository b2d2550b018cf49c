package check

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// place is a batch of a segment as an index may speak of it.
type place struct{ at, last, time int64 }

// Misled says what a folder's index files tell that is not so of its segments; empty: nothing. A file that is missing or
// empty tells nothing. An entry of an offset index names a batch, by its last offset and by where it begins; one before the
// bytes at hand is passed over. One of a time index names, by its last offset, a batch whose time is larger than all before it;
// the last one has the segment's largest.
func Misled(files []File) string {
	for _, log := range segments(files) {
		places, base, stem := placesOf(&log), log.base(), strings.TrimSuffix(log.Name, ".log")
		for _, f := range files {
			what := ""
			switch { // what is no whole number of entries nobody believes
			case f.Name == stem+".index" && len(f.Data)%8 == 0:
				what = misledTo(f.Data, base, log.At, places)
			case f.Name == stem+".timeindex" && len(f.Data)%12 == 0:
				what = misdated(f.Data, base, places)
			}
			if what != "" {
				return f.Name + ": " + what
			}
		}
	}
	return ""
}

// placesOf is where a segment's batches lie, by their headers.
func placesOf(f *File) (all []place) {
	order := binary.BigEndian
	for at := 0; at+61 <= len(f.Data); {
		b := f.Data[at:]
		all = append(all, place{f.At + int64(at), int64(order.Uint64(b)) + int64(int32(order.Uint32(b[23:]))), int64(order.Uint64(b[35:]))})
		at += 12 + max(49, int(int32(order.Uint32(b[8:]))))
	}
	return all
}

func misledTo(index []byte, base, from int64, places []place) string {
	if len(bytes.Trim(index, "\x00")) == 0 {
		return "" // no batch has such entries: a power cut leaves them of an index that was emptied
	}
	for ; len(index) >= 8; index = index[8:] {
		last, at := base+int64(int32(binary.BigEndian.Uint32(index))), int64(int32(binary.BigEndian.Uint32(index[4:])))
		if at < from {
			continue
		}
		for len(places) > 0 && places[0].at < at {
			places = places[1:]
		}
		if len(places) == 0 || places[0].at != at || places[0].last != last {
			return fmt.Sprintf("no batch begins at %d and ends with offset %d", at, last)
		}
	}
	return ""
}

func misdated(index []byte, base int64, places []place) string {
	newest := int64(-1)
	if len(index) == 0 {
		return ""
	}
	for ; len(index) >= 12; index = index[12:] {
		time, last := int64(binary.BigEndian.Uint64(index)), base+int64(int32(binary.BigEndian.Uint32(index[8:])))
		for len(places) > 0 && places[0].last < last {
			newest, places = max(newest, places[0].time), places[1:]
		}
		if len(places) == 0 || places[0].last != last || places[0].time != time || time <= newest {
			return fmt.Sprintf("no batch that ends with offset %d has %d, newer than all before it", last, time)
		}
	}
	newest = places[0].time
	for _, p := range places {
		if p.time > newest {
			return fmt.Sprintf("its last entry is of %d; the batch that ends with offset %d has %d", newest, p.last, p.time)
		}
	}
	return ""
}

package core

import "iter"

// roster is the partitions that there are, by number. No number is given twice: a completion, or a fetch, that comes late with
// one finds nobody. What is gone costs a pointer for so many as share a page, and no time.
type roster struct {
	last  uint32  // the last number given; 0 is nobody
	pages []*page // nil: all of it are gone
	n     int
}

const pageNumbers = 256

type page struct {
	at [pageNumbers]*partition
	n  int
}

// Add gives a partition its number.
func (r *roster) Add(p *partition) {
	r.last++
	r.n++
	i := int(r.last / pageNumbers)
	for len(r.pages) <= i {
		r.pages = append(r.pages, nil)
	}
	if r.pages[i] == nil {
		r.pages[i] = new(page)
	}
	p.number, r.pages[i].at[r.last%pageNumbers] = r.last, p
	r.pages[i].n++
}

// At is the partition of a number, nil if it is gone.
func (r *roster) At(number uint32) *partition {
	if i := int(number / pageNumbers); i < len(r.pages) && r.pages[i] != nil {
		return r.pages[i].at[number%pageNumbers]
	}
	return nil
}

// Delete strikes a partition off.
func (r *roster) Delete(number uint32) {
	if r.At(number) == nil {
		return
	}
	r.n--
	i := number / pageNumbers
	r.pages[i].at[number%pageNumbers] = nil
	if r.pages[i].n--; r.pages[i].n == 0 {
		r.pages[i] = nil
	}
}

// Len is how many there are.
func (r *roster) Len() int { return r.n }

// Ceiling is the first number that is not below number and whose partition is there.
func (r *roster) Ceiling(number uint32) (uint32, bool) {
	for number = max(number, 1); number <= r.last; number++ {
		if p := r.pages[number/pageNumbers]; p == nil {
			number |= pageNumbers - 1
		} else if p.at[number%pageNumbers] != nil {
			return number, true
		}
	}
	return 0, false
}

// All walks them by number.
func (r *roster) All() iter.Seq[*partition] {
	return func(yield func(*partition) bool) {
		for number, more := r.Ceiling(0); more; number, more = r.Ceiling(number + 1) {
			if !yield(r.At(number)) {
				return
			}
		}
	}
}

package client

import (
	"cmp"
	"slices"
	"sort"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// said is what a broker says beside the code of a batch: its records by their places in it, which rise; nil: nothing.
func (k *parcel) said(row *kmsg.ProduceResponseTopicPartition) *Reason {
	if row.ErrorMessage == nil && len(row.ErrorRecords) == 0 {
		return nil
	}
	said := &Reason{Message: text(row.ErrorMessage)}
	for i := range row.ErrorRecords {
		if r := &row.ErrorRecords[i]; r.RelativeOffset >= 0 && r.RelativeOffset < k.count {
			said.Records = append(said.Records, Refused{r.RelativeOffset, text(r.ErrorMessage)})
		}
	}
	slices.SortStableFunc(said.Records, func(a, b Refused) int { return cmp.Compare(a.Index, b.Index) })
	return said
}

func text(nullable *string) string {
	if nullable == nil {
		return ""
	}
	return *nullable
}

// of is what concerns count records from the one at first on, whose places in their Produce begin at index.
func (said *Reason) of(first, count, index int32) *Reason {
	at := func(place int32) int {
		return sort.Search(len(said.Records), func(i int) bool { return said.Records[i].Index >= place })
	}
	mine := slices.Clone(said.Records[at(first):at(first+count)])
	for i := range mine {
		mine[i].Index += index - first
	}
	return &Reason{Message: said.Message, Records: mine, Others: len(mine) < len(said.Records)}
}

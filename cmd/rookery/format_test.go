package main

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"rookery/core/client"
)

func printed(t require.TestingT, layout, output string, r *client.FetchedRecord) string {
	show, err := printer(layout, output)
	require.NoError(t, err)
	var b bytes.Buffer
	out := bufio.NewWriter(&b)
	require.NoError(t, show(out, &seenRecord{topic: "clicks", partition: 2, start: 3, stable: 299, high: 300, count: 7, FetchedRecord: r}))
	require.NoError(t, out.Flush())
	return b.String()
}

func TestFormats(t *testing.T) {
	r := &client.FetchedRecord{
		Offset: 9, Timestamp: 1648138245123, LeaderEpoch: 4, Attributes: 4 | 8 | 16, ProducerID: 77, ProducerEpoch: 5, Key: []byte("k"), Value: []byte("v%"),
		Headers: []client.Header{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("b")}},
	}
	for layout, want := range map[string]string{
		`%k %v %o %p %t\n`:          "k v% 9 2 clicks\n",
		`%s|%S|%K|%T|%h|%%`:         "v%|2|1|1648138245123|a=1,b=|%",
		`\x41%R`:                    "A\x00\x00\x00\x02",
		``:                          "",
		`%V %H %e %i %[ %] %{%}`:    "2 2 4 7 3 300 {}",
		`%h{<%k:%v>}.`:              "<a:1><b:>.",
		`%h{%k%V{big16}}`:           "a\x00\x01b\xff\xff",
		`%v{hex} %k{base64}`:        "7625 aw==",
		`%k{base64raw} %v{json}`:    `aw "v%"`,
		`%o{hex16} %o{hex} %o`:      "0009 9 9",
		`%p{byte}%p{little32}`:      "\x02\x02\x00\x00\x00",
		`%H{bool} %o{ascii}`:        "true 9",
		`%d`:                        "1648138245123",
		`%d{strftime[%F %T.%f]}`:    "2022-03-24 16:10:45.123000",
		`%d{strftime[%s%%%n%Y]}!`:   "1648138245%\n2022!",
		`%d{go[15:04:05.000 Jan]}`:  "16:10:45.123 Mar",
		`%d{strftime##[%H]##}`:      "[16]",
		`%d{go##2006##} %d{number}`: "2022 1648138245123",
		`%o{number} %o{hex4}`:       "9 9",
		`%v{unpack[>H$]}`:           "30245",
		`%k{unpack{<b$}}`:           "107",
		`%x %y %|`:                  "77 5 299",
		`%a{compression}|%a{compression;number}|%a{compression;hex8}`:        "zstd|4|04",
		`%a{timestamp-type}%a{transactional-bit;bool}%a{control-bit} %h{%x}`: "1true0 7777",
	} {
		require.Equal(t, want, printed(t, layout, "text", r), layout)
	}
	require.Equal(t, "-1 -1", printed(t, "%K %V", "text", &client.FetchedRecord{}))
	for _, wrong := range []string{"%", "%q", `\q`, "%v{zip}", "%o{big7}", "%o{wide}", "%h{", "%h{%q}", "%d{strftime[%Q]}", "%d{strftime[%]}", "%d{java[x]}", "%a", "%a{codec}", "%a{compression;zip}",
		"%v{unpack}", "%v{unpack[b}", "%v{unpack[b]]}", "%v{unpack[z]}", "%v{unpack[$b]}", "%v{unpack[s$]}", "%d{go}", "%d{go##2006#}", "%d{strftime##%F##x}", "%o{big4}"} {
		_, err := printer(wrong, "text")
		require.Error(t, err, wrong)
	}
	_, err := printer("%d{day}", "text")
	require.ErrorContains(t, err, "byte, bool, strftime[...], go[...]")
	_, err = printer("", "yaml")
	require.ErrorContains(t, err, "neither text nor json")
	require.JSONEq(t, `{"topic":"clicks","partition":2,"offset":9,"timestamp":0,"key":null,"value":"/w==","valueBase64":true}`,
		printed(t, "", "json", &client.FetchedRecord{Offset: 9, Value: []byte{0xff}}))
	require.Equal(t, printed(t, "", "json", &client.FetchedRecord{Offset: 9}), printed(t, "json", "text", &client.FetchedRecord{Offset: 9}))
}

// TestFormatsAgreeWithKgo: rpk's letters are those of kgo's RecordFormatter. What is the same there as here, the same text stands
// for; of records that fit a layout, and that do not.
func TestFormatsAgreeWithKgo(t *testing.T) {
	numbers := strings.Fields("ascii number hex64 hex32 hex16 hex8 hex4 hex big64 big32 big16 big8 little64 little32 little16 little8 byte bool")
	rapid.Check(t, func(t *rapid.T) {
		signs, times := rapid.SampledFrom([]string{"[]", "{}", "()", "##", "!!"}).Draw(t, "signs"), rapid.IntRange(1, 3).Draw(t, "times")
		left, right := strings.Repeat(signs[:1], times), strings.Repeat(signs[1:], times)
		letters := rapid.StringOfN(rapid.RuneFrom([]rune("x<>bBhHiIqQc.")), 0, 8, -1).Draw(t, "letters") + rapid.SampledFrom([]string{"", "s", "$"}).Draw(t, "end")
		number := rapid.SampledFrom(numbers).Draw(t, "number")
		layout := rapid.SampledFrom([]string{
			"%v{unpack" + left + letters + right + "} %o", "%o{" + number + "}|%d{" + number + "}", "%d{go" + left + "2006-01-02 [15]" + right + "}",
			"%d{strftime" + left + "%F %H" + right + "}", "%a{compression;" + number + "} %a{timestamp-type}", "%h{%k=%v{base64raw};}%k{hex} %v{base64}",
		}).Draw(t, "layout")
		value := rapid.SliceOfN(rapid.Byte(), 0, 24).Draw(t, "value")
		offset, millis := rapid.Int64Range(0, 1<<62).Draw(t, "offset"), rapid.Int64Range(0, 1<<42).Draw(t, "time")
		theirs, wrong := kgo.NewRecordFormatter(layout)
		show, err := printer(layout, "text")
		require.Equal(t, wrong == nil, err == nil, "%s: %v, %v", layout, wrong, err)
		if err != nil {
			return
		}
		var b bytes.Buffer
		out := bufio.NewWriter(&b)
		require.NoError(t, show(out, &seenRecord{FetchedRecord: &client.FetchedRecord{
			Key: value, Value: value, Offset: offset, Timestamp: millis, Headers: []client.Header{{Key: []byte("a"), Value: value}},
		}}))
		require.NoError(t, out.Flush())
		require.Equal(t, string(theirs.AppendRecord(nil, &kgo.Record{
			Key: value, Value: value, Offset: offset, Timestamp: time.UnixMilli(millis), Headers: []kgo.RecordHeader{{Key: "a", Value: value}},
		})), b.String(), layout)
	})
}

// TestFormatsNeverPanic draws formats of the letters that mean something, braces and rubbish.
func TestFormatsNeverPanic(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		layout := rapid.StringOf(rapid.RuneFrom([]rune(`%{}[]\svkKthHdoTpeibigltxya;|16832#strfmego FT:unpackH$<>`))).Draw(r, "layout")
		if _, err := printer(layout, "text"); err == nil {
			printed(r, layout, "text", &client.FetchedRecord{Key: []byte("k"), Headers: []client.Header{{Key: []byte("h")}}})
		}
	})
}

func TestPlaces(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	at := func(s string) place {
		p, err := time.Parse(time.RFC3339, s)
		require.NoError(t, err)
		return place{kind: atTime, at: p, given: true}
	}
	start, end, none := place{kind: atStart, given: true}, place{kind: atEnd, given: true}, place{}
	offset := func(n int64) place { return place{kind: atOffset, n: n, given: true} }
	for text, want := range map[string][2]place{
		"start": {start, none}, "beginning": {start, none}, "earliest": {start, none}, "latest": {end, none}, "end": {end, none}, "12": {offset(12), none},
		"-5":      {{kind: beforeEnd, n: 5, given: true}, none},
		"+5":      {{kind: afterStart, n: 5, given: true}, none},
		":end":    {start, end},
		"7:9":     {offset(7), offset(9)},
		"7:":      {offset(7), none},
		":7":      {start, offset(7)},
		"-10:end": {{kind: beforeEnd, n: 10, given: true}, end},
		"@-1h":    {at("2026-01-31T11:00:00Z"), none}, "@1769860800": {at("2026-01-31T12:00:00Z"), none}, "@1769860800000": {at("2026-01-31T12:00:00Z"), none},
		"@2026-01-30": {at("2026-01-30T00:00:00Z"), none}, "s@1769860800000": {at("2026-01-31T12:00:00Z"), none}, "e@1769860800000": {none, at("2026-01-31T12:00:00Z")},
		"@2026-01-30T01:02:03Z:@-30m": {at("2026-01-30T01:02:03Z"), at("2026-01-31T11:30:00Z")},
		"@-2h:end":                    {at("2026-01-31T10:00:00Z"), end},
	} {
		var from, until place
		require.NoError(t, parsePlaces(text, now, &from, &until), text)
		require.True(t, want[0].at.Equal(from.at) && want[1].at.Equal(until.at), text)
		want[0].at, want[1].at, from.at, until.at = now, now, now, now
		require.Equal(t, want, [2]place{from, until}, text)
	}
	for _, wrong := range []string{"", "soon", "@noon", "1:2:3", "1:x", "@-1x", "5:2", "-2:-5", "+3:+2", "@-1h:@-2h", "@2026-01-31:@2026-01-30"} {
		var from, until place
		require.Error(t, parsePlaces(wrong, now, &from, &until), wrong)
	}
}

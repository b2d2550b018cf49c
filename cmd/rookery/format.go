package main

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"rookery/core/batch"
	"rookery/core/client"
)

// formatHelp is what consume's help says of formats.
const formatHelp = `Formats are those of kcat, and of rpk where kcat has no such letter:
  %s %v  value          %k  key               %t  topic      %p  partition      %o  offset
  %S %V  its bytes      %K  its bytes         %T  timestamp, milliseconds       %R  value's length, 4 bytes
  %h     headers, name=value with commas; %h{ %k: %v\n} each by a format        %H  how many there are
  %d     timestamp; %d{strftime[%F %T]} or %d{go[15:04:05]} by a calendar, in UTC
  %e     leader epoch   %i  records so far    %[ log start   %] high watermark  %%  %{  %}  the sign itself
  %x     producer id    %y  producer epoch    %| last stable offset
  %a{compression}  %a{timestamp-type}  %a{transactional-bit}  %a{control-bit}   of the batch; %a{compression;number} and so on
  text in another form:    %v{hex}  %k{base64}  %v{base64raw}  %v{json}
  numbers that lie in it:  %k{unpack[>iQ$]}, by the letters of Python's struct: x < > b B h H i I q Q c s; $ is the end
  numbers in another form: %o{hex}  %o{hex16}  %p{big32}  %o{little64}  %p{byte} (hex4 to hex64, big and little 8 to 64)
  Brackets may be braces, parentheses or any other sign, once or more: %d{go##15:04##}
and \n \r \t \0 \\ \xNN. The length of null is -1.`

// seenRecord is one record and where it was found.
type seenRecord struct {
	topic     string
	partition int32
	start     int64 // log start offset
	stable    int64 // last stable offset
	high      int64 // high watermark
	count     int64 // records shown, this one among them
	*client.FetchedRecord
}

// show prints one record.
type show func(out *bufio.Writer, r *seenRecord) error

// part appends what a piece of a format stands for.
type part func(b []byte, r *seenRecord) []byte

// printer turns a format into one pass over a record.
func printer(layout, output string) (show, error) {
	switch {
	case output == "json" || layout == "json": // rpk's -f json
		return showJSON, nil
	case output != "text":
		return nil, fmt.Errorf("--output %s is neither text nor json", output)
	}
	parts, err := parseFormat(layout)
	if err != nil {
		return nil, advise("see: rookery consume --help", "--format %q: %w", layout, err)
	}
	var line []byte
	return func(out *bufio.Writer, r *seenRecord) error {
		line = line[:0]
		for _, p := range parts {
			line = p(line, r)
		}
		_, err := out.Write(line)
		return err
	}, nil
}

func parseFormat(layout string) ([]part, error) {
	var parts []part
	for rest := layout; rest != ""; {
		before, behind, found := strings.Cut(rest, "%")
		text, err := unescape(before)
		if err != nil {
			return nil, err
		}
		if text != "" {
			parts = append(parts, func(b []byte, _ *seenRecord) []byte { return append(b, text...) })
		}
		if !found {
			break
		}
		if behind == "" {
			return nil, fmt.Errorf("it ends in the middle of a letter")
		}
		p, after, err := parseLetter(behind[0], behind[1:])
		if err != nil {
			return nil, err
		}
		parts, rest = append(parts, p), after
	}
	return parts, nil
}

// parseLetter reads a letter and what stands in braces behind it.
func parseLetter(l byte, rest string) (part, string, error) {
	if sign := strings.IndexByte("%{}", l); sign >= 0 {
		return func(b []byte, _ *seenRecord) []byte { return append(b, l) }, rest, nil
	}
	option, after, braced, err := braces(rest)
	if err != nil {
		return nil, "", fmt.Errorf("%%%c: %w", l, err)
	}
	var p part
	switch {
	case l == 'h':
		p, err = headersPart(option, braced)
	case l == 'd':
		p, err = timePart(option)
	case l == 'a':
		p, err = attributePart(option)
	case l == 'R':
		p, err = numberPart(func(r *seenRecord) int64 { return sizeOf(r.Value) }, "big32")
		after = rest
	case textOf(l) != nil:
		p, err = textPart(textOf(l), option)
	case numberOf(l) != nil:
		p, err = numberPart(numberOf(l), option)
	default:
		return nil, "", fmt.Errorf("%%%c means nothing", l)
	}
	if err != nil {
		return nil, "", fmt.Errorf("%%%c{%s}: %w", l, option, err)
	}
	return p, after, nil
}

// braces takes {...} off the front, with braces inside it.
func braces(s string) (inside, after string, found bool, err error) {
	if !strings.HasPrefix(s, "{") {
		return "", s, false, nil
	}
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return s[1:i], s[i+1:], true, nil
			}
		}
	}
	return "", "", false, fmt.Errorf("a brace is not closed")
}

func textOf(l byte) func(r *seenRecord) []byte {
	switch l {
	case 's', 'v':
		return func(r *seenRecord) []byte { return r.Value }
	case 'k':
		return func(r *seenRecord) []byte { return r.Key }
	case 't':
		return func(r *seenRecord) []byte { return []byte(r.topic) }
	}
	return nil
}

func sizeOf(b []byte) int64 {
	if b == nil {
		return -1
	}
	return int64(len(b))
}

func numberOf(l byte) func(r *seenRecord) int64 {
	switch l {
	case 'S', 'V':
		return func(r *seenRecord) int64 { return sizeOf(r.Value) }
	case 'K':
		return func(r *seenRecord) int64 { return sizeOf(r.Key) }
	case 'p':
		return func(r *seenRecord) int64 { return int64(r.partition) }
	case 'o':
		return func(r *seenRecord) int64 { return r.Offset }
	case 'T':
		return func(r *seenRecord) int64 { return r.Timestamp }
	case 'H':
		return func(r *seenRecord) int64 { return int64(len(r.Headers)) }
	case 'e':
		return func(r *seenRecord) int64 { return int64(r.LeaderEpoch) }
	case 'i':
		return func(r *seenRecord) int64 { return r.count }
	case 'x':
		return func(r *seenRecord) int64 { return r.ProducerID }
	case 'y':
		return func(r *seenRecord) int64 { return int64(r.ProducerEpoch) }
	case '|':
		return func(r *seenRecord) int64 { return r.stable }
	case '[':
		return func(r *seenRecord) int64 { return r.start }
	case ']':
		return func(r *seenRecord) int64 { return r.high }
	}
	return nil
}

// attributePart is one attribute of the record's batch: compression as a word, the others as numbers, or any of them as a number
// of some form behind a semicolon.
func attributePart(option string) (part, error) {
	name, form, numbered := strings.Cut(option, ";")
	bit := func(mask int16) func(r *seenRecord) int64 {
		return func(r *seenRecord) int64 {
			if r.Attributes&mask != 0 {
				return 1
			}
			return 0
		}
	}
	of := map[string]func(r *seenRecord) int64{
		"compression":    func(r *seenRecord) int64 { return int64(r.Attributes & batch.CodecMask) },
		"timestamp-type": bit(batch.AppendTimeBit), "transactional-bit": bit(batch.TransactionalBit), "control-bit": bit(batch.ControlBit),
	}[name]
	switch {
	case of == nil:
		return nil, fmt.Errorf("none of compression, timestamp-type, transactional-bit, control-bit")
	case name == "compression" && !numbered:
		return func(b []byte, r *seenRecord) []byte { return append(b, batch.Codec(of(r)).String()...) }, nil
	}
	return numberPart(of, form)
}

func textPart(of func(*seenRecord) []byte, form string) (part, error) {
	switch form {
	case "":
		return func(b []byte, r *seenRecord) []byte { return append(b, of(r)...) }, nil
	case "hex":
		return func(b []byte, r *seenRecord) []byte { return hex.AppendEncode(b, of(r)) }, nil
	case "base64":
		return func(b []byte, r *seenRecord) []byte { return base64.StdEncoding.AppendEncode(b, of(r)) }, nil
	case "base64raw":
		return func(b []byte, r *seenRecord) []byte { return base64.RawStdEncoding.AppendEncode(b, of(r)) }, nil
	case "json":
		return func(b []byte, r *seenRecord) []byte {
			value, _ := text(of(r))
			coded, _ := json.Marshal(value) // of a string: it never fails
			return append(b, coded...)
		}, nil
	}
	if layout, named, err := enclosed(form, "unpack"); named {
		if err != nil {
			return nil, err
		}
		return unpackPart(of, layout)
	}
	return nil, fmt.Errorf("none of hex, base64, base64raw, json, unpack[...]")
}

// enclosed takes a layout out of what stands behind a name and goes on to the end: one sign, any number of times, and as
// often what closes it. Other signs inside are the layout's.
func enclosed(form, name string) (layout string, named bool, err error) {
	rest, named := strings.CutPrefix(form, name)
	if !named {
		return "", false, nil
	}
	if rest == "" {
		return "", true, fmt.Errorf("for example %s[...]", name)
	}
	opened := len(rest) - len(strings.TrimLeft(rest, rest[:1]))
	closing := rest[:1]
	if at := strings.Index("{[(", closing); at >= 0 {
		closing = "}])"[at : at+1]
	}
	layout, after, closed := strings.Cut(rest[opened:], strings.Repeat(closing, opened))
	if !closed || after != "" {
		return "", true, fmt.Errorf("%s%s is to end in %s", name, rest[:opened], strings.Repeat(closing, opened))
	}
	return layout, true, nil
}

// unpackPart is text as numbers that lie in it, by kgo's letters: b h i q are signed and of 1, 2, 4, 8 bytes, B H I Q are not;
// < and > say which end comes first of those behind (at first <); c or . is a byte as it is, s all that is left, and x nothing. Of
// $ there is to be nothing left. What does not fit is said in the output: other records may.
func unpackPart(of func(*seenRecord) []byte, layout string) (part, error) {
	letters := strings.ReplaceAll(layout, "x", "")
	for i := range len(letters) {
		if strings.IndexByte("<>bBhHiIqQc.s$", letters[i]) < 0 {
			return nil, fmt.Errorf("%c means nothing in unpack", letters[i])
		}
		if i > 0 && (letters[i-1] == 's' || letters[i-1] == '$') {
			return nil, fmt.Errorf("behind %c nothing can be left", letters[i-1])
		}
	}
	return func(b []byte, r *seenRecord) []byte { return appendUnpacked(b, of(r), letters) }, nil
}

func appendUnpacked(b, from []byte, letters string) []byte {
	bigEndian := false
	for i := range len(letters) {
		width := 1
		switch letters[i] {
		case '<', '>':
			bigEndian = letters[i] == '>'
			continue
		case 's':
			return append(b, from...)
		case '$':
			if len(from) > 0 {
				b = append(b, "%!$(not end-of-input)"...)
			}
			return b
		case 'c', '.':
			if len(from) == 0 {
				b = append(b, "%!c(no bytes available)"...)
				continue
			}
			b, from = append(b, from[0]), from[1:]
			continue
		case 'h', 'H':
			width = 2
		case 'i', 'I':
			width = 4
		case 'q', 'Q':
			width = 8
		}
		if len(from) < width {
			b, from = fmt.Appendf(b, "%%!(have %d bytes, need %d)", len(from), width), nil
			continue
		}
		var number uint64
		for j := range width {
			at := width - 1 - j
			if bigEndian {
				at = j
			}
			number = number<<8 | uint64(from[at])
		}
		from = from[width:]
		if unused := 64 - 8*width; letters[i] >= 'a' {
			b = strconv.AppendInt(b, int64(number<<unused)>>unused, 10)
		} else {
			b = strconv.AppendUint(b, number, 10)
		}
	}
	return b
}

func numberPart(of func(*seenRecord) int64, form string) (part, error) {
	name, width := strings.TrimRight(form, "0123456789"), 64
	if digits := form[len(name):]; digits != "" {
		width, _ = strconv.Atoi(digits)
	}
	nibble := form == "hex4"
	if width != 8 && width != 16 && width != 32 && width != 64 && !nibble {
		return nil, fmt.Errorf("a width is 8, 16, 32 or 64")
	}
	switch name {
	case "", "ascii", "number":
		return func(b []byte, r *seenRecord) []byte { return strconv.AppendInt(b, of(r), 10) }, nil
	case "hex":
		if form == "hex" {
			return func(b []byte, r *seenRecord) []byte { return strconv.AppendInt(b, of(r), 16) }, nil
		}
		if nibble {
			return func(b []byte, r *seenRecord) []byte { return strconv.AppendInt(b, of(r)&0xf, 16) }, nil
		}
		return func(b []byte, r *seenRecord) []byte { return hex.AppendEncode(b, appendBig(nil, of(r), width)) }, nil
	case "big":
		return func(b []byte, r *seenRecord) []byte { return appendBig(b, of(r), width) }, nil
	case "little":
		return func(b []byte, r *seenRecord) []byte {
			for shift := 0; shift < width; shift += 8 {
				b = append(b, byte(of(r)>>shift))
			}
			return b
		}, nil
	case "byte":
		return func(b []byte, r *seenRecord) []byte { return append(b, byte(of(r))) }, nil
	case "bool":
		return func(b []byte, r *seenRecord) []byte { return strconv.AppendBool(b, of(r) != 0) }, nil
	}
	return nil, fmt.Errorf("none of ascii, number, hex, hexN, bigN, littleN, byte, bool")
}

func appendBig(b []byte, n int64, width int) []byte {
	for shift := width - 8; shift >= 0; shift -= 8 {
		b = append(b, byte(n>>shift))
	}
	return b
}

// headersPart is name=value with commas, or each header by a format of its own, in which %k and %v are a header's.
func headersPart(layout string, braced bool) (part, error) {
	if !braced {
		return func(b []byte, r *seenRecord) []byte { return appendHeaders(b, r.Headers) }, nil
	}
	inner, err := parseFormat(layout)
	if err != nil {
		return nil, err
	}
	return func(b []byte, r *seenRecord) []byte {
		header := *r
		for _, h := range r.Headers {
			header.FetchedRecord = &client.FetchedRecord{Key: h.Key, Value: h.Value, Offset: r.Offset, Timestamp: r.Timestamp, LeaderEpoch: r.LeaderEpoch,
				Attributes: r.Attributes, ProducerEpoch: r.ProducerEpoch, ProducerID: r.ProducerID}
			for _, p := range inner {
				b = p(b, &header)
			}
		}
		return b
	}, nil
}

func appendHeaders(b []byte, headers []batch.Header) []byte {
	for i, h := range headers {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, h.Key...), '='), h.Value...)
	}
	return b
}

func timePart(form string) (part, error) {
	layout, isStrftime, err := enclosed(form, "strftime")
	if isStrftime && err == nil {
		err = checkStrftime(layout)
	}
	if err != nil {
		return nil, err
	}
	if isStrftime {
		return func(b []byte, r *seenRecord) []byte {
			return appendStrftime(b, time.UnixMilli(r.Timestamp).UTC(), layout)
		}, nil
	}
	layout, isGo, err := enclosed(form, "go")
	if err != nil {
		return nil, err
	}
	if isGo {
		return func(b []byte, r *seenRecord) []byte {
			return time.UnixMilli(r.Timestamp).UTC().AppendFormat(b, layout)
		}, nil
	}
	number, err := numberPart(func(r *seenRecord) int64 { return r.Timestamp }, form)
	if err != nil {
		return nil, fmt.Errorf("%w, strftime[...], go[...]", err)
	}
	return number, nil
}

// strftime are the letters of strftime(3) in Go's words.
var strftime = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'h': "Jan", 'd': "02", 'e': "_2", 'H': "15", 'I': "03", 'm': "01",
	'M': "04", 'p': "PM", 'S': "05", 'y': "06", 'Y': "2006", 'z': "-0700", 'Z': "MST", 'j': "002", 'F': "2006-01-02",
	'T': "15:04:05", 'D': "01/02/06", 'R': "15:04", 'c': "Mon Jan _2 15:04:05 2006", 'f': "000000",
}

func checkStrftime(layout string) error {
	for i := 0; i < len(layout); i++ {
		if layout[i] != '%' {
			continue
		}
		if i++; i == len(layout) {
			return fmt.Errorf("it ends in the middle of a letter")
		}
		if _, known := strftime[layout[i]]; !known && !strings.ContainsRune("nt%s", rune(layout[i])) {
			return fmt.Errorf("%%%c means nothing in strftime", layout[i])
		}
	}
	return nil
}

// appendStrftime writes a time by a layout that was checked. %f is microseconds, as in Python.
func appendStrftime(b []byte, t time.Time, layout string) []byte {
	for i := 0; i < len(layout); i++ {
		if layout[i] != '%' {
			b = append(b, layout[i])
			continue
		}
		switch i++; layout[i] {
		case 'n':
			b = append(b, '\n')
		case 't':
			b = append(b, '\t')
		case '%':
			b = append(b, '%')
		case 's':
			b = strconv.AppendInt(b, t.Unix(), 10)
		case 'f':
			b = fmt.Appendf(b, "%06d", t.Nanosecond()/1000)
		default:
			b = t.AppendFormat(b, strftime[layout[i]])
		}
	}
	return b
}

// recordJSON is one record as a line of JSON. What is no UTF-8 is base64, and said to be.
type recordJSON struct {
	Topic       string       `json:"topic"`
	Partition   int32        `json:"partition"`
	Offset      int64        `json:"offset"`
	Timestamp   int64        `json:"timestamp"`
	Key         *string      `json:"key"`
	Value       *string      `json:"value"`
	KeyBase64   bool         `json:"keyBase64,omitempty"`
	ValueBase64 bool         `json:"valueBase64,omitempty"`
	Headers     []headerJSON `json:"headers,omitempty"`
}

type headerJSON struct {
	Key    string  `json:"key"`
	Value  *string `json:"value"`
	Base64 bool    `json:"base64,omitempty"`
}

func showJSON(out *bufio.Writer, r *seenRecord) error {
	j := recordJSON{Topic: r.topic, Partition: r.partition, Offset: r.Offset, Timestamp: r.Timestamp}
	j.Key, j.KeyBase64 = text(r.Key)
	j.Value, j.ValueBase64 = text(r.Value)
	for _, h := range r.Headers {
		value, coded := text(h.Value)
		j.Headers = append(j.Headers, headerJSON{string(h.Key), value, coded})
	}
	line, err := json.Marshal(j)
	if err != nil {
		return err
	}
	_, err = out.Write(append(line, '\n'))
	return err
}

func text(b []byte) (s *string, coded bool) {
	if b == nil {
		return nil, false
	}
	plain := string(b)
	if !utf8.ValidString(plain) {
		plain, coded = base64.StdEncoding.EncodeToString(b), true
	}
	return &plain, coded
}

// bytesOf is text backwards.
func bytesOf(s *string, coded bool) ([]byte, error) {
	if s == nil {
		return nil, nil
	}
	if coded {
		return base64.StdEncoding.DecodeString(*s)
	}
	return []byte(*s), nil
}

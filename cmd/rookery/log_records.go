package main

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"rookery/core/batch"
	"rookery/core/group"
	"rookery/core/meta"
)

// decoder reads a record that brokers write for themselves; it says false of one that it cannot read.
type decoder func(key, value []byte) (any, bool)

// decoderOf is the one for the records of a segment's partition, by its folder; nil: they are somebody else's.
func decoderOf(file string) decoder {
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil
	}
	switch folder := filepath.Base(filepath.Dir(abs)); {
	case strings.HasPrefix(folder, "__consumer_offsets-"):
		return func(key, value []byte) (any, bool) {
			r, err := group.Parse(key, value)
			_, unknown := r.(*group.UnknownRecord)
			return r, err == nil && !unknown
		}
	case strings.HasPrefix(folder, "__cluster_metadata-"):
		return func(_, value []byte) (any, bool) {
			r, err := meta.Parse(value)
			return r, err == nil
		}
	}
	return nil
}

// decode is a record by its kind and fields; nil where there is nothing to read.
func (d decoder) decode(v batch.View, r *batch.Record) *decodedRow {
	if d == nil || v.IsControl() {
		return nil
	}
	record, ok := d(r.Key, r.Value)
	if !ok {
		return nil
	}
	fields := reflect.ValueOf(record).Elem()
	return &decodedRow{strings.TrimSuffix(fields.Type().Name(), "Record"), appendFields(nil, fields)}
}

// decodedRow is a broker's own record: its kind, and its fields as JSON in the order of Kafka's schema.
type decodedRow struct {
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

func (d *decodedRow) String() string { return d.Type + " " + string(d.Data) }

// appendFields writes a value of core's records as JSON: a null is null, ids are as Kafka writes them, other bytes are base64.
func appendFields(to []byte, v reflect.Value) []byte {
	if id, ok := v.Interface().(meta.UUID); ok {
		return strconv.AppendQuote(to, id.String())
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return append(to, "null"...)
		}
		return appendFields(to, v.Elem())
	case reflect.Struct:
		to = append(to, '{')
		for i := range v.NumField() {
			if i > 0 {
				to = append(to, ',')
			}
			to = append(strconv.AppendQuote(to, fieldName(v.Type().Field(i).Name)), ':')
			to = appendFields(to, v.Field(i))
		}
		return append(to, '}')
	case reflect.Slice:
		return appendList(to, v)
	case reflect.Uint64: // of these records a quota's value alone: the bits of a double
		return appendQuota(to, math.Float64frombits(v.Uint()))
	}
	plain, err := json.Marshal(v.Interface())
	if err != nil {
		return append(to, "null"...)
	}
	return append(to, plain...)
}

func appendList(to []byte, v reflect.Value) []byte {
	switch {
	case v.IsNil():
		return append(to, "null"...)
	case v.Type().Elem().Kind() == reflect.Uint8:
		return strconv.AppendQuote(to, base64.StdEncoding.EncodeToString(v.Bytes()))
	}
	to = append(to, '[')
	for i := range v.Len() {
		if i > 0 {
			to = append(to, ',')
		}
		to = appendFields(to, v.Index(i))
	}
	return append(to, ']')
}

// appendQuota writes a number; JSON has none that is infinite.
func appendQuota(to []byte, f float64) []byte {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return strconv.AppendQuote(to, strconv.FormatFloat(f, 'g', -1, 64))
	}
	return strconv.AppendFloat(to, f, 'g', -1, 64)
}

// fieldName is a field's name in small letters at its beginning, up to the next word: partitionID, isr, expireTimestamp.
func fieldName(name string) string {
	letters := []rune(name)
	for i, letter := range letters {
		if i > 0 && i+1 < len(letters) && unicode.IsLower(letters[i+1]) || unicode.IsLower(letter) {
			break
		}
		letters[i] = unicode.ToLower(letter)
	}
	return string(letters)
}

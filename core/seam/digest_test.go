package seam_test

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rookery/core/seam"
)

// fill draws something for a value and all that lies in it. A Body is a value of the machines: no digest knows it.
func fill(t *rapid.T, v reflect.Value, name string) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), name+"."+v.Type().Field(i).Name)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(0, 3).Draw(t, name+" length"), 4))
		for i := range v.Len() {
			fill(t, v.Index(i), name)
		}
	case reflect.String:
		v.SetString(rapid.StringN(0, 9, 9).Draw(t, name))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, name))
	case reflect.Interface:
	default:
		if v.CanInt() {
			v.SetInt(rapid.Int64().Draw(t, name))
			v.SetInt(v.Int() >> (64 - v.Type().Bits()))
		} else {
			v.SetUint(rapid.Uint64().Draw(t, name))
		}
	}
}

// places are the numbers, texts and lists inside a value.
func places(v reflect.Value) (out []reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			out = append(out, places(v.Field(i))...)
		}
	case reflect.Slice:
		out = append(out, v)
		for i := range v.Len() {
			out = append(out, places(v.Index(i))...)
		}
	case reflect.Interface:
	default:
		out = append(out, v)
	}
	return out
}

func digestOf(fx *seam.Effects) (d seam.Digest) {
	d.Effects(fx)
	return d
}

// Whatever is changed in effects, one number or one element of a list, is another digest.
func TestADigestSeesEveryChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var fx seam.Effects
		fill(t, reflect.ValueOf(&fx).Elem(), "effects")
		before := digestOf(&fx)
		require.Equal(t, before, digestOf(&fx))
		all := places(reflect.ValueOf(&fx).Elem())
		switch v := all[rapid.IntRange(0, len(all)-1).Draw(t, "place")]; {
		case v.Kind() == reflect.Slice && v.Len() > 0 && rapid.Bool().Draw(t, "shorter"):
			v.Set(v.Slice(0, v.Len()-1))
		case v.Kind() == reflect.Slice:
			v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		case v.Kind() == reflect.String:
			v.SetString(v.String() + "x")
		case v.Kind() == reflect.Bool:
			v.SetBool(!v.Bool())
		case v.CanInt():
			v.SetInt(v.Int() ^ 1)
		default:
			v.SetUint(v.Uint() ^ 1)
		}
		require.NotEqual(t, before, digestOf(&fx))
	})
}

// What stands in one list is not taken for the same numbers in another.
func TestADigestKnowsItsLists(t *testing.T) {
	frees := seam.Effects{Frees: []seam.Lease{1, 2, 0}}
	reading := seam.Effects{Reading: []seam.Credit{{Conn: 1, Bytes: 2}}}
	require.NotEqual(t, digestOf(&frees), digestOf(&reading))
	one := seam.Effects{Replies: []seam.Reply{{Op: 1, Body: []seam.Range{{Len: 4}}}}}
	two := seam.Effects{Replies: []seam.Reply{{Op: 1}}, Reading: []seam.Credit{{Conn: 0, Bytes: 0}}, Frees: []seam.Lease{4}}
	require.NotEqual(t, digestOf(&one), digestOf(&two))
}

// Bytes and texts of one length that differ in one place, and a sequence cut elsewhere, are other digests.
func TestADigestOfBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "bytes")
		at := rapid.IntRange(0, len(b)).Draw(t, "cut")
		var whole, cut, text seam.Digest
		whole.Bytes(b)
		cut.Bytes(b[:at])
		cut.Bytes(b[at:])
		require.NotEqual(t, whole, cut)
		text.Text(string(b))
		changed := append([]byte{}, b...)
		changed[rapid.IntRange(0, len(b)-1).Draw(t, "place")] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
		var otherBytes, otherText seam.Digest
		otherBytes.Bytes(changed)
		otherText.Text(string(changed))
		require.NotEqual(t, whole, otherBytes)
		require.NotEqual(t, text, otherText)
	})
}

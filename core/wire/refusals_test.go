package wire

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestRefusalsAreSeen fills every answer that is served with error codes, wherever it has a place for one, and counts them.
func TestRefusalsAreSeen(t *testing.T) {
	for key := range keyEnd {
		if _, _, ok := Range(key); !ok || key == KeyProduce || key == KeyFetch {
			continue
		}
		answer := kmsg.ResponseForKey(key)
		want := fill(reflect.ValueOf(answer).Elem())
		require.Positive(t, want, Name(key))
		got := 0
		Refusals(answer, func(code Code) {
			require.Equal(t, NotController, code)
			got++
		})
		require.Equal(t, want, got, Name(key))
	}
}

// fill gives every slice of structs one element, and every error code a value, and says how many that were.
func fill(v reflect.Value) (codes int) {
	for i := range v.NumField() {
		switch field := v.Field(i); {
		case v.Type().Field(i).Name == "ErrorCode":
			field.SetInt(int64(NotController))
			codes++
		case field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.Struct:
			field.Set(reflect.MakeSlice(field.Type(), 1, 1))
			codes += fill(field.Index(0))
		}
	}
	return codes
}

package check

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
)

func TestEveryLawHasALineAndANumber(t *testing.T) {
	names := LawNames()
	require.Len(t, names, int(laws))
	numbers := map[string]bool{}
	for law := range laws {
		number := law.Number()
		require.False(t, numbers[number], number)
		require.Greater(t, len(names[law]), len(number)+10)
		numbers[number] = true
	}
	require.Equal(t, "H3", NoDuplicates.Number())
	require.Equal(t, "H17", FetchProgress.Number())
	require.Equal(t, "P1", TopicRegister.Number())
}

func TestSearchThatEndsIsNoFailure(t *testing.T) {
	require.NoError(t, search(producerIDModel(), []porcupine.Operation{}, ProducerIDs, "nothing"))
}

// A check that was never seen to reject anything may be none. Each room that checks a law has a table named violations
// of what the law rejects and, beside it, of what is nearly the same and is accepted.
func TestEveryLawIsSeenToRejectAndToAccept(t *testing.T) {
	rejects, accepts := map[string]bool{}, map[string]bool{}
	for _, room := range []string{"check", "world", "workload"} {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", room, "violations_test.go"), nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, row := range rows(file) {
			number, err := strconv.Unquote(row.Elts[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			require.Len(t, row.Elts, 3, number)
			rejects[number] = true
			if none, is := row.Elts[2].(*ast.Ident); !is || none.Name != "nil" {
				accepts[number] = true
			}
		}
	}
	for law := range laws {
		require.True(t, rejects[law.Number()], "%s has no violation", LawNames()[law])
		require.True(t, accepts[law.Number()], "%s has no near miss", LawNames()[law])
		delete(rejects, law.Number())
	}
	require.Empty(t, rejects, "no law has such a number")
}

// rows are those of a file's table of violations.
func rows(file *ast.File) (all []*ast.CompositeLit) {
	for _, d := range file.Decls {
		table, is := d.(*ast.GenDecl)
		if !is || table.Tok != token.VAR {
			continue
		}
		for _, spec := range table.Specs {
			if v := spec.(*ast.ValueSpec); v.Names[0].Name == "violations" {
				for _, row := range v.Values[0].(*ast.CompositeLit).Elts {
					all = append(all, row.(*ast.CompositeLit))
				}
			}
		}
	}
	return all
}

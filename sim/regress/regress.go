// Package regress keeps the decision traces of runs that failed once, shrunk. Each begins with what it found; the test
// runs them all and none may fail again.
//
// Rules: a trace that a change of the workload has made meaningless (its decisions are not asked for any more) is
// harmless and may go; a name says what broke, not which run.
package regress

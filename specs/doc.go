// Package specs holds what the system promises and the tests that hold the house to its shape.
//
//	README.md        the map: rooms, their laws, how a produce travels, glossary
//	delivery.md      what an acknowledgement means
//	wire.md          which API is spoken in which versions
//	differences.md   where we differ from Kafka 4.2 on purpose, and why
//	laws.md          every law that code or simulator checks, by number
//	board.md         generated: what was proved, by what, how often (make board; a stale board is red in make check)
//	*_test.go        the architecture rules: layering, purity of core, names, documents, hygiene
//
// Rules: the tests here use the standard library only and need nothing but Go; each architecture rule has a planted
// violation below testdata/violations that it is seen to catch.
package specs

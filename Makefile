# Rookery's doors. Everything but interop, powercut and bench needs nothing but Go.
#
#	make quick      before each commit: 70 s on two cores with a warm build cache (its bar is 45)
#	make check      the rules: format, vet, architecture, the map, the board
#	make test       every test of every package (5 min)
#	make race       the same for what has goroutines, under the race detector
#	make sim        seeds until FOR is over, on every core
#	make fuzz       every fuzz target for FUZZ seconds
#	make interop    clients of other houses against the built binary
#	make differential  the same requests to Apache Kafka 4.2 and to the built binary, compared field by field;
#	                   make differential-kafka asks Kafka twice, which shows that the comparison can be believed
#	make powercut   a full disk, and power cuts under the built binary (root and /dev/fuse)
#	make mutants    planted bugs and how long each lives (mutants-short: the share of CI)
#	make determinism  a seed replays to one hash in every process, on 32 bits too
#	make bench      ratios to the reference broker
#	make bench-peer  ratios to Apache Kafka 4.2 (java and mvn; PEERFLAGS=--short: ten minutes)
#	make board      rewrite specs/board.md from what the runs above left behind
#	make build      bin/rookery and bin/sim

GO    ?= go
FOR   ?= 5m
SEEDS ?= 2000
FUZZ  ?= 10s
# make sim FOR=30m SIMFLAGS='--result specs/results/sim.tsv' leaves its counts for the board
SIMFLAGS ?=
MUTANTFLAGS ?=
DIFFERENTIALFLAGS ?= --result specs/results/differential.json
PEERFLAGS ?=

# Nested modules (their own go.mod) are out of ./... and have scripts of their own.
GOFILES = $(shell git ls-files -co --exclude-standard '*.go' ':!:**/testdata/**')

.PHONY: quick check test race sim fuzz bench bench-peer interop differential differential-kafka powercut mutants mutants-short determinism board build format vet lines

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/ ./cmd/...

quick: format vet
	$(GO) run ./specs/board -check
	$(GO) test ./specs ./core/...
	$(GO) run ./cmd/sim run --brief --seeds $(SEEDS)

check: format vet lines
	$(GO) test -count=1 ./specs
	$(GO) run ./specs/board -check

format:
	@out=$$(gofmt -l $(GOFILES)) || exit 1; if [ -n "$$out" ]; then echo "gofmt -w these files:"; echo "$$out"; exit 1; fi

vet:
	$(GO) vet ./...
	$(GO) vet -tags root ./specs/outside

# The drivers stay small: their lines beside core's, tests left out.
lines:
	@for d in core io net sim cmd; do \
		printf '%-5s %6d lines\n' $$d $$(git ls-files -co --exclude-standard "$$d/*.go" ':!:*_test.go' ':!:**/testdata/**' | xargs -r cat | wc -l); done

# -count=1: some of them build the binary and test that, which go's cache of results does not see.
# -timeout: one that hangs is named before .ci/run ends the stage.
test:
	$(GO) test -count=1 -timeout 8m ./...
	cd sim/powercut && $(GO) vet . && $(GO) test -count=1 .

race:
	$(GO) test -race -timeout 8m ./io/... ./net/... ./cmd/... ./sim/...

sim:
	$(GO) run ./cmd/sim run --for $(FOR) $(SIMFLAGS)

# One target at a time is what `go test -fuzz` can do.
fuzz:
	@set -e; all=$$($(GO) test -list '^Fuzz' ./fuzz); for t in $$(echo "$$all" | grep '^Fuzz'); do \
		echo "== $$t"; $(GO) test -run '^$$' -fuzz "^$$t\$$" -fuzztime $(FUZZ) ./fuzz; done

bench:
	$(GO) run ./bench/run

bench-peer:
	bench/run/peer $(PEERFLAGS)

interop: build
	bench/interop/run

differential: build
	bench/differential/run $(DIFFERENTIALFLAGS)

# Kafka against itself: nothing may differ, or the comparison is to blame.
differential-kafka:
	bench/differential/run --against kafka --sequences 500 --result specs/results/differential-kafka.json

powercut: build
	$(GO) test -count=1 -tags root -run TestFullDisk ./specs/outside
	sim/powercut/run

mutants:
	$(GO) run ./sim/mutant run -result specs/results/mutants.tsv $(MUTANTFLAGS)

# CI's share: every patch applies and compiles, and the three bugs that die soonest die within a minute.
mutants-short:
	$(GO) test -count=1 ./sim/mutant
	$(GO) run ./sim/mutant run -only same-epoch,sync-covers-later,window-of-one -roots 1 -limit 60s -fault-free 0 -shrink 0s

# One seed, one life: another process, other processors, another collector, another word size.
determinism:
	$(GO) test -count=1 -timeout 10m -run '^TestReplayHash' ./cmd/sim -args -hash-seeds 16

board:
	$(GO) run ./specs/board

// Command mutant plants real bugs in the broker and measures how long the simulator lets them live.
//
//	NAME.patch ── overlay ──▶ cmd/sim with the bug ──▶ 200 fault-free seeds: all pass, or one fails as its header says
//	                                              └──▶ seeds until one fails, for five roots
//
//	mutant run [-only NAME,...] [-roots 5] [-limit 10m] [-result FILE]
//	mutant build NAME OUT [PACKAGE]     a binary with the bug in it, of cmd/rookery if nothing else is named
//
// A bug that needs no fault says so in its header, and then a fault-free seed has to find it, by the law that the header
// names, or by one that it says comes first. A fault-free seed that fails without the bug too is a find of its own, and said aloud.
//
// A patch is a unified diff under a header: what the bug is, which real one it brings back, where, which law has to
// kill it and why that should happen. The header is in the history before the bug runs for the first time.
//
// Rules:
//   - production code carries no switch: a bug reaches the compiler as an overlay, the tree stays as it is.
//   - a kill counts only if the same seed passes without the bug, and if a second run of it, in a process of its own,
//     fails by the same law and reaches the changed line where it makes a difference (must.Planted, which only the
//     overlay has).
//   - a failure of another law than the header's is reported as other, and the hunt goes on.
//   - time is the CPU time of the runs, not that of builds: -limit is handed to sim run --cpu, so a busy machine hunts longer,
//     and not less.
package main

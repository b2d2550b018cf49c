// Package world is the simulated world: time, disks, network, processes and their failures, all of it decided by one
// seed and repeatable to the bit.
//
//	        Tape: every choice, by stream ──▶ trace (what sim shrink and sim replay work on)
//	          │
//	events ──▶ World ── Step ──▶ Machine (Broker, Recovery, Cleaner, clients)
//	  ▲         │                   │
//	  └── disk, links, alarms ◀── Effects
//
// What it may do to a machine is what the laws of core/seam let a driver do, and no less: operations of one file and
// replies of one connection keep their order, everything else is reordered by drawn delays.
//
// The faults (faults.txt lists them; a long run in which one never fires has failed):
//
//   - Disk. A write is in the page cache when it completes, and on the platter only when a Sync that was emitted after
//     that has returned. When power fails, each page not synced is kept, lost, or torn in sectors of 512 bytes, on its
//     own; so is the file's size; names that were created, renamed or unlinked and whose folder was not synced are kept
//     or lost, as a prefix or each on its own. Reads, writes, syncs and file operations fail with EIO; after a failed
//     sync the pages are clean and will never be written. The disk is full for a while and writes are cut short. It
//     hangs and answers nothing, or answers that it is late. A bit below the recovery point turns.
//   - Processes. Killed between any two effects and inside each (the page cache survives), with the power (it does
//     not), stopped in order, paused for longer than every time-out. The wall clock jumps; the monotonic clock begins
//     anew in each life.
//   - Links. Delayed, stalled, cut on either side of a request, refused. Clients that never read an answer, that close
//     their side and read on, and that send a frame byte by byte.
//   - Memory. A frame's buffer is overwritten when it is freed; a write's bytes are looked at only when the write
//     completes and must be what they were; a reply's head must not change before Sent; its ranges are read from the
//     disk when it is sent.
//
// Rules: nothing here reads a clock, starts a goroutine or ranges over a map where the order could show. Choice 0 of
// every decision is the benign one, so an empty tape is a quiet day.
package world

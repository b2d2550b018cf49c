// Package outside runs the broker that is shipped and talks to it as strangers do: a process, a port, bytes.
//
//	Build ──▶ Start ──▶ Node{Address, Log} ◀── Dial ── Client: frames by kmsg, or any bytes at all
//	                      │
//	                      └── Stop (SIGTERM), Kill (SIGKILL), Ended
//
// Its tests send what no client sends, and hold each answer to the one that Apache Kafka 4.2 gives, or to the one that
// differences.md gives a reason for. They look at nothing but answers, log lines and files.
//
// Rules:
//   - one binary is built for all tests of a package; every node has a directory and a port of its own.
//   - nothing sleeps: what has to come is polled for, against a deadline.
//   - a test that needs what is not there (a mount) fails and says what to do; none is skipped.
package outside

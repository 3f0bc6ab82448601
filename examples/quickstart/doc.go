// Quickstart streams a tree of files to worker processes, which count the lines
// of each file and compute its SHA-256, and compares three ways of doing that:
// in one process, over pipes, and over rings in shared memory.
//
// With -kill a worker is killed in the middle, and the totals still come out
// right. README.md shows how it looks.
package main

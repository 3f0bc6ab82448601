// Command bench measures shmkit beside what it competes with, in one run on
// one machine: pipes, Unix sockets, and baselines in C that it builds itself.
//
//	go run ./bench -quick
//
// README.md beside this file says how the numbers are made and how to read
// them.
package main

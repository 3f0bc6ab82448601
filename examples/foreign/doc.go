// Foreign has a worker in Python square the numbers of a Go program, in the
// memory that both share. README.md shows both, and the same in Python alone.
package main

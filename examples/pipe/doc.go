// Pipe connects two processes, of which one sends a string and the other one
// receives it, and then two that do both. README.md shows the same program in
// Python.
package main

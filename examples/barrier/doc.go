// Barrier lets three processes wait for each other. README.md shows the same
// program in Python.
package main

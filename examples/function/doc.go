// Function runs a function in a process of its own. README.md shows the same
// program in Python.
package main

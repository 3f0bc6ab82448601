// Event lets one process wait for an event until it comes, and another one not
// as long. README.md shows the same program in Python.
package main

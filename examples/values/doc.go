// Values shares a number and an array of numbers with another process, which
// changes them. README.md shows the same program in Python.
package main

// Runner starts three processes, each the work of a value of a type that has a
// method Run. README.md shows the same program in Python.
package main

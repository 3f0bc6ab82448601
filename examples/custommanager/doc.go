// Custommanager calls methods of a type of its own in a manager. README.md shows the same
// program in Python.
package main

// Namespace has named values in a manager. README.md shows the same program in Python.
package main

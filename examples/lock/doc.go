// Lock lets ten processes write two lines each that nothing comes between.
// README.md shows the same program in Python.
package main

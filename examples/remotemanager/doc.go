// Remotemanager has a queue in a manager to which two processes connect by its address.
// README.md shows the same program in Python.
package main

// Managedpool has a pool of workers in a manager, which other processes use. README.md
// shows the same program in Python.
package main

// Manager shares a dictionary and a list in a manager among ten processes. README.md
// shows the same program in Python.
package main

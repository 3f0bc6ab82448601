// Workers uses a pool of three processes in the ways that there are: for many inputs in
// order and in any order, for one at a time, with a timeout; and the same program in
// Python does. README.md shows both programs.
package main

// Queue passes one queue to several processes: two put a word, three get words,
// of which two wait for more. It ends them by force, as the same program in
// Python does, and then as it should be. README.md shows both programs.
package main

// Package archtest holds the tests over the source tree itself: which package
// may import which, where unsafe and system calls may stand, and the other house
// rules that a program can check. It has no code besides tests.
//
// Each rule is a function from a parsed file, or from all of them, to complaints;
// rules_test.go also shows each rule a source that breaks it. A new package gets
// its place in the house in house_test.go.
package archtest

package testproc

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// Child is a helper's view of itself. It satisfies require.TestingT: a failed
// requirement prints to stderr, which the test shows, and exits with status 1.
type Child struct {
	Args  []string   // what Args passed
	Files []*os.File // what Files passed, close-on-exec

	in *bufio.Reader
}

func newChild(args []string, files int) *Child {
	c := &Child{Args: args, in: bufio.NewReader(os.Stdin)}
	for i := range files {
		fd := uintptr(3 + i)
		closeOnExec(fd)
		c.Files = append(c.Files, os.NewFile(fd, fmt.Sprintf("testproc-file-%d", i)))
	}
	return c
}

// ReadLine returns the next line from the test, without its end. When the test
// has closed the child's stdin, the child exits with status 0.
func (c *Child) ReadLine() string {
	line, err := c.in.ReadString('\n')
	if err != nil {
		os.Exit(0)
	}
	return strings.TrimSuffix(line, "\n")
}

// WriteLine sends a line to the test. It is one write: lines of several
// goroutines do not mix.
func (c *Child) WriteLine(format string, args ...any) {
	if _, err := os.Stdout.WriteString(fmt.Sprintf(format, args...) + "\n"); err != nil {
		c.Errorf("testproc: write to the test: %v", err)
		c.FailNow()
	}
}

// Park waits until the test closes this child's stdin, or kills it.
func (c *Child) Park() {
	io.Copy(io.Discard, c.in)
}

// Errorf prints to stderr. The status of the child stays what it is.
func (c *Child) Errorf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// FailNow exits with status 1.
func (c *Child) FailNow() {
	os.Exit(1)
}

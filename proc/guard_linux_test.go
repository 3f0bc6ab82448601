package proc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc"
)

// envProgram makes this binary one of several wrong programs.
const envProgram = "PROC_TEST_PROGRAM"

// unguarded is the main of these programs. It returns in the test itself.
func unguarded() {
	_, child := os.LookupEnv(proc.ControlEnv)
	program := os.Getenv(envProgram)
	switch program {
	case "":
		return
	case "exits at once": // see bench_linux_test.go
		os.Exit(0)
	case "never calls Main":
	default: // these call it in the parent only
		if !child {
			proc.Main()
		}
	}
	if child {
		switch program {
		case "exits":
			os.Exit(0)
		case "hangs":
			io.Copy(io.Discard, os.NewFile(3, "control")) // until the parent has had enough
			select {}
		case "killed":
			p, _ := os.FindProcess(os.Getpid())
			p.Kill()
			select {}
		case "leaks":
			// Somebody else has the connection, and stays: cat, until its input
			// ends, which it is about to inherit from the test.
			cat := exec.Command("cat")
			cat.Stdin = os.Stdin
			cat.ExtraFiles = []*os.File{os.NewFile(3, "control")}
			if err := cat.Start(); err != nil {
				panic(err)
			}
			os.Exit(7)
		}
	}
	ctx := context.Background()
	if program == "hangs" {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
	}
	_, err := refuse.Start(ctx, "ok", nil)
	fmt.Fprintf(os.Stderr, "%v; no main %v, deadline %v\n", err, errors.Is(err, proc.ErrNoMain), errors.Is(err, context.DeadlineExceeded))
	os.Exit(5)
}

// P35: a program that does not call Main, or not in the child, gets an error
// and no fork bomb.
func TestNoMainP35(t *testing.T) {
	const noMain = "start refuse: proc.Main has not been called at the start of the program"
	for program, want := range map[string]string{
		"never calls Main":    `^` + noMain + `; no main true, deadline false\n$`,
		"starts in the child": `^` + noMain + `; no main true, deadline false\n` + noMain + `: process refuse-1 \(pid \d+\) exited with code 5; no main true, deadline false\n$`,
		"exits":               `^` + noMain + `: the child exited with code 0; no main true, deadline false\n$`,
		"hangs":               `^` + noMain + `: context deadline exceeded before the child came to Main; no main true, deadline true\n$`,
		"killed":              `^start refuse: process refuse-1 \(pid \d+\) was killed by signal 9 \(killed\); no main false, deadline false\n$`,
	} {
		t.Run(program, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			cmd := exec.CommandContext(watchdog(t), "/proc/self/exe")
			cmd.Env = append(os.Environ(), envProgram+"="+program)
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, 5, exit.ExitCode())
			require.Empty(t, stdout.String())
			require.Regexp(t, want, stderr.String())
		})
	}
}

// A child that left its connection to somebody who stays has ended all the
// same.
func TestLeakedControl(t *testing.T) {
	t.Setenv(envProgram, "leaks")
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer w.Close()
	defer r.Close()
	_, err = refuse.Start(watchdog(t), "ok", &proc.Options{Stdin: r})
	require.ErrorIs(t, err, proc.ErrNoMain)
	require.ErrorContains(t, err, "exited with code 7")
}

// A program that inherits the variable, but not the connection, is no child.
func TestVariableWithoutConnection(t *testing.T) {
	for name, mark := range map[string]string{"other socket": "0:1", "garbage": "x", "empty": ""} {
		t.Run(name, func(t *testing.T) {
			p := testproc.Start(t, "not a child", testproc.Env(proc.ControlEnv+"="+mark))
			p.Expect("main true")
			p.Wait()
		})
	}
}

var _ = testproc.Helper("not a child", func(c *testproc.Child) {
	_, set := os.LookupEnv(proc.ControlEnv)
	c.WriteLine("%s %v", proc.Current().Name(), proc.Parent() == nil && !set)
})

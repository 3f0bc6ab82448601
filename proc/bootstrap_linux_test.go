package proc

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// X16: a daemon whose parent is not there any more when it starts does not run.
// The kernel would not tell it.
func TestOrphanedDaemonX16(t *testing.T) {
	ours, theirs, err := newControl()
	require.NoError(t, err)
	defer ours.close()
	in := inherited{control: os.NewFile(uintptr(theirs), "control")}
	defer in.control.Close()
	m := bootstrap{Func: "no such function", Daemon: true, ParentPID: os.Getpid()} // not our parent
	require.NoError(t, m.send(ours.file))
	require.Equal(t, 1, child(in))
	require.Nil(t, Parent(), "it has not even begun")
}

// A parent that has gone in the middle of its message is no parent.
func TestBrokenBootstrap(t *testing.T) {
	for name, message := range map[string]string{
		"nothing":         "",
		"half a length":   "\x10\x00",
		"half a message":  "\x10\x00\x00\x00\x00\x00\x00\x00\xa1",
		"no message":      "\x01\x00\x00\x00\x00\x00\x00\x00\xff",
		"an endless one":  "\xff\xff\xff\xff\xff\xff\xff\xff\xa1",
		"of another type": "\x01\x00\x00\x00\x00\x00\x00\x00\x01",
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs, err := newControl()
			require.NoError(t, err)
			in := inherited{control: os.NewFile(uintptr(theirs), "control")}
			defer in.control.Close()
			_, err = ours.file.WriteString(message)
			require.NoError(t, err)
			ours.close()
			require.Equal(t, 1, child(in))
			require.Nil(t, Parent())
		})
	}
}

// An answer counts also if the child ends, or the context is done, before it is
// read.
func TestAnswerThatIsThere(t *testing.T) {
	for _, answered := range []bool{true, false} {
		c, theirs, err := newControl()
		require.NoError(t, err)
		f := os.NewFile(uintptr(theirs), "control")
		if answered {
			_, err = f.Write(encodeAck(ErrNotRegistered))
			require.NoError(t, err)
		}
		c.wake()
		ack := c.readAck()
		if answered {
			require.Equal(t, ErrNotRegistered, decodeAck(ack))
		} else {
			require.Empty(t, ack)
		}
		c.close()
		f.Close()
	}
}

package pool

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/ringbuf"
)

func newTestBoard(t *testing.T, n int) *board {
	t.Helper()
	b, err := newBoard(n)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.close()) })
	return b
}

// Nobody spins while as many of the pool's processes are awake as there are processors.
func TestSpinsOnlyWhileAProcessorIsIdle(t *testing.T) {
	b := newTestBoard(t, 4)
	b.most = 2
	var s futex.Spinner
	looks := 0
	never := func() bool { looks++; return false }
	b.bell.awake.Store(1)
	b.desks[2].awake.Store(1)
	require.False(t, b.spin(&s, never))
	few := looks
	b.desks[3].awake.Store(1)
	looks = 0
	require.False(t, b.spin(&s, never))
	require.LessOrEqual(t, looks, 1)
	if s.Rounds() > 0 { // where there is another processor
		require.Greater(t, few, looks)
	}
	require.True(t, b.crowded(2))
	require.False(t, b.crowded(3))
}

// One CAS decides whose a batch is.
func TestPlaces(t *testing.T) {
	d := &newTestBoard(t, 1).desks[0]
	d.offer(7)
	_, ran := d.running(7)
	require.False(t, ran)
	require.True(t, d.begin(7, 3))
	require.False(t, d.revoke(7))
	d.next(7, 4)
	i, ran := d.running(7)
	require.True(t, ran)
	require.Equal(t, 4, i)
	_, ran = d.running(7 + places) // another batch's
	require.False(t, ran)
	d.offer(8)
	require.True(t, d.revoke(8))
	require.False(t, d.begin(8, 0))
	require.Nil(t, d.inTray(trayBytes, 2))
	require.Len(t, d.inTray(2, 8), 16)
	d.reset()
	_, ran = d.running(7)
	require.False(t, ran)
}

// FuzzFrames: whatever lies in a ring is an error or a message, within its bounds.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{})
	b := batchFrame{seq: 1, count: 2, stride: 8, name: "task"}
	room := make([]byte, batchHeader+4+16)
	b.put(room, make([]byte, 16), nil)
	f.Add(room)
	b.stride = -1
	room = make([]byte, batchHeader+4+8+3+8)
	b.put(room, nil, [][]byte{{1, 2, 3}, nil})
	f.Add(room)
	a := answer{seq: 3, index: 1, count: 1, kind: answerValue}
	room = make([]byte, answerHeader+2)
	a.put(room)
	f.Add(room)
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, name, err := parseBatch(b)
		if err != nil {
			require.ErrorIs(t, err, ringbuf.ErrCorrupt)
		} else {
			require.LessOrEqual(t, len(name), len(b))
			for range min(frame.count, len(b)+1) {
				arg, err := frame.argument()
				if err != nil {
					require.ErrorIs(t, err, ringbuf.ErrCorrupt)
					break
				}
				require.LessOrEqual(t, len(arg), len(b))
			}
		}
		if a, err := parseAnswer(b); err != nil {
			require.ErrorIs(t, err, ringbuf.ErrCorrupt)
		} else {
			require.Len(t, a.body, len(b)-answerHeader)
		}
	})
}

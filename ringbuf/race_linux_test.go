package ringbuf

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What one goroutine did before it sent is seen by the one that received, and
// what that one did before it released by the one that finds the room. With
// -race this fails unless the detector is told.
func TestHandOver(t *testing.T) {
	t.Run("ring", func(t *testing.T) {
		p, c := pair(t, &Options{Capacity: minCapacity})
		var there, back int
		done := async(func() ([]byte, error) {
			_, err := c.Next(bounded(t))
			back = there + 1
			c.Release()
			return nil, err
		})
		there = 41
		require.NoError(t, p.Send(bounded(t), make([]byte, minCapacity-recordHeader)))
		require.NoError(t, p.Send(bounded(t), nil))
		require.Equal(t, 42, back)
		require.NoError(t, get(t, done).err)
	})
	t.Run("two handles", func(t *testing.T) {
		name := newName(t)
		a := namedRing(t, name, &Options{Capacity: minCapacity})
		b, err := Open(t.Context(), name, nil)
		require.NoError(t, err)
		p, c := producer(t, a), consumer(t, b)
		value := 0
		done := async(func() ([]byte, error) {
			_, err := c.Recv(bounded(t), nil)
			return make([]byte, value), err
		})
		value = 7
		require.NoError(t, p.Send(bounded(t), nil))
		r := get(t, done)
		require.NoError(t, r.err)
		require.Len(t, r.b, 7)
		require.NoError(t, b.Close())
	})
	t.Run("channel", func(t *testing.T) {
		c := channel[int](t, 1, nil)
		var there, back int
		done := async(func() ([]byte, error) {
			_, err := c.Recv(bounded(t))
			there++
			if err == nil {
				back = there
				_, err = c.Recv(bounded(t))
			}
			return nil, err
		})
		there = 41
		require.NoError(t, c.Send(bounded(t), 1))
		require.NoError(t, c.Send(bounded(t), 2))
		require.NoError(t, get(t, done).err)
		require.Equal(t, 42, back)
	})
	t.Run("end of stream", func(t *testing.T) {
		p, c := pair(t, nil)
		value := 0
		done := async(func() ([]byte, error) {
			for range c.All(bounded(t)) {
				t.Error("a message")
			}
			return make([]byte, value), nil
		})
		value = 7
		require.NoError(t, p.CloseSend())
		require.Len(t, get(t, done).b, 7)
	})
}

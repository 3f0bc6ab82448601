package ringbuf

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// largeSent returns the ends of a ring with one large message in it, and its entry.
func largeSent(t *testing.T) (p *Producer, c *Consumer, e *extent) {
	p, c = pair(t, largeOptions(Hybrid))
	require.NoError(t, p.Send(t.Context(), largeBytes(0, largeMax)))
	record, ok := p.large.record(p.data)
	require.True(t, ok)
	return p, c, &p.large.table[record.entry]
}

// What no producer writes, in the record or in the entry that it names: every verb
// says so, and nothing faults.
func TestLargeCorrupt(t *testing.T) {
	word := func(at int, x uint64) func(p *Producer, e *extent) {
		return func(p *Producer, _ *extent) { binary.LittleEndian.PutUint64(p.data[at:], x) }
	}
	for name, spoil := range map[string]func(p *Producer, e *extent){
		"not published": func(p *Producer, e *extent) { e.state.Store(e.state.Load() &^ uint64(phaseMask)) },
		"held":          func(p *Producer, e *extent) { e.state.Store(e.state.Load() + 1) },
		"freeing":       func(p *Producer, e *extent) { e.state.Store(e.state.Load() + 2) },
		"marked":        func(p *Producer, e *extent) { e.state.Store(e.state.Load() | uint64(redelivered)) },
		"older":         func(p *Producer, e *extent) { e.state.Store(uint64(phaseReady)) },
		"younger":       func(p *Producer, e *extent) { e.state.Store(e.state.Load() + uint64(oneUse)) },
		"offset beyond": func(p *Producer, e *extent) { e.offset.Store(4 * largeMax) },
		"offset huge":   func(p *Producer, e *extent) { e.offset.Store(1<<64 - zoneUnit) },
		"offset odd":    func(p *Producer, e *extent) { e.offset.Store(8) },
		"length beyond": func(p *Producer, e *extent) { e.length.Store(largeMax + 1) },
		"length huge":   func(p *Producer, e *extent) { e.length.Store(1<<64 - 1) },
		"end beyond":    func(p *Producer, e *extent) { e.offset.Store(3*largeMax + zoneUnit) },
		"entry":         word(0, kindExtent|largeEntries),
		"entry huge":    word(0, kindExtent|1<<61),
		"kind":          word(0, kindFiller),
		"generation":    word(8, 0),
		"no generation": word(8, uint64(oneUse|phaseReady)),
		"half a record": func(p *Producer, e *extent) { p.h.tail.Store(8) },
	} {
		t.Run(name, func(t *testing.T) {
			for i := range 4 {
				p, c, e := largeSent(t)
				spoil(p, e)
				for range 2 {
					var err error
					switch i {
					case 0:
						_, err = c.Recv(t.Context(), nil)
					case 1:
						_, err = c.Next(t.Context())
					case 2:
						_, err = c.TryRecv(nil)
					case 3:
						_, err = c.RecvBatch(t.Context(), make([][]byte, 2))
					}
					require.ErrorIs(t, err, ErrCorrupt)
					c.Release()
				}
			}
		})
	}
	// A ring without large messages.
	p, c := pair(t, &Options{Capacity: minCapacity})
	require.NoError(t, p.Send(t.Context(), make([]byte, 8)))
	largeRecord{0, 0}.put(p.data)
	_, err := c.Recv(t.Context(), nil)
	require.ErrorIs(t, err, ErrCorrupt)
}

// Who joins a ring whose table is garbage does not get the role, and does not keep it.
func TestLargeCorruptBeforeJoining(t *testing.T) {
	for name, spoil := range map[string]func(p *Producer, e *extent){
		"producer: offset":  func(p *Producer, e *extent) { e.offset.Store(1 << 60) },
		"producer: length":  func(p *Producer, e *extent) { e.length.Store(1<<64 - 1) },
		"producer: records": func(p *Producer, e *extent) { binary.LittleEndian.PutUint64(p.data, 17) },
		"producer: overlap": func(p *Producer, e *extent) {
			o := &p.large.table[17]
			o.offset.Store(e.offset.Load() + zoneUnit)
			o.length.Store(1)
			o.state.Store(uint64(oneUse | phaseFreeing))
		},
		"consumer: freeing": func(p *Producer, e *extent) {
			e.state.Store(e.state.Load() + 2)
			e.offset.Store(1 << 60)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, c, e := largeSent(t)
			r := p.ring
			require.NoError(t, p.Close())
			require.NoError(t, c.Close())
			spoil(p, e)
			for range 2 {
				var err error
				if name[0] == 'p' {
					_, err = r.Producer()
				} else {
					_, err = r.Consumer()
				}
				require.ErrorIs(t, err, ErrCorrupt)
			}
		})
	}
}

// A consumer that says that everything was released, and gives nothing back.
func TestLargeNothingComesBack(t *testing.T) {
	p, _ := pair(t, largeOptions(Hybrid))
	for range 4 {
		require.NoError(t, p.Send(t.Context(), make([]byte, largeMax)))
	}
	p.h.head.Store(p.h.tail.Load())
	for range 2 {
		require.ErrorIs(t, p.Send(bounded(t), make([]byte, largeMax)), ErrCorrupt)
	}
}

// S4: somebody writes garbage into table, records and indices while both ends work.
// Every call ends, as documented, and what is received can be read.
func TestLargeHostilePeer(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			p, c := pair(t, largeOptions(strategies[seed%3]))
			r, table, data := p.ring, p.large.table, p.data
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				for src := rand.New(rand.NewPCG(seed, 1)); ; {
					select {
					case <-stop:
						return
					default:
					}
					e, x := &table[src.IntN(4)], src.Uint64()>>src.IntN(64)
					switch src.IntN(9) {
					case 0:
						e.offset.Store(x &^ (zoneUnit - 1))
					case 1:
						e.length.Store(x)
					case 2, 3:
						e.state.Store(e.state.Load()&^uint64(phaseMask) | x&7)
					case 4:
						e.state.Store(x)
					case 5:
						wordAt(data[x&(minCapacity-8):]).Store(kindExtent | x&3)
					case 6:
						wordAt(data[x&(minCapacity-8):]).Store(x)
					case 7:
						r.h.tail.Store(r.h.tail.Load() + x&15*8)
					case 8:
						time.Sleep(50 * time.Microsecond) // sleep: or no call ever succeeds
					}
				}
			}()
			ends := []<-chan result{
				async(func() ([]byte, error) {
					for n := range 300 {
						ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
						room, err := p.Reserve(ctx, largeSizes[n%len(largeSizes)])
						if err == nil {
							clear(room)
							err = p.Commit(len(room))
						}
						cancel()
						if !expected(err) {
							return nil, err
						}
					}
					return nil, nil
				}),
				async(func() ([]byte, error) {
					for n := range 300 {
						ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
						var err error
						if n%2 == 0 {
							_, err = c.Next(ctx)
							c.Release()
						} else {
							_, err = c.Recv(ctx, nil)
						}
						cancel()
						if !expected(err) {
							return nil, err
						}
					}
					return nil, nil
				}),
			}
			for _, e := range ends {
				require.NoError(t, get(t, e).err)
			}
			close(stop)
			<-stopped
			for range 3 { // and who comes then
				require.NoError(t, p.Close())
				require.NoError(t, c.Close())
				q, err := r.Producer()
				require.True(t, expected(err), "%v", err)
				if err == nil {
					p = q
					require.True(t, expected(p.TrySend(make([]byte, largeMax))))
				}
				d, err := r.Consumer()
				require.True(t, expected(err), "%v", err)
				if err == nil {
					c = d
					_, err = c.TryRecv(nil)
					require.True(t, expected(err), "%v", err)
				}
			}
		})
	}
}

//go:build !explore

package ringbuf

import (
	"fmt"
	"os"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/mem"
)

const (
	tortureQueues = 4
	tortureLives  = 256     // in an epoch
	tortureMost   = 1 << 15 // numbered messages of one life in one queue
)

// tortureBook is where torturers say what they have done, in memory of the test's
// own: what a call has done is noted as soon as it has returned, and what it may do
// before it is begun.
type tortureBook struct {
	ending  mem.Uint32                // streams may be ended
	stop    mem.Uint32                // the epoch is over
	over    [tortureQueues]mem.Uint32 // somebody has seen the end of the stream
	relayed mem.Uint32                // producers of a relay that have finished
	lives   [tortureLives]tortureLife
	tally   [tortureLives][tortureQueues][tortureMost]mem.Uint32
}

// A tally says how often a message was received: the first time, again (that is,
// marked as redelivered), and how often it may have been received again because a
// consumer that had noted it died or left before it released it.
const (
	tallyFirst   = 1
	tallyAgain   = 1 << 8
	tallyAllowed = 1 << 16
)

// tortureLife is what one process says of itself.
type tortureLife struct {
	_      [mem.Line]byte
	passed [tortureFeats]mem.Uint32
	q      [tortureQueues]tortureEntry
}

type tortureEntry struct {
	sent  mem.Uint32 // numbered messages whose sending has returned
	begun mem.Uint32 // whose sending may have begun
	most  mem.Uint32 // the most that begun ever was

	blanksSent  mem.Uint32
	blanksBegun mem.Uint32
	blanksGot   mem.Uint32

	risk     mem.Uint32 // messages that are lost if it dies now
	grabs    mem.Uint32 // messages that may come again if it dies now
	hand     mem.Uint64 // what it has noted and not released: ID and 1; or tortureHandBlank
	gaveBack mem.Uint32 // messages that it left with
	blanks   mem.Uint32 // and how many of these were blank
}

const tortureHandBlank = ^uint64(0)

// mapTortureBook maps the book in f.
func mapTortureBook(t require.TestingT, f *os.File) (*tortureBook, func() error) {
	b, err := unix.Mmap(int(f.Fd()), 0, int(unsafe.Sizeof(tortureBook{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	require.NoError(t, err)
	return (*tortureBook)(unsafe.Pointer(&b[0])), func() error { return unix.Munmap(b) }
}

func newTortureBook(t *testing.T) (*tortureBook, *os.File) {
	fd, err := unix.MemfdCreate("torture", unix.MFD_CLOEXEC)
	require.NoError(t, err)
	f := os.NewFile(uintptr(fd), "torture")
	t.Cleanup(func() { f.Close() })
	require.NoError(t, f.Truncate(int64(unsafe.Sizeof(tortureBook{}))))
	b, unmap := mapTortureBook(t, f)
	t.Cleanup(func() { require.NoError(t, unmap()) })
	return b, f
}

// note notes that a message was received, and says what is wrong with that.
func (b *tortureBook) note(id tortureID, queue int, again bool, rules tortureRules) error {
	if id.queue() != queue || id.life() >= tortureLives || id.seq() >= tortureMost {
		return fmt.Errorf("%v in queue %d", id, queue)
	}
	if id.seq() >= int(b.lives[id.life()].q[queue].begun.Load()) {
		return fmt.Errorf("%v was never sent", id)
	}
	t := &b.tally[id.life()][queue][id.seq()]
	add := uint32(tallyFirst)
	if again {
		add = tallyAgain
	}
	n := t.Add(add)
	first, anew := n&0xff, n>>8&0xff
	if first+anew > 1 && !rules.held || first > 1 && rules.marks || again && !rules.marks {
		return fmt.Errorf("%v was received before: tally %x", id, n)
	}
	return nil
}

// mayComeAgain notes that a message, or a blank one, may be received again.
func (b *tortureBook) mayComeAgain(hand uint64) (blank bool) {
	if hand == tortureHandBlank {
		return true
	}
	id := tortureID(hand - 1)
	b.tally[id.life()][id.queue()][id.seq()].Add(tallyAllowed)
	return false
}

// torturePrice is what the deaths in an epoch may have cost one queue.
type torturePrice struct{ lost, again, blanks int }

// died adds what the death of a life may have cost.
func (b *tortureBook) died(life int, price *[tortureQueues]torturePrice) {
	for q := range price {
		e := &b.lives[life].q[q]
		price[q].lost += int(e.risk.Load())
		price[q].again += int(e.grabs.Load())
		if hand := e.hand.Load(); hand != 0 && b.mayComeAgain(hand) {
			price[q].blanks++
		}
	}
}

// tortureRules are what a queue promises.
type tortureRules struct {
	held  bool // what a consumer held when it died or left is received again
	marks bool // and is marked as such
}

// settle checks queue q's balance.
func (b *tortureBook) settle(t *testing.T, q int, rules tortureRules, price torturePrice) {
	missing, again, blanks := 0, 0, 0
	for life := range b.lives {
		e := &b.lives[life].q[q]
		price.again += int(e.gaveBack.Load())
		price.blanks += int(e.blanks.Load())
		blanks += int(e.blanksGot.Load())
		for seq := range int(e.most.Load()) {
			id := newTortureID(q, life, 0, seq)
			n := b.tally[life][q][seq].Load()
			first, anew, allowed := int(n&0xff), int(n>>8&0xff), int(n>>16&0xff)
			again += anew
			switch {
			case first+anew > 0 && seq >= int(e.begun.Load()):
				require.Fail(t, "sent although Send failed", "%v: tally %x", id, n)
			case first+anew == 0 && seq < int(e.sent.Load()):
				missing++
			case !rules.held && first+anew > 1, anew > 0 && !rules.marks, first > 1 && rules.marks:
				require.Fail(t, "received twice", "%v: tally %x", id, n)
			case first+anew > 1+allowed:
				require.Fail(t, "received again for no reason", "%v: tally %x", id, n)
			}
		}
	}
	var begun, sent int
	for life := range b.lives {
		begun += int(b.lives[life].q[q].blanksBegun.Load())
		sent += int(b.lives[life].q[q].blanksSent.Load())
	}
	require.LessOrEqual(t, blanks, begun+price.blanks, "blank messages that nobody sent, in queue %d", q)
	missing += max(sent-blanks, 0)
	require.LessOrEqual(t, missing, price.lost, "messages of queue %d are lost", q)
	require.LessOrEqual(t, again, price.again, "messages of queue %d came again though nobody had them", q)
}

package semaphore

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/plain"
	"github.com/shmkit/shmkit/internal/robust"
)

// Describers is for the tool cmd/shmkit: for each type of this package, how to say what
// a copy of its bytes holds. Nothing is locked, joined or written.
func Describers() []describe.Type {
	return []describe.Type{
		describer("Mutex", (*Mutex).describe),
		describer("RecursiveMutex", (*RecursiveMutex).describe),
		describer("RWMutex", (*RWMutex).describe),
		describer("Semaphore", (*Semaphore).describe),
		describer("Permits", (*Permits).describe),
		describer("Cond", (*Cond).describe),
		describer("Event", (*Event).describe),
		describer("Barrier", (*Barrier).describe),
		describer("Once", (*Once).describe),
	}
}

func describer[T any](name string, say func(*T, *describe.Description, *describe.Node)) describe.Type {
	return describe.Type{
		Name: "semaphore." + name, Layout: reflect.TypeFor[T](),
		Describe: func(d *describe.Description, n *describe.Node, b []byte) {
			if v, ok := describe.At[T](b); ok {
				say(v, d, n)
			}
		},
	}
}

// FileDescribers is Describers for whole files: named semaphores.
func FileDescribers() []describe.Kind {
	return []describe.Kind{{
		Name: "semaphore",
		Is: func(name string, f *describe.File) bool {
			return strings.HasPrefix(name, "sem.") && f.Size() == semSize
		},
		Describe: func(d *describe.Description) error {
			d.Part("semaphore", 0, plain.LayoutOf(reflect.TypeFor[Semaphore](), true))
			b, err := d.File.Read(0, semSize)
			if err != nil {
				return err
			}
			s, _ := describe.At[Semaphore](b)
			s.describe(d, d.Root.Group("semaphore"))
			return nil
		},
	}}
}

func (m *Mutex) describe(d *describe.Description, n *describe.Node) {
	h := d.Cell(n, "", &m.cell)
	if h.State == robust.HolderNone && m.cell.Kind.Load() == 0 {
		n.Set(join(n.Note, "not prepared for C"))
	}
}

// join puts two remarks together.
func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + ", " + b
}

func (m *RecursiveMutex) describe(d *describe.Description, n *describe.Node) {
	h := d.Cell(n, "", &m.mutex.cell)
	if h.State != robust.HolderNone {
		n.Add("depth", m.mutex.cell.Count.Load())
	}
}

func (rw *RWMutex) describe(d *describe.Description, n *describe.Node) {
	writer := d.Cell(n.Group("gate"), "gate", &rw.gate)
	d.Cell(n.Group("queue"), "queue", &rw.queue.cell)
	switch dirty := rw.dirty.Load() != 0; {
	case dirty && writer.State == robust.HolderLives:
		n.Value = "writing: " + writer.String()
	case dirty:
		n.Value, n.Bad = "owner died while it wrote", true
	case writer.State == robust.HolderLives:
		n.Value = "closed for readers: " + writer.String()
	default:
		n.Value = "open for readers"
	}
	bell := rw.bell.Load()
	n.Add("bell", describe.Hex(bell))
	seats := n.Group("readers")
	seats.List = true
	for i := range rw.count() {
		s := rw.seat(i)
		w := rwWord(s.word.Load())
		d.Waiters += int(w.waiting())
		if w&rwCounts == 0 && robust.StateOf(s.cell.Word.Load()) == robust.Vacant {
			continue
		}
		k := seats.Group(fmt.Sprintf("[%d]", i))
		h := d.Cell(k.Group("seat"), fmt.Sprintf("reader[%d]", i), &s.cell)
		k.Add("pid", h.PID)
		k.Add("active", int(w.active()))
		k.Add("waiting", int(w.waiting()))
		k.Add("granted", int(w.granted()))
	}
}

func (s *Semaphore) describe(d *describe.Description, n *describe.Node) {
	data := s.sem.data.Load()
	value, waiting := int(uint32(data)), int(data>>semHalfBits)
	n.Value = fmt.Sprintf("value %d, %d waiting", value, waiting)
	n.Add("value", value)
	n.Add("waiting", waiting).Set("those that died while they waited stay counted")
	d.Waiters += waiting
	most := uint64(semMax)
	if m := s.sem.max.Load(); m != 0 {
		most = uint64(m)
	}
	n.Add("max", most)
	if private := s.sem.private.Load(); private != semShared {
		n.Add("private", private).Set("not initialised for several processes").Bad = true
	}
	if value > semMax || uint64(value) > most {
		n.Add("corrupt", "more permits than there may be").Bad = true
	}
	if pid := s.sem.turn.PID(); pid != 0 {
		n.Add("turn", pid).Set("waits for several permits")
	}
}

func (p *Permits) describe(d *describe.Description, n *describe.Node) {
	state, total := permitsState(p.m.state.Load()), p.m.total.Load()
	switch {
	case total == 0:
		n.Value = "not initialized"
		return
	case total > permitsMax || state.free() > total:
		n.Value, n.Bad = "corrupt", true
	default:
		n.Value = fmt.Sprintf("%d of %d free", state.free(), total)
	}
	n.Add("free", state.free())
	n.Add("total", total)
	n.Add("sleepers", p.m.bell.Load()&permitsSleepers != 0)
	if p.m.bell.Load()&permitsSleepers != 0 {
		d.Waiters++
	}
	holders := n.Group("holders")
	holders.List = true
	for i := range min(p.m.used.Load(), permitsSeats) {
		s := &p.m.seats[i]
		w := permitsWord(s.word.Load())
		if w.held() == 0 && robust.StateOf(s.cell.Word.Load()) == robust.Vacant {
			continue
		}
		k := holders.Group(fmt.Sprintf("[%d]", i))
		h := d.Cell(k.Group("seat"), fmt.Sprintf("holder[%d]", i), &s.cell)
		k.Add("pid", h.PID)
		held := k.Add("permits", w.held())
		if h.State == robust.HolderDied && w.held() != 0 {
			held.Set("come back with the next call of anybody")
		}
	}
}

func (c *Cond) describe(d *describe.Description, n *describe.Node) {
	waiting := 0
	waiters := n.Group("waiters")
	waiters.List = true
	for i := range min(c.cond.used.Load(), condSeats) {
		s := &c.cond.seats[i]
		w := s.word.Load()
		if robust.StateOf(s.cell.Word.Load()) == robust.Vacant {
			continue
		}
		k := waiters.Group(fmt.Sprintf("[%d]", i))
		h := d.Cell(k.Group("seat"), fmt.Sprintf("waiter[%d]", i), &s.cell)
		k.Add("pid", h.PID)
		k.Add("waiting", condOpen(w))
		k.Add("granted", (uint32(w)-s.consumed.Load())&condGranted)
		if h.State == robust.HolderLives {
			waiting += condOpen(w)
		}
	}
	n.Value = fmt.Sprintf("%d waiting", waiting)
	d.Waiters += waiting
}

func (e *Event) describe(d *describe.Description, n *describe.Node) {
	w := e.word.Load()
	n.Value = "unset"
	if w&eventSet != 0 {
		n.Value = "set"
	}
	n.Add("changes", changes(w)&(eventSleepers-1)|w>>32<<31)
	n.Add("sleepers", w&eventSleepers != 0)
	if w&eventSleepers != 0 {
		d.Waiters++
	}
}

func (b *Barrier) describe(d *describe.Description, n *describe.Node) {
	w, parties := barrierWord(b.word.Load()), b.parties.Load()
	switch {
	case parties == 0:
		n.Value = "not initialized"
		return
	case parties > maxParties || w.arrived() > parties:
		n.Value, n.Bad = "corrupt", true
	case w.broken():
		n.Value, n.Bad = "broken", true
	case b.bereft():
		n.Value, n.Bad = "about to break: a process that has joined died", true
	case w.arrived() == parties:
		n.Value = "all have come: the last one runs its action"
	default:
		n.Value = fmt.Sprintf("%d of %d waiting", w.arrived(), parties)
		d.Waiters += int(w.arrived())
	}
	n.Add("parties", parties)
	n.Add("arrived", w.arrived())
	n.Add("phase", w.phase())
	n.Add("sleepers", w.sleepers())
	n.Add("resets", b.resets.Load())
	if t := b.timeout.Load(); t != 0 {
		n.Add("timeout", time.Duration(min(t, 1<<62)))
	}
	joined := n.Group("joined")
	joined.List = true
	for i := range b.count() {
		c := &b.seats[i]
		if robust.StateOf(c.Word.Load()) == robust.Vacant {
			continue
		}
		d.Cell(joined.Group(fmt.Sprintf("[%d]", i)), fmt.Sprintf("joined[%d]", i), c)
	}
}

func (o *Once) describe(d *describe.Description, n *describe.Node) {
	switch done := o.done.Load(); {
	case done == onceDone:
		n.Value = "done"
	case done != 0:
		n.Value, n.Bad = "corrupt", true
	case robust.StateOf(o.mutex.cell.Word.Load()) == robust.Present:
		n.Value = "under way"
	default:
		n.Value = "not done"
	}
	d.Cell(n.Group("doer"), "doer", &o.mutex.cell)
}

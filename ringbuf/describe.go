package ringbuf

import (
	"fmt"
	"reflect"
	"strconv"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/plain"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// Describers is for the tool cmd/shmkit: for each kind of object of this package, how
// to say what is in its file. Nothing is locked, joined, mapped or written.
func Describers() []describe.Kind {
	return []describe.Kind{
		{Name: shmfile.KindRing.String(), Describe: describeRing},
		{Name: shmfile.KindChan.String(), Describe: describeChan},
		{Name: shmfile.KindCalls.String(), Describe: describeCalls},
	}
}

func describeRing(d *describe.Description) error {
	o := Options{Capacity: int(min(d.Spec.Sizes[0], 1<<62)), MaxMessage: int(min(d.Spec.Sizes[1], 1<<62))}
	if err := o.describe(d); err != nil {
		return err
	}
	if n, err := o.normal(); err != nil || n != o {
		return fmt.Errorf("%w: capacity %d, messages of %d", ErrCorrupt, o.Capacity, o.MaxMessage)
	}
	d.Root.Find("options").Add("max message", o.MaxMessage)
	if o.Mode == SPSC {
		return describePair(d, o, nil, o.largeBytes())
	}
	return describeMany(d, o, 0)
}

func describeChan(d *describe.Description) error {
	n, size := d.Spec.Sizes[0], d.Spec.Sizes[1]
	if n == 0 || n&(n-1) != 0 || n > uint64(maxCapacity)/max(size, 1) {
		return fmt.Errorf("%w: %d slots of %d bytes", ErrCorrupt, n, size)
	}
	o := Options{Capacity: int(n)}
	if err := o.describe(d); err != nil {
		return err
	}
	d.Root.Find("options").Add("slot", int64(size))
	if o.Mode != SPSC {
		return describeMany(d, o, int(max(size, 1)))
	}
	l := d.Type
	if l == nil || uint64(l.Size) != size {
		l = &plain.Layout{Name: "bytes", Size: int64(size)}
	}
	return describePair(d, o, l, 0)
}

// describe reads what the creator wrote behind the header and says it.
func (o *Options) describe(d *describe.Description) error {
	b, err := d.File.Read(shmfile.HeaderSize, optionsSize)
	if err != nil {
		return err
	}
	n := d.Root.Group("options")
	if err := o.parse(b); err != nil {
		return err
	}
	n.Add("mode", o.Mode.String())
	n.Add("capacity", o.Capacity)
	n.Add("strategy", o.Strategy.String())
	n.Add("on peer death", map[PeerDeath]string{Fail: "fail", Wait: "wait"}[o.OnPeerDeath])
	if o.Mode == SPSC {
		if o.Keep > 0 {
			n.Add("keep", int64(o.Keep)).Set(describe.Bytes(int64(o.Keep)))
		}
		return nil
	}
	n.Add("producers", o.Producers).Set("at most")
	n.Add("consumers", o.Consumers).Set("at most")
	if o.MaxMessages > 0 {
		n.Add("max messages", o.MaxMessages)
	}
	n.Add("redeliver", o.Redeliver)
	n.Add("grow", o.Grow)
	n.Add("leases", o.Leases)
	n.Add("fenced", o.fenced)
	return nil
}

// describePair is for one producer and one consumer. slot is the layout of a value, nil
// for a ring.
func describePair(d *describe.Description, o Options, slot *plain.Layout, large int) error {
	b, err := d.File.Read(0, headSize)
	if err != nil {
		return err
	}
	h := headerOf(b)
	d.Table("ring", 0, reflect.TypeFor[header](), 1)
	if slot == nil {
		if large > 0 {
			d.Table("extents", largeTable, reflect.TypeFor[extent](), largeEntries)
			d.Part("large", int64(headSize+o.Capacity), &plain.Layout{Name: "bytes", Size: int64(large)})
		}
		d.Part("data", headSize, &plain.Layout{Name: "bytes", Size: int64(o.Capacity)})
	} else {
		d.Part("slots", headSize, &plain.Layout{Elem: slot, Len: int64(o.Capacity), Size: int64(o.Capacity) * slot.Size})
	}
	s := h.stats(o.Capacity)
	unit := uint64(1)
	if slot != nil {
		unit = uint64(slot.Size)
	}
	describeStats(d, s, o.Capacity, unit)
	d.Root.Find("stats").Add("ended", s.Ended)
	ends := d.Root.Group("ends")
	for i, e := range h.ends(o.Capacity) {
		role, n := &h.producer, "producer"
		if i == 1 {
			role, n = &h.consumer, "consumer"
		}
		describeEnd(d, ends.Group(n), n, &role.Presence, e)
	}
	if wanted := h.wanted.Load(); wanted > h.head.Load() && robust.StateOf(h.producer.Word.Load()) == robust.Present {
		ends.Find("producer").Add("waits for room until", wanted)
	}
	return nil
}

// describeStats says what went through. What s counts in has unit bytes.
func describeStats(d *describe.Description, s Stats, capacity int, unit uint64) {
	n := d.Root.Group("stats")
	n.Add("messages", s.Messages)
	n.Add("queued", s.Queued)
	n.Add("sent", s.Sent)
	n.Add("received", s.Received)
	n.Add("used", s.Used)
	n.Add("high water", s.HighWater)
	d.Traffic = &describe.Traffic{
		Messages: s.Messages, Bytes: s.Sent * unit, Received: s.Messages - min(uint64(s.Queued), s.Messages),
		Queued: s.Queued, Used: s.Used, Capacity: capacity,
	}
}

func describeEnd(d *describe.Description, n *describe.Node, path string, p *robust.Presence, e EndStats) {
	h := d.Cell(n, path, &p.Cell)
	if h.State == robust.HolderNone {
		n.Value = "nobody"
	}
	if h.State == robust.HolderLives {
		d.Traffic.Ends++
	}
	if h.Waiters {
		d.Waiters++
		n.Set("the other end may sleep")
	}
	n.Add("pid", h.PID)
	n.Add("arrivals", p.Arrivals.Load())
	n.Add("messages", e.Messages)
	n.Add("bytes", e.Bytes)
	n.Add("waits", e.Waits)
	n.Add("wakes", e.Wakes)
	n.Add("lag", e.Lag)
	if e.Redelivered != 0 {
		n.Add("redelivered", e.Redelivered)
	}
}

// describeMany is for many ends. slot is the size of a value, 0 for a ring.
func describeMany(d *describe.Description, o Options, slot int) error {
	g, err := geometryOf(o, slot)
	if err != nil || d.File.Size() < int64(g.size()) {
		return fmt.Errorf("%w: %d bytes, capacity %d", ErrCorrupt, d.File.Size(), o.Capacity)
	}
	b, err := mem.NewScratch(g.size())
	if err != nil {
		return err
	}
	defer b.Free()
	s, err := peek(d.File, b, g, o)
	if err != nil {
		return err
	}
	unit := uint64(1)
	if slot > 0 {
		unit = recordUnit
	}
	lanes, seats := s.usedLanes(), s.usedSeats()
	d.Table("ring", 0, reflect.TypeFor[sharedHeader](), 1)
	d.Table("seat", sharedHead, reflect.TypeFor[seat](), g.seats)
	d.Table("lane", int64(sharedHead+g.seats*seatSize), reflect.TypeFor[lane](), g.lanes)
	for i := range lanes {
		describeLaneMemory(d, g, i, slot)
	}
	st := s.stats(unit)
	describeStats(d, st, o.Capacity*max(len(lanes), 1), max(uint64(slot), 1))
	n := d.Root.Find("stats")
	n.Add("redelivered", st.Redelivered)
	n.Add("ended", st.Ended)
	all := s.ends(unit)
	producers, consumers := d.Root.Group("producers"), d.Root.Group("consumers")
	producers.List, consumers.List = true, true
	for i, e := range all {
		if e.Producer {
			l := &lanes[i]
			k := producers.Group("lane[" + strconv.Itoa(i) + "]")
			describeEnd(d, k, "lane["+strconv.Itoa(i)+"]", &l.Presence, e)
			asleep := l.asleep.Load()
			if names := [...]string{"", "room", "an extent", "a place", "a chunk"}; asleep != awake && int64(asleep) < int64(len(names)) {
				k.Add("sleeps for", names[asleep])
				d.Waiters++
			}
			_ = guard(func() error {
				if q, _, sure := s.queued(i); sure {
					k.Add("queued", q)
				}
				return nil
			})
			continue
		}
		x := i - len(lanes)
		k := consumers.Group("seat[" + strconv.Itoa(x) + "]")
		describeEnd(d, k, "seat["+strconv.Itoa(x)+"]", &seats[x].Presence, e)
		if seats[x].asleep.Load() != 0 {
			k.Add("sleeps", true)
			d.Waiters++
		}
	}
	return nil
}

// describeLaneMemory says what is where in lane i's part of the file.
func describeLaneMemory(d *describe.Description, g geometry, i, slot int) {
	name, at := "lane["+strconv.Itoa(i)+"].", int64(g.at(i))
	if slot > 0 {
		l := d.Type
		if l == nil || l.Size != int64(slot) {
			l = &plain.Layout{Name: "bytes", Size: int64(slot)}
		}
		d.Part(name+"slots", at, &plain.Layout{Elem: l, Len: int64(g.capacity), Size: int64(g.capacity) * l.Size})
		return
	}
	d.Table(name+"extents", at, reflect.TypeFor[extent](), g.table)
	if g.chunk != 0 {
		d.Table(name+"chunks", at+int64(g.words), reflect.TypeFor[uint64](), (g.slots-g.words)/8)
	}
	d.Part(name+"data", at+int64(g.slots), &plain.Layout{Name: "bytes", Size: int64(g.capacity)})
	if big := g.held + g.big; big > 0 {
		d.Part(name+"large", at+int64(g.hold), &plain.Layout{Name: "bytes", Size: int64(big)})
	}
}

// peek copies what the statistics look at: the head, and of each lane the record that
// comes next.
func peek(f *describe.File, c *mem.Scratch, g geometry, o Options) (*shared, error) {
	load := func(off, n int) error {
		b, err := f.Read(int64(off), int64(n))
		if err == nil {
			err = c.Put(off, b)
		}
		return err
	}
	if err := load(0, g.head); err != nil {
		return nil, err
	}
	s := sharedOf(c.Bytes(), nil, g, o)
	s.allocate = func(off, n int64) error { return ErrClosed } // it is a copy
	s.punch = s.allocate
	if g.table == 0 {
		return s, nil
	}
	for i := range s.usedLanes() {
		at := sharedHead + g.seats*seatSize + i*laneSize
		for tries := 0; ; tries++ {
			// The record at the head that the copy has is always in the copy.
			if err := s.peekLane(i, load); err != nil {
				return nil, err
			}
			b, err := f.Read(int64(at), laneSize)
			if err != nil {
				return nil, err
			}
			now, _ := describe.At[lane](b)
			if now.head.Load() == s.lanes[i].head.Load() || tries == peeks {
				break
			}
			if err := c.Put(at, b); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// peeks is how often a record is read whose lane's head moves meanwhile. After that the
// numbers are somewhat wrong.
const peeks = 8

// peekLane loads what firstAt reads.
func (s *shared) peekLane(i int, load func(off, n int) error) error {
	base, size := s.geo.at(i), uint64(s.geo.capacity)
	data := base + s.geo.slots
	record := func(index uint64) (word uint64, err error) {
		at := index & (size - 1) &^ (recordUnit - 1)
		if err := load(data+int(at), int(min(2*recordUnit, size-at))); err != nil {
			return 0, err
		}
		if s.sparse() {
			c := s.chunkOf(index) % s.slotsIn()
			if err := load(base+s.geo.words+8*int(c), 8); err != nil {
				return 0, err
			}
			end := data + int(c+1)*s.geo.chunk
			if s.fated() {
				if err := load(end-8*s.geo.fates+8*s.placeOf(index), 8); err != nil {
					return 0, err
				}
			}
		}
		return wordAt(s.bytes[data+int(at):]).Load(), nil
	}
	at := s.lanes[i].head.Load()
	word, err := record(at)
	if err != nil {
		return err
	}
	if n := word & numberMask; word&kindMask == kindFiller && n%recordUnit == 0 && n < size {
		if word, err = record(at + n); err != nil {
			return err
		}
	}
	if n := word & numberMask; word&kindMask == kindExtent && n < uint64(s.geo.table) {
		return load(base+int(n)*extentSize, extentSize)
	}
	return nil
}

func describeCalls(d *describe.Description) error {
	message, clients := int(min(d.Spec.Sizes[0], 1<<62)), int(min(d.Spec.Sizes[1], 1<<62))
	head, _, size, err := callSizes(message, clients)
	if err != nil || uint64(d.Spec.Size) != size {
		return fmt.Errorf("%w: %d bytes, messages of %d, %d clients", ErrCorrupt, d.Spec.Size, message, clients)
	}
	b, err := d.File.Read(0, int64(callHeadSize+clients*callSeatSize))
	if err != nil {
		return err
	}
	board := boardOf(b, callServers, clients)
	d.Table("calls", 0, reflect.TypeFor[callHead](), 1)
	d.Table("server", int64(describe.SizeOf[callHead]()), reflect.TypeFor[serverSeat](), callServers)
	d.Table("client", int64(callHeadSize), reflect.TypeFor[clientSeat](), clients)
	if size > head {
		d.Part("memory", int64(head), &plain.Layout{Name: "bytes", Size: int64(size - head)})
	}
	d.Root.Add("max message", message)
	d.Root.Add("max clients", clients)
	d.Traffic = &describe.Traffic{Capacity: callSlots * clients}
	servers := d.Root.Group("servers")
	servers.List = true
	for i := range board.serverCount() {
		s := &board.servers[i]
		n := servers.Group("server[" + strconv.Itoa(i) + "]")
		h := d.Cell(n, n.Name, &s.Cell)
		if h.State == robust.HolderLives {
			d.Traffic.Ends++
		}
		n.Add("pid", h.PID)
		n.Add("arrivals", s.Arrivals.Load())
		n.Add("workers awake", s.awake.Load())
		n.Add("worker sleeps", s.bell.Load() == 1)
	}
	seats := d.Root.Group("clients")
	seats.List = true
	for i := range board.clientCount() {
		describeClient(d, &board, seats, i)
	}
	return nil
}

func describeClient(d *describe.Description, board *callBoard, seats *describe.Node, i int) {
	c := &board.clients[i]
	if robust.StateOf(c.Word.Load()) == robust.Vacant {
		return
	}
	n := seats.Group("client[" + strconv.Itoa(i) + "]")
	h := d.Cell(n, n.Name, &c.Cell)
	if h.State == robust.HolderLives {
		d.Traffic.Ends++
	}
	n.Add("pid", h.PID)
	calls := n.Group("calls")
	calls.List = true
	for k := range board.slotCount(c) {
		slot := &c.slots[k]
		st := callState(slot.state.Load())
		d.Traffic.Messages += uint64(st >> 32)
		phases := [...]string{callIdle: "idle", callAsked: "waits for a server", callTaken: "is served", callAnswered: "was answered", callFailed: "failed"}
		if st.phase() == callIdle {
			continue
		}
		what := "corrupt"
		if int64(st.phase()) < int64(len(phases)) {
			what = phases[st.phase()]
		}
		s := calls.Group("slot[" + strconv.Itoa(k) + "]")
		s.Value = what
		s.Add("length", slot.length.Load())
		if st.phase() == callTaken {
			s.Add("server", int(st.seat()))
			s.Add("cancelled", st&callCancelled != 0)
		}
		if st.phase() == callAsked || st.phase() == callTaken {
			d.Traffic.Used++
			d.Traffic.Queued++
			if slot.asleep.Load() != 0 {
				d.Waiters++
			}
		}
	}
}

package ringbuf

import (
	"structs"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// The object behind Serve and Dial. What different processes write at the same
// time is mem.Line apart.
//
//	          off size  field     written by
//	            0   384 callHead
//	          384  8192 servers   32 seats of 256 bytes
//	         8576     n clients   seats of 2304 bytes, as many as the header says
//	up to 65536·i      memory     for each slot of each client a range for large
//	                              requests and one for large replies, each of
//	                              MaxMessage rounded up to 4096; none if every
//	                              message fits into a slot
//
// callHead:
//
//	  0  128 object    creator: shmfile's header; its sizes are {MaxMessage in
//	                   bytes, clients}
//	128    4 servers   servers, raised only: how many seats were ever taken
//	256    4 clients   clients, raised only: alike
type callHead struct {
	_       structs.HostLayout
	object  [shmfile.HeaderSize]byte
	servers mem.Uint32
	_       [mem.Line - 4]byte
	clients mem.Uint32
	_       [mem.Line - 4]byte
}

// serverSeat is one call of Serve.
//
//	  0   64 Presence  the server; callers sleep on it
//	 64    4 attend    1 while its attendant sleeps; who cancels a call clears it
//	128    4 bell      1 while a worker sleeps there for whom nobody has rung
//	132    4 awake     server: how many workers do not sleep
type serverSeat struct {
	_ structs.HostLayout
	robust.Presence
	attend mem.Uint32
	_      [mem.Line - 64 - 4]byte
	bell   mem.Uint32
	awake  mem.Uint32
	_      [mem.Line - 8]byte
}

// clientSeat is one Client.
//
//	  0   64 Presence  the client
//	 64    4 used      client, raised only: how many slots were ever used
//	128    4 room      1 while a call sleeps there until a slot is free
//	256 2048 slots     16
type clientSeat struct {
	_ structs.HostLayout
	robust.Presence
	used  mem.Uint32
	_     [mem.Line - 64 - 4]byte
	room  mem.Uint32
	_     [mem.Line - 4]byte
	slots [callSlots]callSlot
}

// callSlot is one call: first the client's, from Asked on the server's that takes
// it, from Answered on the client's again.
//
//	 0    8 state     both, see callState
//	 8    8 length    of the request, then of the reply, bytes
//	16    4 asleep    1 while the caller sleeps there
//	20    4 status    server: callOK …, what the reply is
//	24  104 inline    the request, then the reply, if it is that short
type callSlot struct {
	_      structs.HostLayout
	state  mem.Uint64
	length mem.Uint64
	asleep mem.Uint32
	status mem.Uint32
	inline [callInline]byte
}

const (
	callServers = 32
	callSlots   = 16
	callInline  = mem.Line - 24

	callAlign = 1 << 16 // the largest page size in use
	callPage  = 1 << 12
)

var (
	_ = [1]struct{}{}[unsafe.Offsetof(callHead{}.servers)-128]
	_ = [1]struct{}{}[unsafe.Offsetof(callHead{}.clients)-256]
	_ = [1]struct{}{}[unsafe.Sizeof(callHead{})-384]
	_ = [1]struct{}{}[unsafe.Offsetof(serverSeat{}.attend)-64]
	_ = [1]struct{}{}[unsafe.Offsetof(serverSeat{}.bell)-128]
	_ = [1]struct{}{}[unsafe.Offsetof(serverSeat{}.awake)-132]
	_ = [1]struct{}{}[unsafe.Sizeof(serverSeat{})-256]
	_ = [1]struct{}{}[unsafe.Offsetof(clientSeat{}.used)-64]
	_ = [1]struct{}{}[unsafe.Offsetof(clientSeat{}.room)-128]
	_ = [1]struct{}{}[unsafe.Offsetof(clientSeat{}.slots)-256]
	_ = [1]struct{}{}[unsafe.Sizeof(clientSeat{})-2304]
	_ = [1]struct{}{}[unsafe.Offsetof(callSlot{}.length)-8]
	_ = [1]struct{}{}[unsafe.Offsetof(callSlot{}.asleep)-16]
	_ = [1]struct{}{}[unsafe.Offsetof(callSlot{}.status)-20]
	_ = [1]struct{}{}[unsafe.Offsetof(callSlot{}.inline)-24]
	_ = [1]struct{}{}[unsafe.Sizeof(callSlot{})-128]
)

// callHeadSize is where the clients' seats begin.
const callHeadSize = int(unsafe.Sizeof(callHead{}) + callServers*unsafe.Sizeof(serverSeat{}))

// callSeatSize is the size of a client's seat.
const callSeatSize = int(unsafe.Sizeof(clientSeat{}))

// boardOf lays an object with so many seats over b, which must be large enough
// and aligned to 8. It leaves out the memory.
func boardOf(b []byte, servers, clients int) callBoard {
	_ = b[:int(unsafe.Sizeof(callHead{}))+servers*int(unsafe.Sizeof(serverSeat{}))+clients*callSeatSize]
	p := unsafe.Pointer(unsafe.SliceData(b))
	s := unsafe.Add(p, unsafe.Sizeof(callHead{}))
	c := unsafe.Add(s, uintptr(servers)*unsafe.Sizeof(serverSeat{}))
	return callBoard{
		head:    (*callHead)(p),
		servers: unsafe.Slice((*serverSeat)(s), servers),
		clients: unsafe.Slice((*clientSeat)(c), clients),
		slots:   callSlots,
	}
}

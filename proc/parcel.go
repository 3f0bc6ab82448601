package proc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/shmkit/shmkit/internal/handle"
)

// doorPrefix begins the address of every door; the rest is random.
const doorPrefix = "@shmkit-parcels-"

// Handles in the messages of a queue. Who will receive a message is not known when it
// is put, and a descriptor cannot lie in shared memory. So the sender keeps duplicates
// of the descriptors of a message, a parcel, and the message says where it can be had:
// at the sender's door, a Unix socket that exists while there are parcels. Whoever
// receives the message knocks there, shows the parcel's token, gets the descriptors,
// decodes the message, and says that it is done. Then the sender drops the parcel.
//
// Nobody waits for anybody else: the sender serves each caller in a goroutine of its
// own, and a receiver waits as long as its context allows. If the sender has ended, the
// handles are gone and the message arrives without them. If the receiver dies first,
// the parcel stays where the message comes again, and is dropped where it does not.
//
// A receiver that dies after it took the message and before it knocks leaves the parcel
// where nobody will ask for it, until the sender ends.

// waybill is the part of a message that says where its parcel is.
type waybill struct {
	Door  string // address of the sender's socket
	Token string // of this parcel: whoever has the message may have it
	Files int
	Table handle.Table
}

// A parcel is what a message needs besides its bytes.
type parcel struct {
	token string
	hs    []handle.Handle // told what becomes of them
	stays bool            // for the next receiver, until one is done
	sent  chan struct{}   // closed when the message was published or withdrawn, and hs know it

	mu      sync.Mutex
	files   []int // nil when it was dropped
	dropped bool
}

// depot is where this process keeps its parcels.
var depot struct {
	sync.Mutex
	parcels map[string]*parcel
	door    *door // nil while there are none
}

// deposit makes a parcel of the handles of a message that is about to be sent. After an
// error they have Failed.
func deposit(hs []handle.Handle, stays bool) (*parcel, waybill, error) {
	p := &parcel{token: rand.Text(), hs: hs, stays: stays, sent: make(chan struct{})}
	w, err := p.store()
	if err != nil {
		p.withdraw()
		return nil, w, err
	}
	return p, w, nil
}

// store puts the parcel, with duplicates of the descriptors, into the depot.
func (p *parcel) store() (w waybill, err error) {
	table, files := handle.NewTable(p.hs)
	for _, f := range files {
		fd, err := handle.DupFD(f)
		if err != nil {
			return w, fmt.Errorf("duplicate descriptor: %w", err)
		}
		p.files = append(p.files, fd)
	}
	depot.Lock()
	defer depot.Unlock()
	if depot.door == nil {
		if depot.door, err = openDoor(); err != nil {
			return w, err
		}
		depot.parcels = make(map[string]*parcel)
		go depot.door.attend()
	}
	depot.parcels[p.token] = p
	return waybill{Door: depot.door.address, Token: p.token, Files: len(files), Table: table}, nil
}

// inDepot returns the parcel of that token, nil if there is none.
func inDepot(token string) *parcel {
	depot.Lock()
	defer depot.Unlock()
	return depot.parcels[token]
}

// published says that the message was sent. The receiver is not known yet.
func (p *parcel) published() {
	for _, h := range p.hs {
		h.Sent(0)
	}
	close(p.sent)
}

// withdraw says that the message was not sent.
func (p *parcel) withdraw() {
	if p.remove() {
		for _, h := range p.hs {
			h.Failed()
		}
		close(p.sent) // for who has read the token where it lay unpublished
	}
}

// drop ends the parcel: a receiver has taken over what it wanted, or has ended.
func (p *parcel) drop() {
	<-p.sent // who was faster than our Send has returned
	if p.remove() {
		for _, h := range p.hs {
			h.Exited()
		}
	}
}

// remove takes the parcel out of the depot, once.
func (p *parcel) remove() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dropped {
		return false
	}
	p.dropped = true
	closeAll(p.files)
	p.files = nil

	depot.Lock()
	defer depot.Unlock()
	delete(depot.parcels, p.token)
	if len(depot.parcels) == 0 && depot.door != nil {
		depot.door.close()
		depot.door = nil
	}
	return true
}

// possible says whether a sender may have written w: nobody else's socket is knocked at,
// and no more descriptors are taken than there are handles.
func (w waybill) possible() bool {
	return strings.HasPrefix(w.Door, doorPrefix) && w.Files >= 0 && w.Files <= len(w.Table)
}

// collect decodes a message whose handles are in a parcel: unmarshal is given the
// message's bytes. The receipt, nil if there is nothing to be done, is the caller's.
// If the handles cannot be had, the rest is decoded without them and the error wraps
// ErrHandleGone, and ctx's if that has ended first.
func (w waybill) collect(ctx context.Context, data []byte, unmarshal func([]byte) error) (*receipt, error) {
	files, r, err := w.fetch(ctx)
	if err != nil {
		gone := handle.Decode(ctx, data, w.Table.Gone(), unmarshal)
		if gone == nil || errors.Is(gone, ErrHandleGone) {
			return nil, fmt.Errorf("%w: %w", ErrHandleGone, err)
		}
		return nil, gone
	}
	hs, err := w.Table.Handles(files)
	if err != nil {
		for _, f := range files {
			f.Close()
		}
		return r, err
	}
	return r, handle.Decode(ctx, data, hs, unmarshal)
}

package shmfile

import "strconv"

// Owner says when the name of an object goes without an Unlink.
//
// # Who uses an object
//
// Whoever opens a named object locks bytes of the file that lie beyond the end of
// any file, with locks of its own open description (F_OFD_SETLK). The kernel drops
// them with the description's last descriptor and mapping, at the latest when the
// process dies; so who uses an object is a fact, and nobody's pid, clock or word is
// asked.
//
//	byte             lock   held by
//	grow             write  who makes it longer, see grow_linux.go
//	claim            write  who removes the name, from its check to the removal
//	users + pid      read   each user, from before it has the object until it has
//	                        unmapped and closed it
//	creators + pid   read   besides, the creator, with OwnerCreator
//	claim to the end write  who removes the name of what nobody uses
//
// # The mark
//
// A file has an owner rule if it is marked: the sticky bit of its mode, and no x
// bit of anybody. On a regular file that bit means nothing to the kernel, survives
// writing, and can be set by the file's user alone. It is set before the file has
// a name. So there is no instant, and no death, at which the name and its record
// disagree, a file of Python's has room for it, and a peer that writes garbage
// changes nothing. Which of the two rules it is matters to the creator's handle
// only; others can tell by the creator's lock.
//
// An orphan is a marked file on which there is no lock at all.
//
// # Who removes a name
//
// Only who holds the claim on the file that the name leads to, and has looked
// where the name leads after it got the claim. Names are made by linkat, which
// never replaces one; so the name still leads there when it is removed, however
// long the remover was stopped in between. Only programs that remove names
// without this package come in between.
//
//	creator's Close  claims, looks, removes, and closes then: whoever has the object
//	                 open keeps it
//	a user's Close   closes its description first, opens the name anew, and removes
//	                 it if it is an orphan
//	Create           with Fail removes an orphan that is in its way
//	Sweep            removes orphans that nobody has open or maps, not even without
//	                 locks (nobodyElse)
//	Unlink, Replace  need no mark
//
// To remove an orphan is: open what the name leads to; is it marked, and this
// user's? write-lock all; does the name lead there? remove. Two users who close at
// once have both given up their locks before either asks; so one gets the lock,
// and the other one does not and need not. Who opens the file meanwhile gets
// ErrBusy, or finds, locked, that it has no name any more, and looks again. A
// creator locks before it publishes, so what is new is never an orphan.
//
// Death at any point leaves the name as it was, or an orphan, or nothing: the
// lock goes with the dead process and there is no second file. A remover that is
// stopped keeps others from opening, replacing and removing this one name.
//
// A descriptor that travelled is the sender's description, with the sender's lock,
// which holds also while it is under way; its receiver opens a description of its
// own and locks that before it closes the other one (Adopt).
type Owner int

const (
	// OwnerNone: the name stays until Unlink. It is the default.
	OwnerNone Owner = iota
	// OwnerCreator: the name goes when the handle that made the object is closed,
	// or its process ends in order, though others may go on using what they have
	// open. If the creator is killed, it is as with OwnerUsers.
	OwnerCreator
	// OwnerUsers: the name goes when the last process that has the object open
	// closes it, or ends in order.
	OwnerUsers
)

// String returns the rule in a word.
func (o Owner) String() string {
	switch o {
	case OwnerNone:
		return "none"
	case OwnerCreator:
		return "creator"
	case OwnerUsers:
		return "users"
	}
	return "owner " + strconv.Itoa(int(o))
}

package ringbuf

import (
	"errors"
	"fmt"
	"os"

	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// Errors of creating and opening.
var (
	ErrExist            = shmfile.ErrExist            // the name is taken (fs.ErrExist)
	ErrNotExist         = shmfile.ErrNotExist         // there is no such ring (fs.ErrNotExist)
	ErrName             = shmfile.ErrName             // the name is not a file name
	ErrNoSpace          = shmfile.ErrNoSpace          // not enough shared memory
	ErrForeign          = shmfile.ErrForeign          // not an object of this library
	ErrVersion          = shmfile.ErrVersion          // of another version
	ErrKind             = shmfile.ErrKind             // another kind of object
	ErrLayout           = shmfile.ErrLayout           // a channel of another type
	ErrTruncated        = shmfile.ErrTruncated        // shorter than it says
	ErrForeignNamespace = shmfile.ErrForeignNamespace // of another pid namespace

	// ErrSize is returned for a capacity or message size that is negative, too
	// large for any memory, or where one does not fit into the other.
	ErrSize = shmfile.ErrSize

	// ErrOption is returned for a strategy or other option that does not exist.
	ErrOption = errors.New("ringbuf: no such option")
)

// Errors of taking a role.
var (
	// ErrBusy says that a living process has the role, perhaps this one. Of a name it
	// says that somebody uses the object, or is replacing or removing it.
	ErrBusy = robust.ErrBusy

	// ErrTooManyProcesses says that as many living processes as the ring was made
	// for (Options.Producers, Options.Consumers) have the role.
	ErrTooManyProcesses = errors.New("ringbuf: too many processes")

	// ErrNoKeeper says that the kernel refuses robust lists to this process.
	ErrNoKeeper = robust.ErrNoKeeper
)

// Errors of sending and receiving. A message of a call that failed was not sent.
var (
	// ErrClosed says that this end was closed or given away, or, to senders,
	// that the stream has ended (CloseSend).
	ErrClosed = os.ErrClosed

	// ErrFull is returned by TrySend when there is no room, or others who send at the
	// same time have claimed what Options.MaxMessages leaves.
	ErrFull = errors.New("ringbuf: full")

	// ErrEmpty is returned by TryRecv when there is no message.
	ErrEmpty = errors.New("ringbuf: empty")

	// ErrNotReady is returned by TrySelect when no case is ready.
	ErrNotReady = errors.New("ringbuf: no case is ready")

	// ErrCases is returned by Select when an end is in two cases, or there are
	// more cases than one call can wait for.
	ErrCases = errors.New("ringbuf: cannot select from these cases")

	// ErrTooLarge is returned for a message that is larger than MaxMessage.
	ErrTooLarge = errors.New("ringbuf: message too large")

	// ErrPeerDied says that the process at the other end was killed or crashed
	// and nobody has taken its role over. Receivers get it after everything
	// that it published.
	ErrPeerDied = errors.New("ringbuf: peer died")

	// ErrNoConsumer is returned to senders when the consumer has left or died;
	// if it died the error is also ErrPeerDied.
	ErrNoConsumer = errors.New("ringbuf: no consumer")

	// ErrNotReleased is returned by Next and Recv while a message from Next is
	// not released.
	ErrNotReleased = errors.New("ringbuf: message not released")

	// ErrDone is returned by Lease.Done when the message was done already.
	ErrDone = errors.New("ringbuf: done already")

	// ErrNotReserved is returned by Commit without a Reserve of at least that size.
	ErrNotReserved = errors.New("ringbuf: nothing or less reserved")

	// ErrCorrupt says that the other end wrote what no correct one writes. The
	// end is unusable from then on.
	ErrCorrupt = shmfile.ErrCorrupt
)

var errConsumerDied = fmt.Errorf("%w: %w", ErrNoConsumer, ErrPeerDied)

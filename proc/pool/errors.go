package pool

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/proc"
)

// Returned by New.
var (
	// ErrWorkers is returned for a number of workers below 1 or above MaxWorkers.
	ErrWorkers = errors.New("pool: no such number of workers")

	// ErrOption is returned for an option that is out of its range, here and by Map and
	// Imap.
	ErrOption = errors.New("pool: no such option")
)

// Why a task ended that brought no result.
var (
	// ErrClosed is the end of what is submitted after Close or Terminate.
	ErrClosed = fmt.Errorf("pool: %w", os.ErrClosed)

	// ErrTerminated is the end of what had not ended when Terminate was called.
	ErrTerminated = errors.New("pool: terminated")

	// ErrCancelled is the end of a task that Future.Cancel took back before it began,
	// and what a task finds as the cause of its context when its future is cancelled.
	// It is a context.Canceled.
	ErrCancelled = fmt.Errorf("pool: %w", context.Canceled)

	// ErrWorkerDied says that the process that ran the task has ended: it was killed,
	// panicked, or left by os.Exit or runtime.Goexit. How, is also in the error, as a
	// *proc.ExitError, with a *proc.PanicError in that.
	ErrWorkerDied = errors.New("pool: worker died")

	// ErrArgument says that the argument could not be encoded here, or decoded by the
	// worker.
	ErrArgument = proc.ErrArgument

	// ErrResult says that the result could not be encoded by the worker, or decoded
	// here.
	ErrResult = errors.New("pool: result cannot travel")

	// ErrStart says that no worker could be started, or that one after the other died before
	// it had begun anything, and why.
	ErrStart = errors.New("pool: cannot start a worker")

	// ErrInit says that the initializer of a worker failed: the pool is broken, and
	// whatever is submitted ends with this error.
	ErrInit = errors.New("pool: initializer failed")

	// ErrHandleGone says that an object in the argument or result was lost on the way.
	ErrHandleGone = handle.ErrGone
)

// Of other calls.
var (
	// ErrRunning is returned by Join before Close or Terminate.
	ErrRunning = errors.New("pool: still running")

	// ErrResolved is returned when a Future of NewFuture is resolved a second time.
	ErrResolved = errors.New("pool: future is resolved already")

	// ErrNotDone is returned by Future.Err while there is no result.
	ErrNotDone = errors.New("pool: future is not done")
)

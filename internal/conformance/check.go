package conformance

import (
	"context"
	"errors"
	"testing"
	"time"
)

// patience ends rows that hang.
const patience = 30 * time.Second

// soon is how long a wait lasts that is meant to end by its context.
const soon = 5 * time.Millisecond

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// briefly calls fn with a context that ends soon. It has to fail with that context's error,
// and not before.
func briefly(ctx context.Context, t *testing.T, fn func(ctx context.Context) error) {
	t.Helper()
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	fails(t, fn(ctx), context.DeadlineExceeded)
	if d := time.Since(begun); d < soon {
		t.Fatalf("it ended after %v, and not %v", d, soon)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func fails(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("the error is %v, not %v", err, want)
	}
}

// is checks what a call has returned.
func is[V comparable](t *testing.T, want V) func(got V, err error) {
	t.Helper()
	return func(got V, err error) {
		t.Helper()
		if err != nil || got != want {
			t.Fatalf("it is %v, %v, not %v", got, err, want)
		}
	}
}

// eventually waits until a condition holds that nobody tells of.
func eventually(ctx context.Context, t *testing.T, holds func() bool) {
	t.Helper()
	for !holds() {
		ok(t, ctx.Err())
		time.Sleep(time.Millisecond / 10)
	}
}

// together runs fn n times at once, and returns the errors.
func together(n int, fn func(i int) error) <-chan error {
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- fn(i) }()
	}
	return errs
}

// all has to be n times no error.
func all(t *testing.T, errs <-chan error, n int) {
	t.Helper()
	for range n {
		ok(t, <-errs)
	}
}

// none checks that nothing has come.
func none(t *testing.T, errs <-chan error) {
	t.Helper()
	select {
	case err := <-errs:
		t.Fatalf("one has ended that should wait: %v", err)
	default:
	}
}

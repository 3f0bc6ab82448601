//go:build !explore

package robust

import "sync/atomic"

var ownClaim atomic.Uint64 // claimIdent's answer, once there is one

// claimIdent is what this process writes into claims. It names a keeper, whose
// TID is free as soon as the process has ended, reaped or not, or has been
// replaced by execve.
func claimIdent() (uint64, error) {
	if id := ownClaim.Load(); id != 0 {
		return id, nil
	}
	k, err := anyKeeper()
	if err != nil {
		return 0, err
	}
	// Another goroutine may have found another keeper.
	ownClaim.CompareAndSwap(0, identWith(k.tid))
	return ownClaim.Load(), nil
}

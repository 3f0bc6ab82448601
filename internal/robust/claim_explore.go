//go:build explore

package robust

func claimIdent() (uint64, error) { return identWith(Explorer.TID()), nil }

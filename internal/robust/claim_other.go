//go:build !linux && !explore

package robust

import "errors"

func claimIdent() (uint64, error) { return 0, errors.ErrUnsupported }

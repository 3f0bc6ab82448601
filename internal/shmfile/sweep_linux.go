package shmfile

import (
	"errors"
	"os"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// Sweep removes the orphans that belong to this user, and returns them as they
// were. Those that it had to leave have an Err: a process has the file open or mapped
// and takes no locks, such as one in Python (ErrBusy), or the system refuses, or does
// not tell. Nothing else is touched.
func Sweep(o *SweepOptions) ([]Info, error) {
	if o == nil {
		o = new(SweepOptions)
	}
	infos, err := List()
	if err != nil {
		return nil, err
	}
	var swept []Info
	for _, i := range infos {
		if !i.Orphan || i.UID != os.Geteuid() || o.Match != nil && !o.Match(i) {
			continue
		}
		var was bool
		if was, i.Err = sweep(i.Name, o.DryRun); was {
			swept = append(swept, i)
		}
	}
	return swept, nil
}

// sweep removes an orphan. was is false if it turns out to be none.
func sweep(name string, dry bool) (was bool, err error) {
	f, err := lockOrphan(name)
	if f == nil {
		return err != nil && !errors.Is(err, ErrBusy), err
	}
	defer f.Close()
	crashpoint.Hit("shmfile/sweep-locked")
	// It is locked: a user of ours that comes now is turned away, any other that
	// was there is seen.
	if err := nobodyElse(f); err != nil || dry {
		return true, err
	}
	removed, err := removeClaimed(f, name)
	return removed || err != nil, err
}

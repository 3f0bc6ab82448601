//go:build !explore

package robust

import "strconv"

// processDoes says in two words what a process does, "" if it is not known.
func processDoes(pid int) string {
	s, err := readStat("/proc/" + strconv.Itoa(pid) + "/stat")
	switch {
	case err != nil:
		return ""
	case s.ended():
		return "is dying"
	case s.state == 'T', s.state == 't':
		return "is stopped"
	}
	return "runs"
}

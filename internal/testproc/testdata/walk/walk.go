// Package walk has crash points for the tests of testproc to walk over.
package walk

import "github.com/shmkit/shmkit/internal/crashpoint"

// Run passes one point always, one three times, and one only if rare.
func Run(rare bool, say func(string)) {
	crashpoint.Hit("walk/begin")
	say("begun")
	for range 3 {
		crashpoint.Hit("walk/loop")
		say("looped")
	}
	if rare {
		crashpoint.Hit("walk/rare")
		say("rare")
	}
}

package proc

import (
	"context"
	"log/slog"
	"sort"
)

// The levels between which the one of a handler is looked for.
const lowestLevel, highestLevel = slog.Level(-64), slog.Level(64)

// logLevel returns the lowest level that slog's default logger writes. Handlers
// do not tell, but they can be asked.
func logLevel() slog.Level {
	h := slog.Default().Handler()
	n := sort.Search(int(highestLevel-lowestLevel), func(i int) bool {
		return h.Enabled(context.Background(), lowestLevel+slog.Level(i))
	})
	return lowestLevel + slog.Level(n)
}

// setLogLevel gives a child's default logger the level of its parent's.
func setLogLevel(l slog.Level) {
	if l != slog.LevelInfo { // which it has
		slog.SetLogLoggerLevel(l)
	}
}

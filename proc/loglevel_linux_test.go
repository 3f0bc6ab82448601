package proc_test

import (
	"context"
	"io"
	"log"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
)

var tellLog = proc.Register("tellLog", func(context.Context, struct{}) error {
	log.SetFlags(log.Lshortfile)
	slog.Debug("debug")
	slog.Info("info")
	slog.Warn("warn")
	return nil
})

// P50: a child's default logger has the level of its parent's, whatever handler
// that is, and names the caller's file.
func TestLogLevelP50(t *testing.T) {
	old := slog.Default()
	defer slog.SetDefault(old)
	for _, c := range []struct {
		level slog.Level
		want  string
	}{
		{slog.LevelDebug, `^loglevel_linux_test.go:\d+: DEBUG debug\nloglevel_linux_test.go:\d+: INFO info\nloglevel_linux_test.go:\d+: WARN warn\n$`},
		{slog.LevelInfo, `^loglevel_linux_test.go:\d+: INFO info\nloglevel_linux_test.go:\d+: WARN warn\n$`},
		{slog.LevelWarn, `^loglevel_linux_test.go:\d+: WARN warn\n$`},
		{100, `^$`},
	} {
		t.Run(c.level.String(), func(t *testing.T) {
			slog.SetDefault(slog.New(slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{Level: c.level})))
			out := newOutput(t)
			p := start(t, tellLog, struct{}{}, &proc.Options{Stderr: out.W.File})
			require.Regexp(t, c.want, out.all())
			require.NoError(t, p.Wait(watchdog(t)))
		})
	}
}

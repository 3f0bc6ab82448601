package main

import (
	"testing"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

func TestBaselinesBuildAndMeasure(t *testing.T) {
	testproc.NeedTool(t, "cc")
	r, err := newRig(t.Context())
	require.NoError(t, err)
	defer r.close()
	require.Empty(t, r.noC)
	at, _ := r.place(unpinned)
	for _, c := range []struct {
		program, job string
		size         int
	}{
		{"flag", jobLatency, 64},
		{"futex", jobLatency, 64},
		{"spsc", jobLatency, 64},
		{"spsc", jobThroughput, 8},
		{"spsc", jobThroughput, 64},
		{"spsc", jobBatch, 8},
		{"copy", jobLatency, 64},
		{"copy", jobThroughput, 64 << 10},
		{"copy", jobThroughput, 9}, // not a multiple of the alignment
		{"copy", jobBatch, 64},
		{"mutex", jobUncontended, 0},
		{"mutex", jobContended, 0},
	} {
		t.Run(c.program+" "+c.job, func(t *testing.T) {
			o, err := inC{c.program}.run(t.Context(), r, trial{c.job, c.size, at, tiny.timing})
			require.NoError(t, err)
			require.Positive(t, o.nsPerOp())
			if c.job == jobContended {
				require.InDelta(t, 0.25, o.extra["share"], 0.25)
			} else {
				require.NotEmpty(t, o.samples)
			}
		})
	}
	_, err = inC{"spsc"}.run(t.Context(), r, trial{jobThroughput, 9, at, tiny.timing})
	require.ErrorContains(t, err, "slots of 8 or 64 bytes")
}

func TestWithoutACompilerTheReasonIsSaid(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	r, err := newRig(t.Context())
	require.NoError(t, err)
	defer r.close()
	require.Equal(t, errNoCompiler.Error(), cFlag.missing(r))
}

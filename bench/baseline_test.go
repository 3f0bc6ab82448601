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
		who  inC
		job  string
		size int
	}{
		{cFlag, jobLatency, 64},
		{cFutex, jobLatency, 64},
		{cSPSC, jobLatency, 64},
		{cSPSC, jobThroughput, 8},
		{cSPSC, jobThroughput, 64},
		{cSPSC, jobBatch, 8},
		{cCopy, jobLatency, 64},
		{cCopy, jobThroughput, 64 << 10},
		{cCopy, jobThroughput, 9}, // not a multiple of the alignment
		{cCopy, jobBatch, 64},
		{cMutex, jobUncontended, 0},
		{cMutex, jobContended, 0},
		{cMutex, jobHandOver, 0},
		{cMutex, jobHandOverFour, 0},
		{cSem, jobUncontended, 0},
		{cSem, jobContended, 0},
		{cSem, jobHandOver, 0},
		{cSem, jobHandOverFour, 0},
		{cRWLock, jobUncontended, 0},
		{cRWLock, jobContended, 0},
		{cBarrier, jobLatency, 0},
		{cCond, jobLatency, 0},
		{cCondLocked, jobLatency, 0},
		{cVyukov, jobMPMC, 8},
		{cVyukov, jobMPMC, 64},
		{cVyukov, jobMPSC, 8},
		{cVyukov, jobMPSC, 64},
		{cVyukov, jobSPMC, 8},
		{cVyukov, jobSPMC, 64},
	} {
		t.Run(c.who.program+c.who.mode+" "+c.job, func(t *testing.T) {
			o, err := c.who.run(t.Context(), r, trial{c.job, c.size, at, tiny.timing})
			require.NoError(t, err)
			require.Positive(t, o.nsPerOp())
			switch c.job {
			case jobContended:
				require.InDelta(t, 0.25, o.extra[lessShare], 0.25)
			case jobHandOver, jobHandOverFour:
				checkHandOver(t, o, sides(c.job))
			case jobMPMC, jobMPSC, jobSPMC:
				require.Positive(t, o.ops)
			default:
				require.NotEmpty(t, o.samples)
			}
		})
	}
	_, err = cSPSC.run(t.Context(), r, trial{jobThroughput, 9, at, tiny.timing})
	require.ErrorContains(t, err, "slots of 8 or 64 bytes")
	_, err = cVyukov.run(t.Context(), r, trial{jobMPMC, 9, at, tiny.timing})
	require.ErrorContains(t, err, "items of 8 or 64 bytes")
}

func TestPythonMeasures(t *testing.T) {
	testproc.NeedTool(t, "python3")
	r, err := newRig(t.Context())
	require.NoError(t, err)
	defer r.close()
	at, _ := r.place(sameCore)
	for _, c := range []inPython{pythonWith, pythonCalls} {
		require.Empty(t, c.missing(r))
		o, err := c.run(t.Context(), r, trial{jobUncontended, 0, at, tiny.timing})
		require.NoError(t, err)
		require.Positive(t, o.nsPerOp())
		require.Positive(t, o.extra[typical])
		require.NotEmpty(t, o.samples)
	}
	_, err = inPython{&pythonLock, "nonsense"}.run(t.Context(), r, trial{jobUncontended, 0, at, tiny.timing})
	require.ErrorContains(t, err, "KeyError: 'nonsense'")
}

func TestWithoutPythonTheReasonIsSaid(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	r, err := newRig(t.Context())
	require.NoError(t, err)
	defer r.close()
	require.Equal(t, "there is no python3 on this machine", pythonWith.missing(r))
}

func TestWithoutACompilerTheReasonIsSaid(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	r, err := newRig(t.Context())
	require.NoError(t, err)
	defer r.close()
	require.Equal(t, errNoCompiler.Error(), cFlag.missing(r))
}

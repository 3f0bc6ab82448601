//go:build !explore

package robust

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// games is what a program may do with its threads and its memory.
func games(c *testproc.Child) {
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			runtime.LockOSThread() // and never unlocked: the thread ends
			_ = make([]byte, 1<<20)
		})
		runtime.GC()
	}
	all.Wait()
	runtime.GOMAXPROCS(1)
	runtime.GC()
	runtime.GOMAXPROCS(runtime.NumCPU())
	require.NoError(c, exec.Command("/proc/self/exe", "-test.list=none").Run())
}

// Keepers outlive what happens to goroutines, threads and garbage.
func TestKeepersOutliveGames(t *testing.T) {
	eachGeometry(t, func(t *testing.T, geometry string) {
		a, f := newArea(t, 4096, "near")
		p := startHolder(t, f, geometry, 2)
		p.WriteLine("games")
		p.Expect("played")
		for i := range 2 {
			pid, held := a.cell(i).OwnerPID()
			require.True(t, held)
			require.Equal(t, p.PID, pid)
		}
		p.Kill()
		awaitMark(t, a.cell(0))
		awaitMark(t, a.cell(1))
	})
}

// firstthread makes keepers where each begins on the first thread.
var _ = testproc.Helper("firstthread", func(c *testproc.Child) {
	began := 0
	for range 100 {
		onFirst := make(chan bool)
		go func() { onFirst <- unix.Gettid() == unix.Getpid() }()
		if <-onFirst {
			began++
		}
		k, err := newKeeper(shadowOffset())
		require.NoError(c, err)
		require.NotEqualValues(c, unix.Getpid(), k.tid)
		require.NotZero(c, k.tid)
		runtime.Gosched()
	}
	c.WriteLine("%v", began > 0)
})

// A keeper is never the first thread, which Go parks for ever instead of ending
// it. With one processor the first thread is where goroutines run.
func TestKeeperIsNotTheFirstThread(t *testing.T) {
	p := testproc.Start(t, "firstthread", testproc.Env("GOMAXPROCS=1"))
	p.Expect("true")
	p.Succeed()
}

func TestOnKeeper(t *testing.T) {
	seen := make(map[int]bool)
	for range 10 {
		require.NoError(t, OnKeeper(func() {
			seen[unix.Gettid()] = true
			require.NotEqual(t, unix.Getpid(), unix.Gettid())
		}))
	}
	require.Len(t, seen, 1, "one thread for all")
	for tid := range seen {
		require.True(t, ownTID(uint32(tid)))
		require.NoError(t, unix.Tgkill(unix.Getpid(), tid, 0), "it lives on")
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			ran := false
			if err := OnKeeper(func() { ran = true }); err != nil || !ran {
				t.Errorf("OnKeeper returned before its function ran: %v", err)
			}
		})
	}
	testproc.Within(t, all.Wait)
}

// child starts a process that dies with this one, from a goroutine whose thread
// ends at once.
var _ = testproc.Helper("daemonparent", func(c *testproc.Child) {
	var pid int
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the thread ends with this goroutine
		cmd := exec.Command(c.Args[0], "1000")
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
		var err error
		if e := OnKeeper(func() { err = cmd.Start() }); e != nil {
			err = e
		}
		pid = cmd.Process.Pid
		started <- err
	}()
	require.NoError(c, <-started)
	// The thread has ended when it is in no list any more; the keeper has not.
	for range 20 {
		runtime.GC()
	}
	require.NoError(c, unix.Kill(pid, 0))
	st, err := readStat("/proc/" + itoa(pid) + "/stat")
	require.NoError(c, err)
	require.False(c, st.ended())
	c.WriteLine("%d", pid)
	c.Park()
})

func TestPdeathsigFromAKeeper(t *testing.T) {
	sleep := testproc.NeedTool(t, "sleep")
	p := testproc.Start(t, "daemonparent", testproc.Args(sleep))
	pid := p.ReadLine()
	st, err := readStat("/proc/" + pid + "/stat")
	require.NoError(t, err)
	p.Kill()
	await(t, func() bool {
		now, err := readStat("/proc/" + pid + "/stat")
		return err != nil || now.start != st.start || now.ended()
	})
}

// A program built with cgo, whose threads have robust lists of glibc's.
func TestCgo(t *testing.T) {
	goTool, cc := testproc.NeedGo(t), testproc.NeedTool(t, "cc")
	program := filepath.Join(t.TempDir(), "cgo")
	cmd := exec.Command(goTool, "build", "-o", program, "./testdata/cgo")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1", "CC="+cc)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)

	a, f := newArea(t, 4096, "near")
	p := exec.Command(program)
	p.ExtraFiles = []*os.File{f}
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	stdin, err := p.StdinPipe()
	require.NoError(t, err)
	stdout, err := p.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, OnKeeper(func() { err = p.Start() }))
	require.NoError(t, err)
	defer func() {
		stdin.Close()
		p.Process.Kill()
		p.Wait()
	}()
	line := make([]byte, 5)
	watchdog := time.AfterFunc(testproc.Watchdog, func() { p.Process.Kill() })
	defer watchdog.Stop()
	_, err = stdout.Read(line)
	require.NoError(t, err)
	require.Equal(t, "held\n", string(line))
	for i := range 3 { // near, foreign, and glibc's own
		require.Equal(t, Present, StateOf(a.cell(i).Word.Load()), "cell %d", i)
		pid, held := a.cell(i).OwnerPID()
		require.True(t, held)
		require.Equal(t, p.Process.Pid, pid)
	}
	require.NoError(t, p.Process.Kill())
	for i := range 3 {
		awaitMark(t, a.cell(i))
	}
	require.NoError(t, a.cell(0).AwaitGone(t.Context(), nil))
}

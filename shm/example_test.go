package shm_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
)

func ExampleSegment() {
	name := fmt.Sprintf("example-%d", os.Getpid())
	s, err := shm.Create(name, 4096, nil) // in Python: SharedMemory(name)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	defer s.Unlink()
	s.Bytes()[0] = 42
	fmt.Println(s.Name() == name, s.Size())
	// Output: true 4096
}

func ExampleView() {
	s, err := shm.Create("", 4096, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	type sample struct {
		At    int64
		Value float32
	}
	samples, err := shm.ViewSlice[sample](s, 0, 256)
	if err != nil {
		log.Fatal(err)
	}
	samples[255].At = 1
	_, err = shm.View[sample](s, 4096)
	fmt.Println(errors.Is(err, shm.ErrRange))
	// Output: true
}

func ExampleObject() {
	type Account struct {
		mu      semaphore.Mutex
		balance int64
		reads   atomic.Int64
	}
	obj, err := shm.NewObject[Account]("", nil) // elsewhere: an argument of a process, or OpenObject
	if err != nil {
		log.Fatal(err)
	}
	defer obj.Close()
	acct := obj.Ptr()
	if err := acct.mu.Lock(); err != nil {
		log.Fatal(err) // NOT held
	}
	acct.balance += 100
	acct.mu.Unlock()
	acct.reads.Add(1)
	fmt.Println(acct.balance)
	// Output: 100
}

func ExampleValue() {
	type Mode struct{ Rate, Burst int }
	v, err := shm.NewValue("", Mode{Rate: 50}, nil) // elsewhere: an argument of a process, or OpenValue
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()
	err = v.Update(context.Background(), func(m *Mode) error {
		m.Rate++
		m.Burst = 2 * m.Rate
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	mode, err := v.Load()
	fmt.Println(mode, err)
	// Output: {51 102} <nil>
}

func ExampleArray() {
	a, err := shm.NewArray[float64]("", 4, nil) // elsewhere: an argument of a process, or OpenArray
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	if err := a.Set(0, 0.5); err != nil {
		log.Fatal(err)
	}
	if err := a.Lock(); err != nil {
		log.Fatal(err) // NOT held
	}
	for i := range a.Slice() {
		a.Slice()[i] += float64(i)
	}
	a.Unlock()
	for i, x := range a.All() {
		fmt.Println(i, x)
	}
	// Output:
	// 0 0.5
	// 1 1
	// 2 2
	// 3 3
}

func ExampleShareableList() {
	name := fmt.Sprintf("example-list-%d", os.Getpid())
	l, err := shm.NewShareableList(name, nil, "howdy", -273.154, 100, nil, true) // in Python: ShareableList(name=name)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	defer l.Unlink()
	if err := l.Set(-1, "so"); err != nil {
		log.Fatal(err)
	}
	err = l.Set(0, "how do you do")
	fmt.Println(errors.Is(err, shm.ErrTooLong))
	for v := range l.All() {
		fmt.Println(v)
	}
	// Output:
	// true
	// howdy
	// -273.154
	// 100
	// <nil>
	// so
}

func ExampleListOptions() {
	l, err := shm.NewShareableList("", &shm.ListOptions{Locked: true}, 41, "idle")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	err = l.Update(context.Background(), 0, func(v any) (any, error) { return v.(int64) + 1, nil })
	fmt.Println(l, err)
	// Output: anonymous list [42, "idle"] <nil>
}

func ExampleTypeError() {
	type Entry struct {
		At   int64
		Text string
	}
	_, err := shm.NewArray[Entry]("", 10, nil)
	var bad *shm.TypeError
	if errors.As(err, &bad) {
		fmt.Println(bad.Path, "is a", bad.Reason)
	}
	// Output: Entry.Text is a string
}

func ExampleExist() {
	name := fmt.Sprintf("example-exist-%d", os.Getpid())
	for _, exist := range []shm.Exist{shm.ExistFail, shm.ExistFail, shm.ExistOpen, shm.ExistReplace} {
		s, err := shm.Create(name, 4096, &shm.Options{Exist: exist})
		if err != nil {
			fmt.Println(errors.Is(err, shm.ErrExist))
			continue
		}
		fmt.Println(s.Bytes()[0])
		s.Bytes()[0]++
		s.Close()
	}
	shm.Unlink(name)
	// Output:
	// 0
	// true
	// 1
	// 0
}

func ExampleOptions() {
	name := fmt.Sprintf("example-options-%d", os.Getpid())
	// Whoever comes first creates it.
	v, err := shm.NewValue(name, 7, &shm.Options{Exist: shm.ExistOpen})
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()
	defer v.Unlink()
	fmt.Println(v.Load())
	// Output: 7 <nil>
}

func ExampleOpenOptions() {
	name := fmt.Sprintf("example-open-%d", os.Getpid())
	seen := make(chan int)
	go func() { // in real life, another process
		v, err := shm.OpenValue[int](context.Background(), name, &shm.OpenOptions{Wait: true, ReadOnly: true})
		if err != nil {
			log.Fatal(err)
		}
		n, err := v.Load()
		if err != nil {
			log.Fatal(err)
		}
		v.Close()
		seen <- n
	}()
	v, err := shm.NewValue(name, 7, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()
	defer v.Unlink()
	fmt.Println(<-seen)
	// Output: 7
}

func ExampleSegment_Grow() {
	s, err := shm.Create("", 100, &shm.Options{Grow: true})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	old := s.Bytes()
	if err := s.Grow(context.Background(), 1<<20); err != nil {
		log.Fatal(err)
	}
	s.Bytes()[0] = 42
	fmt.Println(len(old), len(s.Bytes()), old[0])
	// Output: 100 1048576 42
}

func ExampleCreateFile() {
	path := filepath.Join(os.TempDir(), "shm-example")
	defer os.Remove(path)
	s, err := shm.CreateFile(path, 4096, &shm.Options{Exist: shm.ExistReplace, Mode: 0o640})
	if err != nil {
		log.Fatal(err)
	}
	copy(s.Bytes(), "kept")
	if err := s.Sync(); err != nil { // it is on the disk now
		log.Fatal(err)
	}
	if err := s.Close(); err != nil {
		log.Fatal(err)
	}
	b, err := os.ReadFile(path)
	fmt.Println(string(b[:4]), err)
	// Output: kept <nil>
}

func ExampleHuge() {
	s, err := shm.Create("", 8<<20, &shm.Options{Huge: shm.HugeTry})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	n, err := s.HugeBytes() // what there was
	fmt.Println(n <= s.Size(), err)
	// Output: true <nil>
}

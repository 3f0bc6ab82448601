package pool_test

import (
	"context"
	"slices"
	"testing"

	"github.com/shmkit/shmkit/proc/pool"
)

var square = pool.RegisterTask("square", func(_ context.Context, x int) (int, error) { return x * x, nil })

func BenchmarkApply(b *testing.B) {
	p := newPool(b, 2, nil)
	square.Apply(b.Context(), p, 1)
	for b.Loop() {
		square.Apply(context.Background(), p, 1)
	}
}

func BenchmarkMap(b *testing.B) {
	p := newPool(b, 2, nil)
	in := make([]int, 1000000)
	for b.Loop() {
		square.Map(b.Context(), p, slices.Values(in), nil)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(in)), "ns/task")
}

func BenchmarkImapOne(b *testing.B) {
	p := newPool(b, 2, nil)
	in := make([]int, 100000)
	for b.Loop() {
		for range square.Imap(b.Context(), p, slices.Values(in), &pool.MapOptions{Chunk: 1}) {
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(in)), "ns/task")
}

func BenchmarkMapOne(b *testing.B) {
	p := newPool(b, 2, nil)
	in := make([]int, 100000)
	for b.Loop() {
		square.Map(b.Context(), p, slices.Values(in), &pool.MapOptions{Chunk: 1})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(in)), "ns/task")
}

func BenchmarkMapSlice(b *testing.B) {
	p := newPool(b, 2, nil)
	in := make([]int, 1000000)
	for b.Loop() {
		square.MapSlice(b.Context(), p, in, nil)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(in)), "ns/task")
}

var sameBytes = pool.RegisterTask("bench.same", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })

// 16 MiB there and back.
func BenchmarkLarge(b *testing.B) {
	p, err := pool.New(1, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	block := make([]byte, 16<<20)
	for b.Loop() {
		if got, err := sameBytes.Apply(b.Context(), p, block); err != nil || len(got) != len(block) {
			b.Fatal(len(got), err)
		}
	}
}

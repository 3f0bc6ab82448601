"""
The measuring loop of baseline.h for programs in Python, which follow this text. Their arguments are those of
baseline.h; measure(run) measures run(n), which does n operations.
"""
import os
import sys
from itertools import repeat
from time import monotonic_ns

CHUNK_NS = 1_000_000
_, mode, _, cpu_a, cpu_b, warm_ms, run_ms, samples, _ = sys.argv


def bind(cpu):
    if int(cpu) >= 0:
        os.sched_setaffinity(0, {int(cpu)})


def measure(run):
    run(1)
    n, best = 1, float("inf")  # best: ns an operation in the fastest chunk
    end = monotonic_ns() + int(warm_ms) * 1_000_000
    while True:
        t0 = monotonic_ns()
        run(n)
        t1 = monotonic_ns()
        if t1 - t0 >= CHUNK_NS / 4:
            best = min(best, (t1 - t0) / n)
        if t1 - t0 < CHUNK_NS:
            n *= 2
        if t1 >= end:
            break
    n = max(1, int(CHUNK_NS / best))
    means, ops = [], 0
    first = last = monotonic_ns()
    end = first + int(run_ms) * 1_000_000
    while last < end:
        run(n)
        now = monotonic_ns()
        if len(means) < int(samples):
            means.append((now - last) / n)
        ops += n
        last = now
    for mean in means:
        print(f"sample {mean:.3f}")
    print(f"result {ops} {last - first}")
    print(f"typical {sorted(means)[len(means) // 2]:.3f}")

/*
 * What the C baselines share: arguments, pinning, two processes, the clock and the measuring loop, which is the
 * same as the Go peers' (measure.go): warm-up, then chunks of operations for the run, then single operations.
 *
 * Arguments: MODE SIZE CPU_A CPU_B WARM_MS RUN_MS SAMPLES CAPACITY; a CPU below zero is not pinned.
 * Output: "sample NS" lines (one operation each, or the mean of one chunk), "result OPS NS", and further figures by
 * name, as "typical NS": an operation in the median chunk.
 */
#ifndef BASELINE_H
#define BASELINE_H

#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINE 128 /* what different processes write lies this far apart */

static struct {
	const char *mode;
	long size, cpu_a, cpu_b, warm_ms, run_ms, samples, capacity;
} opt;

static void fail(const char *what) {
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static void arguments(int argc, char **argv) {
	if (argc != 9) {
		fprintf(stderr, "usage: %s MODE SIZE CPU_A CPU_B WARM_MS RUN_MS SAMPLES CAPACITY\n", argv[0]);
		exit(2);
	}
	opt.mode = argv[1];
	long *field[] = {&opt.size, &opt.cpu_a, &opt.cpu_b, &opt.warm_ms, &opt.run_ms, &opt.samples, &opt.capacity};
	for (int i = 0; i < 7; i++)
		*field[i] = atol(argv[i + 2]);
}

static inline int mode_is(const char *m) { return strcmp(opt.mode, m) == 0; }

static void pin(long cpu) {
	if (cpu < 0)
		return;
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof set, &set) != 0)
		fail("pin");
}

static inline void relax(void) {
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static int64_t now_ns(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Zeroed memory that a forked child shares, touched already. */
static void *shared(size_t n) {
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}

/* Runs serve in a second process, pinned as side B, and pins the caller as side A. The peer dies with its parent. */
static inline pid_t start_peer(void (*serve)(void)) {
	pid_t parent = getpid(), pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		pin(opt.cpu_b);
		serve();
		_exit(0);
	}
	pin(opt.cpu_a);
	return pid;
}

static inline void end_peer(pid_t pid) {
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int by_value(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double *numbers(long n) {
	double *p = malloc((n + 1) * sizeof *p);
	if (!p)
		fail("malloc");
	return p;
}

/* Measures run(n), which does n operations. singles: samples are single operations instead of chunk means. */
static void measure(void (*run)(long n), int singles) {
	const int64_t chunk_ns = singles ? 50000 : 1000000;
	double best = 1e18; /* ns an operation in the fastest chunk */
	long n = 1;
	run(1); /* waits for the other side to be there */
	int64_t end = now_ns() + opt.warm_ms * 1000000;
	for (;;) {
		int64_t t0 = now_ns();
		run(n);
		int64_t t1 = now_ns(), d = t1 - t0;
		if (d >= chunk_ns / 4 && (double)d / n < best)
			best = (double)d / n;
		if (d < chunk_ns)
			n *= 2;
		if (t1 >= end)
			break;
	}
	n = chunk_ns / best > 1 ? chunk_ns / best : 1;
	double *sample = numbers(opt.samples), *means = numbers(opt.samples);
	long taken = 0, chunks = 0, ops = 0;
	int64_t first = now_ns(), last = first;
	end = first + opt.run_ms * 1000000;
	while (last < end) {
		run(n);
		int64_t t = now_ns();
		if (chunks < opt.samples)
			means[chunks++] = (double)(t - last) / n;
		ops += n;
		last = t;
	}
	int64_t total = last - first;
	end = last + opt.run_ms * 1000000 / 2;
	while (singles && taken < opt.samples && last < end) {
		int64_t t0 = now_ns();
		run(1);
		last = now_ns();
		sample[taken++] = last - t0;
	}
	for (long i = 0; i < (singles ? taken : chunks); i++)
		printf("sample %.3f\n", singles ? sample[i] : means[i]);
	qsort(means, chunks, sizeof *means, by_value);
	printf("result %ld %lld\ntypical %.3f\n", ops, (long long)total, means[chunks / 2]);
	free(means);
	free(sample);
}

#endif

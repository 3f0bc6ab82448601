/*
 * glibc's robust process-shared mutex. uncontended: one process locks and unlocks. contended: two processes do, for
 * the run, and count a shared counter up under the lock; "share" is the part of the operations that the one with
 * fewer of them got (0.5 is even).
 */
#include "baseline.h"
#include <pthread.h>

static struct board {
	_Alignas(LINE) pthread_mutex_t mu;
	_Alignas(LINE) uint64_t counter; /* under mu */
	_Alignas(LINE) _Atomic int ready, stop;
	_Alignas(LINE) uint64_t peer_ops;
} *board;

static void lock(void) {
	int e = pthread_mutex_lock(&board->mu);
	if (e) {
		errno = e;
		fail("lock");
	}
}

static void run(long n) {
	for (; n > 0; n--) {
		lock();
		board->counter++;
		pthread_mutex_unlock(&board->mu);
	}
}

/* Locks and unlocks until board->stop; the clock is read every 256 operations by the side that has a deadline. */
static uint64_t contend(int64_t until) {
	uint64_t ops = 0;
	while (!atomic_load_explicit(&board->stop, memory_order_relaxed)) {
		run(1);
		if (++ops % 256 == 0 && until && now_ns() >= until)
			atomic_store(&board->stop, 1);
	}
	return ops;
}

static void serve(void) {
	atomic_store(&board->ready, 1);
	board->peer_ops = contend(0);
}

int main(int argc, char **argv) {
	arguments(argc, argv);
	board = shared(sizeof *board);
	pthread_mutexattr_t attr;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&board->mu, &attr);
	if (!mode_is("contended")) {
		pin(opt.cpu_a);
		measure(run, 0);
		return 0;
	}
	pid_t peer = start_peer(serve);
	while (!atomic_load(&board->ready))
		sched_yield();
	int64_t t0 = now_ns();
	uint64_t mine = contend(t0 + opt.run_ms * 1000000);
	int64_t total = now_ns() - t0;
	waitpid(peer, NULL, 0);
	uint64_t all = mine + board->peer_ops, less = mine < board->peer_ops ? mine : board->peer_ops;
	if (board->counter != all) {
		fprintf(stderr, "counted %llu of %llu\n", (unsigned long long)board->counter, (unsigned long long)all);
		return 1;
	}
	printf("result %llu %lld\nshare %.4f\n", (unsigned long long)all, (long long)total, (double)less / all);
	return 0;
}

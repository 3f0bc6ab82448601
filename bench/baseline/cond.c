/*
 * glibc's process-shared condition variable: two processes hand a turn to each other, under a robust mutex. under: they
 * signal while they hold the mutex, so that whoever is woken may find it locked; else when they have unlocked it.
 */
#include "baseline.h"
#include <pthread.h>

static struct handing {
	_Alignas(LINE) pthread_mutex_t mu;
	_Alignas(LINE) pthread_cond_t cond;
	_Alignas(LINE) int turn; /* under mu: whose it is */
} *handing;

static void lock(void) {
	if ((errno = pthread_mutex_lock(&handing->mu)) != 0)
		fail("lock");
}

static void unlock(void) { pthread_mutex_unlock(&handing->mu); }

static void wait_for(int mine) {
	while (handing->turn != mine)
		if ((errno = pthread_cond_wait(&handing->cond, &handing->mu)) != 0)
			fail("wait");
}

static void give_to(int other) {
	handing->turn = other;
	if (mode_is("under"))
		pthread_cond_signal(&handing->cond);
	unlock();
	if (!mode_is("under"))
		pthread_cond_signal(&handing->cond);
}

static void serve(void) {
	for (;;) {
		lock();
		wait_for(1);
		give_to(0);
	}
}

static void run(long n) {
	for (; n > 0; n--) {
		lock();
		give_to(1);
		lock();
		wait_for(0);
		unlock();
	}
}

int main(int argc, char **argv) {
	arguments(argc, argv);
	handing = shared(sizeof *handing);
	pthread_mutexattr_t mutex;
	pthread_mutexattr_init(&mutex);
	pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&mutex, PTHREAD_MUTEX_ROBUST);
	pthread_condattr_t cond;
	pthread_condattr_init(&cond);
	pthread_condattr_setpshared(&cond, PTHREAD_PROCESS_SHARED);
	if ((errno = pthread_mutex_init(&handing->mu, &mutex)) != 0 || (errno = pthread_cond_init(&handing->cond, &cond)) != 0)
		fail("make a condition variable");
	pid_t peer = start_peer(serve);
	measure(run, 1);
	end_peer(peer);
	return 0;
}

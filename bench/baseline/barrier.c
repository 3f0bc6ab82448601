/* glibc's process-shared barrier: two processes meet, round after round. */
#include "baseline.h"
#include <pthread.h>

static pthread_barrier_t *barrier;

static void run(long n) {
	for (; n > 0; n--) {
		int e = pthread_barrier_wait(barrier);
		if (e && e != PTHREAD_BARRIER_SERIAL_THREAD) {
			errno = e;
			fail("wait at the barrier");
		}
	}
}

static void serve(void) {
	for (;;)
		run(1);
}

int main(int argc, char **argv) {
	arguments(argc, argv);
	barrier = shared(sizeof *barrier);
	pthread_barrierattr_t attr;
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	if ((errno = pthread_barrier_init(barrier, &attr, 2)) != 0)
		fail("make a barrier");
	pid_t peer = start_peer(serve);
	measure(run, 1);
	end_peer(peer);
	return 0;
}

/* glibc's robust process-shared mutex. */
#include "baseline.h"
#include <pthread.h>

typedef pthread_mutex_t lockable;
enum { exclusive = 1 };

static void make(lockable *l) {
	pthread_mutexattr_t attr;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	if ((errno = pthread_mutex_init(l, &attr)) != 0)
		fail("make a mutex");
}

static inline void take(lockable *l) {
	int e = pthread_mutex_lock(l);
	if (e) {
		errno = e;
		fail("lock");
	}
}

static inline void give(lockable *l) { pthread_mutex_unlock(l); }

#include "locks.h"

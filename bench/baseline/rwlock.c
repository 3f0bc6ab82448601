/* The read side of glibc's process-shared rwlock. */
#include "baseline.h"
#include <pthread.h>

typedef pthread_rwlock_t lockable;
enum { exclusive = 0 };

static void make(lockable *l) {
	pthread_rwlockattr_t attr;
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	if ((errno = pthread_rwlock_init(l, &attr)) != 0)
		fail("make a rwlock");
}

static inline void take(lockable *l) {
	int e = pthread_rwlock_rdlock(l);
	if (e) {
		errno = e;
		fail("lock for reading");
	}
}

static inline void give(lockable *l) { pthread_rwlock_unlock(l); }

#include "locks.h"

/* glibc's process-shared sem_t with one permit. */
#include "baseline.h"
#include <semaphore.h>

typedef sem_t lockable;
enum { exclusive = 1 };

static void make(lockable *l) {
	if (sem_init(l, 1, 1) != 0)
		fail("make a semaphore");
}

static inline void take(lockable *l) {
	while (sem_wait(l) != 0)
		if (errno != EINTR)
			fail("wait for the semaphore");
}

static inline void give(lockable *l) {
	if (sem_post(l) != 0)
		fail("post");
}

#include "locks.h"

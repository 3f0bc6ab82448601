/* A peer of the tests, in C: the commands of the helper "peer", on the memory
 * in descriptor 3, by glibc's own mutex functions. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void say(int err) {
	switch (err) {
	case 0: puts("OK"); break;
	case EOWNERDEAD: puts("EOWNERDEAD"); break;
	case ENOTRECOVERABLE: puts("ENOTRECOVERABLE"); break;
	case EBUSY: puts("EBUSY"); break;
	default: puts(strerror(err)); break;
	}
	fflush(stdout);
}

static int init(pthread_mutex_t *m, int recursive) {
	pthread_mutexattr_t a;
	pthread_mutexattr_init(&a);
	if (recursive)
		pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	return pthread_mutex_init(m, &a);
}

int main(void) {
	char line[100];
	char *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 3, 0);
	if (at == MAP_FAILED)
		return 1;
	pthread_mutex_t *m = (pthread_mutex_t *)at;
	volatile uint64_t *counter = (uint64_t *)(at + 128);
	while (fgets(line, sizeof line, stdin)) {
		int err = 0;
		line[strcspn(line, "\n")] = 0;
		if (!strcmp(line, "init")) err = init(m, 0);
		else if (!strcmp(line, "init recursive")) err = init(m, 1);
		else if (!strcmp(line, "lock")) err = pthread_mutex_lock(m);
		else if (!strcmp(line, "trylock")) err = pthread_mutex_trylock(m);
		else if (!strcmp(line, "unlock")) err = pthread_mutex_unlock(m);
		else if (!strcmp(line, "consistent")) err = pthread_mutex_consistent(m);
		else if (!strncmp(line, "count ", 6)) {
			for (int n = atoi(line + 6); n > 0 && !err; n--) {
				if ((err = pthread_mutex_lock(m)) == 0) {
					++*counter;
					err = pthread_mutex_unlock(m);
				}
			}
		} else return 2;
		say(err);
	}
	return 0;
}

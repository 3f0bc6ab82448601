/* A peer of the tests, in C: the commands of the helper "sem.peer", by glibc's
 * own semaphore functions. The memory is in descriptor 3. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static void say(int failed) {
	if (!failed) puts("OK");
	else if (errno == EAGAIN) puts("EAGAIN");
	else if (errno == ETIMEDOUT) puts("ETIMEDOUT");
	else if (errno == EOVERFLOW) puts("EOVERFLOW");
	else if (errno == ENOENT) puts("ENOENT");
	else if (errno == EEXIST) puts("EEXIST");
	else puts(strerror(errno));
	fflush(stdout);
}

static int timed(sem_t *s, int ms) {
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000L;
	if (t.tv_nsec >= 1000000000L) t.tv_sec++, t.tv_nsec -= 1000000000L;
	return sem_timedwait(s, &t);
}

int main(void) {
	char line[400], name[300];
	char *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 3, 0);
	if (at == MAP_FAILED || sizeof(sem_t) != 32)
		return 1;
	sem_t *s = (sem_t *)at;
	volatile uint64_t *counter = (uint64_t *)(at + 128);
	int n, v;
	while (fgets(line, sizeof line, stdin)) {
		int err = 0;
		line[strcspn(line, "\n")] = 0;
		if (sscanf(line, "init %d", &n) == 1) err = sem_init(s, 1, n);
		else if (sscanf(line, "create %s %d", name, &n) == 2) {
			sem_t *o = sem_open(name, O_CREAT | O_EXCL, 0600, n);
			err = o == SEM_FAILED;
			if (!err) s = o;
		} else if (sscanf(line, "open %s", name) == 1) {
			sem_t *o = sem_open(name, 0);
			err = o == SEM_FAILED;
			if (!err) s = o;
		} else if (sscanf(line, "unlink %s", name) == 1) err = sem_unlink(name);
		else if (!strcmp(line, "acquire")) err = sem_wait(s);
		else if (!strcmp(line, "try")) err = sem_trywait(s);
		else if (sscanf(line, "timed %d", &n) == 1) err = timed(s, n);
		else if (!strcmp(line, "release")) err = sem_post(s);
		else if (!strcmp(line, "value")) {
			sem_getvalue(s, &v);
			printf("%d\n", v);
			fflush(stdout);
			continue;
		} else if (sscanf(line, "count %d", &n) == 1) {
			for (; n > 0 && !err; n--)
				if ((err = sem_wait(s)) == 0) {
					++*counter;
					err = sem_post(s);
				}
		} else return 2;
		say(err);
	}
	return 0;
}

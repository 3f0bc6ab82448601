/*
 * Futex round trip: two processes hand a token to each other with FUTEX_WAIT and FUTEX_WAKE on shared words,
 * after the example of futex(2): no spinning, one wake a hand-over.
 */
#include "baseline.h"
#include <linux/futex.h>
#include <sys/syscall.h>

static struct lines {
	_Alignas(LINE) _Atomic uint32_t there;
	_Alignas(LINE) _Atomic uint32_t back;
} *words;

static long futex(_Atomic uint32_t *w, int op, uint32_t v) { return syscall(SYS_futex, w, op, v, NULL, NULL, 0); }

static void post(_Atomic uint32_t *w) {
	atomic_store_explicit(w, 1, memory_order_release);
	if (futex(w, FUTEX_WAKE, 1) < 0)
		fail("futex wake");
}

static void await(_Atomic uint32_t *w) {
	for (;;) {
		uint32_t one = 1;
		if (atomic_compare_exchange_strong(w, &one, 0))
			return;
		if (futex(w, FUTEX_WAIT, 0) < 0 && errno != EAGAIN && errno != EINTR)
			fail("futex wait");
	}
}

static void serve(void) {
	for (;;) {
		await(&words->there);
		post(&words->back);
	}
}

static void run(long n) {
	for (; n > 0; n--) {
		post(&words->there);
		await(&words->back);
	}
}

int main(int argc, char **argv) {
	arguments(argc, argv);
	words = shared(sizeof *words);
	pid_t peer = start_peer(serve);
	measure(run, 1);
	end_peer(peer);
	return 0;
}

/*
 * Raw flag round trip: two processes spin on two cache lines, one number there, the same number back.
 * Nothing that moves a message between two processes can be faster than this.
 */
#include "baseline.h"

static struct lines {
	_Alignas(LINE) _Atomic uint64_t there;
	_Alignas(LINE) _Atomic uint64_t back;
} *flags;

static uint64_t number;

static void serve(void) {
	for (uint64_t want = 1;; want++) {
		while (atomic_load_explicit(&flags->there, memory_order_acquire) != want)
			relax();
		atomic_store_explicit(&flags->back, want, memory_order_release);
	}
}

static void run(long n) {
	for (; n > 0; n--) {
		number++;
		atomic_store_explicit(&flags->there, number, memory_order_release);
		while (atomic_load_explicit(&flags->back, memory_order_acquire) != number)
			relax();
	}
}

int main(int argc, char **argv) {
	arguments(argc, argv);
	flags = shared(sizeof *flags);
	pid_t peer = start_peer(serve);
	measure(run, 1);
	end_peer(peer);
	return 0;
}

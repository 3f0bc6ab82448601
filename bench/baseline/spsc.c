/*
 * Single-producer single-consumer ring of fixed slots (8 or 64 bytes), spinning. Each index, and each side's cached
 * copy of the other's index, has a line of its own; publication is a release store, observation an acquire load.
 *
 * latency: a round trip through two rings. throughput: one way; every item carries its number and is checked.
 * batch: the same, 64 items a publication.
 */
#include "baseline.h"

struct ring {
	_Alignas(LINE) _Atomic uint64_t tail; /* written by the producer */
	_Alignas(LINE) _Atomic uint64_t head; /* written by the consumer */
	_Alignas(LINE) uint64_t head_seen;    /* the producer's copy of head */
	_Alignas(LINE) uint64_t tail_seen;    /* the consumer's copy of tail */
	_Alignas(LINE) uint64_t mask;
	_Alignas(LINE) unsigned char slots[];
};

static struct ring *forth, *back;
static uint64_t sent, received;

typedef struct { uint64_t w[8]; } item64;
#define BATCH 64

static struct ring *ring_new(void) {
	struct ring *r = shared(sizeof(struct ring) + opt.capacity * opt.size);
	r->mask = opt.capacity - 1;
	return r;
}

#define RING(T)                                                                                                       \
	static inline void send_##T(struct ring *r, T v) {                                                            \
		uint64_t t = atomic_load_explicit(&r->tail, memory_order_relaxed);                                    \
		while (t - r->head_seen > r->mask) {                                                                  \
			r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);                          \
			if (t - r->head_seen > r->mask)                                                               \
				relax();                                                                              \
		}                                                                                                     \
		((T *)r->slots)[t & r->mask] = v;                                                                     \
		atomic_store_explicit(&r->tail, t + 1, memory_order_release);                                         \
	}                                                                                                             \
	static inline T recv_##T(struct ring *r) {                                                                    \
		uint64_t h = atomic_load_explicit(&r->head, memory_order_relaxed);                                    \
		while (h == r->tail_seen) {                                                                           \
			r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);                          \
			if (h == r->tail_seen)                                                                        \
				relax();                                                                              \
		}                                                                                                     \
		T v = ((T *)r->slots)[h & r->mask];                                                                   \
		atomic_store_explicit(&r->head, h + 1, memory_order_release);                                         \
		return v;                                                                                             \
	}

RING(uint64_t)
RING(item64)

static void check(uint64_t got, uint64_t want) {
	if (got != want) {
		fprintf(stderr, "item %llu arrived as %llu\n", (unsigned long long)want, (unsigned long long)got);
		exit(1);
	}
}

static void echo8(void) { for (;;) send_uint64_t(back, recv_uint64_t(forth)); }
static void echo64(void) { for (;;) send_item64(back, recv_item64(forth)); }

static void trip8(long n) {
	for (; n > 0; n--) {
		send_uint64_t(forth, ++sent);
		check(recv_uint64_t(back), sent);
	}
}

static void trip64(long n) {
	item64 v = {{0}};
	for (; n > 0; n--) {
		v.w[0] = ++sent;
		send_item64(forth, v);
		check(recv_item64(back).w[0], sent);
	}
}

static void produce8(void) { for (;;) send_uint64_t(forth, ++sent); }
static void consume8(long n) { for (; n > 0; n--) check(recv_uint64_t(forth), ++received); }

static void produce64(void) {
	item64 v = {{0}};
	for (;;) {
		v.w[0] = ++sent;
		send_item64(forth, v);
	}
}
static void consume64(long n) { for (; n > 0; n--) check(recv_item64(forth).w[0], ++received); }

static void produce_batch(void) {
	struct ring *r = forth;
	uint64_t v[BATCH];
	for (;;) {
		for (int i = 0; i < BATCH; i++)
			v[i] = ++sent;
		uint64_t t = atomic_load_explicit(&r->tail, memory_order_relaxed);
		while (t + BATCH - r->head_seen > r->mask + 1) {
			r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
			relax();
		}
		for (int i = 0; i < BATCH; i++)
			((uint64_t *)r->slots)[(t + i) & r->mask] = v[i];
		atomic_store_explicit(&r->tail, t + BATCH, memory_order_release);
	}
}

static void consume_batch(long n) {
	struct ring *r = forth;
	uint64_t v[BATCH];
	while (n > 0) {
		uint64_t h = atomic_load_explicit(&r->head, memory_order_relaxed);
		while (h == r->tail_seen) {
			r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
			if (h == r->tail_seen)
				relax();
		}
		long m = r->tail_seen - h;
		if (m > BATCH)
			m = BATCH;
		if (m > n)
			m = n;
		for (long i = 0; i < m; i++)
			v[i] = ((uint64_t *)r->slots)[(h + i) & r->mask];
		atomic_store_explicit(&r->head, h + m, memory_order_release);
		for (long i = 0; i < m; i++)
			check(v[i], ++received);
		n -= m;
	}
}

int main(int argc, char **argv) {
	arguments(argc, argv);
	if ((opt.size != 8 && opt.size != 64) || opt.capacity <= 0 || (opt.capacity & (opt.capacity - 1))) {
		fprintf(stderr, "slots of 8 or 64 bytes, capacity a power of two\n");
		return 2;
	}
	forth = ring_new();
	back = ring_new();
	int small = opt.size == 8;
	pid_t peer;
	if (mode_is("latency")) {
		peer = start_peer(small ? echo8 : echo64);
		measure(small ? trip8 : trip64, 1);
	} else if (mode_is("batch")) {
		peer = start_peer(produce_batch);
		measure(consume_batch, 0);
	} else {
		peer = start_peer(small ? produce8 : produce64);
		measure(small ? consume8 : consume64, 0);
	}
	end_peer(peer);
	return 0;
}

/*
 * The byte ring's transfer in C: messages of any length, an 8-byte length before each, rounded up to 8 bytes, in
 * memory mapped twice in a row so that no message wraps; memcpy in, memcpy out, one release store a message on
 * either side, cached indices, spinning.
 *
 * latency: a round trip through two rings. throughput: one way; every message carries its number and is checked.
 * batch: the same, 64 messages a publication on either side.
 */
#include "baseline.h"

struct indices {
	_Alignas(LINE) _Atomic uint64_t tail; /* written by the producer */
	_Alignas(LINE) _Atomic uint64_t head; /* written by the consumer */
	_Alignas(LINE) uint64_t head_seen;
	_Alignas(LINE) uint64_t tail_seen;
};

struct ring {
	struct indices *x;
	unsigned char *data;
};

static struct ring forth, back;
static unsigned char *out, *in; /* the caller's own memory on either side */
static uint64_t sent, received;

static void ring_new(struct ring *r) {
	r->x = shared(sizeof *r->x);
	int fd = memfd_create("baseline", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, opt.capacity) != 0)
		fail("memfd");
	r->data = mmap(NULL, 2 * opt.capacity, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (r->data == MAP_FAILED)
		fail("reserve");
	for (int i = 0; i < 2; i++)
		if (mmap(r->data + i * opt.capacity, opt.capacity, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0) == MAP_FAILED)
			fail("map twice");
	close(fd);
}

static inline void send_bytes(struct ring *r, const void *p, uint64_t n) {
	struct indices *x = r->x;
	uint64_t t = atomic_load_explicit(&x->tail, memory_order_relaxed), need = 8 + ((n + 7) & ~7ULL);
	while (t + need - x->head_seen > (uint64_t)opt.capacity) {
		x->head_seen = atomic_load_explicit(&x->head, memory_order_acquire);
		if (t + need - x->head_seen > (uint64_t)opt.capacity)
			relax();
	}
	unsigned char *at = r->data + (t & (opt.capacity - 1));
	*(uint64_t *)at = n;
	memcpy(at + 8, p, n);
	atomic_store_explicit(&x->tail, t + need, memory_order_release);
}

static inline uint64_t recv_bytes(struct ring *r, void *p, uint64_t max) {
	struct indices *x = r->x;
	uint64_t h = atomic_load_explicit(&x->head, memory_order_relaxed);
	while (h == x->tail_seen) {
		x->tail_seen = atomic_load_explicit(&x->tail, memory_order_acquire);
		if (h == x->tail_seen)
			relax();
	}
	unsigned char *at = r->data + (h & (opt.capacity - 1));
	uint64_t n = *(uint64_t *)at;
	if (n > max) {
		fprintf(stderr, "message of %llu bytes\n", (unsigned long long)n);
		exit(1);
	}
	memcpy(p, at + 8, n);
	atomic_store_explicit(&x->head, h + 8 + ((n + 7) & ~7ULL), memory_order_release);
	return n;
}

static inline void check(const unsigned char *p, uint64_t want) {
	if (*(uint64_t *)p != want) {
		fprintf(stderr, "message %llu arrived as %llu\n", (unsigned long long)want,
			(unsigned long long)*(uint64_t *)p);
		exit(1);
	}
}

static void echo(void) {
	for (;;)
		send_bytes(&back, in, recv_bytes(&forth, in, opt.size));
}

static void trip(long n) {
	for (; n > 0; n--) {
		*(uint64_t *)out = ++sent;
		send_bytes(&forth, out, opt.size);
		recv_bytes(&back, in, opt.size);
		check(in, sent);
	}
}

static void produce(void) {
	for (;;) {
		*(uint64_t *)out = ++sent;
		send_bytes(&forth, out, opt.size);
	}
}

static void consume(long n) {
	for (; n > 0; n--) {
		recv_bytes(&forth, in, opt.size);
		check(in, ++received);
	}
}

#define BATCH 64

static void produce_batch(void) {
	struct indices *x = forth.x;
	for (;;) {
		uint64_t t = atomic_load_explicit(&x->tail, memory_order_relaxed);
		uint64_t step = 8 + ((opt.size + 7) & ~7UL), need = BATCH * step;
		while (t + need - x->head_seen > (uint64_t)opt.capacity) {
			x->head_seen = atomic_load_explicit(&x->head, memory_order_acquire);
			relax();
		}
		for (int i = 0; i < BATCH; i++, t += step) {
			unsigned char *at = forth.data + (t & (opt.capacity - 1));
			*(uint64_t *)(out + i * opt.size) = ++sent;
			*(uint64_t *)at = opt.size;
			memcpy(at + 8, out + i * opt.size, opt.size);
		}
		atomic_store_explicit(&x->tail, t, memory_order_release);
	}
}

static void consume_batch(long n) {
	struct indices *x = forth.x;
	while (n > 0) {
		uint64_t h = atomic_load_explicit(&x->head, memory_order_relaxed);
		while (h == x->tail_seen) {
			x->tail_seen = atomic_load_explicit(&x->tail, memory_order_acquire);
			if (h == x->tail_seen)
				relax();
		}
		long got = 0;
		for (; got < BATCH && got < n && h != x->tail_seen; got++) {
			unsigned char *at = forth.data + (h & (opt.capacity - 1));
			uint64_t m = *(uint64_t *)at;
			if (m > (uint64_t)opt.size)
				exit(1);
			memcpy(in + got * opt.size, at + 8, m);
			h += 8 + ((m + 7) & ~7ULL);
		}
		atomic_store_explicit(&x->head, h, memory_order_release);
		for (long i = 0; i < got; i++)
			check(in + i * opt.size, ++received);
		n -= got;
	}
}

int main(int argc, char **argv) {
	arguments(argc, argv);
	if (opt.size < 8 || opt.capacity < 2 * opt.size || (opt.capacity & (opt.capacity - 1))) {
		fprintf(stderr, "messages of 8 bytes and more, capacity a power of two and at least two messages\n");
		return 2;
	}
	size_t room = ((mode_is("batch") ? BATCH * opt.size : opt.size) + 63) & ~63L;
	out = aligned_alloc(64, room);
	in = aligned_alloc(64, room);
	if (!out || !in)
		fail("malloc");
	memset(out, 'x', room);
	memset(in, 0, room);
	ring_new(&forth);
	ring_new(&back);
	pid_t peer;
	if (mode_is("latency")) {
		peer = start_peer(echo);
		measure(trip, 1);
	} else if (mode_is("batch")) {
		if (opt.capacity < 2 * BATCH * (opt.size + 16)) {
			fprintf(stderr, "the ring holds less than two batches\n");
			return 2;
		}
		peer = start_peer(produce_batch);
		measure(consume_batch, 0);
	} else {
		peer = start_peer(produce);
		measure(consume, 0);
	}
	end_peer(peer);
	return 0;
}

/*
 * Dmitry Vyukov's bounded queue of cells for any number of producers and consumers, between processes: a cell carries
 * the turn at which it may be written (its position) or read (its position + 1); who moves the enqueue or the dequeue
 * position by a CAS owns the cell. Written from the published description of the algorithm. Each position has a line of
 * its own; where only one process enqueues, or dequeues, it moves the position with a plain store. Who finds the queue
 * full, or empty, pauses for a while and then yields the processor again and again.
 *
 * MODE is mpmc (two producers, two consumers), mpsc (two, one) or spmc (one, two). Items of 8 or 64 bytes carry their
 * producer and their number: consumers check that those of a producer rise, and all together that none was lost or came
 * twice. "result" counts the items that all consumers received in the run (fanin.go does the same).
 */
#include "baseline.h"

#define MAX_SIDES 4
#define OPS_PER_LOOK 256 /* operations between two looks at the clock and at the phase; contention.go has the same */
#define PAUSES 128       /* before the first yield */

static struct board {
	_Alignas(LINE) _Atomic uint64_t tail; /* where to enqueue */
	_Alignas(LINE) _Atomic uint64_t head; /* where to dequeue */
	_Alignas(LINE) _Atomic int phase;     /* 0 warming up, 1 counting, 2 over */
	_Atomic int here, ended, closed;
	struct {
		_Alignas(LINE) uint64_t counted, sent, received;
		int64_t ns;       /* how long counting lasted here */
		uint64_t sums[2]; /* of the numbers received, by producer */
	} side[MAX_SIDES];
} *board;

static unsigned char *cells;
static int apart; /* how many bytes from cell to cell */
static int producers, consumers, me; /* consumers are the first sides */

/* An item's first word is its number, with its producer in the lowest bit. */
static inline void check(uint64_t w) {
	static uint64_t last[2];
	uint64_t p = w & 1, number = w >> 1;
	if (number <= last[p]) {
		fprintf(stderr, "item %llu of producer %llu came after item %llu\n", (unsigned long long)number,
			(unsigned long long)p, (unsigned long long)last[p]);
		exit(1);
	}
	last[p] = number;
	board->side[me].sums[p] += number;
}

static inline void idle(int *pauses) {
	if (++*pauses < PAUSES)
		relax();
	else
		sched_yield();
}

/* Tells the consumer, which calls it every OPS_PER_LOOK items, what time it is. */
static void look(uint64_t n) {
	static uint64_t before;
	static int64_t since;
	static int counting, over;
	int64_t now = now_ns();
	if (!since)
		since = now;
	int phase = atomic_load_explicit(&board->phase, memory_order_relaxed);
	if (phase == 0 && now - since >= opt.warm_ms * 1000000)
		atomic_compare_exchange_strong(&board->phase, &phase, 1);
	phase = atomic_load_explicit(&board->phase, memory_order_relaxed);
	if (phase == 1 && !counting) {
		counting = 1;
		before = n;
		since = now;
	} else if (phase == 1 && now - since >= opt.run_ms * 1000000) {
		atomic_store(&board->phase, phase = 2);
	}
	if (phase == 2 && counting && !over) {
		over = 1;
		board->side[me].counted = n - before;
		board->side[me].ns = now - since;
	}
}

/*
 * What follows is compiled for each shape, a constant: items of so many words, cells so many bytes apart, and whether
 * there is one process at this end.
 */
#define FOR_EACH_SHAPE static inline __attribute__((always_inline))

struct cell {
	_Atomic uint64_t turn;
	uint64_t words[];
};

FOR_EACH_SHAPE struct cell *cell(uint64_t at, int apart) {
	return (struct cell *)(cells + (at & (opt.capacity - 1)) * apart);
}

/* Claims the cell whose turn it is by ahead, and leaves its position in *at; NULL where there is none. */
FOR_EACH_SHAPE struct cell *claim(_Atomic uint64_t *end, uint64_t *at, int ahead, int apart, int alone) {
	*at = atomic_load_explicit(end, memory_order_relaxed);
	for (;;) {
		struct cell *c = cell(*at, apart);
		int64_t late = atomic_load_explicit(&c->turn, memory_order_acquire) - (*at + ahead);
		if (late < 0)
			return NULL;
		if (late > 0) {
			*at = atomic_load_explicit(end, memory_order_relaxed);
		} else if (alone) {
			atomic_store_explicit(end, *at + 1, memory_order_relaxed);
			return c;
		} else if (atomic_compare_exchange_weak_explicit(end, at, *at + 1, memory_order_relaxed,
								 memory_order_relaxed)) {
			return c;
		}
	}
}

FOR_EACH_SHAPE int enqueue(const uint64_t *item, int words, int apart, int alone) {
	uint64_t at;
	struct cell *c = claim(&board->tail, &at, 0, apart, alone);
	if (!c)
		return 0;
	c->words[0] = item[0]; /* just written: a wider load would wait until that is in the cache */
	memcpy(c->words + 1, item + 1, (words - 1) * sizeof *item);
	atomic_store_explicit(&c->turn, at + 1, memory_order_release);
	return 1;
}

FOR_EACH_SHAPE int dequeue(uint64_t *item, int words, int apart, int alone) {
	uint64_t at;
	struct cell *c = claim(&board->head, &at, 1, apart, alone);
	if (!c)
		return 0;
	memcpy(item, c->words, words * sizeof *item);
	atomic_store_explicit(&c->turn, at + opt.capacity, memory_order_release);
	return 1;
}

FOR_EACH_SHAPE uint64_t produce(int words, int apart, int alone) {
	uint64_t number = 0, item[8] = {0}, producer = me - consumers;
	while (atomic_load_explicit(&board->phase, memory_order_relaxed) != 2)
		for (int i = 0; i < OPS_PER_LOOK; i++) {
			item[0] = ++number << 1 | producer;
			for (int pauses = 0; !enqueue(item, words, apart, alone);)
				idle(&pauses);
		}
	return number;
}

FOR_EACH_SHAPE uint64_t consume(int words, int apart, int alone) {
	uint64_t n = 0, item[8];
	for (;;) {
		for (int pauses = 0; !dequeue(item, words, apart, alone);) {
			if (!atomic_load_explicit(&board->closed, memory_order_acquire))
				idle(&pauses);
			else if (dequeue(item, words, apart, alone))
				break;
			else
				return n;
		}
		__asm__ volatile("" : : "r"(item) : "memory"); /* all of the item counts as read */
		check(item[0]);
		if (++n % OPS_PER_LOOK == 0)
			look(n);
	}
}

/* Cells of 72 bytes are faster side by side between two and two, but on lines of their own where one end is alone. */
static uint64_t send_all(void) {
	if (opt.size == 8)
		return producers == 1 ? produce(1, 16, 1) : produce(1, 16, 0);
	if (apart == 72)
		return produce(8, 72, 0);
	return producers == 1 ? produce(8, LINE, 1) : produce(8, LINE, 0);
}

static uint64_t receive_all(void) {
	if (opt.size == 8)
		return consumers == 1 ? consume(1, 16, 1) : consume(1, 16, 0);
	if (apart == 72)
		return consume(8, 72, 0);
	return consumers == 1 ? consume(8, LINE, 1) : consume(8, LINE, 0);
}

static void make_cells(void) {
	apart = opt.size == 8 ? 16 : producers > 1 && consumers > 1 ? 72 : LINE;
	cells = shared(opt.capacity * apart);
	for (long i = 0; i < opt.capacity; i++)
		atomic_init(&cell(i, apart)->turn, i);
}

/* One side's part, which begins when all have come. */
static void take_part(void) {
	atomic_fetch_add(&board->here, 1);
	while (atomic_load(&board->here) < producers + consumers)
		sched_yield();
	if (me < consumers) {
		board->side[me].received = receive_all();
		return;
	}
	board->side[me].sent = send_all();
	if (atomic_fetch_add(&board->ended, 1) == producers - 1)
		atomic_store(&board->closed, 1);
}

int main(int argc, char **argv) {
	arguments(argc, argv);
	producers = mode_is("spmc") ? 1 : 2;
	consumers = mode_is("mpsc") ? 1 : 2;
	if ((opt.size != 8 && opt.size != 64) || opt.capacity <= 1 || (opt.capacity & (opt.capacity - 1))) {
		fprintf(stderr, "items of 8 or 64 bytes, capacity a power of two\n");
		return 2;
	}
	board = shared(sizeof *board);
	make_cells();
	for (me = 1; me < producers + consumers; me++)
		start_peer(take_part);
	me = 0;
	take_part();
	for (int i = 1, status; i < producers + consumers; i++)
		if (wait(&status) < 0 || status != 0)
			fail("wait for the other sides");
	uint64_t counted = 0, sent = 0, received = 0, wrong = 0;
	int64_t ns = 0;
	for (int i = 0; i < producers + consumers; i++) {
		counted += board->side[i].counted;
		sent += board->side[i].sent;
		received += board->side[i].received;
		if (board->side[i].ns > ns)
			ns = board->side[i].ns;
	}
	for (int p = 0; p < producers; p++) {
		uint64_t n = board->side[consumers + p].sent, sum = 0;
		for (int i = 0; i < consumers; i++)
			sum += board->side[i].sums[p];
		wrong += sum != n * (n + 1) / 2;
	}
	if (received != sent || wrong) {
		fprintf(stderr, "received %llu items of %llu, or some of them twice\n", (unsigned long long)received,
			(unsigned long long)sent);
		return 1;
	}
	printf("result %llu %lld\n", (unsigned long long)counted, (long long)ns);
	return 0;
}

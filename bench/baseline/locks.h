/*
 * What the locks' baselines share. A program defines lockable (the type), exclusive (0 if holders do not exclude each
 * other), make, take and give, and then includes this.
 *
 * uncontended: one process takes and gives. contended: two processes do, for the run. hand-over, hand-over-of-four: two
 * or four processes do, and see who gets it when. Figures: "share" is the fewest operations of one process by those of
 * all, "least" by the most of one, "jain" Jain's index of them (1 is even); with hand-over "wait" is the longest wait in
 * ns, "row" how often one process got the lock in a row at most.
 *
 * Under the lock a shared counter is counted up, or only read where holders do not exclude each other.
 */
#define MAX_SIDES 4
#define OPS_PER_LOOK 256 /* operations between two looks at the clock and at the stop flag; contention.go has the same */

static struct board {
	_Alignas(LINE) lockable lock;
	_Alignas(LINE) uint64_t counter; /* this and the next three: under lock */
	int last;
	uint64_t row, longest_row;
	_Alignas(LINE) _Atomic int here, stop;
	struct {
		_Alignas(LINE) uint64_t ops;
		int64_t longest_wait;
	} side[MAX_SIDES];
} *board;

static int sides = 1, me;
static uint64_t seen;

static void run(long n) {
	for (; n > 0; n--) {
		take(&board->lock);
		if (exclusive)
			board->counter++;
		else
			seen += board->counter;
		give(&board->lock);
	}
}

static void contend(int64_t until) {
	uint64_t ops = 0;
	while (!atomic_load_explicit(&board->stop, memory_order_relaxed)) {
		run(OPS_PER_LOOK);
		ops += OPS_PER_LOOK;
		if (now_ns() >= until)
			atomic_store(&board->stop, 1);
	}
	board->side[me].ops = ops;
}

static void hand_over(int64_t until) {
	uint64_t ops = 0;
	int64_t longest = 0;
	while (!atomic_load_explicit(&board->stop, memory_order_relaxed)) {
		int64_t before = now_ns();
		take(&board->lock);
		int64_t got = now_ns();
		board->counter++;
		board->row = board->last == me ? board->row + 1 : 1;
		board->last = me;
		if (board->row > board->longest_row)
			board->longest_row = board->row;
		give(&board->lock);
		ops++;
		if (got - before > longest)
			longest = got - before;
		if (got >= until)
			atomic_store(&board->stop, 1);
	}
	board->side[me].ops = ops;
	board->side[me].longest_wait = longest;
}

/* One side's part, which begins when all have come. */
static void compete(void) {
	atomic_fetch_add(&board->here, 1);
	while (atomic_load(&board->here) < sides)
		sched_yield();
	int64_t until = now_ns() + opt.run_ms * 1000000;
	if (mode_is("contended"))
		contend(until);
	else
		hand_over(until);
}

static int compete_all(void) {
	for (me = 1; me < sides; me++)
		start_peer(compete);
	me = 0;
	int64_t t0 = now_ns();
	compete();
	int64_t total = now_ns() - t0;
	for (int i = 1, status; i < sides; i++)
		if (wait(&status) < 0 || status != 0)
			fail("wait for the other sides");
	uint64_t all = 0, least = UINT64_MAX, most = 0;
	double squares = 0;
	int64_t longest = 0;
	for (int i = 0; i < sides; i++) {
		uint64_t ops = board->side[i].ops;
		all += ops;
		squares += (double)ops * ops;
		least = ops < least ? ops : least;
		most = ops > most ? ops : most;
		longest = board->side[i].longest_wait > longest ? board->side[i].longest_wait : longest;
	}
	if (exclusive && board->counter != all) {
		fprintf(stderr, "counted %llu of %llu\n", (unsigned long long)board->counter, (unsigned long long)all);
		return 1;
	}
	printf("result %llu %lld\n", (unsigned long long)all, (long long)total);
	printf("share %.4f\nleast %.4f\njain %.4f\n", (double)least / all, (double)least / most,
	       (double)all * all / (sides * squares));
	printf("wait %lld\nrow %llu\n", (long long)longest, (unsigned long long)board->longest_row);
	return 0;
}

int main(int argc, char **argv) {
	arguments(argc, argv);
	board = shared(sizeof *board);
	make(&board->lock);
	if (mode_is("contended") || mode_is("hand-over"))
		sides = 2;
	else if (mode_is("hand-over-of-four"))
		sides = 4;
	if (sides > 1)
		return compete_all();
	pin(opt.cpu_a);
	measure(run, 0);
	return 0;
}

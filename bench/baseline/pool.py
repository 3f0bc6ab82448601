"""
Python's multiprocessing.Pool of two workers:
  map       an operation is a map of 100 000 trivial tasks, in chunks as map chooses them
  map-one   an operation is a map of 10 000 trivial tasks, one in each message
  apply     an operation is one trivial task, waited for
  large     an operation is one task with 16 MiB there and back
Processes are forked. Results are checked.
"""
import multiprocessing


def square(x):
    return x * x


def same(b):
    return b


def wrong(got):
    sys.exit(f"a task returned {got}")


def maps(pool, count, chunk):
    numbers = range(count)
    want = [x * x for x in numbers]

    def run(n):
        for _ in repeat(None, n):
            if pool.map(square, numbers, chunk) != want:
                wrong("something else")

    measure(run)


def applies(pool):
    def run(n):
        for i in range(n):
            got = pool.apply(square, (i,))
            if got != i * i:
                wrong(got)

    measure(run)


def large(pool):
    b = bytes(16 << 20)

    def run(n):
        for _ in repeat(None, n):
            if len(pool.apply(same, (b,))) != len(b):
                wrong("another length")

    measure(run)


def main():
    bind(cpu_a)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        if mode == "map":
            maps(pool, 100000, None)
        elif mode == "map-one":
            maps(pool, 10000, 1)
        elif mode == "apply":
            applies(pool)
        else:
            large(pool)


if __name__ == "__main__":
    main()

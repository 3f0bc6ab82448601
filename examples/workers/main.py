from multiprocessing import Pool, TimeoutError
import os
import time


def square(x):
    return x * x


def slow(seconds):
    time.sleep(seconds)


def own_id(_):
    return os.getpid()


if __name__ == '__main__':
    with Pool(3) as pool:
        print('squares', *pool.map(square, range(8)))
        print('in any order', sum(pool.imap_unordered(square, range(8))))
        later = pool.apply_async(square, (12,))
        print('later', later.get(timeout=60))
        ids = set(pool.map(own_id, range(100)))
        print('by workers', str(1 <= len(ids) <= 3 and os.getpid() not in ids).lower())
        try:
            pool.apply_async(slow, (30,)).get(timeout=0.1)
        except TimeoutError:
            print('gave up waiting')
        print('still usable', pool.apply(square, (5,)))
    try:
        pool.apply(square, (1,))
    except ValueError:
        print('closed')

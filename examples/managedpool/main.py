from multiprocessing import Manager, Process


def square(x):
    return x * x


def use(pool):
    print(pool.map(square, [1, 2, 3, 4]))


if __name__ == '__main__':
    with Manager() as manager:
        pool = manager.Pool(2)
        for _ in range(2):
            p = Process(target=use, args=(pool,))
            p.start()
            p.join()

from multiprocessing import Manager, Process


def work(d, numbers, n):
    d[n] = '1'
    d['2'] = 2
    d[0.25] = None
    numbers.append(n)


if __name__ == '__main__':
    with Manager() as manager:
        d, numbers = manager.dict(), manager.list()
        workers = [Process(target=work, args=(d, numbers, n)) for n in range(10)]
        for p in workers:
            p.start()
        for p in workers:
            p.join()
        print(len(d), 'keys')
        print(d[9], d['2'], d[0.25] or 'nothing')
        print(*sorted(numbers))

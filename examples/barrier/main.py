from multiprocessing import Barrier, Process


def party(barrier, i):
    print('here is', i, flush=True)
    barrier.wait()
    print('all are here, says', i, flush=True)


if __name__ == '__main__':
    barrier = Barrier(3)
    processes = [Process(target=party, args=(barrier, i)) for i in range(3)]
    for p in processes:
        p.start()
    for p in processes:
        p.join()

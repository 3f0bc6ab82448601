from multiprocessing import Lock, Process


def greet(lock, i):
    with lock:
        print('hello', i, flush=True)
        print('goodbye', i, flush=True)


if __name__ == '__main__':
    lock = Lock()
    processes = [Process(target=greet, args=(lock, i)) for i in range(10)]
    for p in processes:
        p.start()
    for p in processes:
        p.join()

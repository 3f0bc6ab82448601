"""
A dictionary in a manager, whose server is a process of its own:
  dict   one client sets a key and gets it, each time another number
  four   four processes do, each with a key of its own; all together
  make   make a dictionary and give it up
The server and the clients are forked. What is got is checked.
"""
import multiprocessing
from multiprocessing.managers import SyncManager
from time import sleep


def set_and_get(d, key, number):
    d[key] = number
    got = d[key]
    if got != number:
        sys.exit(f"number {number} is {got}")


def sets_and_gets(d):
    number = 0

    def run(n):
        nonlocal number
        for _ in repeat(None, n):
            number += 1
            set_and_get(d, "client-0", number)

    return run


def makes(manager, n):
    for _ in repeat(None, n):
        manager.dict()  # and is given up when nothing refers to it any more: at once


def client(d, number, counts):
    done = 0
    while True:
        done += 1
        set_and_get(d, f"client-{number}", done)
        counts[number * 16] = done


def four(context, d):
    counts = context.RawArray("Q", 4 * 16)
    clients = [context.Process(target=client, args=(d, i, counts), daemon=True) for i in range(4)]
    for p in clients:
        p.start()

    def wait(seconds):
        sleep(seconds)
        if not all(p.is_alive() for p in clients):
            sys.exit("a client has ended")

    while not all(counts[i * 16] for i in range(4)):
        wait(0.001)
    wait(int(warm_ms) / 1000)
    before, start = sum(counts), monotonic_ns()
    wait(int(run_ms) / 1000)
    print(f"result {sum(counts) - before} {monotonic_ns() - start}")
    for p in clients:
        p.kill()
        p.join()


def main():
    context = multiprocessing.get_context("fork")
    manager = SyncManager(ctx=context)
    manager.start(bind, (cpu_b,))
    bind(cpu_a)
    if mode == "make":
        measure(lambda n: makes(manager, n))
    elif mode == "four":
        four(context, manager.dict())
    else:
        measure(sets_and_gets(manager.dict()))
    manager.shutdown()


if __name__ == "__main__":
    main()

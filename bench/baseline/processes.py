"""
Python's multiprocessing between two processes:
  queue-rate   a Queue of 4096 places, filled by the other process with small objects
  join-rate    a JoinableQueue of 4096 places, filled by the other process with numbers, each of which is finished
  queue-trip   there and back through two Queues
  pipe-trip    there and back through a Pipe, as objects
  pipe-bytes   the same with 64 bytes, by send_bytes and recv_bytes
  spawn        start a process by the start method spawn, and wait for its end
Processes are forked, but for spawn. Each message carries its number, which is checked.
"""
import multiprocessing
from dataclasses import dataclass


@dataclass
class Task:
    number: int
    name: str
    text: str


def task(number):
    return Task(number, "worker-17", "the quick brown fox jumps over it")


def fill(q):
    bind(cpu_b)
    number = 0
    while True:
        number += 1
        q.put(task(number))


def fill_numbers(q):
    bind(cpu_b)
    number = 0
    while True:
        number += 1
        q.put(number)


def answer(get, put):
    bind(cpu_b)
    while True:
        put(get())


def check(got, number):
    if got != number:
        sys.exit(f"message {number} arrived as {got}")


def start(*args):
    p = multiprocessing.get_context("fork").Process(target=args[0], args=args[1:], daemon=True)
    p.start()
    bind(cpu_a)
    return p


def rate(get):
    number = 0

    def run(n):
        nonlocal number
        for _ in repeat(None, n):
            number += 1
            check(get().number, number)

    measure(run)


def finishes(get, done):
    number = 0

    def run(n):
        nonlocal number
        for _ in repeat(None, n):
            number += 1
            check(get(), number)
            done()

    measure(run)


def trips(put, get, pack, unpack):
    number = 0

    def run(n):
        nonlocal number
        for _ in repeat(None, n):
            number += 1
            put(pack(number))
            check(unpack(get()), number)

    measure(run)


def nothing():
    pass


def spawns(n):
    context = multiprocessing.get_context("spawn")
    for _ in repeat(None, n):
        p = context.Process(target=nothing)
        p.start()
        p.join()
        if p.exitcode != 0:
            sys.exit(f"a process ended with {p.exitcode}")


def main():
    if mode == "spawn":
        bind(cpu_a)
        measure(spawns)
        return
    context = multiprocessing.get_context("fork")
    if mode == "queue-rate":
        q = context.Queue(4096)
        p = start(fill, q)
        rate(q.get)
    elif mode == "join-rate":
        q = context.JoinableQueue(4096)
        p = start(fill_numbers, q)
        finishes(q.get, q.task_done)
    elif mode == "queue-trip":
        forth, back = context.Queue(), context.Queue()
        p = start(answer, forth.get, back.put)
        trips(forth.put, back.get, task, lambda t: t.number)
        forth.cancel_join_thread()
    elif mode == "pipe-trip":
        ours, theirs = context.Pipe()
        p = start(answer, theirs.recv, theirs.send)
        trips(ours.send, ours.recv, task, lambda t: t.number)
    else:
        ours, theirs = context.Pipe()
        p = start(answer, theirs.recv_bytes, theirs.send_bytes)
        trips(
            ours.send_bytes,
            ours.recv_bytes,
            lambda number: number.to_bytes(64, "little"),
            lambda b: int.from_bytes(b, "little"),
        )
    p.kill()


if __name__ == "__main__":
    main()

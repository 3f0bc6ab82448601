"""
Python's multiprocessing.Lock, taken and given back by one process: with: as its documentation does; calls: by acquire
and release, looked up beforehand. Nothing is counted under it: in Python that would cost as much as the call.
"""
import multiprocessing

lock = multiprocessing.Lock()


def run_with(n):
    for _ in repeat(None, n):
        with lock:
            pass


def run_calls(n):
    acquire, release = lock.acquire, lock.release
    for _ in repeat(None, n):
        acquire()
        release()


bind(cpu_a)
measure({"with": run_with, "calls": run_calls}[mode])

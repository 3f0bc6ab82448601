"""A peer of the tests, in Python: the commands of the helper "sem.peer", by
multiprocessing. The memory is in descriptor 3."""
import _multiprocessing
import mmap
import multiprocessing
import struct
import sys
from multiprocessing import synchronize

memory = mmap.mmap(3, 4096)
kinds = {"Lock": synchronize.Lock, "Semaphore": synchronize.Semaphore,
         "BoundedSemaphore": synchronize.BoundedSemaphore}


def attach(kind, name, most):
    """Opens what has that name, as a child of Python's spawn context does."""
    s = kinds[kind].__new__(kinds[kind])
    s.__setstate__((0, synchronize.SEMAPHORE, int(most), name))
    return s


def call(words):
    global s
    if words[0] == "make":  # KIND [VALUE]: says the name
        s = getattr(multiprocessing.get_context("spawn"), words[1])(*map(int, words[2:]))
        return s._semlock.name
    if words[0] == "attach":
        s = attach(*words[1:])
    elif words[0] == "unlink":
        _multiprocessing.sem_unlink(words[1])
    elif words[0] == "acquire":
        s.acquire()
    elif words[0] == "try":
        return "OK" if s.acquire(False) else "EAGAIN"
    elif words[0] == "timed":
        return "OK" if s.acquire(True, int(words[1]) / 1000) else "ETIMEDOUT"
    elif words[0] == "release":
        s.release()
    elif words[0] == "value":
        return s._semlock._get_value()
    elif words[0] == "count":
        for _ in range(int(words[1])):
            with s:
                n, = struct.unpack_from("Q", memory, 128)
                struct.pack_into("Q", memory, 128, n + 1)
    else:
        sys.exit(2)
    return "OK"


for line in sys.stdin:
    try:
        said = call(line.split())
    except ValueError:
        said = "EOVERFLOW"
    except FileNotFoundError:
        said = "ENOENT"
    print(said, flush=True)

from multiprocessing import Process
from multiprocessing.shared_memory import SharedMemory


def square(name):
    shared = SharedMemory(name)
    numbers = shared.buf.cast('q')
    for i, n in enumerate(numbers):
        numbers[i] = n * n
    print('squared', len(numbers), 'numbers')
    numbers.release()
    shared.close()


if __name__ == '__main__':
    shared = SharedMemory(create=True, size=8 * 512)
    numbers = shared.buf.cast('q')
    for i in range(len(numbers)):
        numbers[i] = i
    worker = Process(target=square, args=(shared.name,))
    worker.start()
    worker.join()
    print('the last one is', numbers[-1])
    numbers.release()
    shared.close()
    shared.unlink()

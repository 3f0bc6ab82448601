import os
import tempfile
from multiprocessing import Process
from multiprocessing.managers import BaseManager
from queue import Queue

key = b'abracadabra'
queue = Queue()


def get_queue():
    return queue


class QueueManager(BaseManager):
    pass


QueueManager.register('get_queue', callable=get_queue)


def connect(address):
    m = QueueManager(address=address, authkey=key)
    m.connect()
    return m.get_queue()


def put(address):
    connect(address).put('hello')


def get(address):
    print(connect(address).get())


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as folder:
        address = os.path.join(folder, 'queue')
        with QueueManager(address=address, authkey=key):
            clients = [Process(target=t, args=(address,)) for t in (get, put)]
            for p in clients:
                p.start()
            for p in clients:
                p.join()

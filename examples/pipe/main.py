from multiprocessing import Pipe, Process


def say(conn):
    conn.send('hello')
    conn.close()


def hear(conn):
    print('one way:', conn.recv())
    conn.close()


def ask(conn):
    conn.send('how do you do?')
    print('there and back:', conn.recv())
    conn.close()


def echo(conn):
    conn.send(conn.recv().upper())
    conn.close()


def connect(one, other, duplex):
    a, b = Pipe(duplex)
    processes = [Process(target=one, args=(a,)), Process(target=other, args=(b,))]
    for p in processes:
        p.start()
    for p in processes:
        p.join()


if __name__ == '__main__':
    connect(hear, say, duplex=False)
    connect(ask, echo, duplex=True)

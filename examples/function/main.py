from multiprocessing import Process


def greet(name, times):
    for i in range(times):
        print('hello', name, i)


if __name__ == '__main__':
    p = Process(target=greet, args=('bob', 2))
    p.start()
    p.join()
    print('exit code', p.exitcode)

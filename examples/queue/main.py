from multiprocessing import Process, Queue


def put(words):
    words.put('hello')


def get(words, heard):
    heard.put(words.get())


def get_all(words, heard):
    while True:
        heard.put(words.get())


if __name__ == '__main__':
    words, heard = Queue(), Queue()
    putters = [Process(target=put, args=(words,)) for _ in range(2)]
    getters = [Process(target=t, args=(words, heard)) for t in (get, get_all, get_all)]
    for p in putters + getters[:1]:
        p.start()
    getters[0].join()  # it has one of the two words, and wants no more
    for p in getters[1:]:
        p.start()
    for _ in putters:
        print('heard', heard.get())

    # The others wait for more, and would for ever.
    for p in getters[1:]:
        p.terminate()
        p.join()
        print('terminated, exit code', p.exitcode)

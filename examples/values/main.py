from multiprocessing import Array, Process, Value


def change(number, numbers):
    number.value = 2.5
    for i in range(len(numbers)):
        numbers[i] = -numbers[i]


if __name__ == '__main__':
    number = Value('d', 0.0)
    numbers = Array('i', range(1, 6))

    p = Process(target=change, args=(number, numbers))
    p.start()
    p.join()

    print(number.value)
    for n in numbers:
        print(n)

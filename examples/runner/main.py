from multiprocessing import Process


class Squarer(Process):
    def __init__(self, number):
        super().__init__(name=f'squarer-{number}')
        self.number = number

    def run(self):
        print(self.name, 'says', self.number ** 2)


if __name__ == '__main__':
    processes = [Squarer(n) for n in (2, 3, 4)]
    for p in processes:
        p.start()
    for p in processes:
        p.join()

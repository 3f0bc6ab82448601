from multiprocessing import Event, Process


def wait(event):
    event.wait()
    print('patient: it is set', flush=True)


def wait_a_moment(event):
    if not event.wait(timeout=0.1):
        print('impatient: not yet', flush=True)


if __name__ == '__main__':
    event = Event()
    patient = Process(target=wait, args=(event,))
    patient.start()
    impatient = Process(target=wait_a_moment, args=(event,))
    impatient.start()
    impatient.join()

    print('set', flush=True)
    event.set()
    patient.join()

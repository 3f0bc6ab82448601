import mmap
import os

about = dict(field.split('=', 1) for field in os.environ['SHMKIT_NUMBERS'].split(';'))
memory = mmap.mmap(int(about['fd']), int(about['size']))
numbers = memoryview(memory).cast('q')
for i, n in enumerate(numbers):
    numbers[i] = n * n
print('squared', len(numbers), 'numbers')

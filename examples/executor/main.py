from concurrent.futures import ProcessPoolExecutor, as_completed

NUMBERS = [999999937, 999999938, 1000000007, 1000000011, 998244353, 2147483629]


def is_prime(n):
    if n < 2 or n % 2 == 0:
        return n == 2
    d = 3
    while d * d <= n:
        if n % d == 0:
            return False
        d += 2
    return True


def root(x):
    if x < 0:
        raise ValueError('negative: %d' % x)
    return int(x ** 0.5)


if __name__ == '__main__':
    with ProcessPoolExecutor(2) as executor:
        for number, prime in zip(NUMBERS, executor.map(is_prime, NUMBERS)):
            print(number, 'is prime' if prime else 'is not prime')

        futures = {executor.submit(root, x): x for x in (4, -1, 9)}
        lines = []
        for f in as_completed(futures):
            try:
                lines.append('root of %d is %d' % (futures[f], f.result()))
            except ValueError as e:
                lines.append('root of %d: %s' % (futures[f], e))
        print('\n'.join(sorted(lines)))

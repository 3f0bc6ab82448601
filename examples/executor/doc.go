// Executor looks for primes in two processes, and takes the results of other tasks as they
// end, as the same program with Python's ProcessPoolExecutor does. README.md shows both.
package main

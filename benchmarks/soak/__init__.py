"""Whether sqznet survives what programs and hostile files do to it, for as long as one likes.

`python -m benchmarks.soak` runs hostile files, interrupts, forks, killed and competing writers, and
then the memory of a long mixed run; it prints cases tried, failures and memory over time, and fails
if there is one failure.
"""

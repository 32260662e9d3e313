"""`sqznet serve` under load: `python -m benchmarks.serving --help`."""

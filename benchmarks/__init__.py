"""Benchmarks of a tool call, as ratios to baselines measured in the same run: `make bench`."""

"""One intent is one event: identical calls in flight, calls that a host repeats, and keys of callers."""

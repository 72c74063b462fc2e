"""What a call costs, as ratios to references that are measured in the same run: `make bench`."""

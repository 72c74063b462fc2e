"""What stands between a valid call and its request: limits, confirmation, records, and what makes it one event."""

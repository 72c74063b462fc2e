"""What logs, metrics and traces record about a call."""

"""Rate limiters: one process, or every process that writes to a workspace."""

"""Authentication and authorization of callers of the HTTP service."""

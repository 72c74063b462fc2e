"""How a request reaches the Track API: the connection pool behind httpx's transport interface."""

"""How this package reaches Redis; needs the extra `redis`."""

"""Settings: where they come from, and what is valid."""

"""Maxima per hour: what they count, in one process or in Redis, and what a refusal says."""

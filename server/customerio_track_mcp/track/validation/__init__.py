"""The vendor's limits and rules, checked before anything is sent."""

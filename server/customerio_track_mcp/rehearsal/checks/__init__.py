"""The checks of a rehearsal: one module each, and what they have in common."""

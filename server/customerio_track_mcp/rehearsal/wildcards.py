"""Patterns of names and identifiers, in which `*` stands for any characters, and nothing else is special."""

from __future__ import annotations


def is_like(pattern: str, text: str) -> bool:
    """Return whether a pattern matches a whole text, in about linear time. Upper and lower case are different."""
    first, *middle = pattern.split("*")
    if not middle:
        return text == pattern
    last = middle.pop()
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    position, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True


def is_person_like(pattern: str, identifier: str) -> bool:
    """Return whether a pattern matches an identifier of a person. Email addresses have no case."""
    if "@" in identifier:
        return is_like(pattern.lower(), identifier.lower())
    return is_like(pattern, identifier)

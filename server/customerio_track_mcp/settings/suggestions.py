"""The known name that somebody who wrote another one probably meant."""

from __future__ import annotations

import heapq
import unicodedata
from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches
from typing import Final

_MIN_SIMILARITY: Final = 0.75
"""Of `difflib`: `signup` is close enough to `signed_up`, `purchase` is not to `purchase_refunded`."""
_MAX_COMPARED: Final = 3
"""Candidates whose order of letters is compared, which takes up to cubic time; of the others only their number is."""


def closest(name: str, candidates: Iterable[str]) -> str:
    """Return the candidate that is closest to `name`; empty if none is close.

    One that differs only in case, spaces and punctuation is the closest: `Signed Up` is `signed_up`.
    """
    by_letters: dict[str, str] = {}
    for candidate in candidates:
        by_letters.setdefault(_letters(candidate), candidate)
    letters = _letters(name)
    if letters in by_letters:
        return by_letters[letters]
    matcher = SequenceMatcher(b=letters)

    def rough_similarity(candidate: str) -> float:
        matcher.set_seq1(candidate)
        return matcher.quick_ratio()

    likely = heapq.nlargest(_MAX_COMPARED, by_letters, key=rough_similarity)
    matches = get_close_matches(letters, likely, n=1, cutoff=_MIN_SIMILARITY)
    return by_letters[matches[0]] if matches else ""


def _letters(name: str) -> str:
    """Return the letters and digits of `name` in one case; the whole name if it has none."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(filter(str.isalnum, folded)) or folded

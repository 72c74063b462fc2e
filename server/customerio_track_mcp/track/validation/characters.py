"""Characters that nobody sees, in text that identifies a person, an attribute or an event.

Two identifiers that differ only in such a character look the same and are two people.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# The general categories of Unicode.
_KINDS: Final = {
    "Cc": "control character",
    "Cf": "invisible character",
    "Cn": "unassigned character",
    "Co": "private-use character",
    "Zl": "line separator",
    "Zp": "paragraph separator",
}
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_JOINERS: Final = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
# Format characters that are visible: the property Prepended_Concatenation_Mark.
_VISIBLE_MARKS: Final = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)
# The flags of parts of countries, as UTS #51 spells them: a black flag, the code in TAG characters, CANCEL TAG.
_FLAG: Final = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f")
# Code points that no version of Unicode shows: reserved for ignorable characters, and format controls that Unicode 15
# assigned. A code point without a category may otherwise be an emoji that is newer than the running Python's Unicode.
_NEVER_VISIBLE: Final = re.compile("[\u2065\ufff0-\ufff8\U00013439-\U0001343f\U000e0000-\U000e0fff]")


def hidden_characters(text: str, *, strict: bool) -> str:
    """Describe the characters of `text` that must not be part of an identifier or a name.

    These are control characters, format characters such as U+200B, private-use characters, noncharacters, line and
    paragraph separators, and U+FFFD, which replaces a character that was lost.

    Args:
        text: text whose size has been checked, since every character is examined.
        strict: whether to report also what emoji and words of some languages need, but email addresses do not: ZWJ and
            ZWNJ (at the ends they are always reported), the TAG characters of a flag, visible format characters, and
            characters that the running Python's version of Unicode does not assign.

    Returns:
        The first of them with its code point and position, as the predicate of a sentence; empty if there is none.
    """
    if text.isprintable() and _REPLACEMENT not in text:
        return ""
    last = len(text) - 1
    examined = text if strict else _FLAG.sub(lambda flag: "-" * len(flag[0]), text)
    found = [
        (position, character)
        for position, character in enumerate(examined)
        if (character == _REPLACEMENT or unicodedata.category(character) in _KINDS)
        and (strict or not _is_part_of_a_word(character, at_end=position in (0, last)))
    ]
    return _describe(*found[0], more=len(found) - 1) if found else ""


def _is_part_of_a_word(character: str, *, at_end: bool) -> bool:
    if character in _JOINERS:
        return not at_end
    if unicodedata.category(character) == "Cn":
        return not (_is_noncharacter(ord(character)) or _NEVER_VISIBLE.match(character))
    return character in _VISIBLE_MARKS


def _is_noncharacter(code_point: int) -> bool:
    return 0xFDD0 <= code_point <= 0xFDEF or code_point & 0xFFFE == 0xFFFE


def _describe(position: int, character: str, more: int) -> str:
    kind = _KINDS.get(unicodedata.category(character), "character")
    name = unicodedata.name(character, "")
    named = f" ({name})" if name else ""
    others = f" and {more} more such character{'' if more == 1 else 's'}" if more else ""
    correction = "pass the original text" if character == _REPLACEMENT else f"remove {'them' if more else 'it'}"
    where = f"at position {position}, counted from 0"
    return f"contains the {kind} U+{ord(character):04X}{named} {where}{',' if more else ''}{others}; {correction}"

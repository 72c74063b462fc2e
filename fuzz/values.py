"""Random JSON values, as text: Python's own `json` could not write most of what hosts get wrong.

To add a kind of value, add it to `_STRINGS`, `_NUMBERS` or `_container`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final

_PLAIN: Final = ("1042", "ann", "bought", "pro", "id", "page", "A-17", "https://shop.example/", "ann@example.com")
_PLACEHOLDERS: Final = ("undefined", "null", "None", "NaN", "[object Object]", "{{customer.id}}", "${id}", "<id>", "")
_JSON: Final = ('{"a":1}', "[]", '["1","2"]', "{", "null", '""', "1" * 5000, "[" * 2000, '{"a":NaN}', '"\\ud800"')
_NUMBER_LIKE: Final = ("0", "-1", "1.0", "1e3", "007", " 7 ", "٣", "1_000", "1700000000", "1700000000000", "9" * 400)
_ALPHABETS: Final[Sequence[Sequence[str]]] = (
    [chr(code) for code in range(32, 127)],
    [chr(code) for code in range(32)],  # control characters
    list("\x7f\x85\xa0\xad\u0600\u061c\u180e\u200b\u200c\u200d\u200e\u2028\u2029\u202e\u2066\ufeff\ufffd\uffff"),
    list("\ud800\udbff\udc00\udfff"),  # lone surrogates
    list("äßéþÄ漢字かな한글عربيעברית"),
    list("😀👨\u200d👩🏽🇩🇪\U000e0001\U0010ffff\U000f0000"),
    list("./\\?#%&+:;@,\"'<>[]{}$`|~^*= \t"),
)
_KEYS: Final = (
    "__class__", "__proto__", "__init__", "self", "cls", "loc", "model_config", "arguments", "context", "name", "extra",
    "", " ", ".", "a.b", "id", "cio_id", "email", "Email", "created_at", "unsubscribed", "Unsubscribed", "recipient",
    "timestamp", "_timestamp", "_update", "cio_subscription_preferences", "cio_subscription_preferences.topics.t1",
    "unsubscribed.\ud800", "\ud800", "customerId", "customer_id\ud800", "event", "last_seen_at", "toolCallId",
    "sessionId", "plan", "plan",
)  # fmt: skip
_NUMBERS: Final = (
    "0", "-0", "-0.0", "1", "-1", "1.0", "1042.0", "1.5", "1e3", "1E400", "-1e400", "1e-400", "NaN", "Infinity",
    "-Infinity", "9007199254740991", "9007199254740993", "9007199254740993.0", "2147483648", "1700000000",
    "1700000000000", "1700000000000000000", "946684800", "18446744073709551616", "9" * 300, "9" * 4000,
    "-" + "9" * 4300, "9" * 4301, "9" * 9000, "0." + "1" * 900,
)  # fmt: skip
_SPACES: Final = ("", "", "", " ", "\t", "  ", "\r")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_MAX_DEPTH: Final = 5
_LARGE_DEPTHS: Final = (60, 300, 1500, 20_000)

Text = Callable[[], str]
"""Returns a JSON text."""


class Values:
    """Random JSON texts, drawn from one source of randomness.

    Args:
        random: the source; the same state gives the same texts.
    """

    def __init__(self, random: Random) -> None:
        self._random = random

    def value(self, depth: int = 0) -> str:
        """Return any JSON value."""
        draw = self._random.random()
        if draw < 0.4:
            return self.string()
        if draw < 0.6:
            return self.number()
        if draw < 0.72 or depth >= _MAX_DEPTH:
            return self._random.choice(("null", "true", "false"))
        return self._container(depth)

    def number(self) -> str:
        """Return a number, or what JavaScript and Python write for one."""
        return self._random.choice(_NUMBERS)

    def string(self) -> str:
        """Return a string."""
        return self.quote(self.text())

    def text(self) -> str:
        """Return a Python string of any kind."""
        draw = self._random.random()
        if draw < 0.3:
            return self._random.choice(_PLAIN)
        if draw < 0.4:
            return self._random.choice(_PLACEHOLDERS)
        if draw < 0.5:
            return self._random.choice(_JSON)
        if draw < 0.6:
            return self._random.choice(_NUMBER_LIKE)
        return self._characters()

    def key(self) -> str:
        """Return the name of a member as a Python string: a suspicious one, or any text."""
        return self._random.choice(_KEYS) if self._random.random() < 0.6 else self.text()

    def object_of(self, members: Sequence[tuple[str, str]]) -> str:
        """Return an object.

        Args:
            members: names, as Python strings, and values, as JSON texts. Names may be repeated.
        """
        colon = f"{self._space()}:{self._space()}"
        body = f",{self._space()}".join(f"{self.quote(name)}{colon}{value}" for name, value in members)
        return f"{{{self._space()}{body}}}"

    def quote(self, text: str) -> str:
        """Return `text` as a JSON string, with or without escapes."""
        escaped = self._random.random() < 0.5 or _SURROGATE.search(text) is not None
        return json.dumps(text, ensure_ascii=escaped)

    def _characters(self) -> str:
        alphabet = self._random.choice(_ALPHABETS)
        length = self._random.choice((1, 1, 2, 5, 20, 151, 1001)) if self._random.random() > 0.002 else 120_000
        odd = self._random.choices(alphabet, k=min(length, 8))
        filling = "a" * max(0, length - len(odd))
        around = self._random.choice(("{}{}", "{}{}", "ann{}{}@example.com", "cio_{}{}", " {}{}", "https://x/{}{}"))
        return around.format("".join(odd), filling)

    def _container(self, depth: int) -> str:
        random = self._random
        draw = random.random()
        if depth == 0 and draw < 0.02:
            levels = random.choice(_LARGE_DEPTHS)
            opening, closing = random.choice((("[", "]"), ('{"a":', "}")))
            return f"{opening * levels}1{closing * levels}"
        if depth == 0 and draw < 0.03:
            return f"[{','.join([self.string()] * random.choice((1000, 1001)))}]"
        if depth == 0 and draw < 0.04:
            return self.object_of([(f"a{number}", "1") for number in range(random.choice((298, 300, 301)))])
        if draw < 0.5:
            return f"[{','.join(self.value(depth + 1) for _ in range(random.randrange(4)))}]"
        return self.object_of([(self.key(), self.value(depth + 1)) for _ in range(random.randrange(4))])

    def _space(self) -> str:
        return self._random.choice(_SPACES)


def plausible(values: Values, random: Random) -> Mapping[str, Text]:
    """Return, for each parameter of the tools, a function that returns a value that is likely to be accepted."""

    def one_of(*texts: str) -> Text:
        return lambda: random.choice(texts)

    return {
        "customer_id": one_of('"1042"', "1042", '"ann@example.com"', '"cio_03000001"', '"a/b+c"', '" 7 "', "1042.0"),
        "email": one_of('"ann@example.com"', '"ann+x@example.com"', '"älice@exämple.com"'),
        "created_at": one_of("1700000000", '"1700000000"', "1700000000.0", "null"),
        "attributes": lambda: random.choice(('{"plan":"pro"}', "null", '"{\\"a\\":1}"', _attributes(values, random))),
        "event_name": one_of('"bought"', '"👨\u200d👩 joined"', '" signed in "', '"https://shop.example/pricing"', "7"),
        "event_type": one_of('"page"', '"screen"', '"event"', "null"),
        "data": lambda: random.choice(('{"total":49.9}', "null", '"{}"', _attributes(values, random))),
        "segment_id": one_of('"7"', "7", "7.0"),
        "customer_ids": one_of('["1"]', '["1","2","1"]', '"[\\"a\\"]"', "[1,2]", '["ann@example.com"]'),
        "id_type": one_of('"id"', '"email"', '"cio_id"', "null"),
    }


def _attributes(values: Values, random: Random) -> str:
    return values.object_of([(values.key(), values.value(1)) for _ in range(random.randrange(1, 4))])

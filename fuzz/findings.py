"""What a run found, and how it is printed."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from fuzz.messages import Message

_DIFFERENT_IN_EACH_RUN: Final = re.compile(r"\b(?:[0-9A-HJKMNP-TV-Z]{26}|now is \d+)\b")
_JOINED: Final = ". This is the result of an identical call that was in flight"
_OF_IDENTICAL_CALLS: Final = re.compile(
    rf"(?:{re.escape(_JOINED)}|, which is that of an earlier identical call): one event (?:is|was) recorded for both\. "
    r"To record [^.]*(?=\.)|, but an earlier identical call with the same event id, …, may have been"
)
"""What a message says in addition if the call was joined or repeats another, which depends on when each arrives."""
_MAX_SHOWN_BYTES: Final = 2000
_MAX_EXAMPLES: Final = 3
_MAX_FINDINGS: Final = 500


@dataclass(frozen=True, slots=True)
class Example:
    """A message after which something happened that must not happen.

    Attributes:
        message: the message; None if it cannot be said which one it was.
        evidence: the response, or the line on stderr; empty if there is none.
    """

    message: Message | None
    evidence: bytes


@dataclass(slots=True)
class Findings:
    """The result of fuzzing one case.

    Attributes:
        case: the transport and the protocol.
        seed: the seed of the messages.
        calls: the number of tool calls sent.
        others: the number of other messages sent.
        succeeded: the number of calls that succeeded.
        joined: how many of them got the result of an identical call in flight, so that nothing was sent for them.
        payloads: the payload of each call by the number of its message, without what differs in each run.
        found: what must not happen, each kind with its examples.
    """

    case: str
    seed: int
    calls: int = 0
    others: int = 0
    succeeded: int = 0
    joined: int = 0
    payloads: dict[int, str] = field(default_factory=dict)
    found: dict[str, list[Example]] = field(default_factory=lambda: defaultdict(list))

    def add_payload(self, message: Message, payload: Mapping[str, object]) -> None:
        """Add the payload of a call."""
        self.succeeded += payload["success"] is True
        self.joined += _JOINED in str(payload.get("message"))
        text = _DIFFERENT_IN_EACH_RUN.sub("…", json.dumps(payload, sort_keys=True))
        self.payloads[message.number] = _OF_IDENTICAL_CALLS.sub("", text)

    def compare(self, other: Findings) -> None:
        """Add every call that got another payload in `other`, which has sent the same messages another way."""
        for number in self.payloads.keys() & other.payloads.keys():
            if self.payloads[number] != other.payloads[number]:
                text = f"message {number}\n{self.payloads[number]}\n{other.payloads[number]}"
                self.add(f"another payload than over {other.case}", evidence=text.encode())

    def add(self, kind: str, message: Message | None = None, evidence: bytes = b"") -> None:
        """Add a finding.

        Args:
            kind: what happened.
            message: the message after which it happened.
            evidence: the response, or the line on stderr.
        """
        self.found[kind].append(Example(message, evidence))

    @property
    def total(self) -> int:
        """The number of findings."""
        return sum(map(len, self.found.values()))

    @property
    def are_enough(self) -> bool:
        """Whether the maximum number of findings is reached, which ends the run."""
        return self.total >= _MAX_FINDINGS

    def __str__(self) -> str:
        lines = [
            f"{self.case}, seed {self.seed}: {self.calls} calls and {self.others} other messages, "
            f"{self.succeeded} calls succeeded, {self.total} findings"
        ]
        for kind, examples in self.found.items():
            lines.append(f"- {kind} ({len(examples)})")
            for example in examples[:_MAX_EXAMPLES]:
                if example.message is not None:
                    again = f"{self.case} --seed {self.seed} --first {example.message.number} --count 1"
                    lines.append(f"  again: make fuzz ARGS='{again}'")
                    lines.append(f"  message: {_shown(example.message.content)}")
                if example.evidence:
                    lines.append(f"  received: {_shown(example.evidence)}")
        return "\n".join(lines)


def _shown(content: bytes) -> str:
    rest = len(content) - _MAX_SHOWN_BYTES
    return repr(content[:_MAX_SHOWN_BYTES]) + (f" and {rest} more bytes" if rest > 0 else "")

"""Entries of static tokens: which are valid, and what is reported of the others."""

from __future__ import annotations

import hashlib

import pytest

from customerio_track_mcp.http.auth.scopes import TOOL_SCOPES
from customerio_track_mcp.http.auth.token_entries import Entries, digest_of, why_not_a_token
from tests.support.http_service import OTHER_TOKEN, TOKEN

SHA256 = hashlib.sha256(TOKEN.encode()).hexdigest()
SHA512 = hashlib.sha512(TOKEN.encode()).hexdigest()


def parse(*texts: str) -> Entries:
    entries = Entries()
    entries.parse(texts, "TOKENS: line")
    return entries


@pytest.mark.parametrize(
    ("token", "form"),
    [
        (f"SHA256:{SHA256}", "SHA256:"),
        (f"Sha256:{SHA256}", "Sha256:"),
        (f"sha-256:{SHA256}", "sha-256:"),
        (f"sha256={SHA256}", "sha256="),
        (f"sha256{SHA256}", "sha256"),
        (f"sha512:{SHA512}", "sha512:"),
        (f"sha3-256:{SHA256}", "sha3-256:"),
        (f"sha1:{SHA256[:40]}", "sha1:"),
        (f"md5:{SHA256[:32]}", "md5:"),
        (f"MD5:{SHA256[:8]}", "MD5:"),
        (f"blake2b:{SHA512}", "blake2b:"),
        ("sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "sha256-"),
        (f"hmac-sha256:{SHA256}", "hmac-sha256:"),
        ("$2b$12$" + "a" * 53, "$2b$"),
        ("bcrypt:" + "a" * 53, "bcrypt:"),
        ("$argon2id$v=19$m=65536,t=3,p=4$" + "a" * 40, "$argon2id$"),
        ("$6$" + "a" * 86, "$6$"),
        ("pbkdf2_sha256$600000$" + "a" * 40, "pbkdf2_sha256$"),
        ("{SSHA}" + "a" * 40, "{SSHA}"),
        ("{SHA256}" + "a" * 40, "{SHA256}"),
    ],
)
def test_a_digest_of_another_form_is_not_a_password(token: str, form: str) -> None:
    entries = parse(f"ann {token}")
    assert entries.valid == []
    (problem,) = entries.problems
    assert problem.startswith(
        f"TOKENS: line 1 has a digest of the form '{form}', which is not accepted: expected sha256:"
    )
    assert "'customerio-track-mcp token NAME' creates" in problem
    assert SHA256[:8] not in problem
    assert "aaaa" not in problem


@pytest.mark.parametrize(
    "token", [SHA256, SHA512, SHA256.upper(), SHA256[:32], SHA256[:48], ":".join([SHA256[:2]] * 32)]
)
def test_hexadecimal_digits_alone_could_be_a_digest(token: str) -> None:
    (problem,) = parse(f"ann {token}").problems
    assert (
        "has a token of hexadecimal digits only, which could be a digest: write a SHA-256 digest as sha256:" in problem
    )
    assert token not in problem


def test_a_token_of_hexadecimal_digits_can_be_given_as_its_digest() -> None:
    (entry,) = parse(f"ann sha256:{hashlib.sha256(SHA256.encode()).hexdigest()}").valid
    assert entry.digest == digest_of(SHA256)


@pytest.mark.parametrize(
    "token",
    [
        TOKEN,
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",  # a UUID
        "shapes-of-things-to-come-and-more-of-them",
        "sha-la-la-la-la-la-la-la-la-la-la-la-la",
        "md-is-the-state-of-maryland-in-the-usa",
        "hmacs-are:not-the-same-as-digests-are",
        "eyJhbGciOiJIUzI1NiJ9.e30.ZRrHA1JJJW8opsbCGfG_HACGpVUMN_a9IV7pAx_Zmeo",
        "AbCd" * 8 + "+/==",
        "a!$%&()*+-./:;<=>?@[\\]^_`|~0123456789b",
    ],
)
def test_other_texts_remain_valid_tokens(token: str) -> None:
    (entry,) = parse(f"ann {token}").valid
    assert entry.digest == digest_of(token)


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("pässwörd-of-thirty-two-characters-or-more", "has a token with characters outside ASCII"),
        (f"{TOKEN}\N{ZERO WIDTH SPACE}", "has a token with characters outside ASCII"),
        (f"{TOKEN}\x7f", "has a token with characters outside ASCII"),
        (f"{TOKEN}#x", "has a token that contains '#'; put a space before a comment"),
        ("short", "has a token of fewer than 32 characters"),
        (SHA256[:20], "has a token of fewer than 32 characters"),
    ],
)
def test_what_cannot_be_a_token_is_reported_without_it(token: str, expected: str) -> None:
    reason = why_not_a_token(token)
    assert reason.startswith(expected)
    assert token not in reason
    assert parse(f"ann {token}").valid == []


def test_the_same_token_twice_is_reported_and_the_first_entry_stays() -> None:
    entries = parse(f"ann {TOKEN} events:write", f"bob {OTHER_TOKEN}", f"eve {TOKEN}", f"ann sha256:{SHA256}")
    assert [entry.name for entry in entries.valid] == ["ann", "bob"]
    assert entries.valid[0].scopes == ("events:write",)
    assert [problem.partition(";")[0] for problem in entries.problems] == [
        "TOKENS: line 3 contains the same token as TOKENS: line 1",
        "TOKENS: line 4 contains the same token as TOKENS: line 1",
    ]
    later = Entries(entries)
    later.parse([f"eve {OTHER_TOKEN}"], "FILE: line")
    assert later.valid == entries.valid
    assert later.problems[0].startswith("FILE: line 1 contains the same token as TOKENS: line 2")


def test_the_number_of_tokens_is_bounded() -> None:
    entries = parse(*[f"ann{number} {TOKEN}{number}" for number in range(100_000)])
    assert len(entries.valid) == 1000
    assert entries.problems == ["TOKENS: line 1001 and those after it are left out: at most 1000 are accepted"]


def test_the_number_of_reported_problems_is_bounded() -> None:
    entries = parse(*["ann short", ""] * 100_000)
    assert len(entries.problems) == 21
    assert entries.problems[-1] == "981 more entries are invalid"


def test_the_length_of_a_token_is_bounded() -> None:
    assert parse(f"ann {'Xy' * 2048}").valid
    assert parse(f"ann {'Xy' * 2048}z").problems == ["TOKENS: line 1 has a token of more than 4096 characters"]


def test_repeated_scopes_are_kept_once() -> None:
    (entry,) = parse(f"ann {TOKEN} {'events:write ' * 10_000}").valid
    assert entry.scopes == ("events:write",)


@pytest.mark.parametrize(
    ("words", "restrictions"),
    [
        ("", {}),
        ("events=purchase", {"events": ["purchase"]}),
        ("events=purchase,signed_up,page_*", {"events": ["purchase", "signed_up", "page_*"]}),
        ("events=purchase events=signed_up,purchase", {"events": ["purchase", "signed_up"]}),
        ("events=Signed%20up,50%25%20off,a%2Cb,%C3%BC,#1", {"events": ["Signed up", "50% off", "a,b", "ü", "#1"]}),
        ("events=a=b", {"events": ["a=b"]}),
        ("segments=7,0012 tools=send_event", {"segments": ["7", "12"], "tools": ["send_event"]}),
        ("attributes=plan,*_at events:write", {"attributes": ["plan", "*_at"]}),
    ],
)
def test_an_entry_can_restrict_a_caller(words: str, restrictions: dict[str, list[str]]) -> None:
    (entry,) = parse(f"ann {TOKEN} {words}").valid
    lists = {kind: getattr(entry.restrictions, kind) for kind in ("tools", "events", "segments", "attributes")}
    assert {kind: list(allowed.entries) for kind, allowed in lists.items() if allowed is not None} == restrictions
    assert bool(entry.restrictions) is bool(restrictions)
    assert entry.scopes == (("events:write",) if "events:write" in words else tuple(sorted(TOOL_SCOPES)))


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("events=", "has an invalid events=: entry 1 is empty; expected names separated by single commas"),
        ("events=a,", "has an invalid events=: entry 2 is empty"),
        ("events=a events=", "has an invalid events=: entry 2 is empty"),
        ("events=%20", "has an invalid events=: entry 1 is empty"),
        ("events=100%", "has an invalid events=: contains a % without two hexadecimal digits; write %25 for %"),
        ("events=%e4", "has an invalid events=: is not percent-encoded UTF-8"),
        ("events=%00", "has an invalid events=: entry 1 contains characters that are not printable"),
        ("events='a'", "has an invalid events=: entry 1 is in quotes; remove them"),
        ('events="Signed up"', "contains 1 unknown scopes after the token; the scopes are customers:write"),
        ("segments=vip", "has an invalid segments=: entry 1 is not a segment id"),
        ("tools=send_evnt", "has an invalid tools=: entry 1 (send_evnt) is not a tool; did you mean send_event?"),
        ("event=a Events=a", "contains 2 unknown scopes after the token"),
        (
            "events=" + ",".join(map(str, range(201))),
            "has an invalid events=: contains 201 entries; the maximum is 200",
        ),
    ],
)
def test_an_invalid_restriction_is_reported_and_its_token_is_not_valid(words: str, problem: str) -> None:
    entries = parse(f"ann {TOKEN} {words}")
    assert entries.valid == []
    (reported,) = entries.problems
    assert reported.startswith(f"TOKENS: line 1 {problem}")
    assert TOKEN not in reported


def test_an_unknown_word_is_answered_with_what_is_known() -> None:
    (problem,) = parse(f"ann {TOKEN} event=a").problems
    assert problem.endswith(
        "other restrictions start with tools=, events=, segments=, attributes=, and a space in their values is %20"
    )


def test_a_restriction_is_not_a_token() -> None:
    (problem,) = parse("ann events=purchase,signed_up,page_viewed,refund").problems
    assert problem == "TOKENS: line 1 has no token after the name"


def test_a_list_with_commas_where_commas_separate_entries_is_explained() -> None:
    entries = Entries()
    entries.parse([f"ann {TOKEN} events=purchase", "signed_up", f" bob {OTHER_TOKEN}", "ann"], "TOKENS: entry", ",")
    assert [entry.name for entry in entries.valid] == ["ann", "bob"]
    assert entries.problems == [
        "TOKENS: entry 2 has no token after the name; commas separate the entries here, so repeat the word for each "
        "value: events=a events=b",
        "TOKENS: entry 4 has no token after the name",
    ]

"""Entries of static tokens: which are valid, and what is reported of the others."""

from __future__ import annotations

import hashlib

import pytest

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

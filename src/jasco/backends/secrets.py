"""Keys and passwords: read from the environment, hidden in every text that is shown or stored."""

import base64
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from jasco.errors import InputError

HIDDEN = "***"
"""The text that replaces a secret."""

_SHORTEST_SECRET = 4
"""Minimum length of a secret that is hidden everywhere; shorter texts occur by chance."""
_SHORTEST_TO_SHIFT = 5
_SHORTEST_END = 3
"""Minimum length of a secret's beginning or end that is hidden next to a server's own mask."""
_SERVERS_MASK = re.compile(r" ?([\[(<]?(?:\*+|\.{2,}|…+|•+|x{3,}|X{3,}|#{3,})[\])>]?) ?")
_SECRET_WORDS = frozenset(
    ("apikey", "auth", "authorization", "authorisation", "bearer", "cookie", "credential",
     "credentials", "headers", "key", "passphrase", "passwd", "password", "pwd", "secret",
     "secrets", "sig", "signature", "token")
)  # fmt: skip
_NO_SECRETS = ("budget", "count", "env", "ids", "limit")
"""Last words of names whose value is not secret, such as ``thinking_token_budget``."""
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+?(?=,[A-Za-z][\w.-]*=|[\s'\"<>]|$)")
_USER_WITHOUT_SCHEME = re.compile(
    r"[^\s,=/@:'\"]+:(?!//)(?:(?!,[A-Za-z][\w.-]*=)[^\s@'\"])+@(?=[\w\[])"
)
_KEY_SHAPES = re.compile(
    r"\b(?:(?:sk|xai|nvapi|pplx)-[A-Za-z0-9_-]{8,}|(?:hf|gsk|ghp)_[A-Za-z0-9]{16,}"
    r"|AIza[A-Za-z0-9_-]{20,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_.-]+)"
)
_BARE_KEY = re.compile(r"(?<=,)(?=[^,]*[0-9])(?=[^,]*[A-Za-z])[A-Za-z0-9_+/.-]{16,}=*(?=,|$)")
_SCHEME_AND_CREDENTIAL = re.compile(r"(?i)\b(bearer|basic)( +|%20)[^\s,'\"]{4,}")
_FLAG_AND_VALUE = re.compile(r"(--?([A-Za-z][\w.-]*) +)(?!-)('[^']*'|\"[^\"]*\"|\S+)")
_NAME_AND_VALUE = re.compile(
    r"""([A-Za-z][\w.-]*)(["']?\s*[:=]\s*)"""
    r"""("[^"]*"?|'[^']*'?|\{.*|.*?(?=,\s*[A-Za-z][\w.-]*=|\s+--?[A-Za-z]|["'}]|$))""",
    re.DOTALL,
)
_PARAMETER = re.compile(r"(?<=[?#&;])([^=?#&;]*)=([^?#&;]+)")  # of an address
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]{0,59}|[a-z_]{1,40}")


def read_key(variable: str) -> str:
    """Return the key in an environment variable.

    Parameters
    ----------
    variable : str
        The name of the variable.

    Returns
    -------
    str
        The key without surrounding white space and quotes; empty if there is none.

    Raises
    ------
    InputError
        The key contains spaces, control or non-ASCII characters, which a header cannot contain, or
        the name is invalid. The message names the variable and never quotes its value.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
        raise InputError(
            "api_key_env takes the name of an environment variable, not a key; "
            "write api_key_env=NAME"
        )
    key = os.environ.get(variable, "").strip()
    while len(key) > 1 and key[0] == key[-1] and key[0] in "\"'":
        key = key[1:-1].strip()
    if not re.fullmatch(r"[!-~]*", key):
        raise InputError(
            f"{shown_variable(variable)}: the API key contains spaces, control characters or "
            "non-ASCII characters; set the variable to the key alone"
        )
    return key


def shown_variable(name: str) -> str:
    """Return the name of an environment variable, hidden if it may be a key typed by mistake."""
    return name if _VARIABLE.fullmatch(name) or name in os.environ else HIDDEN


def is_secret_name(name: str) -> bool:
    """Return whether the value of this name must be hidden, such as that of ``api-key``.

    The name of an environment variable is not secret: ``api_key_env``.
    """
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or words[-1] in _NO_SECRETS:
        return False
    return not _SECRET_WORDS.isdisjoint(words)


def secrets_of(key: str, *urls: str) -> tuple[str, ...]:
    """Return the texts that must not be shown: a key, and the secrets in addresses.

    Parameters
    ----------
    key : str
        The key; empty if there is none.
    *urls : str
        Addresses that may contain ``user:password@`` or ``?api_key=``.

    Returns
    -------
    tuple of str
        The key, ``user:password``, the password and the values in queries, each unchanged, in
        percent encoding and in base64 (as in Basic authentication, and within a longer text).
    """
    plain = [key]
    for url in urls:
        _, user_info, rest = _split(url)
        user, _, password = user_info.partition(":")
        plain += [user_info, password or user]
        plain += [found[2] for found in _PARAMETER.finditer(rest) if _is_secret_parameter(found)]
    return tuple(dict.fromkeys(form for text in plain if text for form in _forms(text)))


def _forms(text: str) -> Iterator[str]:
    for plain in dict.fromkeys((text, unquote(text), unquote_plus(text))):
        yield plain
        for safe in ("", "/", ":"):
            yield quote(plain, safe=safe, errors="replace")
        yield quote_plus(plain, errors="replace")
        data = plain.encode(errors="replace")
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(data).decode()
            # A preceding text shifts it by 0 to 2 bytes, which changes its encoding.
            for shift in (0, 1, 2) if len(data) > _SHORTEST_TO_SHIFT else ():
                whole = (len(data) + shift) // 3 * 3 - shift
                yield encode(b" " * shift + data[:whole]).decode()[shift and shift + 1 :]


def mask(text: str, secrets: Sequence[str], *, shortest: int = 6) -> str:
    """Hide secrets in a text, whole and in part.

    Call this before a text is truncated: a part of a secret may be too short to be recognised.

    Parameters
    ----------
    text : str
        Any text; the time is proportional to its length.
    secrets : sequence of str
        Secrets, as returned by :func:`secrets_of`. Those with fewer than 4 characters are ignored.
    shortest : int
        Minimum number of consecutive characters that count as a part of a secret. Next to a
        server's own mask (``sk-a****xyz``), three characters from the beginning or the end of the
        secret are enough.

    Returns
    -------
    str
        The text with ``***`` in place of each secret.
    """
    return _masker(tuple(secrets), shortest).mask(text)


class _Masker:
    """Secrets, indexed by their parts and ends."""

    def __init__(self, secrets: Sequence[str], shortest: int) -> None:
        secrets = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]
        self._shortest = shortest
        self._parts = frozenset(
            secret[at : at + shortest]
            for secret in secrets
            for at in range(len(secret) - shortest + 1)
        )
        short = "|".join(re.escape(secret) for secret in secrets if len(secret) < shortest)
        self._short = re.compile(rf"(?<![A-Za-z0-9])(?:{short})(?![A-Za-z0-9])") if short else None
        # Beginnings of secrets by their last characters, and ends by their first.
        self._heads = defaultdict[str, list[str]](list)
        self._tails = defaultdict[str, list[str]](list)
        for secret in secrets:
            for size in range(_SHORTEST_END, len(secret) + 1):
                head, tail = secret[:size], secret[-size:]
                self._heads[head[-_SHORTEST_END:]].append(head)
                self._tails[tail[:_SHORTEST_END]].append(tail)

    def mask(self, text: str) -> str:
        spans = [*self._parts_in(text), *self._ends_in(text)]
        while spans:
            hidden = bytearray(len(text))
            for start, stop in spans:
                hidden[start:stop] = b"x" * (stop - start)
            pieces, end = [], 0
            for run in re.finditer(b"x+", hidden):
                pieces += [text[end : run.start()], HIDDEN]
                end = run.end()
            text = "".join([*pieces, text[end:]])
            # Masking may have created another secret, with asterisks.
            spans = [*self._parts_in(text)]
        return text

    def _parts_in(self, text: str) -> Iterator[tuple[int, int]]:
        size = self._shortest
        if self._parts:
            for at in range(len(text) - size + 1):
                if text[at : at + size] in self._parts:
                    yield at, at + size
        if self._short:
            yield from (found.span() for found in self._short.finditer(text))

    def _ends_in(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the spans of a server's own mask after a beginning or before an end of a secret."""
        for run in _SERVERS_MASK.finditer(text):
            start, stop = run.span()
            heads = self._heads.get(text[max(0, start - _SHORTEST_END) : start], ())
            tails = self._tails.get(text[stop : stop + _SHORTEST_END], ())
            before = max((len(head) for head in heads if text.endswith(head, 0, start)), default=0)
            after = max((len(tail) for tail in tails if text.startswith(tail, stop)), default=0)
            if before or after:
                yield (
                    start - before if before else run.start(1),
                    stop + after if after else run.end(1),
                )


_masker = lru_cache(maxsize=64)(_Masker)


def mask_url(url: str) -> str:
    """Hide user, password and secret parameters in an address, valid or not."""
    scheme, user_info, rest = _split(url)
    masked = _PARAMETER.sub(
        lambda found: f"{found[1]}={HIDDEN}" if _is_secret_parameter(found) else found[0], rest
    )
    return scheme + (f"{HIDDEN}@" if user_info else "") + masked


def _is_secret_parameter(found: re.Match[str]) -> bool:
    return is_secret_name(unquote(found[1]))


def _split(url: str) -> tuple[str, str, str]:
    """Return the scheme with its slashes, the text before the ``@``, and the rest."""
    scheme, slashes, rest = url.partition("://") if "://" in url else ("", "", url)
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" not in authority:
        # In an invalid address, the password may contain a slash.
        _, colon, port = authority.rpartition(":")
        if not colon or port.isdecimal() or authority.endswith("]"):
            return scheme + slashes, "", rest
        authority = rest
    user_info, _, _ = authority.rpartition("@")
    return scheme + slashes, user_info, rest[len(user_info) + 1 :] if user_info else rest


def mask_spec(text: str) -> str:
    """Hide what looks like a secret in a spec or a command line, as typed by the user.

    These are values of keys such as ``api_key``, ``token`` or ``serve.api-key``, secrets in
    addresses, ``Bearer ...``, and texts that look like a common provider's key.
    """
    text = _SCHEME_AND_CREDENTIAL.sub(rf"\1\2{HIDDEN}", text)
    text = _ADDRESS.sub(lambda found: mask_url(found[0]), text)
    text = _USER_WITHOUT_SCHEME.sub(f"{HIDDEN}@", text)
    text = _FLAG_AND_VALUE.sub(
        lambda found: found[1] + HIDDEN if is_secret_name(found[2]) else found[0], text
    )
    return _BARE_KEY.sub(HIDDEN, _KEY_SHAPES.sub(HIDDEN, _mask_pairs(text)))


def mask_keys(text: str) -> str:
    """Hide what has the form of a common provider's key; the rest of the text is unchanged."""
    return _KEY_SHAPES.sub(HIDDEN, text)


def _mask_pairs(text: str) -> str:
    position = 0
    while found := _NAME_AND_VALUE.search(text, position):
        position = found.end(1)
        if found[3] and _is_hidden(found[1], found[3]):
            position = found.start(3) + len(HIDDEN)
            text = text[: found.start(3)] + HIDDEN + text[found.end() :]
    return text


def _is_hidden(name: str, value: str) -> bool:
    is_variable = name.lower().endswith("env") and is_secret_name(name[:-3])
    return is_secret_name(name) or (is_variable and not _VARIABLE.fullmatch(value))

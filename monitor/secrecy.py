"""What may not be shown: secrets by the look of them, and those that a configuration is known to hold.

Every MonitorError and every line of the log goes through `without_secrets`.
"""

import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, unquote

HIDDEN = "(hidden)"
_TELLING = "key|apikey|token|secret|sig|signature|pass|password|passwd|auth|session|code"
_QUERY = re.compile(rf"(?i)([?&;](?:[\w.-]*[_.-])?(?:{_TELLING}))=(?!\$\{{)([^&#;\s\"'<>]+)")
_USER = re.compile(r"(?<=://)(?![^:/@]*:?\$\{[^}]*\}@)([^/?#\s]+)(?=@)")
_NAME = re.compile(rf"(?i)(?:^|_)(?:{_TELLING}|hook|webhook)(?:_|$)")
# Incoming webhooks of Slack and Discord, bots of Telegram, tokens of Slack, keys of signatures.
_KNOWN = re.compile(
    r"(/services/T\w+/B\w+/|/api/webhooks/\d+/|/bot(?=\d+(?::|%3A)))[\w:%-]+|(\bxox[a-z]-|\bxapp-|\bwhsec_)[\w+/=-]+"
)
_LEAST = 6  # characters: what is shorter is a part of other words, too
_literals: list[str] = []


def hide(secrets: Iterable[str]) -> None:
    """Let nothing of this be shown from now on, in whatever form it is written; what is short is let pass."""
    known = {form for secret in secrets if secret != HIDDEN for form in _forms(secret)} | set(_literals)
    _literals[:] = sorted(known, key=len, reverse=True)


def without_secrets(text: str) -> str:
    """A text without known secrets, whose URLs name no user or password, and no parameter that is called like one."""
    for secret in _literals:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    if "=" in text:
        text = _QUERY.sub(rf"\1={HIDDEN}", text)
    return _KNOWN.sub(rf"\1\2{HIDDEN}", _USER.sub(HIDDEN, text) if "@" in text else text)


def in_urls(text: str) -> Iterator[str]:
    """The secrets that `without_secrets` would see in a text by itself: passwords, and parameters of URLs."""
    for found in _USER.findall(text):
        yield unquote(found.partition(":")[2] or found)
    for _, value in _QUERY.findall(text):
        yield unquote(value)


def named_secret(name: str) -> bool:
    """Whether a variable is called as secrets are, such as DESK_TOKEN."""
    return bool(_NAME.search(name))


def _forms(secret: str) -> set[str]:
    """As it is, and as it stands in a URL, in JSON, and in Python's own way of showing a text."""
    plain = {secret, secret.strip(), repr(secret)[1:-1], json.dumps(secret)[1:-1]}
    return {form for form in plain | {quote(secret, safe=""), quote(secret)} if len(form) >= _LEAST}

"""The log: a line an event, on standard error, for people, for the journal or for programs.

Messages are written as `text key=%s key=%d`: people get them as they are, programs get the keys as fields, too. What
stands in a line can neither end it nor steer a terminal, and no secret is in it.
"""

import json
import logging
import os
import re
import sys
import threading
import traceback
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from logging.handlers import MemoryHandler
from types import TracebackType
from typing import Any

from monitor.secrecy import without_secrets

log = logging.getLogger(__name__)

_ABOUT: ContextVar[Mapping[str, str]] = ContextVar("about", default={})  # noqa: B039 - it is replaced, never changed
_ARGUMENT = re.compile(r"(?:(\w+)=)?%(?:%|[-#0 +]*[\d.]*([a-zA-Z]))")
# Together below the 48 KiB at which the journal would cut a line in two.
_LONGEST_MESSAGE, _LONGEST_TRACEBACK = 2_000, 4_000  # characters of two bytes, written in up to six
_LONGEST_NAME = 200
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
_ENDS = str.maketrans({"\n": "\\n", "\r": "\\r", "\t": "\\t"})


@contextmanager
def about(**names: str) -> Iterator[None]:
    """What happens within it, and in tasks that begin within it, is about this feed or article: lines say so."""
    token = _ABOUT.set({**_ABOUT.get(), **names})
    try:
        yield
    finally:
        _ABOUT.reset(token)


def setup(form: str = "text", level: str = "info") -> None:
    """Write the log to standard error as `text` or `json`, from a level on; what nobody catches goes there as well."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter(form, journal=_read_by_journal(os.environ)))
    root = logging.getLogger()
    root.handlers = [each for each in root.handlers if not isinstance(each.formatter, Formatter)] + [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "httpcore", "trafilatura", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda left: _uncaught(left.exc_type, left.exc_value, left.exc_traceback)
    sys.unraisablehook = lambda left: _uncaught(left.exc_type, left.exc_value, left.exc_traceback)


@contextmanager
def held() -> Iterator[None]:
    """Keep lines back until it is known in what form they are to be written: `setup` says so within it."""
    root, waiting = logging.getLogger(), MemoryHandler(10_000, flushLevel=logging.CRITICAL + 1)
    before, root.handlers = root.handlers, [waiting]
    try:
        yield
    finally:
        root.handlers = [each for each in root.handlers if each is not waiting] or before
        for record in waiting.buffer:
            if record.levelno >= root.level:
                root.handle(record)


def complain(text: str) -> None:
    """Tell whoever runs a command why it cannot go on: as it is, or where programs read the log as lines of that."""
    formatters = (handler.formatter for handler in logging.getLogger().handlers)
    lines = without_secrets(text).splitlines()
    if any(isinstance(each, Formatter) and not each.plain for each in formatters):
        for line in lines:
            log.error("%s", line)
    else:
        sys.stderr.write("".join(f"{shown(line)}\n" for line in lines))


class Formatter(logging.Formatter):
    """`form` is `text` or `json`; for the journal a line begins with its priority, as sd-daemon(3) has it."""

    def __init__(self, form: str, *, journal: bool) -> None:
        super().__init__()
        self.plain = form == "text" and not journal
        self._form = form
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        priority = f"<{_PRIORITIES.get(record.levelno, 5)}>" if self._journal else ""
        return priority + (self._json(record) if self._form == "json" else self._text(record))

    def _text(self, record: logging.LogRecord) -> str:
        message = _message(record)
        names = "".join(f" {key}={_word(name)}" for key, name in _named().items() if name not in message)
        line = f"{record.levelname} {shown(message, _LONGEST_MESSAGE)}{names}"
        story = _traceback(record)
        if self._journal:
            return line + (f" {shown(_cut(story, -_LONGEST_TRACEBACK))}" if story else "")
        # Indented, so that no line of what others wrote looks like one of ours.
        further = [f"    {shown(each)}" for each in story.split("\n")] if story else []
        return "\n".join([f"{_time(record)} {line}", *further])

    def _json(self, record: logging.LogRecord) -> str:
        own = {"ts": _time(record), "level": record.levelname.lower(), "logger": record.name}
        made = own | {"msg": _cut(_message(record), _LONGEST_MESSAGE)}
        if story := _traceback(record):
            made["exception"] = _cut(story, -_LONGEST_TRACEBACK)
        return json.dumps({**_fields(record), **_named(), **made})


def shown(text: str, most: int = 0) -> str:
    """A text on one line, of `most` characters; what would end it is written as `\\n`."""
    return visible((_cut(text, most) if most else text).translate(_ENDS))


def visible(text: str) -> str:
    """A text that cannot steer a terminal: controls, and what turns its direction, are written as `\\u001b`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\u200c" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    # A space of another width is no danger; what is left are controls, format and unassigned characters.
    return " " if unicodedata.category(character) == "Zs" else f"\\u{ord(character):04x}"


def _message(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except Exception:  # noqa: BLE001 - a library's slip must not keep its line from being written
        text = f"{record.msg} {record.args}"
    return without_secrets(text)


def _traceback(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    return without_secrets("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """The values of `key=%s` in a message, by their keys; numbers stay numbers."""
    if not isinstance(record.args, tuple) or not isinstance(record.msg, str):
        return {}
    arguments = (found for found in _ARGUMENT.finditer(record.msg) if found[2])
    pairs = [(found[1], value) for found, value in zip(arguments, record.args, strict=False) if found[1]]
    return {key: value if isinstance(value, bool | int | float) else _clean(str(value)) for key, value in pairs}


def _named() -> dict[str, str]:
    return {key: _clean(name) for key, name in _ABOUT.get().items()}


def _clean(text: str) -> str:
    return _cut(without_secrets(text), _LONGEST_NAME)


def _word(text: str) -> str:
    """A value after `key=`: in quotes where it would look like more than one."""
    return (
        shown(text) if re.fullmatch(r"[^\s\"=]+", text) or re.fullmatch(r"\w+://[^\s\"]+", text) else json.dumps(text)
    )


def _cut(text: str, most: int) -> str:
    """The beginning of a text, or with a negative number its end: so many units of UTF-16, each up to 6 bytes here."""
    units = text.encode("utf-16-le", "surrogatepass")
    if len(units) <= 2 * abs(most):
        return text
    if most < 0:
        return units[2 * most :].decode("utf-16-le", "ignore")
    return f"{units[: 2 * most - 2].decode('utf-16-le', 'ignore')}…"


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _read_by_journal(environ: Mapping[str, str]) -> bool:
    """Whether standard error is the journal's, by what systemd.exec(5) says of JOURNAL_STREAM."""
    try:
        state = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{state.st_dev}:{state.st_ino}"


def _uncaught(kind: type[BaseException], error: BaseException | None, where: TracebackType | None) -> None:
    if error is None or issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error or kind(), where)
    else:
        logging.getLogger("monitor").critical("unexpected error", exc_info=(kind, error, where))

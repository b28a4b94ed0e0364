"""Regular expressions as users write them, in RE2: its time grows with the text alone, whatever the pattern."""

from functools import lru_cache

import re2

MAX_LENGTH = 1_000  # characters of one pattern
_MEMORY = 8 << 20  # bytes that one compiled pattern may take


def options() -> "re2.Options":
    """How regular expressions are read: upper and lower case are one."""
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = _MEMORY
    return options


def check_regex(pattern: str) -> None:
    """Raises ValueError, with what is wrong, for a pattern that cannot be used."""
    if len(pattern) > MAX_LENGTH:
        raise ValueError(f"a regular expression of over {MAX_LENGTH:,} characters")
    try:
        compiled = re2.compile(pattern, options())
    except re2.error as error:
        said = error.args[0]
        reason = said.decode() if isinstance(said, bytes) else str(said)
        raise ValueError(f"/{pattern}/ is no regular expression of RE2: {reason}") from None
    if compiled.fullmatch(""):
        raise ValueError(f"/{pattern}/ also matches nothing at all, and so every text")


@lru_cache(maxsize=1_000)
def _compiled(pattern: str) -> "re2._Regexp":
    return re2.compile(pattern, options())


def matches_whole(pattern: str, text: str) -> bool:
    """Tell whether a regular expression that was checked matches a text from its beginning to its end."""
    return _compiled(pattern).fullmatch(text.encode("utf-8", "replace").decode()) is not None

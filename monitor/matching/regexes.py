"""The regular expressions of all rules, asked together: one pass says which of them can match."""

import re
from collections.abc import Mapping
from typing import Any

import re2

from monitor.models import EDGE
from monitor.regex import options

_SURROGATES = re.compile("[\ud800-\udfff]")
_SET_MEMORY = 256 << 20  # bytes that all patterns together may take


class Regexes:
    """Compiled regular expressions by number."""

    def __init__(self, patterns: Mapping[int, str]) -> None:
        self._compiled = [(number, re2.compile(pattern, options())) for number, pattern in patterns.items()]
        self._set = _together(list(patterns.values()))

    def find(self, text: str) -> dict[int, list[tuple[int, int]]]:
        """Where each pattern that matches stands in a text, by number; never across the field break."""
        if not self._compiled:
            return {}
        text = _SURROGATES.sub("\ufffd", text)
        candidates = range(len(self._compiled)) if self._set is None else self._set.Match(text) or ()
        found = {}
        for index in candidates:
            number, pattern = self._compiled[index]
            spans = [match.span() for match in pattern.finditer(text) if match.group()]
            if spans := [(start, end) for start, end in spans if EDGE not in text[start:end]]:
                found[number] = spans
        return found


def _together(patterns: list[str]) -> Any:
    """One automaton for all patterns; None where it would take too much memory, and each is asked alone."""
    settings = options()
    settings.max_mem = _SET_MEMORY
    together = re2.Set.SearchSet(settings)
    for pattern in patterns:
        together.Add(pattern)
    try:
        together.Compile()
    except re2.error:
        return None
    return together

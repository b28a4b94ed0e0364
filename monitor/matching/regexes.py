"""The regular expressions of all rules, asked together: one pass says which of them can match."""

from typing import Any

import re2

from monitor.rules.regex import options


class Regexes:
    """Compiled regular expressions by number."""

    def __init__(self) -> None:
        self._compiled: list[tuple[int, Any]] = []
        self._set: Any = re2.Set.SearchSet(options())
        self._ready = False

    def add(self, number: int, pattern: str) -> None:
        """Add a pattern; all have to be added before the first text is looked at."""
        self._compiled.append((number, re2.compile(pattern, options())))
        self._set.Add(pattern)

    def find(self, text: str) -> dict[int, list[tuple[int, int]]]:
        """Where each pattern that matches stands in a text, by number."""
        if not self._compiled:
            return {}
        if not self._ready:
            self._set.Compile()
            self._ready = True
        found = {}
        for index in self._set.Match(text):
            number, pattern = self._compiled[index]
            if spans := [match.span() for match in pattern.finditer(text) if match.end() > match.start()]:
                found[number] = spans
        return found

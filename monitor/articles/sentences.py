"""Sentences of any script, by their closing marks; a paragraph always ends one."""

import re

_END = re.compile(r"""[.!?…۔؟։।॥]["'”’»)\]]*\s+|[。！？｡]["'”’」』）)]*|\n+""")


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """The (start, end) of each sentence, without the space around it."""
    spans, start = [], 0
    for match in [*_END.finditer(text), None]:
        end = match.end() if match else len(text)
        piece = text[start:end]
        if piece.strip():
            left = start + len(piece) - len(piece.lstrip())
            spans.append((left, left + len(piece.strip())))
        start = end
    return spans

"""Everything that is kept of a feed between polls, as one value."""

import json
from dataclasses import dataclass, field

from monitor.feeds.identity import Memory
from monitor.feeds.record import Record

_END = b"\n"  # of the record; JSON has none inside


@dataclass(frozen=True, slots=True)
class FeedState:
    """What its polls said, and its entries; at most 2 KB for a feed of 50 entries."""

    record: Record = field(default_factory=Record)
    memory: Memory = field(default_factory=Memory)

    def encode(self) -> bytes:
        written = json.dumps(self.record.encode(), ensure_ascii=False, separators=(",", ":"))
        return written.encode("utf-8", "replace") + _END + self.memory.encode()

    @classmethod
    def decode(cls, value: bytes) -> "FeedState":
        """Read what `encode` wrote; what is missing or broken counts as never polled."""
        written, _, memory = value.partition(_END)
        try:
            fields = json.loads(written)
        except ValueError:
            fields = {}
        return cls(Record.decode(fields if isinstance(fields, dict) else {}), Memory.decode(memory))

"""The archive: every article that was read, a line of JSON each, in a file a day: `2026-11-23.jsonl.zst`."""

from monitor.archive.files import Archive, Day, days, keep_written, read
from monitor.archive.record import Record

__all__ = ["Archive", "Day", "Record", "days", "keep_written", "read"]

"""Lines in Zstandard frames (RFC 8878), each with a checksum: written whole, read one at a time and under a cap.

A file is a row of frames. What is torn or damaged costs the frames that it lies in; the others are found by the
magic number that they begin with.
"""

import mmap
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from monitor.errors import InputError, Problem

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_FRAME = 64_000_000  # bytes that a frame may unfold into
MAX_LINE = 16_000_000  # bytes; so many, and a line, go into one frame at most
_LEVEL: dict[int, int] = {zstd.CompressionParameter.compression_level: 9, zstd.CompressionParameter.checksum_flag: 1}
_WINDOW: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 24}  # 16 MB: what a frame makes us reserve
_MAGIC = b"\x28\xb5\x2f\xfd"  # section 3.1.1
_CHUNK = 262_144


def packed(lines: Iterable[bytes]) -> bytes:
    """Lines, of MAX_LINE bytes at most and each with its newline, as one frame, or several where they are long."""
    frames, body = b"", bytearray()
    for line in lines:
        if len(body) + len(line) > MAX_LINE and body:
            frames, body = frames + zstd.compress(body, options=_LEVEL), bytearray()
        body += line
    return frames + zstd.compress(body, options=_LEVEL)


def sound_end(file: IO[bytes], known: int) -> int:
    """Where the last whole frame of a file ends; `known` is where one is known to end, or 0.

    Only the frames' outlines are read. What is damaged in the midst of whole frames counts as part of the file.
    """
    size = os.fstat(file.fileno()).st_size
    end = at = known if known <= size else 0
    if at == size:
        return end
    with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as content, memoryview(content) as view:
        while 0 <= at < size:
            with view[at:] as rest:
                try:
                    end = at = at + zstd.get_frame_size(rest)
                except zstd.ZstdError:
                    at = content.find(_MAGIC, at + 1)
    return end


def lines(path: Path, problems: list[Problem]) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a `.jsonl.zst` that are not empty, with their numbers from 1.

    Frames that are damaged or torn are passed over and added to `problems`. Raises InputError where the file cannot be
    read, and where a frame unfolds into more than MAX_FRAME.
    """
    number = 0
    try:
        with path.open("rb") as file:
            for body in _frames(file, path, problems):
                for line in body.removesuffix(b"\n").split(b"\n"):
                    number += 1
                    if line.strip():
                        yield number, line
    except OSError as error:
        raise InputError([Problem(str(path), f"cannot be read: {error.strerror}")]) from None


def _frames(file: IO[bytes], path: Path, problems: list[Problem]) -> Iterator[bytes]:
    at: int | None = 0
    while at is not None:
        file.seek(at)
        try:
            body = _frame(file, path)
        except (zstd.ZstdError, EOFError) as error:
            following = _next_magic(file, at + 1)
            torn = isinstance(error, EOFError) and following is None
            reason = "torn in the midst of a write" if torn else "damaged"
            problems.append(Problem(f"{path}: byte {at}", f"{reason}; what stands there is passed over"))
            at = following
            continue
        at = None if body is None else file.tell()
        yield body or b""


def _frame(file: IO[bytes], path: Path) -> bytes | None:
    """Unfold the frame that begins here, and stand where it ends; None at the end of the file.

    Raises EOFError where the file ends within the frame, ZstdError where the frame is damaged.
    """
    start, inflater, body = file.tell(), zstd.ZstdDecompressor(options=_WINDOW), bytearray()
    while not inflater.eof:
        chunk = file.read(_CHUNK) if inflater.needs_input else b""
        if inflater.needs_input and not chunk:
            if file.tell() == start:
                return None
            raise EOFError
        body += inflater.decompress(chunk, _CHUNK)
        if len(body) > MAX_FRAME:
            reason = f"unfolds into more than {MAX_FRAME // 1_000_000} MB; if you trust it, unpack it to .jsonl"
            raise InputError([Problem(f"{path}: byte {start}", reason)])
    file.seek(-len(inflater.unused_data), os.SEEK_CUR)
    return bytes(body)


def _next_magic(file: IO[bytes], start: int) -> int | None:
    """Where the next frame may begin, at `start` or later."""
    file.seek(start)
    window = b""
    while chunk := file.read(_CHUNK):
        window = window[-len(_MAGIC) + 1 :] + chunk
        found = window.find(_MAGIC)
        if found >= 0:
            return file.tell() - len(window) + found
    return None

"""The body of an answer, inflated by ourselves under a cap: a few bytes can unfold into gigabytes."""

import asyncio
import zlib
from collections.abc import AsyncIterator

from monitor.errors import FetchError

MAX_BODY = 15_000_000  # bytes, as they come as well as inflated
_MAX_PIECES = 50_000
_MAX_MEMBERS = 1_000
_CHUNK = 65_536


async def read_body(chunks: AsyncIterator[bytes], encoding: str, url: str) -> bytes:
    """Read a body, never holding more of it than MAX_BODY and a chunk; `encoding` is the answer's header.

    Raises FetchError where it is too large, in too many pieces, or encoded as nobody asked for.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return await _gathered(_paced(chunks, url), url)
    if encoding not in ("gzip", "x-gzip"):
        raise FetchError(url, f'answered in the encoding "{encoding}" though only gzip was asked for')
    return await _gathered(_inflated(_paced(chunks, url), url), url)


async def _paced(chunks: AsyncIterator[bytes], url: str) -> AsyncIterator[bytes]:
    """The chunks as they come; what comes in crumbs leaves others their turn, and is given up at some point."""
    size = pieces = 0
    async for chunk in chunks:
        size += len(chunk)
        pieces += 1
        if size > MAX_BODY:
            raise _too_large(url)
        if pieces > _MAX_PIECES:
            raise FetchError(url, f"comes in more than {_MAX_PIECES} pieces")
        if pieces % 100 == 0:
            await asyncio.sleep(0)
        yield chunk


async def _gathered(chunks: AsyncIterator[bytes], url: str) -> bytes:
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > MAX_BODY:
            raise _too_large(url)
    return bytes(body)


async def _inflated(chunks: AsyncIterator[bytes], url: str) -> AsyncIterator[bytes]:
    """Inflate one gzip member after another; what follows the last and is none is left out, as gzip itself does."""
    inflater, members = zlib.decompressobj(wbits=31), 1
    async for chunk in chunks:
        pending = chunk
        while pending:
            if inflater.eof:
                if members == _MAX_MEMBERS or not pending.startswith(b"\x1f"):
                    return
                inflater, members = zlib.decompressobj(wbits=31), members + 1
            try:
                yield inflater.decompress(pending, _CHUNK)
            except zlib.error as error:
                raise FetchError(url, f"its gzip encoding is broken: {error}") from None
            pending = inflater.unused_data if inflater.eof else inflater.unconsumed_tail


def _too_large(url: str) -> FetchError:
    return FetchError(url, f"larger than {MAX_BODY // 1_000_000} MB")

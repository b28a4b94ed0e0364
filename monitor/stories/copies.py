"""Near-copies: texts that share nearly all their character n-grams, by MinHash and locality-sensitive hashing.

A text is the set of its folded 3-grams, or of its 2-grams where it is written in Han or kana. The share of hash
functions under which two sets have the same least member estimates how much of the two they have in common (Broder,
On the resemblance and containment of documents, 1997). Texts of whose signatures some band of `_ROWS` values is equal
are worth a comparison (Indyk and Motwani, 1998).
"""

from hashlib import blake2b

import numpy as np
import rensa
from numpy.typing import NDArray

from monitor.matching.folding import fold

_HASHES = 128
_ROWS = 8  # of a band: two texts with 0.6 in common share one of 16 bands in 24 % of cases, with 0.8 in 95 %
_SEED = 20_250_101  # another one makes other signatures
_LONGEST = 5_000  # characters: the longer two texts of one language, the more of its n-grams both have
_FEWEST, _LOOKED_AT = 50, (200, 1_000)  # different n-grams among the first ones: what has fewer is alike by chance
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_HAN_AND_KANA = ((0x3005, 0x3007), (0x3040, 0x30FF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF),
                 (0xF900, 0xFAFF), (0x20000, 0x323AF))  # fmt: skip


def signature(text: str) -> bytes:
    """The MinHash of a text: 128 values of two bytes each; nothing for a text too short to tell."""
    grams = _grams(text[:_LONGEST])
    if all(len(set(grams[:count].tolist())) < _FEWEST for count in _LOOKED_AT):  # nearly always the few tell
        return b""
    rows = rensa.RMinHash.digest_matrix_from_flat_token_hashes(grams, [0, len(grams)], _HASHES, _SEED).to_rows()
    return np.array(rows[0], dtype=np.uint32).astype("<u2").tobytes()


def similarity(one: bytes, other: bytes) -> float:
    """How much two signed texts have in common, from 0 to 1: an estimate of their Jaccard index."""
    if not one or not other:
        return 0.0
    return float(np.mean(np.frombuffer(one, dtype="<u2") == np.frombuffer(other, dtype="<u2")))


def bands(signed: bytes) -> list[bytes]:
    """What near-copies have in common: of 16 keys, 8 bytes each, at least one is equal; none for no signature."""
    width = _ROWS * 2
    return [
        blake2b(signed[start : start + width], digest_size=8, salt=start.to_bytes(2, "little")).digest()
        for start in range(0, len(signed), width)
    ]


def _grams(text: str) -> NDArray[np.uint64]:
    """The hashes of a text's n-grams, some of them several times."""
    points = np.frombuffer(fold(text).text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    wide = points.astype(np.uint64)
    pairs = wide[:-1] << np.uint64(42) | wide[1:] << np.uint64(21)
    grams = pairs[:-1] | wide[2:]
    if points.max() >= _HAN_AND_KANA[0][0]:
        dense = np.zeros(len(points), dtype=bool)
        for first, last in _HAN_AND_KANA:
            dense |= (points >= first) & (points <= last)
        in_pairs = dense[:-1] & dense[1:]
        grams = np.concatenate([pairs[in_pairs], grams[~in_pairs[:-1] & ~in_pairs[1:]]])
    # Multiplied, for the hash functions expect values that are spread over all 64 bits.
    mixed = grams * _MULTIPLIER
    return mixed ^ (mixed >> np.uint64(29))

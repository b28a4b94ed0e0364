"""Writes articles into an archive, in a process of its own: python -m tests.archiving FOLDER MODE BYTES SEED.

After each flush it prints how many articles are in it by then. No file may grow past BYTES (0: as it likes): with MODE
`killed` the kernel kills the process within the write that would, with `full` that write fails, which is printed as
well, and once the limit is gone the rest is written. With MODE `on` it writes until it is killed, `some` 200 articles.
"""

import random
import resource
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from monitor.archive import Archive, days, read
from monitor.errors import ArchiveError, Problem
from monitor.models import Article, Source

SEEN = datetime(2026, 11, 23, 12, tzinfo=UTC)
WORDS = ("미사일", "sanctions", "пуск", "Bericht", "発射", "port", "harbour", "ministry", "on Monday", "صاروخ")


def article(seed: int, number: int) -> Article:
    """The n-th article of a seed; no two are alike."""
    chance = random.Random(seed * 1_000_003 + number)
    text = " ".join(f"{chance.choice(WORDS)}{chance.random()}" for _ in range(chance.randint(1, 120)))
    return Article(
        id=f"{seed}-{number}", source=Source("Feed", "https://feed.example/"), text=text, title=f"n {number}"
    )


def _problems(folder: Path) -> list[Problem]:
    problems: list[Problem] = []
    for _ in read([day.path for day in days(folder)], problems):
        pass
    return problems


def main() -> None:
    folder, mode, size, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    if size:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    if mode == "killed":
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    archive = Archive(folder, timedelta(days=90), 10**9)
    chance, number = random.Random(seed), 0
    while mode != "some" or number < 200:
        for _ in range(chance.randint(1, 6)):
            archive.append(article(seed, number), SEEN)
            number += 1
        try:
            archive.flush()
        except ArchiveError as error:
            sys.stdout.write(f"{error}\n")
            if problems := _problems(folder):
                sys.stdout.write(f"{problems}\n")
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            archive.flush()
            mode, number = "some", 200 + number
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

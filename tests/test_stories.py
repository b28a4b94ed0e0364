"""Which articles tell one story: near-copies, reports in other languages, and what only looks like one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
import yaml

from monitor.matching.concepts import Concepts
from monitor.models import Article, Source
from monitor.rules.lexicon import shipped
from monitor.stories.join import Apart, Joined, compare, decide
from monitor.stories.sketch import Sketch, sketch
from tests.conftest import REPOSITORY

BEGAN = datetime(2026, 11, 18, 6, tzinfo=UTC)
TOLD = yaml.safe_load((REPOSITORY / "tests" / "stories.yaml").read_text())


@dataclass(frozen=True)
class Story:
    sketches: tuple[Sketch, ...]


@pytest.fixture(scope="session")
def concepts(cache_home: object) -> Concepts:
    return Concepts(shipped())


def sketch_of(report: Mapping[str, Any], concepts: Concepts) -> Sketch:
    time = BEGAN + timedelta(hours=report.get("hours", 0))
    article = Article("a", Source("s"), report["text"], report["title"], published=time, language=report["language"])
    return sketch(article, concepts.of(article), concepts.places, time)

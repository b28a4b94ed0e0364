"""One line of the archive."""

import re
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, field_validator

from monitor.models import Article, Source, TextFrom

_SURROGATES = re.compile("[\ud800-\udfff]")


class Record(BaseModel):
    """An article, its feed, when it was seen and the story it belongs to; what replay needs, by fixtures' names."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    seen: datetime
    published: datetime | None = None
    feed: str
    feed_url: str = ""
    tags: tuple[str, ...] = ()
    language: str | None = None
    title: str = ""
    url: str = ""
    author: str = ""
    site: str = ""
    canonical: str = ""
    image: str = ""
    text_from: TextFrom = "none"
    id: str
    story: str = ""
    text: str

    @field_validator("seen", "published")
    @classmethod
    def _with_a_zone(cls, value: datetime | None) -> datetime | None:
        return value.replace(tzinfo=UTC) if value and not value.tzinfo else value

    @classmethod
    def of(cls, article: Article, seen: datetime, story: str) -> "Record":
        """The line of an article; what no UTF-8 can hold becomes U+FFFD."""
        source = article.source
        return cls(
            seen=seen,
            published=article.published,
            feed=_clean(source.name),
            feed_url=_clean(source.url),
            tags=tuple(map(_clean, source.tags)),
            language=article.language,
            title=_clean(article.title),
            url=_clean(article.url),
            author=_clean(article.author),
            site=_clean(article.site),
            canonical=_clean(article.canonical),
            image=_clean(article.image),
            text_from=article.text_from,
            id=_clean(article.id),
            story=story,
            text=_clean(article.text),
        )

    def article(self, document: str) -> Article:
        """The article as rules see it; `document` is its place in the archive."""
        return Article(
            id=document,
            source=Source(self.feed, self.feed_url, self.tags),
            text=self.text,
            title=self.title,
            url=self.url,
            author=self.author,
            published=self.published,
            language=self.language,
            text_from=self.text_from,
            site=self.site,
            canonical=self.canonical,
            image=self.image,
        )


def _clean(text: str) -> str:
    return _SURROGATES.sub("\ufffd", text)

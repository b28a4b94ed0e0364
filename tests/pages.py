"""News pages with their ground truth, from a seed: five layouts, the sentences of tests/languages, 20 to 200 KB.

Around the article stands what stands around articles: navigation, a cookie banner, teasers, related stories, readers'
comments, scripts and styles. What is beside the article is told of other events, in sentences that it does not hold.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from html import escape

from monitor import yamlfile
from tests.conftest import REPOSITORY

LANGUAGES = tuple(sorted(file.stem for file in (REPOSITORY / "tests/languages").glob("*.yaml")))
UNSPACED = {"ja", "zh-Hans", "zh-Hant", "th"}
FILLER = "The council met on Tuesday to talk about the new road, which is to be built before winter comes. "
SECTIONS = ("World", "Politics", "Economy", "Science", "Culture", "Sport", "Opinion", "Weather")


def html(body: str, head: str = "") -> str:
    return f"<!DOCTYPE html><html><head>{head}</head><body>{body}</body></html>"


@dataclass(frozen=True)
class NewsPage:
    """A page and what is true of it; `beside` is the headline of a story that is only advertised there."""

    html: str
    layout: str
    paragraphs: tuple[str, ...]
    title: str
    language: str
    url: str
    author: str
    site: str
    published: datetime
    image: str
    beside: str

    @property
    def text(self) -> str:
        return "\n".join(self.paragraphs)


@cache
def sentences(language: str) -> tuple[str, ...]:
    """What the press of a language writes."""
    text = (REPOSITORY / f"tests/languages/{language}.yaml").read_text()
    return tuple(dict.fromkeys(case["text"] for case in yamlfile.parse(text, language).value))


class _Writer:
    """Writes one page: `inside` are the article's sentences, `outside` those of everything else."""

    def __init__(self, chance: random.Random, language: str) -> None:
        self.chance = chance
        self.language = language
        known = list(sentences(language))
        chance.shuffle(known)
        self.inside, self.outside = known[: len(known) * 2 // 3], known[len(known) * 2 // 3 :]
        self.space = "" if language in UNSPACED else " "

    def headline(self, sentences: list[str]) -> str:
        return self.chance.choice(sentences).rstrip(".。।")[:110].strip()

    def paragraph(self) -> str:
        return self.space.join(self.chance.sample(self.inside, min(len(self.inside), self.chance.randint(2, 4))))

    def marked_up(self, paragraph: str) -> str:
        """A paragraph with a link or an emphasis in it."""
        words = paragraph.split(" ")
        if len(words) > 6 and self.chance.random() < 0.5:
            at = self.chance.randrange(1, len(words) - 3)
            tag = self.chance.choice(('a href="/topic/1"', "b", "em", 'span class="name"'))
            inner = escape(" ".join(words[at : at + 2]))
            before, after = escape(" ".join(words[:at])), escape(" ".join(words[at + 2 :]))
            return f"{before} <{tag}>{inner}</{tag.split()[0]}> {after}"
        return escape(paragraph)

    def teasers(self, count: int, name: str, tag: str = "li") -> str:
        made = "".join(
            f'<{tag} class="{name}-entry"><a href="/s/{number}"><img src="/i/{number}.jpg" alt=""><span class="t">'
            f"{escape(self.headline(self.outside))}</span></a></{tag}>\n"
            for number in range(count)
        )
        return f'<ul class="{name}">{made}</ul>' if tag == "li" else f'<div class="{name}">{made}</div>'

    def navigation(self) -> str:
        links = "".join(f'<li class="menu-entry"><a href="/{name.lower()}">{name}</a></li>' for name in SECTIONS)
        return f'<nav class="main-nav"><ul>{links}</ul></nav>'

    def comments(self, count: int) -> str:
        made = "".join(
            f'<li class="comment" id="comment-{number}"><div class="comment-author">Reader {number}</div>'
            f'<div class="comment-content"><p>{escape(self.headline(self.outside))}!</p></div></li>\n'
            for number in range(count)
        )
        return f'<div id="comments" class="comments-area"><h3>Comments ({count})</h3><ol>{made}</ol></div>'


BANNER = (
    '<div id="cookie-banner" class="cookie-consent" role="dialog"><p>We and our 842 partners use cookies to store and '
    "access information on a device. You can accept, refuse or change your choice at any time.</p>"
    "<button>Accept all</button><button>Refuse</button></div>"
)


def _plain(writer: _Writer, title: str, paragraphs: str) -> str:
    return (
        f'<main><article class="article"><h1>{title}</h1><div class="byline">By the newsroom</div>'
        f"<div class='article-body'>{paragraphs}</div></article></main>"
        f'<aside class="related"><h2>Related stories</h2>{writer.teasers(12, "related-list")}</aside>'
    )


def _blog(writer: _Writer, title: str, paragraphs: str) -> str:
    return (
        f'<div id="page"><div id="content" class="site-content"><div class="post hentry"><h1 class="entry-title">'
        f"{title}</h1>"
        f'<div class="entry-content">{paragraphs}<div class="sharedaddy"><a href="#">Share</a></div></div></div>'
        f'{writer.comments(writer.chance.randint(3, 25))}</div><div id="secondary" class="sidebar widget-area">'
        f"<h2>Recent posts</h2>{writer.teasers(15, 'widget')}</div></div>"
    )


def _tables(writer: _Writer, title: str, paragraphs: str) -> str:
    return (
        f'<table width="100%" role="presentation"><tr><td class="left" valign="top">{writer.teasers(20, "left-menu")}'
        f'</td><td class="content" valign="top"><h1>{title}</h1><div class="story">{paragraphs}</div></td>'
        f'<td class="right" valign="top">{writer.teasers(20, "related", "div")}</td></tr></table>'
    )


def _portal(writer: _Writer, title: str, paragraphs: str) -> str:
    halves = paragraphs.split("\n")
    middle = len(halves) // 2
    box = f'<div class="related-stories related"><h4>Read also</h4>{writer.teasers(3, "related-links")}</div>'
    return (
        f'<div class="container"><header class="story-header"><h1 itemprop="headline">{title}</h1></header>'
        f'<div class="story-body" itemprop="articleBody">{chr(10).join(halves[:middle])}{box}'
        f"{chr(10).join(halves[middle:])}</div></div><section class='more-news'>"
        f"<h2>More news</h2>{writer.teasers(40, 'more-news-list')}</section>"
    )


def _breaks(writer: _Writer, title: str, paragraphs: str) -> str:
    lines = paragraphs.replace("<p>", "").replace("</p>", "<br><br>")
    return (
        f'<div class="wrap"><div class="news-detail"><h1>{title}</h1><div class="article-text" id="article-text">'
        f'{lines}</div></div><div class="sidebar" id="sidebar">{writer.teasers(18, "most-read", "div")}</div></div>'
    )


LAYOUTS: dict[str, Callable[[_Writer, str, str], str]] = {
    "plain": _plain, "blog": _blog, "tables": _tables, "portal": _portal, "breaks": _breaks,
}  # fmt: skip


def news_page(chance: random.Random, language: str, layout: str, *, length: int = 0, size: int = 0) -> NewsPage:
    """One page of about `size` bytes, whose article has `length` paragraphs; 0 for as it comes."""
    writer = _Writer(chance, language)
    title, beside = writer.headline(writer.inside), writer.headline(writer.outside)
    paragraphs = tuple(dict.fromkeys(writer.paragraph() for _ in range(length or chance.randint(4, 14))))
    number = chance.randrange(10**6)
    page = NewsPage(
        html="",
        layout=layout,
        paragraphs=paragraphs,
        title=title,
        language=language,
        url=f"https://news.example/{language}/{number}",
        author=chance.choice(("Ana Pérez", "Minh Tran", "Олена Коваль", "Jane Doe")),
        site=chance.choice(("The Example Times", "Пример", "例報")),
        published=datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=chance.randrange(30_000)),
        image=f"https://news.example/images/{number}.jpg",
        beside=beside,
    )
    marked_up = "\n".join(f"<p>{writer.marked_up(paragraph)}</p>" for paragraph in paragraphs)
    top = f'<div class="top-stories"><a href="/top">{escape(beside)}</a></div>'
    article = LAYOUTS[layout](writer, escape(title), marked_up)
    footer = '<footer><p>© 2026 Example Media. All rights reserved.</p><a href="/privacy">Privacy</a></footer>'
    body = f"{BANNER}<header>{writer.navigation()}{top}</header>{article}{footer}"
    html = _filled(_head(page), body, size or chance.randint(20_000, 200_000), chance)
    return NewsPage(**{name: getattr(page, name) for name in page.__dataclass_fields__} | {"html": html})


def _head(page: NewsPage) -> str:
    about = {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "headline": page.title,
        "datePublished": page.published.isoformat(),
        "author": [{"@type": "Person", "name": page.author}],
        "publisher": {"@type": "Organization", "name": page.site},
    }
    return (
        f'<meta charset="utf-8"><title>{escape(page.title)} - {escape(page.site)}</title>\n'
        f'<meta property="og:title" content="{escape(page.title)}"><meta property="og:site_name" content='
        f'"{escape(page.site)}"><meta property="og:image" content="{page.image}"><meta name="author" content='
        f'"{escape(page.author)}"><meta property="article:published_time" content="{page.published.isoformat()}">\n'
        f'<link rel="canonical" href="{page.url}"><script type="application/ld+json">{json.dumps(about)}</script>\n'
    )


def _filled(head: str, body: str, size: int, chance: random.Random) -> str:
    """A document of about so many bytes: the rest is scripts and styles, and links that nobody reads."""
    left = max(0, size - len(head.encode()) - len(body.encode()))
    numbers = ",".join(str(chance.randrange(10**9)) for _ in range(left // 2 // 10))
    script = f"<script>window.__STATE__=[{numbers}];</script>"
    rules = "".join(f".c{number}{{margin:0 {number}px;color:#333}}\n" for number in range(left // 4 // 30))
    links = "".join(
        f'<li class="tag-entry tag-{number}"><a class="tag-link" href="/tag/{number}?from=footer">#{number}</a></li>\n'
        for number in range(left // 4 // 90)
    )
    tags = f'<div class="tag-cloud footer-links"><ul>{links}</ul></div>'
    return (
        f"<!DOCTYPE html>\n<html><head>{head}<style>{rules}</style>{script}</head><body class='page'>"
        f"{body}{tags}</body></html>"
    )


def news_pages(seed: int, count: int, languages: tuple[str, ...] = LANGUAGES) -> Iterator[NewsPage]:
    """Pages of all languages and layouts in turn."""
    chance = random.Random(seed)
    layouts = list(LAYOUTS)
    for number in range(count):
        yield news_page(chance, languages[number % len(languages)], layouts[number % len(layouts)])


def f1(found: str, truth: str) -> float:
    """How much of an article was found and how little else, over runs of four words, or of eight letters."""
    ours, theirs = _runs(found), _runs(truth)
    both = len(ours & theirs)
    return 2 * both / (len(ours) + len(theirs)) if ours or theirs else 1.0


def _runs(text: str) -> set[str]:
    words = text.split()
    if len(words) * 12 < len(text):
        joined = "".join(words)
        return {joined[at : at + 8] for at in range(max(1, len(joined) - 7))}
    return {" ".join(words[at : at + 4]) for at in range(max(1, len(words) - 3))}

"""The demo: a folder of fixtures, served on this machine as the feeds and pages of news sites."""

import re
import threading
from datetime import datetime
from email.utils import format_datetime
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import quote

from monitor.alerts.build import headline
from monitor.fixtures import Fixture

_HTML = "text/html; charset=utf-8"
_FEED = "application/rss+xml; charset=utf-8"


class DemoSite:
    """A context manager: inside it, `feeds` (name to URL) are served on a loopback port."""

    def __init__(self, fixtures: list[Fixture], now: datetime) -> None:
        self._answers: dict[str, tuple[str, bytes]] = {}
        handler = type("Handler", (_Handler,), {"answers": self._answers})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.feeds = self._publish(fixtures, now)

    def __enter__(self) -> "DemoSite":
        threading.Thread(target=self._server.serve_forever, name="demo", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _publish(self, fixtures: list[Fixture], now: datetime) -> dict[str, str]:
        """Lay out the site: feed fixtures as they are, the others as pages that feeds by language link to."""
        feeds: dict[str, str] = {}
        groups: dict[str, list[Fixture]] = {}
        for fixture in fixtures:
            if fixture.feed is not None:
                path = f"/{quote(fixture.document)}"
                self._answers[path] = ("application/octet-stream", fixture.feed)
                feeds[fixture.document] = self.url + path
            else:
                groups.setdefault(_section(fixture), []).append(fixture)
        for section, members in groups.items():
            path = f"/{quote(section)}.rss"
            self._answers[path] = (_FEED, self._rss(section, members, now).encode())
            feeds[section] = self.url + path
        return feeds

    def _rss(self, section: str, fixtures: list[Fixture], now: datetime) -> str:
        entries = []
        for fixture in fixtures:
            path = f"/articles/{quote(fixture.document, safe='/')}.html"
            self._answers[path] = (_HTML, _page(fixture))
            title = fixture.about.title or headline(fixture.text or "")
            named = f"<title>{escape(title)}</title>" if title else ""
            entries.append(
                f"<item>{named}<link>{self.url}{path}</link><guid>{escape(fixture.document)}</guid>"
                f"<pubDate>{format_datetime(fixture.about.published or now)}</pubDate></item>"
            )
        return (
            f'<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel><title>Demo: {escape(section)}</title>'
            f"<link>{self.url}</link><description>Fixtures</description>{''.join(entries)}</channel></rss>"
        )


def _section(fixture: Fixture) -> str:
    """The feed that a fixture is put into: what it says itself, or else the beginning of its name."""
    return fixture.about.feed or re.split(r"[-_./#]", fixture.document)[0]


def _page(fixture: Fixture) -> bytes:
    if fixture.html is not None:
        return fixture.html if isinstance(fixture.html, bytes) else fixture.html.encode()
    text = fixture.text or ""
    language = f' lang="{escape(fixture.about.language)}"' if fixture.about.language else ""
    title = escape(fixture.about.title or headline(text))
    paragraphs = "\n".join(f"<p>{escape(line)}</p>" for line in text.splitlines() if line.strip())
    return (
        f'<!doctype html><html{language}><head><meta charset="utf-8"><title>{title}</title></head>'
        f"<body><article><h1>{title}</h1>\n{paragraphs}\n</article></body></html>"
    ).encode()


class _Handler(BaseHTTPRequestHandler):
    answers: dict[str, tuple[str, bytes]]

    def do_GET(self) -> None:
        kind, body = self.answers.get(self.path, ("", b""))
        self.send_response(200 if kind else 404)
        self.send_header("Content-Type", kind or "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal is for alerts."""

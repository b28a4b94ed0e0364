"""The door to the web: feeds, articles' pages and webhooks, fetched politely and from public addresses only."""

from monitor.http.body import MAX_BODY
from monitor.http.door import Answer, Http

__all__ = ["MAX_BODY", "Answer", "Http"]

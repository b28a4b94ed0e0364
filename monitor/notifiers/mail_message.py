"""Mail: a pure function from a notification to a message with a text and an HTML part."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr
from hashlib import blake2b
from typing import Any
from urllib.parse import quote, urlsplit

from monitor.alerts.render import (
    concepts_line,
    heading,
    marked,
    news_of,
    one_line,
    pieces,
    printable,
    published_line,
    rule_line,
    sources_line,
)
from monitor.models import Alert, Level, Notification
from monitor.notifiers.templates import Render, own

MAX_ALERTS = 200
_LONGEST_SUBJECT = 200
_MOST_REFERENCES = 20
_COLOURS: dict[Level, str] = {
    "info": "#6b7280",
    "low": "#2e7d32",
    "medium": "#9a6700",
    "high": "#c2410c",
    "critical": "#b00020",
}


@dataclass(frozen=True, slots=True)
class Envelope:
    """From whom and to whom, and the user's own forms of subject and body; None is ours."""

    sender: Address
    recipients: tuple[Address, ...]
    title: Render | None = None
    body: Render | None = None

    @property
    def utf8(self) -> bool:
        """Whether an address needs a server that takes letters beyond ASCII (SMTPUTF8, RFC 6531)."""
        return not all(address.addr_spec.isascii() for address in (self.sender, *self.recipients))


def address_of(text: str) -> Address:
    """Read `Name <user@host>`; a host beyond ASCII is encoded (IDNA). Raises ValueError."""
    name, written = parseaddr(text)
    user, at, host = written.rpartition("@")
    try:
        domain = host.encode("idna").decode()
        if not (user and at and domain and text.isprintable()) or " " in written:
            raise ValueError
        return Address(one_line(name), user, domain)
    except (ValueError, IndexError):
        raise ValueError(
            f'"{one_line(text)}" is no mail address; write user@example.org or Name <user@example.org>'
        ) from None


def mail(notification: Notification, envelope: Envelope, now: datetime) -> EmailMessage:
    """The message; sent again it has the same Message-ID. An update answers the mails that told of its alerts first."""
    policy = SMTPUTF8 if envelope.utf8 else SMTP
    message = EmailMessage(policy=policy.clone(cte_type="7bit"))
    # Python's email package decodes what looks like an encoded word, line breaks and all: =? never gets there.
    subject = one_line(_subject(notification, envelope.title), _LONGEST_SUBJECT).replace("=?", "=\u2060?")
    message["From"] = envelope.sender
    message["To"] = envelope.recipients
    message["Subject"] = subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = message_id(notification.key, envelope.sender.domain)
    if first := _answered(notification, envelope.sender.domain, message["Message-ID"]):
        message["In-Reply-To"] = message["References"] = " ".join(first)
    label = re.sub("[^a-z0-9-]+", "-", notification.receiver.lower()).strip("-") or "alerts"
    message["List-Id"] = f"<{label}.monitor.{envelope.sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    body = envelope.body(notification) if envelope.body and notification.alerts else ""
    message.set_content(f"{body or _text(notification)}\n")
    message.add_alternative(_html(notification, subject, body), subtype="html")
    # Made from the key: what a function of its arguments returns cannot be drawn by lot.
    message.set_boundary(f"=-{blake2b(notification.key.encode(), digest_size=16).hexdigest()}")
    return message


def message_id(key: str, domain: str) -> str:
    """The Message-ID of the mail that bears a key."""
    return f"<{quote(key, safe='+')}@{domain}>"


def _answered(notification: Notification, domain: str, own_id: str) -> list[str]:
    """The mails that told first of the alerts of an update."""
    if notification.kind != "update":
        return []
    first = (
        notification.receipts.get(alert.id) or message_id(f"{alert.id}.{notification.receiver}", domain)
        for alert in notification.alerts
    )
    return [one_line(found) for found in dict.fromkeys(first) if found != own_id][:_MOST_REFERENCES]


def _subject(notification: Notification, title: Render | None) -> str:
    """`[HIGH] title`; an update of one alert has the subject of the mail that it answers, as threads want it."""
    if not notification.alerts:
        return notification.text
    if title:
        subject = title(notification)
    elif len(notification.alerts) == 1:
        [alert] = notification.alerts
        subject = f"[{alert.level.upper()}] {alert.title}"
    else:
        subject = f"{heading(notification)}: {notification.alerts[0].title}"
    answer = "Re: " if notification.kind == "update" and len(notification.alerts) == 1 else ""
    return answer + subject


def _text(notification: Notification) -> str:
    if not notification.alerts:
        return notification.text
    shown = news_of(notification)[:MAX_ALERTS]
    contents = [f"{number}. {printable(alert.title)}" for number, alert in enumerate(shown, 1)]
    parts = [heading(notification), *(["\n".join(contents)] if len(shown) > 1 else [])]
    parts += [_alert_text(alert, f"{number}. " * (len(shown) > 1)) for number, alert in enumerate(shown, 1)]
    if unshown := len(notification.alerts) - len(shown):
        parts.append(f"and {unshown} more: monitor alerts list")
    return "\n\n".join(parts)


def _alert_text(alert: Alert, number: str) -> str:
    lines = [
        f"{number}{alert.level.upper()} · {printable(rule_line(alert))}",
        printable(alert.title),
        marked(alert.snippet),
        concepts_line(alert),
        _origin(alert),
        printable(alert.url),
    ]
    return "\n".join(line for line in lines if line)


def _origin(alert: Alert) -> str:
    return " · ".join(filter(None, [sources_line(alert), published_line(alert)]))


def _html(notification: Notification, subject: str, body: str) -> str:
    shown = news_of(notification)[:MAX_ALERTS]
    return own("mail.html").render(
        subject=subject,
        heading=heading(notification),
        body=body,
        alerts=list(_shown(shown)),
        unshown=len(notification.alerts) - len(shown),
    )


def _shown(alerts: Iterable[Alert]) -> Iterable[dict[str, Any]]:
    for alert in alerts:
        yield {
            "level": alert.level,
            "colour": _COLOURS[alert.level],
            "rule": one_line(rule_line(alert)),
            "title": one_line(alert.title),
            "url": alert.url if _is_web(alert.url) else "",
            "language": alert.language or "",
            "pieces": pieces(alert.snippet),
            "concepts": concepts_line(alert),
            "origin": _origin(alert),
        }


def _is_web(url: str) -> bool:
    try:
        return urlsplit(url).scheme in ("http", "https")
    except ValueError:
        return False

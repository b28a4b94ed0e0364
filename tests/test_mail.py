"""Mail: what is sent, through a real SMTP server, and what becomes of each of its answers."""

import re
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib
import lxml.html
import pytest
from pydantic import ValidationError

from monitor.config import HttpConfig
from monitor.errors import PermanentError, TemporaryError
from monitor.http import Http
from monitor.models import Snippet
from monitor.notifiers.mail import Mail, MailOptions, answered, judged
from monitor.notifiers.mail_message import MAX_ALERTS, Envelope, address_of, mail
from monitor.notifiers.templates import compiled
from tests.mailing import Sink, certificate, login, needs_openssl, smtp_server
from tests.notices import HOSTILE, NOON, a_notification, an_alert, hostile

DESK = Envelope(address_of("Monitor <monitor@example.org>"), (address_of("desk@example.org"),))

TEXT_PART = """HIGH · korea (Korean peninsula)

HIGH · korea (Korean peninsula)
북한, 탄도미사일 발사
북한이 동해상으로 탄도[미사일]을 발사했다고 합참이 밝혔다.
missile
2 sources: Yonhap, Antara · ko, id · 2026-11-23 12:00 UTC
https://news.example/1?a=1&b=2
"""


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert found is not None
    return str(found.get_content()).replace("\r\n", "\n")


def notifier(sink: Sink, **options: Any) -> Mail:
    given = {"host": "localhost", "port": sink.port, "security": "none", "from": "monitor@example.org"}
    return Mail(MailOptions.model_validate(given | {"to": "desk@example.org"} | options), Http(HttpConfig()))


def test_a_mail_says_it_all() -> None:
    message = mail(a_notification(), DESK, NOON)
    assert dict(message.items()) == {
        "From": "Monitor <monitor@example.org>",
        "To": "desk@example.org",
        "Subject": "[HIGH] 북한, 탄도미사일 발사",
        "Date": "Mon, 23 Nov 2026 12:00:00 +0000",
        "Message-ID": "<a1.desk@example.org>",
        "List-Id": "<desk.monitor.example.org>",
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
        "Content-Type": message["Content-Type"],
    }
    assert part(message, "plain") == TEXT_PART
    assert message.as_bytes() == mail(a_notification(), DESK, NOON).as_bytes()
    assert max(map(len, message.as_bytes().split(b"\r\n"))) <= 998
    assert message.as_bytes().isascii()


def test_the_html_part_is_readable_on_a_phone_and_in_the_dark() -> None:
    html = part(mail(a_notification(an_alert(title="صاروخ <b>", language="ar")), DESK, NOON), "html")
    document = lxml.html.fromstring(html)
    assert document.xpath("//meta[@name='viewport']/@content") == ["width=device-width, initial-scale=1"]
    assert document.xpath("//meta[@name='color-scheme']/@content") == ["light dark"]
    [title] = document.xpath("//h2")
    assert title.text_content() == "صاروخ <b>"
    assert (title.get("dir"), title.get("lang")) == ("auto", "ar")
    assert title.xpath("a/@href") == ["https://news.example/1?a=1&b=2"]
    assert [word.text for word in document.xpath("//strong")] == ["미사일"]
    assert not document.xpath("//style | //script | //img | //link"), "nothing is loaded, no client drops anything"
    # No colour of the page or its text is set: the client's own are right by day and by night.
    assert not re.search(r"(?<![-\w])color:(?!#ffffff)|background:(?!#)", html.replace('content="light dark"', ""))


def test_a_digest_has_a_table_of_contents() -> None:
    alerts = [an_alert(id=str(n), title=f"Title {n}") for n in range(3)]
    message = mail(a_notification(*alerts, kind="digest", key="d1"), DESK, NOON)
    assert message["Subject"] == "Digest · 3 alerts: Title 0"
    assert part(message, "plain").startswith("Digest · 3 alerts\n\n1. Title 0\n2. Title 1\n3. Title 2\n\n1. HIGH")
    document = lxml.html.fromstring(part(message, "html"))
    targets = document.xpath("//ol/li/a/@href")
    assert [target.removeprefix("#") for target in targets] == document.xpath("//div[@id]/@id")
    assert document.xpath("//ol/li/a/text()") == [alert.title for alert in alerts]


def test_what_no_mail_can_hold_is_counted() -> None:
    message = mail(a_notification(*[an_alert()] * (MAX_ALERTS + 7)), DESK, NOON)
    assert "and 7 more: monitor alerts list" in part(message, "plain")
    assert "and 7 more: monitor alerts list" in part(message, "html")


def test_a_notice_is_a_mail_too() -> None:
    message = mail(a_notification(kind="notice", text="20 wait;\r\nsee monitor alerts list"), DESK, NOON)
    assert message["Subject"] == "20 wait; see monitor alerts list"
    assert "20 wait" in part(message, "html")


@pytest.mark.parametrize(
    ("changes", "references"),
    [
        ({"kind": "alert"}, None),
        ({"kind": "update"}, "<a1.desk@example.org>"),
        ({"kind": "update", "receipts": {"a1": "<group7.desk@example.org>"}}, "<group7.desk@example.org>"),
        ({"kind": "update", "receipts": {"a1": "<x>\r\nBcc: <y>"}}, "<x> Bcc: <y>"),
        ({"kind": "update", "alerts": (an_alert(id="1"), an_alert(id="2"))},
         "<1.desk@example.org> <2.desk@example.org>"),
    ],
)  # fmt: skip
def test_updates_answer_the_mail_that_told_first(changes: dict[str, Any], references: str | None) -> None:
    message = mail(a_notification(**{"key": "u2.desk"} | changes), DESK, NOON)
    assert message["In-Reply-To"] == message["References"] == references
    if references and len(changes.get("alerts", "1")) == 1:
        assert message["Subject"] == "Re: [HIGH] 북한, 탄도미사일 발사", "clients thread by subject as well"


def test_templates_make_subject_and_text() -> None:
    envelope = Envelope(
        *(DESK.sender, DESK.recipients),
        compiled("{{ alert.level }}: {{ alert.title|truncate(9, true) }}"),
        compiled("{% for a in alerts %}<{{ a.title }}>\n{% endfor %}"),
    )
    message = mail(a_notification(an_alert(title="<b>\r\nBcc: x@example.org")), envelope, NOON)
    assert message["Subject"] == "high: <b> B..."
    assert part(message, "plain") == "<<b>\nBcc: x@example.org>\n\n"
    assert "&lt;&lt;b&gt;" in part(message, "html")


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_texts_arrive_and_change_no_header(text: str) -> None:
    with smtp_server(Sink()) as sink:
        await notifier(sink, to=["desk@example.org", "two@example.org"]).send(a_notification(hostile(text)))
    [received] = sink.mails
    assert sorted(received.keys()) == sorted(
        ["From", "To", "Subject", "Date", "Message-ID", "List-Id", "Auto-Submitted", "MIME-Version", "Content-Type"]
    )
    assert sink.envelopes[0].rcpt_tos == ["desk@example.org", "two@example.org"]
    assert not received.defects
    assert not re.search("[\r\n\x0b\x0c\x1c\x85\u2028\u2029\u202e\u2066\x00]", received["Subject"])
    document = lxml.html.fromstring(part(received, "html"))
    assert not document.xpath("//script | //img | //@onmouseover | //@onerror")
    assert {link.split("/")[2] for link in document.xpath("//a/@href") if "//" in link} <= {"evil.example"}
    assert "49" not in part(received, "plain"), "nothing in it is a template"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "http://["])
def test_only_the_web_is_linked(url: str) -> None:
    assert "<a href" not in part(mail(a_notification(an_alert(url=url)), DESK, NOON), "html")


@pytest.mark.parametrize(
    ("written", "display", "address"),
    [
        ("desk@example.org", "", "desk@example.org"),
        ("Nachrichten Köln <desk@example.org>", "Nachrichten Köln", "desk@example.org"),
        ("desk@bücher.example", "", "desk@xn--bcher-kva.example"),
        ("데스크 <데스크@example.org>", "데스크", "데스크@example.org"),
    ],
)
async def test_addresses_beyond_ascii(written: str, display: str, address: str) -> None:
    with smtp_server(Sink(), enable_SMTPUTF8=True) as sink:
        await notifier(sink, to=written, **{"from": "ارسال <m@example.org>"}).send(a_notification())
    [received] = sink.mails
    assert sink.envelopes[0].rcpt_tos == [address]
    assert sink.envelopes[0].smtp_utf8 is not address.isascii()
    assert received["To"].addresses[0].display_name == display
    assert received["To"].addresses[0].addr_spec == address
    assert received["From"].addresses[0].display_name == "ارسال"
    assert received["Subject"] == "[HIGH] 북한, 탄도미사일 발사"


async def test_a_server_that_cannot_take_such_an_address_is_said() -> None:
    with (
        smtp_server(Sink(), enable_SMTPUTF8=False) as sink,
        pytest.raises(TemporaryError, match="lacks what the options ask for"),
    ):
        await notifier(sink, to="데스크@example.org").send(a_notification())


@needs_openssl
@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_it_is_sent_encrypted_and_with_a_password(tmp_path: Path, security: str) -> None:
    secured = certificate(tmp_path)
    served = {"ssl_context": secured} if security == "tls" else {"tls_context": secured, "require_starttls": True}
    sign_in = {"authenticator": login, "auth_require_tls": security != "tls"}
    with smtp_server(Sink(), **served, **sign_in) as sink:
        options = {"security": security, "user": "desk", "password": "right", "ca": tmp_path / "cert.pem"}
        assert await notifier(sink, **options).send(a_notification()) == "<a1.desk@example.org>"
        with pytest.raises(TemporaryError, match="refuses user or password: 535") as caught:
            await notifier(sink, **options | {"password": "SECRET"}).send(a_notification())
        assert "SECRET" not in str(caught.value)
        for change in ({"ca": None}, {"host": "127.0.0.1"}):
            with pytest.raises(TemporaryError, match=r"(?i)certificate.verify.failed"):
                await notifier(sink, **options | change).send(a_notification())
    assert len(sink.mails) == 1


async def test_no_encryption_is_no_way_around_it() -> None:
    with smtp_server(Sink()) as sink, pytest.raises(TemporaryError, match="STARTTLS extension not supported"):
        await notifier(sink, security="starttls").send(a_notification())
    assert not sink.mails


async def test_a_recipient_who_was_refused_for_now_is_tried_alone() -> None:
    with smtp_server(Sink({"two@example.org": "451 4.7.1 Greylisted"})) as sink:
        mailer = notifier(sink, to=["one@example.org", "two@example.org"])
        with pytest.raises(TemporaryError, match=r"two@example\.org: 451"):
            await mailer.send(a_notification())
        sink.refuse.clear()
        await mailer.send(a_notification())
    assert [one.rcpt_tos for one in sink.envelopes] == [["one@example.org"], ["two@example.org"]]
    assert sink.mails[0]["Message-ID"] == sink.mails[1]["Message-ID"]


@pytest.mark.parametrize(
    ("at", "answer", "kind"),
    [
        ("DATA", "552 5.3.4 Too large", PermanentError),
        ("DATA", "554 5.7.1 Looks like spam", PermanentError),
        ("DATA", "451 4.3.0 Try again", TemporaryError),
        ("DATA", "530 5.7.0 Must issue STARTTLS", TemporaryError),
        ("DATA", "554 5.7.1 Greylisted, come back", TemporaryError),
        ("desk@example.org", "550 5.1.1 No such user", PermanentError),
        ("desk@example.org", "450 4.2.0 Mailbox busy", TemporaryError),
    ],
)
async def test_what_the_server_answers(at: str, answer: str, kind: type[Exception]) -> None:
    with smtp_server(Sink({at: answer})) as sink, pytest.raises(kind, match=re.escape(answer)) as caught:
        await notifier(sink).send(a_notification())
    assert type(caught.value) is kind


async def test_no_server_is_tried_again_later() -> None:
    with pytest.raises(TemporaryError, match="Error connecting to localhost on port 1"):
        await notifier(Sink(port=1)).send(a_notification())
    with pytest.raises(TemporaryError, match=r"No such file"):
        await notifier(Sink(port=1), ca="/nowhere.pem").send(a_notification())


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (aiosmtplib.SMTPConnectResponseError(554, "No service"), TemporaryError),
        (aiosmtplib.SMTPHeloError(550, "Who are you"), TemporaryError),
        (aiosmtplib.SMTPSenderRefused(553, "Not yours", "m@example.org"), PermanentError),
        (aiosmtplib.SMTPServerDisconnected("gone"), TemporaryError),
        (aiosmtplib.SMTPReadTimeoutError("slow"), TemporaryError),
        (OSError("net"), TemporaryError),
    ],
)
def test_what_an_error_means(error: Exception, kind: type[Exception]) -> None:
    assert type(judged(error)) is kind
    assert str(answered(550, "a\r\nb")) == "550 a b"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"to": []}, "at least 1 item"),
        ({"to": "nobody"}, '"nobody" is no mail address'),
        ({"to": "a@b.example\r\nBcc: c@d.example"}, "is no mail address"),
        ({"from": "x y@b.example"}, "is no mail address"),
        ({"user": "u"}, "user and password go together"),
        ({"user": "u", "password": "SECRET", "security": "none"}, "over an encrypted connection only"),
        ({"port": 99999}, "less than or equal to 65535"),
        ({"body": "{% for %}"}, "line 1 of the template"),
    ],
)
def test_wrong_options_are_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        MailOptions.model_validate({"host": "h.example", "from": "m@b.example", "to": "a@b.example"} | changes)
    messages = [error["msg"] for error in caught.value.errors()]
    assert any(reason in text for text in messages), messages
    assert not any("SECRET" in text for text in messages)


def test_a_mail_of_the_longest_texts_goes_through() -> None:
    long = an_alert(title="語" * 5_000, snippet=Snippet(text="x" * 20_000), url="https://a.example/" + "é" * 3_000)
    raw = mail(a_notification(long), DESK, datetime(2026, 1, 1, tzinfo=UTC)).as_bytes()
    assert max(map(len, raw.split(b"\r\n"))) <= 998

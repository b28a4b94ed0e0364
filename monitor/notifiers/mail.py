"""Alerts by mail, through an SMTP server."""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import aiosmtplib
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from monitor.config.fields import Names, one_or_many
from monitor.errors import NotifyError, PermanentError, TemporaryError
from monitor.http import Http
from monitor.models import Notification
from monitor.notifiers.mail_message import Envelope, address_of, mail
from monitor.notifiers.templates import TemplateText, compiled

_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_MENDABLE = frozenset({421, 530, 534, 535, 538})  # what asks for another password or for encryption (RFC 4954)
_SECONDS = 30.0  # for one answer of the server
_REMEMBERED = 1_000


class MailOptions(BaseModel):
    """The server, who writes, and to whom."""

    model_config = ConfigDict(extra="forbid")

    host: str = Field(min_length=1, description="the SMTP server")
    port: int | None = Field(None, ge=1, le=65535, description="absent: 587, or 465 for tls, or 25 for none")
    security: Literal["starttls", "tls", "none"] = "starttls"
    ca: Path | None = Field(None, description="a PEM file of the authority that signed the server's certificate")
    user: str = ""
    password: SecretStr | None = None
    sender: str = Field(alias="from", description="such as Monitor <monitor@example.org>")
    to: Names = Field(min_length=1)
    title: TemplateText | None = Field(None, description="a template of the subject")
    body: TemplateText | None = Field(None, description="a template of the text, for all alerts of a mail")

    @field_validator("sender", "to")
    @classmethod
    def _addresses(cls, given: Any) -> Any:
        for text in one_or_many(given):
            address_of(text)
        return given

    @model_validator(mode="after")
    def _guarded(self) -> "MailOptions":
        if bool(self.user) != bool(self.password):
            raise ValueError("user and password go together")
        if self.user and self.security == "none":
            raise ValueError("a password is sent over an encrypted connection only; set security to starttls or tls")
        return self


class Mail:
    """One mail to all its recipients. What it returns is the Message-ID, for updates to answer."""

    Options = MailOptions

    def __init__(self, options: MailOptions, http: Http) -> None:
        self._options = options
        self._tls: ssl.SSLContext | None = None
        self._envelope = Envelope(
            address_of(options.sender),
            tuple(map(address_of, options.to)),
            compiled(options.title) if options.title else None,
            compiled(options.body) if options.body else None,
        )
        # Who has a mail already that not all could be given: the next attempt is for the others.
        self._served: dict[str, set[str]] = {}

    async def send(self, notification: Notification) -> str:
        message = mail(notification, self._envelope, datetime.now(UTC))
        served = self._served.get(notification.key, set())
        addresses = [address.addr_spec for address in self._envelope.recipients]
        left = [address for address in addresses if address not in served]
        refused = await self._hand_over(message.as_bytes(), left)
        if refused:
            self._served[notification.key] = served | set(left) - set(refused)
            while len(self._served) > _REMEMBERED:
                del self._served[next(iter(self._served))]
            raise worst(refused)
        self._served.pop(notification.key, None)
        return str(message["Message-ID"])

    async def reach(self) -> str:
        """Greet the server and log in, without a mail; raises NotifyError."""
        try:
            async with await self._connection() as server:
                await server.noop()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise judged(error) from error
        known = f", and knows {self._options.user}" if self._options.user else ""
        return f"{self._options.host} answers{known}"

    async def _hand_over(self, message: bytes, recipients: list[str]) -> Mapping[str, tuple[int, str]]:
        """Send to all; returns who was refused, with code and reason. Raises NotifyError where nobody was taken."""
        sender = self._envelope.sender.addr_spec
        options = ["SMTPUTF8", "BODY=8BITMIME"] if self._envelope.utf8 else []
        try:
            async with await self._connection() as server:
                refused, _ = await server.sendmail(sender, recipients, message, mail_options=options)
                return {address: (answer.code, answer.message) for address, answer in refused.items()}
        except aiosmtplib.SMTPRecipientsRefused as error:
            return {one.recipient: (one.code, one.message) for one in error.recipients}
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise judged(error) from error

    async def _connection(self) -> aiosmtplib.SMTP:
        options = self._options
        if self._tls is None:
            self._tls = await asyncio.to_thread(_context, options.ca)
        return aiosmtplib.SMTP(
            hostname=options.host,
            port=options.port or _PORTS[options.security],
            username=options.user or None,
            password=options.password.get_secret_value() if options.password else None,
            local_hostname=socket.gethostname() or "localhost",  # its default asks a name server, and waits for it
            timeout=_SECONDS,
            use_tls=options.security == "tls",
            start_tls=options.security == "starttls",
            tls_context=self._tls,
        )


def _context(ca: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca:
        context.load_verify_locations(ca)
    return context


def judged(error: Exception) -> NotifyError:
    """What a failure means: only a refusal of this very mail is permanent."""
    if isinstance(error, aiosmtplib.SMTPConnectResponseError | aiosmtplib.SMTPHeloError):
        return TemporaryError(f"the server answers {error.code} {_said(error.message)}")
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return TemporaryError(f"the server refuses user or password: {error.code} {_said(error.message)}")
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return answered(error.code, error.message)
    if isinstance(error, aiosmtplib.SMTPNotSupported):
        return TemporaryError(f"{error}; the server lacks what the options ask for")
    return TemporaryError(str(error) or type(error).__name__)


def answered(code: int, text: str) -> NotifyError:
    """What a server's answer to a mail or a recipient means (RFC 5321: 5xx is for good)."""
    reason = f"{code} {_said(text)}"
    for_now = code < 500 or code in _MENDABLE or "greylist" in text.lower() or "graylist" in text.lower()
    return TemporaryError(reason) if for_now else PermanentError(reason)


def worst(refused: Mapping[str, tuple[int, str]]) -> NotifyError:
    """What the refusal of some recipients means: as long as one may be taken later, it is tried again."""
    errors = {address: answered(*answer) for address, answer in refused.items()}
    kind = TemporaryError if any(isinstance(error, TemporaryError) for error in errors.values()) else PermanentError
    return kind("; ".join(f"{address}: {error}" for address, error in errors.items()))


def _said(text: str) -> str:
    return " ".join(text.split())[:200]

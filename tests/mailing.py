"""A real mail server for tests: it takes what a test lets it take, and keeps it."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_string
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.site import free_port

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="makes its certificate with openssl")


@dataclass
class Sink:
    """`refuse` maps an address, or "DATA", to the answer that it gets; `envelopes` are what was taken, in order."""

    refuse: dict[str, str] = field(default_factory=dict)
    envelopes: list[Envelope] = field(default_factory=list)
    port: int = 0

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if "DATA" in self.refuse:
            return self.refuse["DATA"]
        self.envelopes.append(envelope)
        return "250 OK"

    @property
    def raw(self) -> list[bytes]:
        return [one.original_content or b"" for one in self.envelopes]

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_string(raw.decode(), policy=default) for raw in self.raw]


def certificate(folder: Path, name: str = "localhost") -> ssl.SSLContext:
    """Make cert.pem and key.pem for a name, and a server's context with them."""
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    named = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*made, *named, *files], check=True, capture_output=True)
    secured = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secured.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return secured


def login(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    """Knows the user `desk` with the password `right`."""
    known = isinstance(data, LoginPassword) and (data.login, data.password) == (b"desk", b"right")
    return AuthResult(success=known, handled=False)


@contextmanager
def smtp_server(sink: Sink, **options: Any) -> Iterator[Sink]:
    """Serve on localhost; `options` are aiosmtpd's."""
    sink.port = free_port()
    controller = Controller(sink, hostname="127.0.0.1", port=sink.port, **options)
    controller.start()
    try:
        yield sink
    finally:
        controller.stop()

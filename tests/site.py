"""A real web server for tests: it answers what a test tells it to, and remembers what it was asked."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """What to answer; `wait` is called before anything is sent."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait: Callable[[], None] | None = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # of the five that are usual a sixth waits for a second


class Site:
    """`replies` maps a path to what it answers, a Reply or a function of the request; others are 404."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.replies: dict[str, Reply | Callable[[Request], Reply]] = {}
        self.requests: list[Request] = []
        handler = type("Handler", (_Handler,), {"site": self})
        self._server = _Server((host, 0), handler)
        self.port = self._server.server_port
        self.url = f"http://{host}:{self.port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def asked(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    def reply_to(self, request: Request) -> Reply:
        self.requests.append(request)
        reply = self.replies.get(request.path, Reply(b"not here", 404))
        return reply if isinstance(reply, Reply) else reply(request)


class _Handler(BaseHTTPRequestHandler):
    site: Site
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True  # whoever asked has died meanwhile: the request never came
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.site.reply_to(Request(self.command, self.path, headers, body))
        if reply.wait:
            reply.wait()
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        with suppress(ConnectionError):  # who asked may have died or given up meanwhile
            self.wfile.write(reply.body)

    do_GET = do_POST = _answer

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(host: str = "127.0.0.1") -> Iterator[Site]:
    site = Site(host)
    try:
        yield site
    finally:
        site.close()


@contextmanager
def speaking(speak: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that knows no HTTP: once a request has come, `speak` writes what it likes; yields its URL."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65_536)
            speak(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def free_port() -> int:
    """A port of 127.0.0.1 at which nobody listens now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait for a condition, however long the machine takes; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never came true: {condition}"
        time.sleep(0.01)


def rss(*items: str, title: str = "Test feed") -> bytes:
    return (
        f'<?xml version="1.0"?><rss version="2.0"><channel><title>{title}</title><language>en</language>'
        f"{''.join(items)}</channel></rss>"
    ).encode()


def item(guid: str, title: str, text: str = "", link: str = "") -> str:
    links = f"<link>{link}</link>" if link else ""
    return f"<item><guid>{guid}</guid><title>{title}</title>{links}<description>{text}</description></item>"

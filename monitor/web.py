"""Health, metrics and reload over HTTP, for machines: `/-/healthy`, `/-/ready`, `/metrics`, `POST /-/reload`."""

import asyncio
import contextlib
import errno
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from monitor.condition import Condition
from monitor.config import WebConfig
from monitor.errors import InputError, Problem
from monitor.supervise import end

_HERE = {"localhost", "127.0.0.1", "::1"}
_AT_ONCE = 50  # connections: what is more gets 503
_ENDS_WITHIN = 2.0  # seconds

log = logging.getLogger(__name__)


@asynccontextmanager
async def serving(config: WebConfig, condition: Condition) -> AsyncIterator[None]:
    """Answer requests while the context lasts; raises InputError where the address cannot be listened at."""
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    with _listening(config) as listener:
        settings = uvicorn.Config(
            _Known(_router(condition), {*_HERE, *config.hosts}),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=_AT_ONCE,
            timeout_graceful_shutdown=1,
        )
        server = _Server(settings)
        task = asyncio.create_task(server.serve([listener]))
        log.info("listening at %s", config.listen)
        try:
            yield
        finally:
            server.should_exit = True
            await end([task], _ENDS_WITHIN)


class _Server(uvicorn.Server):
    """Leaves signals to the daemon, which has its own way to end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextmanager
def _listening(config: WebConfig) -> Iterator[socket.socket]:
    try:
        listener = _unix(config.unix) if config.unix else _port(*config.address)
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno == errno.EADDRINUSE:
            reason = "another program listens there, perhaps a second monitor; each needs a place of its own"
        raise InputError([Problem(f"web.listen: {config.listen}", reason)]) from None
    try:
        yield listener
    finally:
        listener.close()
        if config.unix:
            with contextlib.suppress(OSError):
                os.unlink(config.unix)


def _port(host: str, port: int) -> socket.socket:
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)


def _unix(path: str) -> socket.socket:
    """A socket that those may reach who may write to its file: by the process's umask, its user."""
    with socket.socket(socket.AF_UNIX) as asking:
        try:
            asking.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            if Path(path).is_socket():  # of a process that was killed
                Path(path).unlink()
        else:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(path)
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


class _Known:
    """Lets requests in that ask for a name by which this program is known, and that no other site's page makes."""

    def __init__(self, app: ASGIApp, hosts: set[str]) -> None:
        self._app, self._hosts = app, {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Request(scope).headers
        if (asked := _host(headers.get("host", ""))) not in self._hosts:
            refusal = f"{asked!a} is no name of this monitor; web.hosts in its configuration lists those it answers to"
            await PlainTextResponse(f"{refusal}\n", 421)(scope, receive, send)
            return
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        if site not in ("none", "same-origin") or (origin and origin != f"http://{headers['host']}"):
            await PlainTextResponse("another site's page may not ask\n", 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _host(header: str) -> str:
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def _router(condition: Condition) -> Router:
    async def healthy(request: Request) -> Response:
        stuck = condition.stuck()
        return _lines([f"no progress: {stuck}"], 503) if stuck else _lines(["healthy"])

    async def ready(request: Request) -> Response:
        lacking = await condition.lacking()
        broken = [f"not in effect, what was goes on: {problem}" for problem in condition.broken()]
        return _lines([*lacking, *broken], 503) if lacking else _lines(["ready", *broken])

    async def metrics(request: Request) -> Response:
        body, content_type = await condition.metrics(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type, "cache-control": "no-store"})

    async def reload(request: Request) -> Response:
        problems = await condition.reload()
        if problems:
            return _lines([*problems, "not reloaded; what was in effect goes on"], 500)
        return _lines(["reloaded"])

    pages = {"/-/healthy": healthy, "/-/ready": ready, "/metrics": metrics}
    routes = [Route(path, page, methods=["GET"]) for path, page in pages.items()]
    return Router([*routes, Route("/-/reload", reload, methods=["POST"])], redirect_slashes=False)


def _lines(lines: list[str], status: int = 200) -> Response:
    return PlainTextResponse("".join(f"{line}\n" for line in lines), status, {"cache-control": "no-store"})

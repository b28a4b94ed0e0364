"""What deploy/README.md tells people to type, typed: below a folder instead of /, and with nobody's systemd."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
import redis

from tests.conftest import REPOSITORY
from tests.daemon import configure, monitor
from tests.mortal import SHEAF, Life, live
from tests.site import Reply, Site, free_port, wait_until
from tests.test_deaths import AHEAD, keys, stopped

README = (REPOSITORY / "deploy/README.md").read_text()
REDIS = shutil.which("redis-server")
SHEAVES = 40
ALERTS = SHEAVES * SHEAF

debian = pytest.mark.skipif(not REDIS, reason="redis-server is not installed")


def blocks(heading: str) -> list[list[str]]:
    """The commands under a heading, block by block, a line each."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [block.splitlines() for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)]


class Machine:
    """A folder in the place of /; `systemctl` of its services is what `start` and `stop` hold."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = 0
        self.start: dict[str, Callable[[], object]] = {}
        self.stop: dict[str, Callable[[], object]] = {}

    def type(self, lines: list[str]) -> None:
        """Carry out commands in one shell; each must succeed."""
        shell = subprocess.Popen(
            ["sh", "-e"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with shell:
            assert shell.stdin
            assert shell.stdout
            for line in lines:
                if line.startswith("systemctl "):
                    self._systemctl(*line.split()[1:])
                elif not line.startswith("apt "):
                    shell.stdin.write(f"{self._here(line)}\necho done\n")
                    shell.stdin.flush()
                    succeeded, said = _until_done(shell.stdout)
                    assert succeeded, f"{line}\n{said}"

    def _systemctl(self, verb: str, *services: str) -> None:
        for service in services:
            {"start": self.start, "restart": self.start, "stop": self.stop}[verb].get(service, bool)()

    def _here(self, line: str) -> str:
        line = re.sub(r"(?<=\s)/(?=(?:etc|var)/|\s)", f"{self.root}/", line)
        assert not re.search(r"(?<!\w)/(etc|var)/", line), "nothing outside the folder is touched"
        return line.replace("redis-cli ", f"redis-cli -p {self.port} ").replace(":6379/", f":{self.port}/")


def _until_done(said: Iterable[str]) -> tuple[bool, str]:
    """Whether a shell says that it has carried out a line, and what else it says until then or its end."""
    lines: list[str] = []
    for line in said:
        if line == "done\n":
            return True, "".join(lines)
        lines.append(line)
    return False, "".join(lines)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    for folder in ("etc/monitor/secrets", "etc/redis", "var/lib/redis", "var/lib/private"):
        (tmp_path / "root" / folder).mkdir(parents=True)
    return Machine(tmp_path / "root")


class Service:
    """The daemon as a service, with sheaves of alerts in the place of feeds."""

    def __init__(self, machine: Machine, file: Path) -> None:
        self.file, self.log = file, file.parent / "log"
        self.process: ForkServerProcess | None = None
        machine.start["monitor"], machine.stop["monitor"] = self.start, self.stop

    def start(self) -> None:
        self.process = live(self.file, self.log, Life(apart=0.05))

    def stop(self) -> None:
        assert self.process
        stopped(self.process)


def disaster(machine: Machine, site: Site, service: Service, *, backup: list[str], restore: list[str]) -> None:
    """Copy under load, let it all be delivered, lose it, restore the copy, and see what comes then."""
    service.start()
    wait_until(lambda: len(keys(site)) > ALERTS // 6)
    before = keys(site)
    machine.type(backup)
    meanwhile = keys(site)
    assert len(meanwhile) < ALERTS, "it was copied under load"
    wait_until(lambda: len(keys(site)) == ALERTS)
    every = keys(site)
    site.requests.clear()
    machine.type(restore)
    wait_until(lambda: meanwhile | keys(site) == every)
    machine.stop["monitor"]()
    again = len(before & keys(site))
    print(f"{len(before)} of {ALERTS} delivered at the backup, {again} of them again after it was restored")
    assert again <= AHEAD
    assert "Traceback" not in service.log.read_text()
    assert service.log.read_text().count("ERROR") == 0


def prepare(machine: Machine, site: Site, **settings: object) -> Path:
    site.replies["/hook"] = Reply()
    feeds = [{"url": f"http://sheaves.example/{number}", "every": "1s"} for number in range(SHEAVES)]
    return configure(machine.root / "etc/monitor", site, feeds=feeds, **settings)


@pytest.mark.slow
def test_a_backup_under_load_restores(machine: Machine, site: Site, tmp_path: Path) -> None:
    state = machine.root / "var/lib/private/monitor"
    service = Service(machine, prepare(machine, site, state_dir=str(state)))
    at_rest = ["flock", "--timeout", "20", str(state / "server.lock"), "true"]  # as the unit's ExecStopPost

    def stop() -> None:
        service.stop()
        subprocess.run(at_rest, check=True)

    machine.stop["monitor"] = stop
    backup, restore, _, _ = blocks("Backup and restore")
    archive = str(tmp_path / "monitor.tar.gz")
    backup, restore = ([line.replace("monitor.tar.gz", archive) for line in lines] for lines in (backup, restore))
    disaster(machine, site, service, backup=backup, restore=restore)


@contextmanager
def own_redis(machine: Machine) -> Iterator[str]:
    """Debian's server with its configuration in the machine's /etc; yields its URL once it answers."""
    machine.port = free_port()
    file, url = machine.root / "etc/redis/redis.conf", f"redis://127.0.0.1:{machine.port}/0"
    file.write_text(f'port {machine.port}\nbind 127.0.0.1\ndir "{machine.root}/var/lib/redis"\nsave ""\n')
    running: list[subprocess.Popen[bytes]] = []

    def answers() -> bool:
        try:
            with redis.Redis.from_url(url) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    def stop() -> None:
        while running:
            running[-1].send_signal(signal.SIGTERM)
            running.pop().wait(20)

    def start() -> None:
        stop()
        running.append(subprocess.Popen([str(REDIS), str(file)], stdout=subprocess.DEVNULL))
        wait_until(answers)

    machine.start["redis-server"], machine.stop["redis-server"] = start, stop
    try:
        yield url
    finally:
        stop()


@debian
@pytest.mark.slow
def test_a_backup_of_a_redis_that_runs_restores(machine: Machine, site: Site, tmp_path: Path) -> None:
    with own_redis(machine) as url:
        with (machine.root / "etc/redis/redis.conf").open("a") as file:
            file.write("appendonly yes\nauto-aof-rewrite-percentage 100\nauto-aof-rewrite-min-size 100kb\n")
        machine.start["redis-server"]()
        service = Service(machine, prepare(machine, site, redis={"url": url, "lease": "2s"}))
        _, _, backup, restore = blocks("Backup and restore")
        archive = str(tmp_path / "redis.tar.gz")
        backup, restore = ([line.replace("redis.tar.gz", archive) for line in lines] for lines in (backup, restore))
        disaster(machine, site, service, backup=backup, restore=restore)


@pytest.mark.parametrize(
    "command",
    re.findall(
        r"(?:^|&& )(monitor [a-z ]+)", "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL)), re.MULTILINE
    ),
)
def test_every_command_is_one(command: str) -> None:
    result = monitor(*command.split()[1:], "--help")
    assert result.returncode == 0, result.stderr


@debian
def test_a_redis_of_your_own_is_set_up_as_told(machine: Machine, site: Site) -> None:
    [block] = blocks("A Redis of your own")
    settings = machine.root / "etc/monitor/monitor.yaml"
    settings.write_text(
        f"feeds: [{site.url}/feed]\nrules: {REPOSITORY / 'rules'}\nreceivers: {{journal: {{type: console}}}}\n"
    )
    with own_redis(machine):
        machine.type(block)
        secret = machine.root / "etc/monitor/secrets/REDIS_URL"
        assert secret.stat().st_mode & 0o077 == 0
        environ = {"CREDENTIALS_DIRECTORY": str(secret.parent)}
        result = monitor("status", "--config", settings, env=environ)
        assert result.returncode == 0, result.stderr
        found = monitor("doctor", "--config", settings, env=environ).stdout
        assert "ok redis policy: noeviction\nok redis persistence: append-only file" in found
        assert (
            monitor("status", "--config", settings, env=os.environ | {"REDIS_URL": "redis://127.0.0.1:1"}).returncode
            == 1
        )

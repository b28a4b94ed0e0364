"""What is in deploy/: the unit holds its score and the daemon works within it, the installer undoes what it did."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from monitor import config, notifiers
from tests import jail
from tests.conftest import REPOSITORY
from tests.daemon import configure, daemon, received
from tests.site import Reply, Site, item, rss, wait_until
from tests.test_run import PAGE

DEPLOY = REPOSITORY / "deploy"
UNIT = DEPLOY / "monitor.service"
SCORE = 1.5

systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60, check=False)


@systemd
def test_the_unit_is_valid(tmp_path: Path) -> None:
    here = tmp_path / "monitor.service"
    # Whether the program is there is no matter of the unit.
    here.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", UNIT.read_text(), flags=re.MULTILINE))
    result = run("systemd-analyze", "verify", here)
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


@systemd
def test_the_unit_is_hardened() -> None:
    listing = run("systemd-analyze", "security", "--offline=yes", UNIT).stdout
    found = re.search(r"exposure level for monitor.service: ([\d.]+)", listing)
    assert found, listing
    assert float(found[1]) <= SCORE


@systemd
def test_it_polls_extracts_and_alerts_with_the_system_calls_that_the_unit_allows(tmp_path: Path, site: Site) -> None:
    site.replies |= {
        "/feed": Reply(rss(item("1", "Launch reported", "Short text.", f"{site.url}/page"))),
        "/page": Reply(PAGE, headers={"Content-Type": "text/html"}),
        "/hook": Reply(),
    }
    config = configure(tmp_path, site)
    command = [sys.executable, "-m", "tests.jail", str(UNIT), sys.executable, "-m", "monitor", "run", "--config"]
    with daemon(config, log=tmp_path / "log", command=[*command, str(config)]) as process:
        wait_until(lambda: received(site) or process.poll() is not None)
        log = (tmp_path / "log").read_text()
        assert process.poll() is None, log
        process.terminate()
        assert process.wait(20) == 0
    [alert] = received(site)
    assert alert["snippet"]["text"].startswith("The army fired a missile"), "the page was extracted by a worker"
    assert "Traceback" not in (tmp_path / "log").read_text()


@systemd
@pytest.mark.parametrize(
    "forbidden",
    [
        "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)",
        "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "import ctypes, sys; ctypes.CDLL(None).unshare(0x10000000) and sys.exit('not permitted')",
        "import os; os.chown('/', 0, 0)",
    ],
)
def test_the_jail_holds(forbidden: str) -> None:
    result = run(sys.executable, "-m", "tests.jail", UNIT, sys.executable, "-c", forbidden)
    assert result.returncode == 1
    assert "not permitted" in result.stderr


def test_the_unit_names_what_the_tests_of_the_jail_read() -> None:
    assert jail.settings(UNIT, "MemoryDenyWriteExecute") == jail.settings(UNIT, "RestrictNamespaces") == ["yes"]
    assert jail.settings(UNIT, "NoNewPrivileges") == ["yes"]


def test_the_configuration_of_the_installer_loads() -> None:
    loaded = config.load(DEPLOY / "monitor.yaml", notifiers.options_of, {"HOME": "/nowhere"})
    assert loaded.feeds
    assert [*loaded.receivers] == ["journal"]


COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
IMAGE = (DEPLOY / "Containerfile").read_text()


def test_compose_and_the_containerfile_name_files_that_are_there() -> None:
    mounted = [volume.split(":")[0] for service in COMPOSE["services"].values() for volume in service["volumes"]]
    assert [name for name in mounted if name.startswith("./") and not (DEPLOY / name).exists()] == []
    build = COMPOSE["services"]["monitor"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).samefile(DEPLOY / "Containerfile")
    copied = [name for line in re.findall(r"^COPY (?!--)(.*) \S+$", IMAGE, re.MULTILINE) for name in line.split()]
    assert [name for name in copied if not (REPOSITORY / name).exists()] == []
    assert "monitor" in copied


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_container_can_do_no_more_than_it_must(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("user") or re.search(r"^USER monitor$", IMAGE, re.MULTILINE)
    assert "ports" not in service


def test_images_are_of_one_version() -> None:
    images = [service["image"] for service in COMPOSE["services"].values() if "image" in service]
    images += re.findall(r"^FROM (\S+)", IMAGE, re.MULTILINE)
    assert [image for image in images if not re.search(r"^docker\.io/\w+/\w+:\d+\.\d", image)] == []


def test_a_container_is_healthy_while_its_daemon_lives_and_no_longer(tmp_path: Path, site: Site) -> None:
    site.replies |= {"/feed": Reply(rss(item("1", "A missile was fired"))), "/hook": Reply()}
    configure(tmp_path, site)
    kind, check = COMPOSE["services"]["monitor"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def healthy() -> bool:
        return subprocess.run(["sh", "-c", check], cwd=tmp_path, env=environ, check=False).returncode == 0

    with daemon(tmp_path / "monitor.yaml", log=tmp_path / "log") as process:
        wait_until(lambda: received(site))
        assert healthy()
        process.terminate()
        assert process.wait(20) == 0
    assert not healthy()


def test_shellcheck_has_nothing_to_say_of_the_installer() -> None:
    result = run(Path(sys.executable).parent / "shellcheck", DEPLOY / "install")
    assert (result.returncode, result.stdout) == (0, "")


def test_the_installer_installs_upgrades_and_undoes(tmp_path: Path) -> None:
    wheels, root = tmp_path / "wheels", tmp_path / "root"
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    built = run(*pip, "-w", wheels, REPOSITORY)
    assert built.returncode == 0, built.stderr
    [wheel] = wheels.iterdir()
    environ = os.environ | {"DESTDIR": str(root), "PYTHON": sys.executable, "PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1"}

    def install(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [DEPLOY / "install", *arguments]
        return subprocess.run([*map(str, command)], env=environ, capture_output=True, text=True, check=False)

    assert install(wheel).returncode == 0
    files = ["etc/monitor/monitor.yaml", "etc/monitor/rules", "etc/systemd/system/monitor.service"]
    files += ["opt/monitor/bin/monitor", "usr/local/bin/monitor"]
    assert [file for file in files if not (root / file).exists()] == []
    assert (root / "etc/monitor/secrets").stat().st_mode & 0o777 == 0o700
    (root / "etc/monitor/monitor.yaml").write_text("feeds: [https://example.org/mine]")
    (root / "opt/monitor/bin/python").unlink()  # as where Debian has replaced its Python
    assert install(wheel).returncode == 0
    assert "mine" in (root / "etc/monitor/monitor.yaml").read_text(), "an upgrade keeps what the user wrote"
    assert run(root / "opt/monitor/bin/python", "-c", "import monitor").returncode == 0
    assert install("--remove").returncode == 0
    assert [file for file in files if (root / file).exists()] == files[:2]
    assert install("--remove", "--purge").returncode == 0
    assert [file for file in root.rglob("*") if file.is_file()] == []
    refused = install("--nonsense")
    assert (refused.returncode, refused.stderr) == (
        1,
        "install: --nonsense is no option; there are --remove and --remove --purge\n",
    )
    environ["PYTHON"] = "/bin/false"
    refused = install(wheel)
    assert refused.returncode == 1
    assert "install: /bin/false is no Python 3.11 or newer" in refused.stderr
    assert not (root / "opt/monitor").exists()

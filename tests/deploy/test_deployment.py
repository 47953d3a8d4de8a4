"""The production shape: what docker-compose.yml says fits the settings, the command, the layout.

There is no Docker engine where the tests run. The Compose plugin, or a binary that
CIVITAS_COMPOSE names, checks the file if there is one; the rest is checked here in any case.
"""

import json
import os
import re
import shutil
import stat
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from pydantic_settings import BaseSettings

from app.cli import main
from kernel.settings import Settings

ROOT = Path(__file__).parents[2]
COPIES = ("app-1", "app-2")


@pytest.fixture(scope="module")
def services() -> Mapping[str, Any]:
    """The services of docker-compose.yml, their anchors merged."""
    found: Mapping[str, Any] = whole_file()["services"]
    return found


def whole_file() -> Mapping[str, Any]:
    """Read docker-compose.yml."""
    found: Mapping[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return found


def without_variables(value: str) -> str:
    """Put the defaults of `${NAME:-default}` in their places."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def of_civitas(services: Mapping[str, Any]) -> Mapping[str, Any]:
    """Select the services that run our image."""
    return {name: value for name, value in services.items() if "build" in value}


def compose_command() -> list[str] | None:
    """Find Compose, in any of its forms."""
    candidates = [["docker", "compose"], ["docker-compose"]]
    if "CIVITAS_COMPOSE" in os.environ:
        candidates.insert(0, [os.environ["CIVITAS_COMPOSE"]])
    for candidate in candidates:
        if shutil.which(candidate[0]) is None:
            continue
        asked = subprocess.run([*candidate, "version"], capture_output=True, check=False)
        if asked.returncode == 0:
            return candidate
    return None


class TestCompose:
    @pytest.mark.timeout(60)
    def test_compose_accepts_the_file(self) -> None:
        command = compose_command()
        if command is None:
            pytest.skip("no Docker Compose here")

        checked = subprocess.run(
            [*command, "--file", str(ROOT / "docker-compose.yml"), "config", "--quiet"],
            capture_output=True,
            text=True,
            check=False,
        )

        assert (checked.returncode, checked.stderr) == (0, "")

    def test_refers_to_nothing_that_is_not_there(self, services: Mapping[str, Any]) -> None:
        file = whole_file()
        used: dict[str, set[str]] = {"networks": set(), "volumes": set(), "secrets": set()}
        waited_for: set[str] = set()

        for service in services.values():
            waited_for.update(service.get("depends_on", {}))
            used["networks"].update(service.get("networks", ()))
            used["secrets"].update(service.get("secrets", ()))
            sources = [volume.split(":")[0] for volume in service.get("volumes", ())]
            used["volumes"].update(source for source in sources if not source.startswith("./"))
            files = [source for source in sources if source.startswith("./")]
            assert [source for source in files if not (ROOT / source).exists()] == []

        assert {kind: set(file[kind]) for kind in used} == used
        assert waited_for <= set(services)

    def test_no_service_waits_for_itself(self, services: Mapping[str, Any]) -> None:
        waits = {name: set(value.get("depends_on", ())) for name, value in services.items()}
        while ready := {name for name, others in waits.items() if not others}:
            waits = {name: others - ready for name, others in waits.items() if name not in ready}

        assert waits == {}

    def test_waits_are_for_what_can_be_waited_for(self, services: Mapping[str, Any]) -> None:
        for service in services.values():
            for other, how in service.get("depends_on", {}).items():
                if how["condition"] == "service_healthy":
                    assert "healthcheck" in services[other]
                else:
                    assert services[other]["restart"] in {"no", "on-failure:3"}

    def test_names_no_path_of_a_machine(self, services: Mapping[str, Any]) -> None:
        for service in services.values():
            sources = [volume.split(":")[0] for volume in service.get("volumes", ())]
            assert [source for source in sources if source.startswith(("/", "~", ".."))] == []

    def test_images_are_pinned(self, services: Mapping[str, Any]) -> None:
        foreign = [value["image"] for value in services.values() if "build" not in value]

        assert [image for image in foreign if re.search(r":v?\d", image) is None] == []

    def test_nothing_of_ours_may_do_more_than_it_needs(self, services: Mapping[str, Any]) -> None:
        for service in of_civitas(services).values():
            assert service["read_only"] is True
            assert service["cap_drop"] == ["ALL"]
            assert "privileged" not in service

    def test_data_is_reached_from_inside_only(self, services: Mapping[str, Any]) -> None:
        assert whole_file()["networks"]["inside"] == {"internal": True}
        for name in ("database", "store"):
            assert services[name]["networks"] == ["inside"]
            assert "ports" not in services[name]


class TestSettings:
    def test_two_copies_run_alike(self, services: Mapping[str, Any]) -> None:
        one, two = (services[name] for name in COPIES)

        assert one == two
        assert one["command"] == ["civitas", "serve"]

    def test_settings_are_complete_for_production(
        self, services: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in [name for name in os.environ if name.startswith("CIVITAS_")]:
            monkeypatch.delenv(name)
        environment = services["app-1"]["environment"]
        for name, value in environment.items():
            monkeypatch.setenv(name, without_variables(value))
        monkeypatch.setenv("CIVITAS_DATABASE_URL", "postgresql://civitas:pw@database/civitas")

        settings = Settings()

        assert settings.mode == "production"
        assert settings.workers == 1
        assert settings.trusted_proxies == (proxy_address(services),)

    def test_every_setting_is_one(self, services: Mapping[str, Any]) -> None:
        assert issubclass(Settings, BaseSettings)
        known = {f"CIVITAS_{name.upper()}" for name in Settings.model_fields}

        for service in of_civitas(services).values():
            given = {name for name in service["environment"] if name.startswith("CIVITAS_")}
            assert given <= known

    def test_secrets_are_not_in_the_file(self, services: Mapping[str, Any]) -> None:
        for service in services.values():
            for name, value in service.get("environment", {}).items():
                if re.search(r"PASSWORD|SECRET|_PIN|DATABASE_URL", name):
                    assert value.startswith("/run/secrets/")

    def test_commands_are_those_of_the_program(self, services: Mapping[str, Any]) -> None:
        commands = {tuple(value["command"]) for value in of_civitas(services).values()}

        assert commands == {
            ("civitas", "serve"),
            ("civitas", "worker"),
            ("civitas", "migrate"),
            ("create-root-key.sh",),
        }
        known = main.list_commands(click.Context(main))
        assert {command[1] for command in commands if len(command) > 1} <= set(known)


class TestProxy:
    def test_sends_requests_to_both_copies(self, services: Mapping[str, Any]) -> None:
        proxy = (ROOT / "deploy/Caddyfile").read_text()

        found = re.search(r"reverse_proxy (.+) \{", proxy)

        assert found is not None
        assert found[1].split() == [f"{name}:8000" for name in COPIES]
        assert set(services["proxy"]["networks"]) & set(services["app-1"]["networks"])

    def test_caddy_accepts_the_file(self) -> None:
        if shutil.which("caddy") is None:
            pytest.skip("no Caddy here")

        checked = subprocess.run(
            ["caddy", "validate", "--adapter", "caddyfile", "--config", "deploy/Caddyfile"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

        assert (checked.returncode, "Valid configuration" in checked.stdout) == (0, True)


class TestImage:
    def test_holds_every_package_of_ours(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())
        packages = set(project["tool"]["importlinter"]["root_packages"])

        copied = set(
            re.findall(r"^COPY (\w+) \w+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        )
        allowed = set(re.findall(r"^!(\w+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))

        assert copied == packages
        assert allowed == packages | {"LICENSE", "deploy"}

    def test_does_not_run_as_root(self) -> None:
        users = lines_like(r"USER (\w+)", "Dockerfile")

        assert users == ["civitas"]


class TestScripts:
    def test_secrets_are_made_once_and_fit_together(self, tmp_path: Path) -> None:
        (tmp_path / "deploy").mkdir()
        script = shutil.copy(ROOT / "deploy/make-secrets.sh", tmp_path / "deploy")
        declared = {Path(value["file"]).name for value in whole_file()["secrets"].values()}

        subprocess.run([script], check=True, capture_output=True)
        made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
        subprocess.run([script], check=True, capture_output=True)

        assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == made
        assert set(made) == declared
        assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
        assert f":{made['database_password']}@" in made["CIVITAS_DATABASE_URL"]
        identity = json.loads(made["store_identities.json"])["identities"][0]
        assert identity["credentials"] == [
            {"accessKey": "civitas", "secretKey": made["AWS_SECRET_ACCESS_KEY"]}
        ]

    def test_secrets_named_like_variables_become_variables(self, tmp_path: Path) -> None:
        (tmp_path / "CIVITAS_DATABASE_URL").write_text("postgresql://a:b c@d/e\n")
        (tmp_path / "hsm_pin").write_text("stays a file")

        printed = subprocess.run(
            [ROOT / "deploy/entrypoint.sh", "env"],
            env={"PATH": os.environ["PATH"], "SECRETS": str(tmp_path)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

        assert "CIVITAS_DATABASE_URL=postgresql://a:b c@d/e\n" in printed
        assert "stays a file" not in printed

    def test_scripts_can_be_run(self) -> None:
        scripts = [
            *(ROOT / "deploy").glob("*.sh"),
            *(ROOT / "tools").glob("*.sh"),
            ROOT / ".ci/run",
        ]

        assert [path for path in scripts if not os.access(path, os.X_OK)] == []


def lines_like(pattern: str, file: str) -> list[str]:
    """Return what the group of `pattern` matches in the lines of a file that match as a whole."""
    found: list[str] = re.findall(f"^{pattern}$", (ROOT / file).read_text(), re.MULTILINE)
    return found


def proxy_address(services: Mapping[str, Any]) -> str:
    """Return the proxy's fixed address in the network that the copies share with it."""
    address: str = services["proxy"]["networks"]["edge"]["ipv4_address"]
    return address


def test_installed_package_has_every_file_that_is_read() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["*"]
    packages = [ROOT / name for name in project["tool"]["importlinter"]["root_packages"]]
    folders = [init.parent for package in packages for init in package.rglob("__init__.py")]

    installed = {
        path for folder in folders for pattern in patterns for path in folder.glob(pattern)
    }

    sources = ROOT / "kernel" / "styles"  # what static files are made from
    read = {
        path
        for package in packages
        for path in package.rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"} and sources not in path.parents
    }
    assert read - installed == set()

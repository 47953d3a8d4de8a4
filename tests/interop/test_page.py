"""What `docs/interop.md` says was tried is what is locked."""

import json
from importlib.metadata import version
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "interop.md"


@pytest.mark.parametrize("name", ["openid-client", "oauth4webapi"])
def test_version_of_a_package_from_npm(name: str) -> None:
    wanted = json.loads((HERE / "package.json").read_text())["devDependencies"]

    assert f"| npm `{name}` {wanted[name]} |" in PAGE.read_text()


@pytest.mark.parametrize("name", ["authlib", "idpyoidc", "mozilla-django-oidc"])
def test_version_of_a_package_from_pypi(name: str) -> None:
    assert f"| PyPI `{name}` {version(name)} |" in PAGE.read_text()

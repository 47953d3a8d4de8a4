"""Every command of the README and of the pages it leads to does what is written beside it."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from app.demo.instance import Instance
from app.demo.named_people import DEMO_PEOPLE
from app.ports import free_port
from tests.journeys.example_driver import sign_in_with_example

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def console_commands(text: str) -> list[str]:
    """Return what follows a prompt in the console blocks."""
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def make(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["make", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_readme_shows_no_command_that_is_not_tried_here() -> None:
    tried = {
        "git clone <this repository> civitas && cd civitas",
        "make run",
        "curl -s http://localhost:8000/.well-known/openid-configuration | head -c 60",
        "make          # lists every target",
        "make test     # all tests, on a database of their own",
        "make check    # what CI runs: lint, types, imports, tests",
    }

    assert set(console_commands(README)) == tried


def test_bare_make_lists_every_target_that_the_pages_name() -> None:
    listed = make().stdout

    named = {
        target
        for page in PAGES
        for target in re.findall(r"`(?:[A-Z_]+=\S+ )*make ([a-z][a-z-]*)", page.read_text())
    }
    assert {"run", "demo", "test", "check", "bench", "docs", "specs", "setup"} <= named
    for target in named:
        assert f"  make {target} " in listed


@pytest.mark.parametrize("target", ["run", "demo", "test", "check", "bench", "docs"])
def test_target_can_be_made(target: str) -> None:
    """Without running it: `make -n` fails when something that it needs can't be made."""
    assert make("-n", target).returncode == 0


@pytest.mark.db
def test_curl_prints_what_the_readme_says(instance: Instance) -> None:
    command = next(c for c in console_commands(README) if c.startswith("curl"))
    expected = README.split(f"$ {command}\n")[1].split("\n```")[0]
    here = instance.issuer

    done = subprocess.run(
        ["bash", "-c", command.replace("http://localhost:8000", here)],
        capture_output=True,
        text=True,
        check=True,
    )

    shown = done.stdout.replace(here, "http://localhost:8000")
    assert shown.startswith(expected[: len(shown) - 8])


def test_people_in_the_readme_are_those_of_the_demonstration() -> None:
    anna = DEMO_PEOPLE[0]

    assert f"{anna.username:<12} {anna.password}" in README


@pytest.mark.db
def test_command_of_the_sandbox_page_signs_in(instance: Instance) -> None:
    """`examples/relying_party.py`: a client that nobody entered, in forty lines."""
    page = (ROOT / "docs" / "sandbox.md").read_text()
    (line,) = re.findall(r"^\.venv/bin/python (examples/relying_party\.py .*)$", page, re.MULTILINE)
    script, issuer, port = shlex.split(line)

    said = sign_in_with_example(
        [sys.executable, script, issuer.replace("http://localhost:8000", instance.issuer)],
        instance,
        free_port(),
    )

    assert port == "8002"
    assert re.search(r"Signed in as [\w-]{43}$", said, re.MULTILINE)


@pytest.mark.db
def test_page_for_agencies_leads_from_nothing_to_an_answer(
    instance: Instance, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "agencies.md").read_text()
    block = page.split("## From nothing to an answer")[1].split("```")[1]
    commands = console_commands(f"```{block}```")
    (tmp_path / "examples").symlink_to(ROOT / "examples")

    done = subprocess.run(
        [
            "bash",
            "-e",
            "-c",
            "\n".join(commands[1:]).replace("localhost:8000", instance.issuer[7:]),
        ],
        cwd=tmp_path,
        env={
            **{name: said for name, said in os.environ.items() if not name.startswith("CIVITAS_")},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "CIVITAS_DATA": str(instance.folder),
            "PORT": instance.issuer.rpartition(":")[2],
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert commands[0] == "source .venv/bin/activate"
    answer = json.loads(done.stdout.splitlines()[-1])
    expected = json.loads(re.search(r'"family_name":({.*?})', block)[1])  # type: ignore[index]
    assert (answer["outcome"], answer["fields"]["family_name"]) == ("match", expected)


def test_example_has_forty_lines() -> None:
    lines = (ROOT / "examples" / "relying_party.py").read_text().splitlines()

    assert len([line for line in lines if line.strip()]) <= 40

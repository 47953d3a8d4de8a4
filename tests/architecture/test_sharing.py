"""What says how tests are shared out names modules that there are."""

import re
from pathlib import Path

from tests.sharing import GROUPS, LONGEST_FIRST, group_of

ROOT = Path(__file__).parents[2]


def test_named_modules_exist() -> None:
    named = {*GROUPS, *LONGEST_FIRST} - set(GROUPS.values())

    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_modules_that_share_an_instance_are_one_group() -> None:
    users = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("test_*.py")
        if re.search(r"^(async )?def test_.*\binstance: Instance", path.read_text(), re.MULTILINE)
    }

    assert users != set()
    assert {group_of(f"{module}::test") for module in users} == {"instance"}

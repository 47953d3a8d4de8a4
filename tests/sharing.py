"""How the modules of tests are shared out among the workers of pytest-xdist.

A worker takes whole modules, so that what a module opens is opened once. Modules that look at the
same running instance go to one worker, one after another. What takes longest begins first, so that
no worker is left with it at the end.

`--dist loadgroup` would do the grouping, but it writes into node identifiers what pytest 9.2 no
longer reads, and then silently groups nothing (pytest-dev/pytest-xdist#1386).
"""

import gc
import os
from collections.abc import Generator

import pytest
from typing_extensions import override
from xdist.scheduler import LoadScopeScheduling

GROUPS = {
    "tests/browser/test_journey.py": "instance",
    "tests/journeys/test_main_job.py": "instance",
    "tests/journeys/test_promises.py": "instance",
    "tests/journeys/test_readme.py": "instance",
}
"""Modules that go to one worker, by the name of what they share."""

LONGEST_FIRST = (
    "instance",
    "tests/journeys/test_life_of_an_instance.py",
    "tests/browser/test_pages.py",
    "tests/journeys/test_two_processes.py",
    "tests/kernel/test_postgres.py",
    "tests/loadtests/test_bench.py",
    "tests/interop/test_dynamic_registration.py",
    "tests/portal/test_account.py",
    "tests/population_register/test_races.py",
    "tests/faults/test_worker_faults.py",
    "tests/population_register/test_orders.py",
    "tests/partner_api/test_agency_commands.py",
    "tests/idp/test_upstream.py",
    "tests/kernel/test_signing.py",
    "tests/contracts/test_fuzzed.py",
    "tests/idp/test_cleanup.py",
    "tests/faults/test_log_faults.py",
)
"""Groups and modules that take many seconds; the others follow in the order of chance."""


def group_of(nodeid: str) -> str:
    """Return what a test is taken together with: its group, or its module."""
    module = nodeid.partition("::")[0]
    return GROUPS.get(module, module)


class ByModule(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """Gives each worker whole groups, in the order in which they were collected."""

    @override
    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


# Where there is no pytest-xdist, nobody calls this.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByModule:
    config.option.loadscopereorder = False
    return ByModule(config, log)


# Names of cases that are made from sets would differ from worker to worker.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    seed = config.getoption("randomly_seed", default=0)
    os.environ.setdefault("PYTHONHASHSEED", str(seed % 2**32 if isinstance(seed, int) else 0))


# Last: after pytest-randomly, which keeps modules together.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {group: number for number, group in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: place.get(group_of(item.nodeid), len(place)))


# Collecting makes millions of objects, and all of them stay: looking through them for garbage, then
# and at every later collection, takes seconds.
@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()

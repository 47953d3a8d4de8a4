"""The log: JSON, and silent about persons and secrets."""

import json
import logging
import subprocess
import sys
from typing import Any

from app.logs import pin_talkative_loggers

SECRET = "Ivanov"

SCRIPT = """
import logging
import structlog
from app.logs import configure_logging

configure_logging({level!r})
log = structlog.get_logger("civitas")
log.info("idp.code.redeemed", client_id="shop")
log.debug("quiet")
try:
    try:
        int({secret!r})
    except ValueError as error:
        raise RuntimeError("wrapped " + {secret!r}) from error
except RuntimeError:
    log.exception("request.defect")
logging.getLogger("some.library").warning("careful")
logging.getLogger("authlib.oauth2").debug("token %s", {secret!r})
logging.getLogger("httpx").info("GET /?q=%s", {secret!r})
"""


def run_script(level: str) -> list[dict[str, Any]]:
    """Log in a process of its own: the configuration is global."""
    script = SCRIPT.format(level=level, secret=SECRET)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_each_line_is_json_with_event_level_and_time() -> None:
    lines = run_script("INFO")

    assert [line["event"] for line in lines] == ["idp.code.redeemed", "request.defect", "careful"]
    assert lines[0]["client_id"] == "shop"
    assert lines[0]["level"] == "info"
    assert lines[0]["timestamp"].endswith("Z")
    assert lines[2]["logger"] == "some.library"


def test_exception_is_its_types_and_frames_without_the_message() -> None:
    defect = run_script("INFO")[1]

    outer, inner = defect["exception"]
    assert outer["type"] == "builtins.RuntimeError"
    assert inner["type"] == "builtins.ValueError"
    assert inner["frames"][0].startswith("<string>:")
    assert SECRET not in json.dumps(defect, ensure_ascii=False)


def test_talkative_libraries_stay_quiet_at_debug() -> None:
    lines = run_script("DEBUG")

    assert {line.get("logger") for line in lines} <= {None, "some.library"}
    assert [line["event"] for line in lines][1] == "quiet"


def test_authlib_logger_is_pinned_at_info() -> None:
    logging.getLogger("authlib").setLevel(logging.NOTSET)

    pin_talkative_loggers()

    assert not logging.getLogger("authlib.oauth2.rfc6749").isEnabledFor(logging.DEBUG)

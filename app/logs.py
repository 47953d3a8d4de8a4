"""Logging: JSON lines on standard error, one event a line, no sentence and no personal data.

What may be logged: event names, identifiers of requests, clients, partners, agencies and jobs,
codes, counts, durations. What may not: bodies, headers, query strings, paths with values in them,
tokens, identifiers of persons. `tests/journeys` greps a whole journey's log for all of these.
"""

import logging
import sys
import traceback
from collections.abc import Mapping

import orjson
import structlog
from structlog.types import EventDict, WrappedLogger


def configure_logging(level: str, *, is_cached: bool = True) -> None:
    """Send structlog's and the standard library's records to standard error as JSON.

    Args:
        level: `DEBUG`, `INFO`, `WARNING` or `ERROR`: the least severity that is written.
        is_cached: Whether loggers keep this configuration for ever, which makes them fast.

    Security:
        Authlib's grants log issued tokens at DEBUG (1.9.9), and SQLAlchemy and httpx log bound
        values and whole addresses. All three stay quiet whatever `level` says.
    """
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        DescribeException(with_messages=level == "DEBUG"),
    ]
    least = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_dumps)],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.BytesLoggerFactory(file=sys.stderr.buffer),
        cache_logger_on_first_use=is_cached,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_dumps_text),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(least)
    pin_talkative_loggers()


def pin_talkative_loggers() -> None:
    """Keep libraries from logging secrets, whatever the level of the root logger."""
    logging.getLogger("authlib").setLevel(logging.INFO)
    for name in ("httpx", "httpcore", "sqlalchemy", "asyncpg", "psycopg", "procrastinate"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # warns of whatever a caller sends


class DescribeException:
    """Write an exception as its types and frames, without its message.

    The message of an exception is where values end up: `invalid literal: 'Иванов'`, or PostgreSQL's
    `Failing row contains (…)`. A frame is a file, a line and a function, and tells a developer
    enough; what the database said is kept as its code and the constraint's name.
    """

    def __init__(self, *, with_messages: bool) -> None:
        self._with_messages = with_messages

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Replace `exc_info` by `exception`."""
        error = _exception_of(event.pop("exc_info", None))
        if error is not None:
            event["exception"] = self._describe(error)
        return event

    def _describe(self, error: BaseException) -> list[dict[str, object]]:
        chain: list[dict[str, object]] = []
        link: BaseException | None = error
        while link is not None and len(chain) < _LONGEST_CHAIN:
            described: dict[str, object] = {
                "type": f"{type(link).__module__}.{type(link).__qualname__}",
                "frames": [
                    f"{frame.filename}:{frame.lineno} {frame.name}"
                    for frame in traceback.extract_tb(link.__traceback__)
                ],
            }
            for name in ("sqlstate", "constraint_name"):
                if isinstance(value := getattr(link, name, None), str):
                    described[name] = value
            if self._with_messages:
                described["message"] = str(link)
            chain.append(described)
            link = link.__cause__ or link.__context__
        return chain


_LONGEST_CHAIN = 8


def _exception_of(exc_info: object) -> BaseException | None:
    match exc_info:
        case BaseException():
            return exc_info
        case (_, BaseException() as error, _):
            return error
        case None | False:
            return None
        case _:
            return sys.exc_info()[1]


def _dumps(event: Mapping[str, object], **_: object) -> bytes:
    return orjson.dumps(event, default=repr)


def _dumps_text(event: Mapping[str, object], **_: object) -> str:
    return _dumps(event).decode()

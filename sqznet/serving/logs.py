"""What a server writes about its work: one JSON object a line on stderr."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timezone
from typing import Any


class JsonLines(logging.Formatter):
    """``time`` (UTC), ``level``, ``event``, what the record's ``fields`` say, and, where something
    failed, the ``traceback``."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, timezone.utc)
        line: dict[str, Any] = {
            "time": time.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configuration(quiet: bool) -> dict[str, Any]:
    """For `logging.config.dictConfig`; ``quiet``: errors alone."""
    level = "ERROR" if quiet else "INFO"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonLines}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "loggers": {
            "sqznet": {"handlers": ["stderr"], "level": level, "propagate": False},
            "asyncio": {"handlers": ["stderr"], "level": "ERROR", "propagate": False},
            # uvicorn tells of each start and stop; only its warnings are news.
            "uvicorn": {
                "handlers": ["stderr"],
                "level": "ERROR" if quiet else "WARNING",
                "propagate": False,
            },
        },
    }

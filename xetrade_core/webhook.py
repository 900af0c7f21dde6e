"""Alarms to the webhook of the settings: one POST each, whose answer alone says whether somebody has it.

What a chat service or a pager would refuse for its form (a text that is too long, a number that JSON does not know) is
made to fit here, so that no alarm is refused for ever.
"""

from __future__ import annotations

import json
import math
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from xetrade_core.telemetry import get_logger, redact_text, register_secrets

WEBHOOK_THREAD = "xetrade-webhook"
#: characters of a text and entries of a list that are posted: the shortest limit of the usual services is 2,000
MOST_CHARACTERS = 1_900
MOST_ENTRIES = 100


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would become a GET without a body: its 200 is nobody's alarm."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Webhook:
    """An alarm sink that posts `{"text", "alarm", "message", "facts"}` as JSON, which chat services and pagers take.

    Called as a sink it posts from a thread of its own, so that no alarm waits for the network. The URL often is a
    credential itself: neither it nor a part of it appears in a log or a message.
    """

    def __init__(self, url: SecretStr, timeout_s: float = 10.0) -> None:
        register_secrets([url])
        self._url = url
        self._timeout_s = timeout_s

    def __call__(self, body: Mapping[str, Any]) -> None:
        threading.Thread(target=self.deliver, args=(body,), name=WEBHOOK_THREAD, daemon=True).start()

    def deliver(self, body: Mapping[str, Any]) -> bool:
        """Post once and wait for the answer; False, and a log line, unless the webhook answered 2xx in time.

        The time is that of all of it, name look-up and an answer in drops included: then a late one is not waited for.
        """
        problems: list[str | None] = []
        posting = threading.Thread(
            target=lambda: problems.append(self._problem(body)), name=WEBHOOK_THREAD, daemon=True
        )
        posting.start()
        posting.join(self._timeout_s)
        problem = problems[0] if problems else f"no answer within {self._timeout_s:g} s"
        if problem is not None:
            get_logger("alarm").warning("alarm not delivered: check alerts.webhook_url", error=problem)
        return problem is None

    def _problem(self, body: Mapping[str, Any]) -> str | None:
        """Post once; why the webhook does not have it, None where it has."""
        fitting = _fit(dict(body))
        text = f"XETrade {fitting['alarm']}: {fitting['message']}"
        try:
            request = urllib.request.Request(
                self._url.get_secret_value(),
                data=json.dumps({"text": text, **fitting}, default=str).encode(),
                headers={"Content-Type": "application/json", "User-Agent": "xetrade"},
            )
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=self._timeout_s):
                return None
        except urllib.error.HTTPError as error:
            error.close()
            moved = ", which is elsewhere: name the URL that it leads to" if 300 <= error.code < 400 else ""
            return f"it answered {error.code}{moved}"
        except OSError as error:
            return redact_text(str(error) or type(error).__name__)
        except Exception as error:  # no URL, or no HTTP in the answer: what it says may quote a part of the URL
            return f"it cannot be called: {type(error).__name__}"


def _fit(value: Any) -> Any:
    """The value as JSON has it and as long as services take it."""
    if isinstance(value, Mapping):
        return {str(key): _fit(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        more = [f"and {len(value) - MOST_ENTRIES} more"] if len(value) > MOST_ENTRIES else []
        return [*map(_fit, value[:MOST_ENTRIES]), *more]
    if isinstance(value, str) and len(value) > MOST_CHARACTERS:
        return f"{value[: MOST_CHARACTERS - 1]}…"
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def deliver_alarms(within_s: float) -> None:
    """Wait for alarms that are on their way to a webhook, for a process that is about to end."""
    deadline_s = time.monotonic() + within_s
    for thread in threading.enumerate():
        if thread.name == WEBHOOK_THREAD:
            thread.join(max(0.0, deadline_s - time.monotonic()))

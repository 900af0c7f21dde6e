"""One alarm to one webhook: a small JSON object that chat services and pagers take as it is.

The URL often is a credential itself, so it appears in no message and no log; secrets known to the settings are cut out
of the text before it leaves.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping

from xetrade_core.errors import XETradeError

REDACTED = "[redacted]"


class AlertNotDelivered(XETradeError):
    """The webhook did not take the alarm; the message names the reason, never the URL."""


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` without any of `secrets`; the longest go first, so that none shields a part of another."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    return text


def post_alert(url: str, text: str, facts: Mapping[str, str], *, secrets: Iterable[str] = (), timeout_s: float = 5.0) -> None:
    """POST `{"text": text, **facts}` as JSON. Raises AlertNotDelivered unless the webhook answers 2xx in time."""
    known = [secret for secret in (*secrets, url) if secret]
    body = {name: redact(value, known) for name, value in {"text": text, **facts}.items()}
    request = urllib.request.Request(
        url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json", "User-Agent": "xetrade"}
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout_s):
            return
    except urllib.error.HTTPError as error:
        raise AlertNotDelivered(f"the alert webhook answered {error.code}: check alerts.webhook_url") from None
    except (OSError, ValueError) as error:
        reason = redact(str(getattr(error, "reason", error)), known)
        raise AlertNotDelivered(f"the alert webhook cannot be reached ({reason}): check alerts.webhook_url") from None

"""JSON over HTTP to one server: time limits, retries with growing waits, and errors of one line without secrets."""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from configs.errors import UserError
from configs.reader import OpenAiSettings

T = TypeVar("T")

_LONGEST_WAIT = 60.0  # seconds, also where a server asks for more
_LARGEST = 1 << 26  # bytes of one response


class EndpointError(UserError):
    """The server refused a request for good; `status` is its HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class _TryAgainError(Exception):
    """A failure that may pass: rate limit, overload, time-out, broken connection or response."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to another host."""

    def redirect_request(self, *_: object) -> None:
        """Never."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server that takes and gives JSON. Holds no connection, so threads may share it."""

    settings: OpenAiSettings

    def post(self, path: str, body: dict[str, object]) -> dict[str, object]:
        """The JSON object that the server answers with. Raises UserError when it gives none, after the retries."""
        return self._patiently(lambda: _object(b"".join(self._chunks(path, body))))

    def stream(self, path: str, body: dict[str, object]) -> Iterator[dict[str, object]]:
        """The JSON objects of a stream of server-sent events. Only its beginning is tried again."""

        def begin() -> tuple[bytes, Iterator[bytes]]:
            chunks = self._chunks(path, body)
            return next(chunks, b""), chunks

        first, chunks = self._patiently(begin)
        try:
            for line in _lines(first, chunks):
                data = line.strip()
                if data.startswith(b"data:") and not data.endswith(b"[DONE]"):
                    yield _object(data.removeprefix(b"data:"))
        except _TryAgainError as error:
            raise UserError(f"{self.settings.url}: the stream broke off: {error}") from None

    def _patiently(self, attempt: Callable[[], T]) -> T:
        settings = self.settings
        for number in range(settings.retries + 1):
            try:
                return attempt()
            except _TryAgainError as error:
                if number == settings.retries:
                    raise UserError(
                        f"{settings.url}: {error}; tried {number + 1} times. What was answered before is kept:"
                        " see that the server runs and repeat the command"
                    ) from None
                wait = error.wait if error.wait is not None else settings.wait * 2**number
                time.sleep(min(wait, _LONGEST_WAIT))
        raise AssertionError  # range() is never empty

    def _chunks(self, path: str, body: dict[str, object]) -> Iterator[bytes]:
        """The parts of a response as they come, within the time limit."""
        deadline = time.monotonic() + self.settings.timeout
        request = self._request(path, body)
        size = 0
        try:
            with _OPENER.open(request, timeout=self.settings.timeout) as response:
                while chunk := response.read1(1 << 16):
                    size += len(chunk)
                    if time.monotonic() > deadline:
                        raise _TryAgainError(f"no whole answer within {self.settings.timeout:g} s")
                    if size > _LARGEST:
                        raise _TryAgainError(f"a response of more than {_LARGEST >> 20} MiB")
                    yield chunk
        except urllib.error.HTTPError as error:
            raise self._refusal(error) from None
        except (TimeoutError, urllib.error.URLError, http.client.HTTPException, ConnectionError) as error:
            reason = getattr(error, "reason", None) or error
            raise _TryAgainError(self._without_key(str(reason) or type(reason).__name__)) from None

    def _request(self, path: str, body: dict[str, object]) -> urllib.request.Request:
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        data = json.dumps(body, ensure_ascii=False).encode()
        return urllib.request.Request(self.settings.url.rstrip("/") + path, data=data, headers=headers)

    def _refusal(self, error: urllib.error.HTTPError) -> Exception:
        """What an HTTP status means: try again, or what the user can mend."""
        said = self._without_key(" ".join(error.read(2000).decode("utf-8", "replace").split()))[:300]
        if error.code == 429 or error.code >= 500:
            after = error.headers.get("Retry-After", "")
            return _TryAgainError(f"HTTP {error.code}: {said}", float(after) if after.isdecimal() else None)
        hint = {
            401: f"; put the key into the environment variable {self.settings.key_from}",
            403: f"; the key in {self.settings.key_from} may not do this",
            404: f"; is rag.reader.model={self.settings.model} served there, and does rag.reader.url end in /v1?",
        }.get(error.code, "")
        return EndpointError(f"{self.settings.url}: HTTP {error.code}: {said}{hint}", error.code)

    @property
    def _key(self) -> str:
        return os.environ.get(self.settings.key_from, "").strip()

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


_OPENER = urllib.request.build_opener(_NoRedirect)


def _object(data: bytes) -> dict[str, object]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        shown = " ".join(data[:80].decode("utf-8", "replace").split())
        raise _TryAgainError(f"expected JSON, found {shown!r}") from None
    if not isinstance(found, dict):
        raise _TryAgainError(f"expected a JSON object, found {type(found).__name__}")
    return found


def _lines(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Whole lines of a response that comes in parts."""
    rest = first
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    yield from rest.split(b"\n")

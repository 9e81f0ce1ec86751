"""The openai reader, against a small server of our own: what is sent, what is understood, what goes wrong."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from configs.errors import UserError
from configs.reader import Channel, OpenAiSettings, PromptSettings
from corpora.records import Question
from rag.answer import answer, offered
from rag.prompt import render
from rag.reader import Prompt
from rag.reader_openai import OpenAiReader

SECRET = "sk-very-secret"
Reply = Callable[[dict[str, Any]], tuple[int, bytes, dict[str, str]]]


@dataclass
class Server:
    """A chat-completions server that answers as it is told to; the last reply is repeated."""

    replies: list[Reply] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    most_at_once: int = 0
    url: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on a free port."""
    state = Server()
    lock = threading.Lock()
    active = [0]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            with lock:
                active[0] += 1
                state.most_at_once = max(state.most_at_once, active[0])
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                state.bodies.append(body)
                state.keys.append(self.headers.get("Authorization"))
                state.paths.append(self.path)
                reply = state.replies.pop(0) if len(state.replies) > 1 else state.replies[0]
            status, data, headers = reply(body)
            with lock:
                active[0] -= 1
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{http.server_port}/v1"
    yield state
    http.shutdown()
    http.server_close()


def _completion(content: str | None = "2", *, top: dict[str, float] | None = None, finish: str = "stop") -> Reply:
    logprobs = None
    if top is not None:
        alternatives = [{"token": token, "logprob": value, "bytes": None} for token, value in top.items()]
        logprobs = {"content": [{"token": "2", "logprob": -0.1, "top_logprobs": alternatives}]}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content},
        "finish_reason": finish,
        "logprobs": logprobs,
    }
    found = {"id": "x", "choices": [choice], "usage": {"completion_tokens": 3, "prompt_tokens": 9}}
    return lambda _: (200, json.dumps(found).encode(), {})


def _status(code: int, text: str = "", **headers: str) -> Reply:
    return lambda _: (code, text.encode(), headers)


def _reader(server: Server, **changes: object) -> OpenAiReader:
    values = {"kind": "openai", "model": "m", "url": server.url, "wait": 0, "retries": 2, "timeout": 5, **changes}
    return OpenAiReader(OpenAiSettings.model_validate(values))


def _prompt(reader: OpenAiReader, channel: Channel = "generate", *, count: int = 5, name: str = "q") -> Prompt:
    item = Question(
        name, "multiple_choice", "과학", f"{name}에 알맞은 것은?", tuple(f"고을 {n}" for n in range(count)), answer=1
    )
    return render(item, (), settings=PromptSettings(), channel=channel, wording=reader.wording)


def test_messages_are_sent_and_the_written_answer_is_parsed(server: Server) -> None:
    server.replies = [_completion("정답: 2", finish="length")]
    reader = _reader(server, thinking=False)
    given = answer([_prompt(reader)], reader)[0]
    assert (given.number, given.output_tokens, given.is_cut) == (2, 3, True)
    body = server.bodies[0]
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["messages"][1]["content"].endswith("정답:")
    assert (body["temperature"], body["max_tokens"], body["chat_template_kwargs"]) == (
        0,
        64,
        {"enable_thinking": False},
    )
    assert server.paths == ["/v1/chat/completions"]


def test_label_logprobs_are_read_where_they_are_offered(server: Server) -> None:
    server.replies = [_completion(top={"2": -0.1, " 1": -2.5, "1": -3.0, "정": -4.0})]
    reader = _reader(server)
    assert "labels" in reader.channels
    given = answer([_prompt(reader, "labels")], reader)[0]
    assert given.number == 2
    assert given.logprobs == (-2.5, -0.1, -4.0, -4.0, -4.0)  # labels not listed: no more than the last that is
    assert (server.bodies[-1]["top_logprobs"], server.bodies[-1]["max_tokens"]) == (20, 1)


def test_without_logprobs_answers_are_written(server: Server) -> None:
    for reply in (_completion("3"), _status(400, '{"error": "logprobs is not supported"}')):
        server.replies = [reply]
        reader = _reader(server)
        assert offered("labels", reader) == "generate"
    with pytest.raises(UserError, match="texts of choices"):
        reader.text_loglikelihoods([_prompt(reader)])


def test_answers_without_any_label_and_more_than_nine_choices_are_not_guessed(server: Server) -> None:
    server.replies = [_completion(top={"정": -0.1, "답": -2.0})]
    reader = _reader(server)
    assert answer([_prompt(reader, "labels")], reader)[0].number is None
    with pytest.raises(UserError, match="10 choices"):
        reader.label_logprobs([_prompt(reader, "labels", count=10)])


def test_order_is_kept_and_concurrency_is_bounded(server: Server) -> None:
    def slow(body: dict[str, Any]) -> tuple[int, bytes, dict[str, str]]:
        number = int(body["messages"][1]["content"].partition("질문:\n")[2].partition("에")[0])
        time.sleep(0.02 * (number % 3))
        return _completion(str(number % 5 + 1))(body)

    server.replies = [slow]
    reader = _reader(server, concurrency=3)
    answers = answer([_prompt(reader, name=str(number)) for number in range(12)], reader)
    assert [given.number for given in answers] == [number % 5 + 1 for number in range(12)]
    assert 1 < server.most_at_once <= 3


@pytest.mark.parametrize(
    "failure",
    [_status(429, "slow down", **{"Retry-After": "0"}), _status(503), _status(200, "<html>"), _status(200, "[1]")],
)
def test_what_may_pass_is_tried_again(server: Server, failure: Reply) -> None:
    server.replies = [failure, failure, _completion("4")]
    reader = _reader(server)
    assert reader.generate([_prompt(reader)])[0].text == "4"


def test_a_server_that_stays_busy_slow_or_down_is_one_line(server: Server) -> None:
    server.replies = [_status(503, "overloaded")]
    with pytest.raises(UserError, match=r"HTTP 503: overloaded; tried 3 times.*kept"):
        _reader(server).generate([_prompt(_reader(server))])

    def late(body: dict[str, Any]) -> tuple[int, bytes, dict[str, str]]:
        time.sleep(0.3)
        return _completion()(body)

    server.replies = [late]
    with pytest.raises(UserError, match="timed out; tried 1 times"):
        _reader(server, timeout=0.05, retries=0).generate([_prompt(_reader(server))])
    down = _reader(server, url="http://127.0.0.1:9/v1")
    with pytest.raises(UserError, match=r"127\.0\.0\.1:9.*refused"):
        down.generate([_prompt(down)])


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (_status(401, f"bad key {SECRET}"), r"HTTP 401: bad key \*\*\*; put the key into .* MY_KEY"),
        (_status(404, "no such model"), "HTTP 404: .*rag.reader.model=m"),
        (_status(302, Location="http://127.0.0.1:9/elsewhere"), "HTTP 302"),
        (_status(200, '{"choices": []}'), "without choices"),
        (_status(200, '{"object": "list"}'), "not a chat completion: choices"),
    ],
)
def test_what_will_not_pass_is_one_line_without_the_key(
    server: Server, monkeypatch: pytest.MonkeyPatch, reply: Reply, said: str
) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    server.replies = [reply]
    reader = _reader(server, key_from="MY_KEY")
    with pytest.raises(UserError, match=said) as caught:
        reader.generate([_prompt(reader)])
    assert SECRET not in str(caught.value)
    assert server.keys == [f"Bearer {SECRET}"]
    assert SECRET not in json.dumps(dict(reader.identity.facts))


def test_a_stream_comes_piece_by_piece_and_may_break_off(server: Server) -> None:
    pieces = [
        {"choices": [{"delta": delta}]} for delta in ({"role": "assistant"}, {"content": "정답"}, {"content": ": 3"})
    ]
    events = "".join(f"data: {json.dumps(piece, ensure_ascii=False)}\n\n" for piece in pieces) + "data: [DONE]\n\n"
    server.replies = [_status(500), _status(200, events), _status(200, 'data: {"choices"\n\n')]
    reader = _reader(server)
    assert list(reader.stream(_prompt(reader))) == ["정답", ": 3"]
    assert server.bodies[0]["stream"] is True
    with pytest.raises(UserError, match="stream broke off"):
        list(reader.stream(_prompt(reader)))


def test_a_password_in_the_address_is_refused() -> None:
    with pytest.raises(ValueError, match="url"):
        OpenAiSettings(kind="openai", model="m", url="http://me:secret@host/v1")

"""A summary by an OpenAI-compatible endpoint: a real server on a real socket, which answers by rule."""

import json
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import SecretStr

from resources.speech.documents import Transcript
from resources.summary import endpoint
from resources.summary.documents import Summary
from resources.summary.endpoint import EndpointFailed, EndpointRefused, EndpointWriter, count
from resources.summary.summarizing import Summarizer
from resources.summary.writer import WriterFailed

LOG = logging.getLogger("summary-test")
KEY = "sk-never-to-be-seen-0451"
MARKER = "Remember: the exam is on the fourteenth of May in room two hundred and twelve."
Spoken = Callable[..., Transcript]


class Server:
    """What was asked, and the rule for answers: `reply(body)` gives a status and a JSON body, or a text to say."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.models = ["tiny-writer", "other"]
        self.reply: Callable[[dict[str, Any]], Any] = first_sentences
        self.usage: Callable[[str], int] = lambda text: len(text.split()) * 4 // 3
        self.finish_reason = "stop"
        self.drop = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.keys.append(self.headers["Authorization"])
                data = [{"id": name, "object": "model", "created": 0, "owned_by": "us"} for name in outer.models]
                self.send(200, {"object": "list", "data": data})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append(body)
                outer.keys.append(self.headers["Authorization"])
                made = outer.reply(body)
                if isinstance(made, tuple):
                    self.send(*made)
                    return
                message = {"role": "assistant", "content": made}
                used = outer.usage(body["messages"][0]["content"])
                self.send(
                    200,
                    {
                        "id": "1",
                        "object": "chat.completion",
                        "created": 0,
                        "model": body["model"],
                        "choices": [{"index": 0, "message": message, "finish_reason": outer.finish_reason}],
                        "usage": {"prompt_tokens": used, "completion_tokens": 9, "total_tokens": used + 9},
                    },
                )

            def send(self, status: int, body: Any) -> None:
                sent = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(sent)))
                self.send_header("retry-after-ms", "1")  # the client waits as long as the server says
                self.end_headers()
                for at in range(0, len(sent), outer.drop or len(sent) or 1):
                    time.sleep(0.1 if outer.drop else 0)
                    self.wfile.write(sent[at : at + (outer.drop or len(sent))])

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def first_sentences(body: dict[str, Any]) -> str:
    """What a lazy model does: the first sentences of what it is given, under a title."""
    request = body["messages"][0]["content"]
    text = request.split("\n\n", 1)[1]
    limit = int(re.search(r"(?:list the|into the) (\d+)", request)[1])  # type: ignore[index]
    if text.startswith("- "):
        return "\n".join(text.splitlines()[:limit])
    said = re.split(r"(?<=[.])\s+", text)[:limit]
    return f"<think>\n- Let me see.\n</think>Title: About {' '.join(said[0].rstrip('.').split()[-3:])}\n" + "\n".join(
        f"- {sentence}" for sentence in said
    )


def said(content: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]}


def refuse(status: int, message: str = "no") -> Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]:
    return lambda _: (status, {"error": {"message": f"{message}; you sent {KEY}", "type": "x", "code": None}})


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def told(made: Summary) -> list[str]:
    points = [point for chapter in made.chapters for point in chapter.points]
    return [bullet.text for bullet in [*made.bullets, *points]]


def summarizer(server: Server, **more: Any) -> Summarizer:
    return Summarizer(
        url=server.url, model=more.pop("model", "tiny-writer"), key=SecretStr(KEY), encoder="none", **more
    )


def test_a_sentence_in_the_last_minute_of_two_hours_reaches_the_summary(
    server: Server, talked: Callable[..., Transcript], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    kept: dict[str, bytes] = {}

    class Kept:
        get = staticmethod(kept.get)
        put = staticmethod(kept.__setitem__)

    transcript = talked("en", 120, MARKER)
    made = summarizer(server).summarize(transcript, LOG, Kept())
    assert MARKER in told(made)
    assert made.method == "tiny-writer"
    assert made.faithfulness == 1.0
    assert len(made.chapters) >= 10  # what length.py aims at for two hours is 15
    assert sum(chapter.title.startswith("About ") for chapter in made.chapters) >= 5
    assert "Let me see" not in made.model_dump_json()

    assert set(server.keys) == {f"Bearer {KEY}"}
    seen = caplog.text + made.model_dump_json() + repr(summarizer(server)) + str(kept)
    assert KEY not in seen
    for body in server.asked:
        text = body["messages"][0]["content"]
        assert (body["temperature"], body["seed"]) == (0, 0)
        assert count(text) + body["max_tokens"] <= 4096  # what Ollama gives without being told
        assert text.count("English") >= 2

    asked = len(server.asked)
    assert summarizer(server).summarize(transcript, LOG, Kept()) == made  # all answers are kept
    assert len(server.asked) == asked


def test_of_a_short_recording_each_point_counts_once_for_faithfulness(server: Server, spoken: Spoken) -> None:
    server.reply = lambda _: "- The Moon pulls the water of the sea.\n- Elephants rehearse pantomime."
    made = summarizer(server).summarize(spoken("The Moon pulls the water of the sea."), LOG)
    assert (len(made.bullets), len(made.dropped), made.faithfulness) == (1, 1, 0.5)


def test_auto_takes_the_first_model_and_says_so(server: Server, spoken: Spoken, lecture: Callable[[str], str]) -> None:
    made = summarizer(server, model="auto").summarize(spoken(lecture("tides_en")), LOG)
    assert made.method == "tiny-writer"
    assert "is the first model that http://127.0.0.1" in made.reason
    server.models = []
    with pytest.raises(EndpointRefused, match="lists no model"):
        summarizer(server, model="auto").summarize(spoken(lecture("tides_en")), LOG)


def test_a_server_that_stumbles_is_asked_again(server: Server) -> None:
    stumbles = iter([refuse(500), refuse(429), refuse(503)])

    def reply(body: dict[str, Any]) -> Any:
        return next(stumbles, lambda _: "- The Moon pulls the water.")(body)

    server.reply = reply
    [answer] = EndpointWriter(server.url, "tiny-writer", KEY, 5).ask(["Hello"], 100)
    assert answer.text == "- The Moon pulls the water."
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("status", "error", "message", "retry"),
    [
        (401, EndpointRefused, "refuses the key", False),
        (403, EndpointRefused, "refuses the key", False),
        (404, EndpointRefused, "does not know tiny-writer", False),
        (400, EndpointRefused, r"refuses the request \(400\)", False),
        (422, EndpointRefused, r"refuses the request \(422\)", False),
        (500, EndpointFailed, "answers 500, asked 4 times", True),
        (429, EndpointFailed, "answers 429, asked 4 times", True),
    ],
)
def test_refusals_name_the_remedy_and_not_the_key(
    server: Server, status: int, error: type[EndpointFailed], message: str, retry: bool
) -> None:
    server.reply = refuse(status)
    writer = EndpointWriter(server.url, "tiny-writer", KEY, 5)
    with pytest.raises(error, match=message) as raised:
        writer.ask(["Hello"], 100)
    assert raised.value.retry is retry
    assert raised.value.remedy
    assert KEY not in str(raised.value) + repr(raised.value.__context__) + repr(writer)


def test_nobody_there_and_no_answer_in_time_are_told_apart(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "_RETRIES", 0)  # the waits between tries are the client's, and last seconds
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(EndpointFailed, match=r"127\.0\.0\.1:\d+ can't be reached"):
        EndpointWriter(f"http://127.0.0.1:{port}/v1", "tiny-writer", KEY, 5).ask(["Hello"], 100)

    def sleep(_: dict[str, Any]) -> str:
        time.sleep(1)
        return "- too late"

    server.reply = sleep
    with pytest.raises(EndpointFailed, match=r"no answer within 0\.2 s"):
        EndpointWriter(server.url, "tiny-writer", KEY, 0.2).ask(["Hello"], 100)


def test_a_model_that_takes_no_temperature_is_asked_without(server: Server) -> None:
    def reply(body: dict[str, Any]) -> Any:
        return refuse(400, "Unsupported parameter")(body) if "temperature" in body else "- The Moon pulls the water."

    server.reply = reply
    writer = EndpointWriter(server.url, "thinker", KEY, 5)
    assert [answer.text for answer in writer.ask(["Hello", "again"], 100)] == ["- The Moon pulls the water."] * 2
    assert len(server.asked) == 3  # it is told once, not at every request


def test_an_answer_cut_short_and_a_context_cut_short_are_noticed(
    server: Server, spoken: Spoken, lecture: Callable[[str], str]
) -> None:
    server.finish_reason = "length"
    server.reply = lambda _: "- The Moon pulls the water.\n- And the Su"
    [answer] = EndpointWriter(server.url, "tiny-writer", KEY, 5).ask(["Hello"], 100)
    assert answer.cut_short
    server.usage = lambda _: 400
    with pytest.raises(EndpointRefused, match="its context is too short") as raised:
        summarizer(server).summarize(spoken(lecture("tides_en")), LOG)
    assert "OLLAMA_CONTEXT_LENGTH" in raised.value.remedy


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Log in</html>",
        b"",
        b'{"choices": [',
        b"\xff",
        b"[" * 10**6,
        [1],
        "hello",
        None,
        {"hello": 1},
        {"choices": ["a"]},
        {"choices": [{}]},
        {"choices": [{"message": None}]},
        said([{"text": "- a"}]),
    ],
    ids=range(13),
)
def test_what_is_no_answer_names_the_address_to_check(server: Server, body: Any) -> None:
    server.reply = lambda _: (200, body)
    with pytest.raises(EndpointRefused, match="no answer of an OpenAI-compatible server") as raised:
        EndpointWriter(server.url, "tiny-writer", KEY, 5).ask(["Hello"], 100)
    assert "/v1" in raised.value.remedy


def test_usage_that_can_not_be_read_and_half_an_emoji_do_no_harm(server: Server) -> None:
    server.reply = lambda _: (200, said("- The Moon \ud83d pulls.") | {"usage": {"prompt_tokens": "many"}})
    [answer] = EndpointWriter(server.url, "tiny-writer", KEY, 5).ask(["Hello " * 1000], 100)
    assert answer.text == "- The Moon  pulls."


def test_an_answer_in_drops_and_one_without_end_are_not_read_to_the_end(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.reply = lambda _: (200, said("- " + "x" * 10_000))
    writer = EndpointWriter(server.url, "tiny-writer", KEY, 0.5)
    monkeypatch.setattr(endpoint, "_MOST_BYTES", 5_000)
    with pytest.raises(EndpointRefused, match="no answer of"):
        writer.ask(["Hello"], 100)
    monkeypatch.setattr(endpoint, "_MOST_BYTES", 50_000)
    assert len(writer.ask(["Hello"], 100)[0].text) == 10_002
    server.drop = 1_000  # a piece each 0.1 s never lets the client's own timeout pass
    with pytest.raises(EndpointFailed, match=r"took over 0\.5 s"):
        writer.ask(["Hello"], 100)


@pytest.mark.parametrize("key", ["sk-two\nlines", "ключ"])
def test_a_key_that_can_not_be_sent_is_refused_and_not_shown(server: Server, key: str) -> None:
    with pytest.raises(EndpointRefused, match="no request can carry") as raised:
        EndpointWriter(server.url, "tiny-writer", key, 5)
    assert key not in str(raised.value)


def test_blanks_around_a_key_are_not_sent(server: Server) -> None:
    server.reply = lambda _: "- The Moon pulls the water."
    EndpointWriter(server.url, "tiny-writer", f" {KEY}\n", 5).ask(["Hello"], 100)
    assert server.keys == [f"Bearer {KEY}"]


def test_silence_of_the_model_is_an_error(server: Server, spoken: Spoken, lecture: Callable[[str], str]) -> None:
    server.reply = lambda _: ""
    with pytest.raises(WriterFailed, match="no points for part 1 of"):
        summarizer(server).summarize(spoken(lecture("tides_en")), LOG)
    assert [body["seed"] for body in server.asked] == [0, 1]


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("The Moon pulls the water towards itself and forms a bulge.", 12, 24),  # 12 by today's tokenizers
        ("Луна притягивает воду и образует приливной горб.", 15, 30),  # 15 or so
        ("月球的引力使海水上升。", 8, 14),
        ("მთვარე იზიდავს წყალს", 15, 24),
    ],
)
def test_tokens_are_counted_pessimistically(text: str, least: int, most: int) -> None:
    assert least <= count(text) <= most

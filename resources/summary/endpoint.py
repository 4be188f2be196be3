"""A text model behind an OpenAI-compatible endpoint: vLLM, Ollama, llama.cpp, or a hosted one.

Belongs here: everything that touches the `openai` client, imported where it is used.
Does not belong here: what is asked, and what becomes of the answers (`writing.py`).

The length of a model's context can't be told by this interface, nor set: Ollama ignores `num_ctx` here (its issue
16814) and silently cuts what does not fit into its default of 4096 tokens, hosted ones refuse parameters they do not
know. So a request with its answer always stays within 4096 tokens, counted pessimistically, and where the server says
that it read far fewer than were sent, that is an error.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from resources.errors import ScriptoriumError
from resources.summary.writer import Answer

_CONTEXT = 4096
_ANSWER = 768
_RETRIES = 3
"""Beyond the first try, after 0.5, 1 and 2 s: the client's own, for connections, timeouts, 408, 409, 429 and 5xx."""
_LATIN, _ALPHABETIC, _OTHER = 3.0, 2.0, 1.0
"""Characters per token at worst: today's tokenizers need 4 to 5 for English, 3.5 for French, 2.2 to 3 for Russian, and
about 1 for Chinese and for scripts they hardly know."""
_READ_AT_LEAST = 0.4
"""Of the tokens counted here; the count is above the true one by at most the factor of English, 5 / 3, and a margin."""
_WORTH_CHECKING = 1000
"""Tokens from which that is checked: below, a template may weigh more than the text."""
_MOST_BYTES = 16 * 2**20
"""Of a response: answers have some thousands, the longest lists of hosted models a million."""


class EndpointFailed(ScriptoriumError):
    """The endpoint can't be reached, or refuses."""

    retry = True


class EndpointRefused(EndpointFailed):
    """It answers, and will answer the same again: no such model, a wrong key, a request it does not take."""

    retry = False


def count(text: str) -> int:
    """Tokens of `text` by the most pessimistic rate of its scripts."""
    latin = len(re.findall(r"[\u0000-\u024f\u2010-\u2027]", text))
    alphabetic = len(re.findall(r"[\u0370-\u05ff\u1e00-\u1fff]", text))
    return int(latin / _LATIN + alphabetic / _ALPHABETIC + (len(text) - latin - alphabetic) / _OTHER) + 1


class EndpointWriter:
    """A `writer.Writer`. The key goes to the client and nowhere else; `where` is the server without user and query.

    Raises: EndpointFailed, EndpointRefused where the model's name must be asked for; EndpointRefused for a key that
    can't be sent.
    """

    batch = 1
    instructed = True
    room = _CONTEXT - _ANSWER

    def __init__(self, url: str, model: str, key: str | None, timeout_s: float) -> None:
        import openai

        key = key.strip() if key else None
        if key and not (key.isascii() and key.isprintable()):
            raise EndpointRefused(
                "The key holds signs that no request can carry, such as a letter of another alphabet or a line end.",
                "Set SCRIPTORIUM_SUMMARY_KEY again, in one line.",
            )
        parts = urlsplit(url)
        self._server = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"
        self.where = self._server
        self._timeout_s = timeout_s
        self._openai = openai
        # "none": the client insists on a key, servers on this machine do not look at it.
        # Omit: it would send what the environment says of an account at OpenAI to any server.
        self._client = openai.OpenAI(
            base_url=url,
            api_key=key or "none",
            timeout=timeout_s,
            max_retries=_RETRIES,
            default_headers={"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()},  # type: ignore[dict-item]
        )
        self._plain = False
        self.name = "any model"
        self.name = self._first() if model == "auto" else model

    def __repr__(self) -> str:
        return f"EndpointWriter({self.name} at {self.where})"

    def count(self, text: str) -> int:
        return count(text)

    def frame(self, request: str) -> str:
        return request  # the server has the model's chat template

    def ask(self, requests: Sequence[str], longest: int, *, again: bool = False) -> list[Answer]:
        """See `writer.Writer`. `again` asks with another seed and some temperature."""
        return [self._one(request, min(longest, _ANSWER), again) for request in requests]

    def _one(self, request: str, longest: int, again: bool) -> Answer:
        messages: list[Any] = [{"role": "user", "content": request}]
        made = None
        if not self._plain:
            told = {"max_tokens": longest, "temperature": 0.7 if again else 0.0, "seed": 1 if again else 0}
            made = self._tried(messages, told, may_refuse=True)
        if made is None:  # some hosted models take neither temperature nor `max_tokens`; they think before they answer
            self._plain = True
            made = self._tried(messages, {"max_completion_tokens": 4 * longest}, may_refuse=False)
        try:
            choice = made["choices"][0]
            said, cut_short = choice["message"].get("content") or "", choice.get("finish_reason") == "length"
        except (LookupError, TypeError, AttributeError):
            raise self._unreadable() from None
        if not isinstance(said, str):
            raise self._unreadable()
        usage = made.get("usage")
        read = usage.get("prompt_tokens") if isinstance(usage, dict) else None
        sent = count(request)
        if isinstance(read, int) and read and sent > _WORTH_CHECKING and read < _READ_AT_LEAST * sent:
            raise EndpointRefused(
                f"{self.name} at {self.where} read {read} tokens of about {sent}: its context is too short.",
                f"Give the server a context of {_CONTEXT} tokens or more; for Ollama set OLLAMA_CONTEXT_LENGTH.",
            )
        # Half an emoji, with which an answer that is cut short may end, is no text that can be stored.
        return Answer(said.encode(errors="ignore").decode(), cut_short)

    def _tried(self, messages: list[Any], told: dict[str, Any], *, may_refuse: bool) -> Any:
        """The answer as JSON; None for a request the server does not take, where it `may_refuse`."""
        ask = self._client.chat.completions.with_streaming_response.create
        try:
            with ask(model=self.name, messages=messages, **told) as response:
                return self._json(response)
        except self._openai.BadRequestError as error:
            if may_refuse:
                return None
            problem = self._problem(error)
        except self._openai.OpenAIError as error:
            problem = self._problem(error)
        # Out of the except block: the client's error holds the request, and with it the key.
        raise problem

    def _json(self, response: Any) -> Any:
        """What a response holds. The client would wait for ever for one that comes in drops, and read any length."""
        until, content = time.monotonic() + self._timeout_s, bytearray()
        try:
            for piece in response.iter_bytes():
                content += piece
                if len(content) > _MOST_BYTES:
                    break
                if time.monotonic() > until:
                    raise TimeoutError
        except Exception:  # which ones depends on the library below the client
            problem: EndpointFailed = EndpointFailed(
                f"{self.where} broke off in the middle of an answer, or took over {self._timeout_s:g} s to send it.",
                "Try again; raise SCRIPTORIUM_SUMMARY_TIMEOUT_S if the server is slow.",
            )
        else:
            try:
                if len(content) <= _MOST_BYTES:
                    return json.loads(bytes(content))
                problem = self._unreadable()
            except (ValueError, RecursionError):  # a page of HTML, say
                problem = self._unreadable()
        raise problem

    def _unreadable(self) -> EndpointRefused:
        return EndpointRefused(
            f"{self.where} answers with something that is no answer of an OpenAI-compatible server.",
            "Check that SCRIPTORIUM_SUMMARY_URL ends as the server wants it (/v1), and the server's log.",
        )

    def _first(self) -> str:
        """The first model the server lists."""
        try:
            with self._client.models.with_streaming_response.list() as response:
                told = self._json(response)
            listed = [str(model["id"]) for model in told["data"]]
            problem: ScriptoriumError = EndpointRefused(
                f"{self.where} lists no model.", "Start one there, or set SCRIPTORIUM_SUMMARY_MODEL to its name."
            )
        except self._openai.OpenAIError as error:
            listed, problem = [], self._problem(error)
        except (LookupError, TypeError):
            listed, problem = [], self._unreadable()
        if not listed:
            raise problem
        return listed[0]

    def _problem(self, error: Exception) -> ScriptoriumError:
        """What the client says, in words for people, without anything the server may have echoed."""
        openai = self._openai
        if isinstance(error, openai.APITimeoutError):
            return EndpointFailed(
                f"{self.where} gave no answer within {self._timeout_s:g} s, asked {_RETRIES + 1} times.",
                "Raise SCRIPTORIUM_SUMMARY_TIMEOUT_S, or use a smaller model.",
            )
        if isinstance(error, openai.APIConnectionError):
            return EndpointFailed(
                f"{self.where} can't be reached.", "Check SCRIPTORIUM_SUMMARY_URL and that the server runs."
            )
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            return EndpointRefused(f"{self.where} refuses the key.", "Set SCRIPTORIUM_SUMMARY_KEY to one it takes.")
        if isinstance(error, openai.NotFoundError):
            return EndpointRefused(
                f"{self.where} does not know {self.name}, or has no such address.",
                "Check SCRIPTORIUM_SUMMARY_MODEL, and that SCRIPTORIUM_SUMMARY_URL ends as the server wants it (/v1).",
            )
        code = getattr(error, "status_code", None)
        if isinstance(code, int) and code < 500 and code not in (408, 409, 429):
            return EndpointRefused(f"{self.where} refuses the request ({code}).", "See the server's log.")
        said = f"answers {code}" if code else f"answers what the client can't read ({type(error).__name__})"
        return EndpointFailed(f"{self.where} {said}, asked {_RETRIES + 1} times.", "See the server's log; try later.")

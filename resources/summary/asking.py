"""Asking a text model the same way whatever it is: answers are kept, silence is no answer.

Belongs here: asking in batches, asking again, and what survives an interruption. Pure.
Does not belong here: what is asked (`writing.py`), the models (`writer.py`), reading answers (`answers.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from resources.progress import Progress
from resources.store.partial import Partial
from resources.summary import answers
from resources.summary.writer import Writer, WriterFailed

_POINT_TOKENS, _TITLE_TOKENS = 80, 40

Given = tuple[str, list[str]]
"""A title, empty if there is none, and points."""


@dataclass(frozen=True)
class Question:
    """One request before it is framed; `what` names it in messages."""

    wording: str
    text: str
    count: int
    what: str
    more: dict[str, int]


class Asker:
    """Asks the model in the recording's language, keeps the answers, and does not take silence for one."""

    def __init__(self, writer: Writer, language: str, log: Any, partial: Partial | None) -> None:
        self._writer, self._language, self._log, self._partial = writer, language, log, partial

    def overhead(self, wordings: Sequence[str]) -> int:
        """Tokens of the longest of these requests without its text."""
        empty = {"language": self._language, "count": 99, "text": "", "part": 999, "parts": 999}
        return max(self._writer.count(self._framed(wording.format(**empty), "")) for wording in wordings)

    def ask(
        self,
        questions: list[Question],
        task: str,
        enough: Callable[[int, list[str]], bool],
    ) -> list[Given]:
        """Title and points for each question; one whose answer is not `enough` is asked again, once.

        Raises: WriterFailed where both answers hold no point at all.
        """
        requests = [self._request(question) for question in questions]
        names = [self._name(question, request) for question, request in zip(questions, requests, strict=True)]
        found: dict[int, Given] = {}
        for index, name in enumerate(names):
            kept = None if self._partial is None else self._partial.get(name)
            if kept is not None:
                title, *lines = kept.decode().split("\n")
                found[index] = (title, [line for line in lines if line])
        progress = Progress(self._log, task, len(questions), "parts")
        progress.update(len(found))
        at = 0
        while at < len(questions):
            # Batches are the same whether or not some answers are kept: padding changes the last digits of a sum.
            batch = list(range(at, min(at + self._writer.batch, len(questions))))
            at += len(batch)
            for index, answer in self._answers([i for i in batch if i not in found], questions, requests, enough):
                found[index] = answer
                if self._partial is not None:
                    self._partial.put(names[index], "\n".join([answer[0], *answer[1]]).encode())
            progress.update(len([index for index in found if index < at]))
        return [found[index] for index in range(len(questions))]

    def _answers(
        self,
        batch: list[int],
        questions: list[Question],
        requests: list[str],
        enough: Callable[[int, list[str]], bool],
    ) -> list[tuple[int, Given]]:
        best: dict[int, Given] = {}
        todo = batch
        for again in (False, True):
            if not todo:
                break
            longest = max(questions[index].count for index in todo) * _POINT_TOKENS + _TITLE_TOKENS
            given = self._writer.ask([requests[index] for index in todo], longest, again=again)
            for index, answer in zip(todo, given, strict=True):
                read = answers.read(answer.text, questions[index].count, cut_short=answer.cut_short)
                if index not in best or enough(index, read[1]) or not best[index][1]:
                    best[index] = read
            todo = [index for index in todo if not enough(index, best[index][1])]
        for index in batch:
            if not best[index][1]:
                raise WriterFailed(
                    f"{self._writer.name} gave no points for {questions[index].what} of the transcript, asked twice.",
                    "Choose another model for SCRIPTORIUM_SUMMARY_MODEL, one that follows instructions, or"
                    " `extractive`.",
                )
            if index in todo:
                self._log.info(f"summary: all points on {questions[index].what} are made up, asked twice; left out")
        return [(index, best[index]) for index in batch]

    def _request(self, question: Question) -> str:
        told = {"language": self._language, "count": question.count, "text": question.text, **question.more}
        return self._framed(question.wording.format(**told), question.text)

    def _framed(self, instructions: str, text: str) -> str:
        return self._writer.frame(instructions if self._writer.instructed else text)

    def _name(self, question: Question, request: str) -> str:
        identity = "\n".join([self._writer.name, str(question.count), request])
        return f"{hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()}.txt"

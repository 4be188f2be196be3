"""Reading what a model answered.

Belongs here: points and titles out of free text. Pure. Does not belong here: whether they are true (`support.py`).
"""

from __future__ import annotations

import re

from resources.summary import titles

_LEAST_LETTERS = 8
"""A line with fewer says nothing: a lone number, a heading, an "OK"."""
_MOST_LETTERS = 400
"""A line with more is no point: the model retells, or repeats itself without end."""
_ITEM = re.compile(r"(?:(?:[-*•●–—]|\d{1,2}[.)])\s+|\d{1,2}[、．])(.*\S)")
_TITLE = re.compile(r"\W*(?:title|chapter title|название|заголовок|titel|titre|título|titolo)\W*:\s*(.*\S)", re.I)
_FULL_STOP = re.compile(r"[.!?…。！？][\"'»”’)]*\Z")


def read(answer: str, limit: int, *, cut_short: bool = False) -> tuple[str, list[str]]:
    """The title of an answer, empty if there is none, and its points: the list items; without a list, the sentences.

    At most `limit` points, none twice. What was thought aloud is left out, and so is the last point of an answer that
    was cut short inside it.
    """
    answer = re.sub(r"<think>.*?(</think>|\Z)", "", answer, flags=re.DOTALL)
    answer = answer.rpartition("</think>")[2]  # where the template has opened it, only its end is answered
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    title = ""
    if lines and (found := _TITLE.match(lines[0])):
        title = titles.clean(found[1])
        lines = lines[1:]
    items = [match[1] for line in lines if (match := _ITEM.match(line))]
    if not items:
        items = [part for line in lines for part in re.split(r"(?<=[.!?…。！？])\s+", line)]
    elif not re.match(r"[-*•●–—]|\d{1,2}[.)、．]", lines[0]) and not lines[0].endswith(":"):
        items.insert(0, lines[0])  # plain models are led into the first item by its mark
    points = [re.sub(r"\*\*|__|`", "", item).strip(" -*•") for item in items]
    points = [point for point in points if _LEAST_LETTERS <= sum(map(str.isalpha, point)) <= _MOST_LETTERS]
    points = list(dict.fromkeys(points))
    if cut_short and len(points) > 1 and not _FULL_STOP.search(points[-1]):
        points.pop()
    return title, points[:limit]

"""The seven slides of `lecture.mp4`, drawn with Pillow in Noto Sans at 1280 x 720.

Belongs here: what the slides say and show. Does not belong here: speech, video (`make_lecture.py`).
Everything is drawn at twice the size and scaled down, which smooths edges.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

WIDTH, HEIGHT, SCALE = 1280, 720, 2
INK, GREY, PALE, PAPER = "#1d2b3a", "#66758a", "#dfe7f0", "#fbfcfe"
BLUE, RED, GREEN, GOLD, WATER = "#1f6fb2", "#c8452f", "#2f8a5b", "#d99a1c", "#cfe3f2"

Point = tuple[float, float]


class Slide(NamedTuple):
    title: str
    bullets: tuple[str, ...]
    picture: Callable[[Canvas], None]
    cover: bool = False


@cache
def _font(size: int, weight: int) -> Any:
    import fontpkg_noto_sans
    from PIL import ImageFont

    font = ImageFont.truetype(str(Path(fontpkg_noto_sans.ROOT, "files", "NotoSans[wdth,wght].ttf")), size * SCALE)
    axes = {axis["name"].lower(): axis["default"] for axis in font.get_variation_axes()}
    font.set_variation_by_axes([weight if b"weight" in name else default for name, default in axes.items()])
    return font


class Canvas:
    """A drawing in slide coordinates (1280 x 720)."""

    def __init__(self, paper: str) -> None:
        from PIL import Image, ImageDraw

        self.image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), paper)
        self._draw = ImageDraw.Draw(self.image)

    def _scaled(self, points: list[Point]) -> list[Point]:
        return [(x * SCALE, y * SCALE) for x, y in points]

    def line(self, points: list[Point], colour: str, width: float = 3) -> None:
        self._draw.line(self._scaled(points), fill=colour, width=round(width * SCALE), joint="curve")

    def shape(self, points: list[Point], colour: str) -> None:
        self._draw.polygon(self._scaled(points), fill=colour)

    def box(self, x: float, y: float, width: float, height: float, colour: str, radius: float = 0) -> None:
        corners = [v * SCALE for v in (x, y, x + width, y + height)]
        self._draw.rounded_rectangle(corners, radius=radius * SCALE, fill=colour)

    def disc(self, x: float, y: float, radius: float, colour: str) -> None:
        self._draw.ellipse([v * SCALE for v in (x - radius, y - radius, x + radius, y + radius)], fill=colour)

    def text(
        self, x: float, y: float, words: str, size: int, colour: str = INK, weight: int = 400, anchor: str = "ls"
    ) -> None:
        self._draw.text((x * SCALE, y * SCALE), words, font=_font(size, weight), fill=colour, anchor=anchor)

    def wrapped(self, words: str, size: int, width: float) -> list[str]:
        """`words` cut into lines that fit `width`."""
        lines = [""]
        for word in words.split():
            longer = f"{lines[-1]} {word}".strip()
            if _font(size, 400).getlength(longer) > width * SCALE and lines[-1]:
                lines.append(word)
            else:
                lines[-1] = longer
        return lines

    def arrow(self, start: Point, end: Point, colour: str, width: float = 5) -> None:
        length = ((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2) ** 0.5
        ux, uy = (end[0] - start[0]) / length, (end[1] - start[1]) / length
        head, half = 4 * width, 2 * width
        neck = (end[0] - ux * head, end[1] - uy * head)
        self.line([start, neck], colour, width)
        self.shape(
            [end, (neck[0] - uy * half, neck[1] + ux * half), (neck[0] + uy * half, neck[1] - ux * half)], colour
        )


def _bridge(c: Canvas, x: float, y: float, width: float, tower: float, cable: str = BLUE, ink: str = INK) -> None:
    """A suspension bridge whose deck lies at height `y` from `x` to `x + width`."""
    left, right = x + 0.22 * width, x + 0.78 * width
    middle, span = (left + right) / 2, right - left

    def height(at: float) -> float:
        if left <= at <= right:
            return y - 14 - (tower - 14) * ((at - middle) / (span / 2)) ** 2
        return y - tower * ((at - x) / (left - x) if at < left else (x + width - at) / (x + width - right))

    at = [x + width * i / 120 for i in range(121)]
    for i in range(4, 117, 4):
        c.line([(at[i], height(at[i])), (at[i], y)], GREY, 1.5)
    for foot in (left, right):
        c.box(foot - 7, y - tower - 8, 14, tower + 78, ink, 3)
    c.line([(i, height(i)) for i in at], cable, 5)
    c.box(x, y - 4, width, 10, ink, 3)


def _cover(c: Canvas) -> None:
    c.box(0, 600, WIDTH, 120, "#16466f")
    _bridge(c, 40, 560, 1200, 230, cable="#ffffff", ink="#0d2f4d")
    for i in range(3):
        c.line([(60 + 420 * i, 650 + 14 * i), (380 + 420 * i, 650 + 14 * i)], "#2b6ea3", 3)


def _path(c: Canvas) -> None:
    c.box(600, 520, 640, 90, WATER, 8)
    _bridge(c, 610, 470, 620, 210)
    c.box(872, 440, 52, 24, RED, 4)
    c.box(926, 446, 18, 18, RED, 4)
    for wheel in (884, 910, 935):
        c.disc(wheel, 466, 6, INK)
    for number, (at, to) in enumerate(
        [((905, 395), (905, 432)), ((990, 462), (990, 405)), ((1010, 330), (1072, 268)), ((1112, 300), (1112, 420))], 1
    ):
        c.arrow(at, to, GOLD)
        c.disc(at[0] + 22, at[1] - 4, 15, GOLD)
        c.text(at[0] + 22, at[1] - 3, str(number), 18, "#ffffff", 700, "mm")


def _forces(c: Canvas) -> None:
    c.text(930, 205, "Tension: the cable", 26, BLUE, 600, "ms")
    c.box(790, 240, 280, 34, BLUE, 17)
    c.arrow((780, 257), (670, 257), BLUE, 7)
    c.arrow((1080, 257), (1190, 257), BLUE, 7)
    c.text(930, 360, "Compression: the tower", 26, RED, 600, "ms")
    c.box(885, 450, 90, 90, RED, 6)
    c.arrow((930, 380), (930, 442), RED, 7)
    c.arrow((930, 615), (930, 550), RED, 7)


def _sag(c: Canvas) -> None:
    c.text(920, 190, "Pull in the cable against its depth", 24, INK, 600, "ms")
    left, bottom, width, height = 670, 570, 500, 340
    for i in range(5):
        c.line([(left, bottom - height * i / 4), (left + width, bottom - height * i / 4)], PALE, 2)
    for i, depth in enumerate((6, 8, 10, 12, 14)):  # the pull is inversely proportional to the depth of the curve
        tall = height * 0.92 * 6 / depth
        c.box(left + 24 + i * 96, bottom - tall, 62, tall, (RED, GOLD, GREEN, BLUE, "#5a5fb0")[i], 4)
        c.text(left + 55 + i * 96, bottom + 28, str(depth), 20, GREY, 400, "ms")
    c.line([(left, bottom - height - 10), (left, bottom), (left + width, bottom)], INK, 3)
    c.text(920, 640, "depth of the curve, per cent of the span", 20, GREY, 400, "ms")


def _anchorage(c: Canvas) -> None:
    c.shape([(600, 470), (1240, 470), (1240, 640), (600, 640)], "#c9b79c")
    c.shape([(840, 380), (1180, 380), (1180, 590), (800, 590)], "#8b96a5")
    c.text(1000, 500, "anchorage", 26, "#ffffff", 600, "ms")
    c.line([(610, 190), (880, 430)], BLUE, 9)
    c.arrow((760, 250), (650, 152), BLUE, 7)
    c.text(790, 225, "pull of the cable", 24, BLUE, 600)
    c.arrow((1110, 400), (1110, 565), RED, 7)
    c.text(1098, 440, "weight", 22, "#ffffff", 600, "rs")
    c.arrow((830, 615), (1080, 615), GREEN, 7)
    c.text(1095, 623, "friction", 22, INK, 600)


def _wind(c: Canvas) -> None:
    from math import exp

    for i in range(7):
        if i == 3:
            continue  # the deck is here
        y, bend = 200 + 62 * i, {1: 20, 2: 36, 3: 48}[4 - abs(i - 3)] * (1 if i > 3 else -1)
        line = [(x, y + bend * exp(-(((x - 930) / 150) ** 2))) for x in map(float, range(620, 1200, 10))]
        c.line(line, "#8fb8da", 4)
        c.arrow(line[-2], (1225, y), "#8fb8da", 4)
    c.shape([(765, 386), (830, 356), (1030, 356), (1095, 386), (1030, 410), (830, 410)], INK)
    c.line([(800, 366), (1060, 366)], GOLD, 4)
    c.text(930, 660, "A deck shaped like a wing lets the wind pass", 22, GREY, 400, "ms")


def _chain(c: Canvas) -> None:
    parts = (("deck", INK), ("hangers", GREY), ("cable", BLUE), ("towers", RED), ("ground", GREEN))
    for i, (name, colour) in enumerate(parts):
        y = 165 + 98 * i
        c.box(800, y, 260, 62, colour, 31)
        c.text(930, y + 31, name, 26, "#ffffff", 600, "mm")
        if i < len(parts) - 1:
            c.arrow((930, y + 64), (930, y + 96), GOLD, 5)


SLIDES = (
    Slide("How a Suspension Bridge Carries Its Load", ("A short lecture on forces",), _cover, cover=True),
    Slide(
        "The Path of the Load",
        (
            "A truck presses on the deck",
            "Hangers pull on the main cable",
            "The cable rests on the towers",
            "Both ends are tied to the ground",
        ),
        _path,
    ),
    Slide(
        "Two Simple Forces",
        (
            "Tension pulls things apart",
            "Compression squeezes them together",
            "Cables are strong in tension",
            "Towers are strong in compression",
        ),
        _forces,
    ),
    Slide(
        "The Shape of the Cable",
        ("An even load makes a parabola", "A deep curve means less tension", "But it needs very high towers"),
        _sag,
    ),
    Slide(
        "Anchorages Hold the Ends",
        ("Concrete blocks or tunnels in rock", "They work by weight and friction", "If one moves, the deck sags"),
        _anchorage,
    ),
    Slide(
        "The Wind Is the Enemy",
        ("A narrow bridge twisted and fell", "Models are tested in a wind tunnel", "The deck must be heavy and smooth"),
        _wind,
    ),
    Slide(
        "Summary",
        ("Each part takes the force it carries best", "Remember the path of the load", "Thank you for your attention"),
        _chain,
    ),
)


def draw(number: int) -> Any:
    """Slide `number` (from 1) as an RGB image of 1280 x 720."""
    from PIL import Image

    slide = SLIDES[number - 1]
    c = Canvas("#1f6fb2" if slide.cover else PAPER)
    slide.picture(c)
    if slide.cover:
        for i, line in enumerate(("How a Suspension Bridge", "Carries Its Load")):
            c.text(80, 130 + 76 * i, line, 62, "#ffffff", 700)
        c.text(82, 262, slide.bullets[0], 30, "#d7e8f6")
    else:
        c.box(0, 0, 16, HEIGHT, BLUE)
        c.text(70, 100, slide.title, 48, INK, 700)
        c.line([(70, 126), (190, 126)], GOLD, 6)
        y = 215
        for bullet in slide.bullets:
            c.disc(80, y - 9, 7, BLUE)
            for line in c.wrapped(bullet, 29, 440):
                c.text(106, y, line, 29)
                y += 42
            y += 30
        c.text(70, 690, "Structures for everyone", 18, GREY)
        c.text(1210, 690, f"{number} / {len(SLIDES)}", 18, GREY, 400, "rs")
    return c.image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)

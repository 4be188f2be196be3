"""Which pictures of a video are kept: each slide once, whatever moves over it, and writing before faces."""

import io
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from resources.media.scenes import find_slides
from resources.media.slide_index import Slide
from resources.media.text_likeness import TEXT_LIKE

Make = Callable[..., Path]
Found = list[tuple[Slide, bytes]]
SIZE = (320, 180)


def found_in(
    path: Path, seconds: float, *, min_change: float = 0.1, max_slides: int = 120, max_camera_views: int = 3
) -> Found:
    log = logging.getLogger("test")
    return find_slides(path, seconds, min_change, max_slides, log, max_camera_views=max_camera_views)


def times(found: Found) -> list[float]:
    return [slide.time_s for slide, _ in found]


def texts(found: Found) -> list[Slide]:
    return [slide for slide, _ in found if slide.text_likeness >= TEXT_LIKE]


def difference(picture: bytes, image: Image.Image) -> np.ndarray:
    with Image.open(io.BytesIO(picture)) as shown:
        return np.abs(np.asarray(shown.convert("L"), dtype=int) - np.asarray(image.convert("L"), dtype=int))


@pytest.fixture(scope="module")
def rooms() -> list[Image.Image]:
    """Four walls of soft patches, as a camera sees them."""
    rng = np.random.default_rng(5)
    patches = [rng.integers(30 + 20 * i, 130 + 20 * i, (6, 10, 3), dtype=np.uint8) for i in range(4)]
    return [Image.fromarray(patch).resize(SIZE, Image.Resampling.BICUBIC) for patch in patches]


@pytest.fixture(scope="module")
def filmed(rooms: list[Image.Image]) -> Callable[[int, float], Image.Image]:
    """Somebody before wall `room` who speaks, nods, and sits otherwise every few seconds; the camera has noise."""
    noise = np.random.default_rng(6).normal(0, 3, (8, SIZE[1], SIZE[0], 3))

    def film(room: int, at: float) -> Image.Image:
        image = rooms[room].copy()
        draw = ImageDraw.Draw(image)
        x = 160 + 22 * np.sin(int(at / 4)) + 3 * np.sin(4 * at)
        y = 80 + 2 * np.sin(6 * at)
        draw.ellipse([x - 62, y + 38, x + 62, y + 180], "#405068")
        draw.ellipse([x - 34, y - 44, x + 34, y + 46], "#d8b090")
        for eye in (-13, 13):
            draw.ellipse([x + eye - 4, y - 10, x + eye + 4, y - 5], "#302018")
        draw.ellipse([x - 11, y + 20, x + 11, y + 22 + 5 * abs(np.sin(7 * at))], "#803030")
        soft = np.asarray(image.filter(ImageFilter.GaussianBlur(1.5)), dtype=float) + noise[int(at * 10) % 8]
        return Image.fromarray(soft.clip(0, 255).astype(np.uint8))

    return film


def test_a_lecturer_in_the_corner_makes_no_new_slide(make: Make, video: Any, drawn: Any, filmed: Any) -> None:
    """Even where small changes count, and in whatever way he sits when a slide comes back."""

    def shown(at: float) -> Image.Image:
        image = drawn[int(at // 8) % 2].copy()
        image.paste(filmed(0, at).resize((160, 90)), (160, 90))
        return image

    found = found_in(make("back.mp4", video(shown, 32)), 32, min_change=0.04)
    assert times(found) == pytest.approx([0, 8], abs=0.8)
    assert len(texts(found)) == 2


def test_a_mouse_that_moves_makes_no_new_slide(make: Make, video: Any, drawn: Any) -> None:
    def shown(at: float) -> Image.Image:
        image = drawn[int(at // 5) % 2].copy()
        x, y = 150 + 120 * np.sin(at), 90 + 70 * np.sin(1.7 * at)
        ImageDraw.Draw(image).polygon([(x, y), (x + 12, y + 12), (x, y + 17)], "#000000")
        return image

    assert times(found_in(make("mouse.mp4", video(shown, 20)), 20)) == pytest.approx([0, 5], abs=0.8)


def test_a_slide_that_comes_back_brighter_is_kept_once(make: Make, video: Any, drawn: Any) -> None:
    dim = drawn[0].point(lambda level: level * 0.75)
    pages = [drawn[0], drawn[1], dim]
    assert times(found_in(make("dim.mp4", video(lambda at: pages[int(at // 4)], 12)), 12)) == pytest.approx(
        [0, 4], abs=0.5
    )


def test_a_talking_head_gives_hardly_any(make: Make, video: Any, filmed: Any) -> None:
    found = found_in(make("head.mp4", video(lambda at: filmed(0, at), 60)), 60)
    assert 1 <= len(found) <= 2  # he sits in many ways before one wall
    assert not texts(found)


def test_few_faces_between_the_slides(make: Make, video: Any, drawn: Any, filmed: Any) -> None:
    """Cut from slide to lecturer and back, seen by four cameras."""

    def shown(at: float) -> Image.Image:
        part = int(at // 4)
        return filmed(part // 2 % 4, at) if part % 2 else drawn[part // 2 % 5]

    path = make("cuts.mp4", video(shown, 40))
    found = found_in(path, 40)
    assert [slide.time_s for slide in texts(found)] == pytest.approx([0, 8, 16, 24, 32], abs=0.8)
    assert len(found) == 5 + 3
    assert times(found_in(path, 40, max_camera_views=0)) == pytest.approx([0, 8, 16, 24, 32], abs=0.8)


def test_writing_is_kept_before_photographs(make: Make, video: Any, drawn: Any, rooms: Any) -> None:
    pages = [rooms[0], drawn[0], rooms[1], drawn[1], rooms[2]]
    path = make("photos.mp4", video(lambda at: pages[int(at // 4)], 20))
    assert times(found_in(path, 20)) == pytest.approx([0, 4, 8, 12, 16], abs=0.5)  # they stand still: slides, too
    assert times(found_in(path, 20, max_slides=2)) == pytest.approx([4, 12], abs=0.5)
    assert len(texts(found_in(path, 20, max_slides=3))) == 2


def test_somebody_before_the_slide_is_not_in_the_picture(make: Make, video: Any, drawn: Any) -> None:
    def shown(at: float) -> Image.Image:
        image = drawn[0].copy()
        if at >= 6:
            ImageDraw.Draw(image).ellipse([20, 70, 64, 170], "#485058")
        return image

    found = found_in(make("before.mp4", video(shown, 14)), 14)
    assert difference(found[0][1], drawn[0])[70:170, 20:64].mean() < 5


def test_a_slide_that_comes_back_complete_is_shown_complete(make: Make, video: Any, drawn: Any) -> None:
    first = drawn[0].copy()
    ImageDraw.Draw(first).rectangle([0, 128, 140, 155], "#fbfcfe")
    pages = [first, drawn[1], drawn[0]]
    found = found_in(make("more.mp4", video(lambda at: pages[int(at // 4)], 12)), 12)
    assert times(found) == pytest.approx([0, 4], abs=0.5)
    assert difference(found[0][1], drawn[0])[128:155, :140].mean() < 5

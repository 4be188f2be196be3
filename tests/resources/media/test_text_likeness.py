"""Writing is told from faces and rooms, with a camera's noise and a codec's traces."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from resources.media.text_likeness import TEXT_LIKE, writing


def noisy(image: Image.Image) -> Image.Image:
    levels = np.asarray(image, dtype=float) + np.random.default_rng(1).normal(0, 10, (*image.size[::-1], 3))
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


def squeezed(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=30)
    return Image.open(buffer)


def likeness(image: Image.Image) -> list[float]:
    """As it is, with noise, and as a poor JPEG."""
    small = image.convert("RGB").resize((640, 360), Image.Resampling.BOX)
    frames = [av.VideoFrame.from_image(each.convert("RGB")) for each in (small, noisy(small), squeezed(small))]
    return [writing(frame).likeness for frame in frames]


@pytest.fixture
def lecture_frames(repo: Path) -> list[Any]:
    with av.open(str(repo / "samples/lecture.mp4")) as container:
        return [frame.to_image() for i, frame in enumerate(container.decode(video=0)) if i % 200 == 0]


def test_slides(lecture_frames: list[Image.Image]) -> None:
    assert len(lecture_frames) > 3
    assert min(min(likeness(frame)) for frame in lecture_frames) > 1.5 * TEXT_LIKE


def _page(background: Image.Image, ink: str, size: int, *lines: str) -> Image.Image:
    image = background.convert("RGB").resize((1280, 720))
    for i, line in enumerate(lines):
        ImageDraw.Draw(image).text((80, 40 + 1.5 * size * i), line, ink, ImageFont.load_default(size))
    return image


@pytest.mark.parametrize(
    "draw",
    [
        pytest.param(lambda: _page(Image.new("L", (2, 2), 255), "#000000", 150, "", "Questions?"), id="title"),
        pytest.param(
            lambda: _page(
                Image.radial_gradient("L").point(lambda level: 160 + level // 3),
                "#203040",
                40,
                *["An even load makes a parabola"] * 8,
            ),
            id="shaded",
        ),
        pytest.param(
            lambda: _page(Image.new("L", (2, 2), 20), "#c0d0e0", 22, *["for i in range(20): draw(i)  # code"] * 18),
            id="code",
        ),
    ],
)
def test_pages(draw: Callable[[], Image.Image]) -> None:
    assert min(likeness(draw())) > TEXT_LIKE


def test_nothing_and_soft_shades() -> None:
    assert likeness(Image.new("RGB", (640, 360), "white"))[0] == 0
    assert max(likeness(Image.radial_gradient("L"))) < TEXT_LIKE / 2


@pytest.mark.train  # the photographs come with matplotlib and scikit-learn
def test_photographs() -> None:
    import matplotlib as mpl
    from sklearn.datasets import load_sample_images

    palace, flower = (Image.fromarray(picture) for picture in load_sample_images().images)
    with Image.open(Path(mpl.get_data_path(), "sample_data", "grace_hopper.jpg")) as portrait:
        face = portrait.crop((0, 60, 512, 348))
    for picture in (palace, flower, face):
        assert max(likeness(picture)) < 0.75 * TEXT_LIKE

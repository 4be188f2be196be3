"""Slides of videos: found once each, at their times, whatever the container and however the video was coded."""

import io
import json
import logging
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from resources.media.pictures import contact_sheet, look_alike
from resources.media.scenes import find_slides
from resources.media.slide_index import Slide, read_slides, write_index

Make = Callable[..., Path]
Find = Callable[..., list[tuple[Slide, bytes]]]
STARTS = [0.0, 4.3, 9.6, 14.0, 20.5]
SECONDS = 25


@pytest.fixture
def find() -> Find:
    def found(path: Path, min_change: float = 0.1, max_slides: int = 120, seconds: float = SECONDS) -> Any:
        return find_slides(path, seconds, min_change, max_slides, logging.getLogger("test"))

    return found


def times(found: list[tuple[Slide, bytes]]) -> list[float]:
    return [slide.time_s for slide, _ in found]


def grey(picture: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(picture)) as image:
        return np.asarray(image.convert("L").resize((160, 90)), dtype=np.int16)


def test_lecture(repo: Path, find: Find) -> None:
    known = json.loads((repo / "samples/lecture.json").read_text())
    found = find(repo / "samples/lecture.mp4", seconds=known["duration_s"])
    assert times(found) == pytest.approx([slide["start_s"] for slide in known["slides"]], abs=1)
    assert [slide.name for slide, _ in found] == [f"slide-{number:03d}.jpg" for number in range(1, 8)]
    pictures = [grey(picture) for _, picture in found]
    assert not any(look_alike(a, b, 0.1) for i, a in enumerate(pictures) for b in pictures[:i])
    for slide, picture in found:
        with Image.open(io.BytesIO(picture)) as image:
            assert (image.format, image.size) == ("JPEG", (slide.width, slide.height)) == ("JPEG", (1280, 720))


@pytest.mark.parametrize(
    ("name", "codec", "sound", "options"),
    [
        ("cuts.mp4", "libx264", "aac", {}),
        ("fixed.mp4", "libx264", "aac", {"sc_threshold": "0", "g": "30"}),
        ("one_group.mp4", "libx264", "aac", {"sc_threshold": "0", "g": "9999", "bf": "3"}),
        ("open.mkv", "libx264", "aac", {"x264-params": "keyint=50:min-keyint=50:scenecut=0:open-gop=1"}),
        ("tv.ts", "libx264", "mp2", {}),
        ("live.webm", "libvpx-vp9", "libopus", {"deadline": "realtime", "cpu-used": "8"}),
        ("old.avi", "mpeg4", "libmp3lame", {"b": "800k"}),
        ("intra.avi", "mjpeg", "libmp3lame", {}),
        ("a.mov", "prores_ks", "aac", {}),
    ],
)
def test_containers_and_codecs(
    make: Make,
    find: Find,
    video: Any,
    tone: Any,
    shown_at: Any,
    name: str,
    codec: str,
    sound: str,
    options: dict[str, str],
) -> None:
    pix_fmt = {"mjpeg": "yuvj420p", "prores_ks": "yuv422p10le"}.get(codec, "yuv420p")
    picture = video(lambda at: shown_at(STARTS, at), SECONDS, codec, pix_fmt, tuple(options.items()))
    found = find(make(name, picture, tone(codec=sound, seconds=SECONDS)))
    assert times(found) == pytest.approx(STARTS, abs=1)


def test_fade_counts_from_its_start(make: Make, find: Find, video: Any, drawn: Any) -> None:
    def fading(at: float) -> Image.Image:
        return Image.blend(drawn[0], drawn[1], min(1.0, max(0.0, at - 8)))

    found = find(make("fade.mp4", video(fading, 16)))
    assert times(found) == pytest.approx([0, 8], abs=0.8)
    with Image.open(io.BytesIO(found[1][1])) as image:
        shown = np.asarray(image.convert("L"), dtype=int)
    assert np.abs(shown - np.asarray(drawn[1].convert("L"), dtype=int)).mean() < 3, "no frame of the fade itself"


def test_lecturer_in_the_corner_does_not_count(make: Make, find: Find, video: Any, shown_at: Any) -> None:
    def with_lecturer(at: float) -> Image.Image:
        image = shown_at(STARTS, at).copy()
        draw, x = ImageDraw.Draw(image), 285 + 12 * np.sin(3 * at) + 5 * np.sin(11 * at)
        draw.rectangle([250, 120, 320, 180], "#505a64")
        draw.ellipse([x - 16, 126 + 3 * np.sin(5 * at), x + 16, 176], "#dcb496")
        return image

    assert times(find(make("corner.mp4", video(with_lecturer, SECONDS)))) == pytest.approx(STARTS, abs=1)


def test_film_gives_hardly_any(make: Make, find: Find, video: Any) -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(60, 120, (9, 16, 3), dtype=np.uint8)).resize((640, 360))

    def moving(at: float) -> Image.Image:
        left, top = 150 + round(140 * np.sin(0.9 * at)), 80 + round(60 * np.sin(1.3 * at))
        return noise.crop((left, top, left + 320, top + 180))

    found = find(make("film.mp4", video(moving, 60)), seconds=60)
    assert 1 <= len(found) <= 3  # the opening picture is always one; a minute that never holds still adds hardly any


def test_points_that_appear_are_one_slide_shown_complete(make: Make, find: Find, video: Any, drawn: Any) -> None:
    def building(at: float) -> Image.Image:
        image = drawn[0].copy()
        for point in range(min(4, int(at // 4))):
            ImageDraw.Draw(image).rectangle([200, 60 + 20 * point, 230, 66 + 20 * point], "#000000")
        return image

    found = find(make("points.mp4", video(building, 20)))
    assert times(found) == pytest.approx([0], abs=0.5)
    last = np.asarray(building(19).convert("L"), dtype=int)
    with Image.open(io.BytesIO(found[0][1])) as image:
        assert np.abs(np.asarray(image.convert("L"), dtype=int) - last)[60:140, 200:230].mean() < 10


def test_going_back_is_no_new_slide(make: Make, find: Find, video: Any, drawn: Any) -> None:
    order = [0, 1, 2, 1, 0]
    path = make("back.mp4", video(lambda at: drawn[order[int(at // 5)]], SECONDS))
    assert times(find(path)) == pytest.approx([0, 5, 10], abs=0.5)


def test_blank_pages_are_left_out(make: Make, find: Find, video: Any, drawn: Any) -> None:
    black = Image.new("RGB", drawn[0].size)
    pages = [black, drawn[0], black, drawn[1], Image.new("RGB", drawn[0].size, "white")]
    path = make("blank.mp4", video(lambda at: pages[int(at // 5)], SECONDS))
    assert times(find(path)) == pytest.approx([5, 15], abs=0.5)


def test_one_still_picture(make: Make, find: Find, video: Any, tone: Any, drawn: Any) -> None:
    path = make("podcast.mp4", video(lambda _: drawn[0], 0.1), tone(seconds=10))
    assert times(find(path, seconds=10)) == [0]


def test_sound_alone_has_none(repo: Path, make: Make, find: Find, tone: Any) -> None:
    assert find(repo / "samples/lecture_ru.mp3") == []
    assert find(make("a.m4a", tone())) == []


def test_too_many_keeps_the_most_distinct(make: Make, find: Find, video: Any, shown_at: Any, drawn: Any) -> None:
    path = make("many.mp4", video(lambda at: shown_at(STARTS, at), SECONDS))
    assert times(find(path, max_slides=3))[0] == pytest.approx(0, abs=0.5)
    assert len(find(path, max_slides=3)) == 3
    dark = ImageOps.invert(drawn[4])
    pages = [*drawn[:4], dark]
    path = make("odd.mp4", video(lambda at: pages[int(at // 5)], SECONDS))
    assert times(find(path, max_slides=2)) == pytest.approx([0, 20], abs=0.5)


def test_min_change_decides(make: Make, find: Find, video: Any, drawn: Any) -> None:
    def marked(at: float) -> Image.Image:
        image = drawn[0].copy()
        if at >= 10:
            ImageDraw.Draw(image).rectangle([180, 20, 300, 50], "#2050a0")
        return image

    path = make("mark.mp4", video(marked, 20))
    assert times(find(path, min_change=0.3)) == pytest.approx([0], abs=0.5)
    assert times(find(path, min_change=0.03)) == pytest.approx([0, 10], abs=0.5)


def test_times_count_from_the_files_start(make: Make, find: Find, video: Any, tone: Any, shown_at: Any) -> None:
    picture = video(lambda at: shown_at(STARTS, at), SECONDS)
    path = make("tv.ts", picture, tone(codec="mp2", seconds=SECONDS), options={"output_ts_offset": "7000"})
    assert times(find(path)) == pytest.approx(STARTS, abs=1)


def test_wide_pixels_are_made_square(make: Make, find: Find, video: Any, drawn: Any) -> None:
    path = make("tape.mp4", video(lambda _: drawn[0], 3, pixel_shape=Fraction(2, 1)))
    slide, picture = find(path)[0]
    assert (slide.width, slide.height) == (640, 180)
    with Image.open(io.BytesIO(picture)) as image:
        assert image.size == (640, 180)


def test_phone_held_upright(make: Make, find: Find, video: Any, drawn: Any) -> None:
    """A phone writes the picture lying on its side, and in the track header how to turn it."""
    path = make("phone.mp4", video(lambda _: drawn[0].rotate(180), 3))
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 44  # version and flags, times, id, duration, layer, volume come before it
    quarter = [0, 1 << 16, 0, -(1 << 16), 0, 0, 320 << 16, 0, 1 << 30]  # clockwise, ISO/IEC 14496-12, 8.3.2
    content[matrix : matrix + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in quarter)
    path.write_bytes(content)
    slide, picture = find(path)[0]
    assert (slide.width, slide.height) == (180, 320)
    upright = drawn[0].rotate(180).rotate(-90, expand=True).convert("L")
    with Image.open(io.BytesIO(picture)) as image:
        assert np.abs(np.asarray(image.convert("L"), dtype=int) - np.asarray(upright, dtype=int)).mean() < 5


def test_large_pictures_are_made_smaller(repo: Path) -> None:
    import av

    from resources.media.pictures import jpeg

    frame = av.VideoFrame.from_image(Image.radial_gradient("L").resize((3840, 2160)).convert("RGB"))
    assert jpeg(frame, 1.0)[1:] == (1600, 900)


def test_damaged_video_gives_what_is_left(make: Make, find: Find, video: Any, tone: Any, shown_at: Any) -> None:
    options = (("g", "10"),)
    path = make("hole.mp4", video(lambda at: shown_at(STARTS, at), SECONDS, options=options), tone(seconds=SECONDS))
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 4
    middle = start + (content.index(b"moov") - start) // 3
    content[middle : middle + 3000] = bytes(3000)
    path.write_bytes(content)
    found = times(find(path))
    assert found
    assert all(min(abs(time - start) for start in STARTS) < 3 for time in found)


def test_index_is_read_back(tmp_path: Path) -> None:
    slides = [Slide(name="slide-001.jpg", time_s=1.5, width=640, height=360)]
    assert read_slides({"slides.json": write_index(slides)}) == slides
    (tmp_path / "slides.json").write_bytes(write_index([]))
    assert read_slides({"slides.json": tmp_path / "slides.json"}) == []
    with pytest.raises(KeyError):
        read_slides({})


@pytest.mark.parametrize("count", [1, 5, 24, 100])
def test_contact_sheet(count: int) -> None:
    rng = np.random.default_rng(2)
    pictures = []
    for _ in range(count):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (90, 160, 3), dtype=np.uint8)).resize((640, 360)).save(buffer, "JPEG")
        pictures.append(buffer.getvalue())
    sheet = contact_sheet(pictures, [float(60 * i) for i in range(count)], 70_000)
    assert len(sheet) <= 70_000
    with Image.open(io.BytesIO(sheet)) as image:
        assert image.width == 8 + 248 * min(4, count)
        assert image.height == 8 + 163 * -(-min(24, count) // 4)

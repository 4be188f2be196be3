"""The demo: the sample through the inbox, the sensor, the daemon and a run; and once more."""

import hashlib
import json
import re
import socket
from pathlib import Path

from pypdf import PdfReader

KEY_SENTENCES = [
    "the suspension bridge and its secret is a clear path for the load",
    "Its weight presses on the deck",
    "Tension pulls things apart",
    "A deep curve means less tension in the cable",
    "you understand the bridge",
]


def test_the_demo_twice_in_a_row(house, repo: Path) -> None:
    sample = repo / "samples" / "lecture.mp4"
    before = hashlib.sha256(sample.read_bytes()).hexdigest()
    first = house.scriptorium("demo")
    assert first.returncode == 0, first.stderr
    pdf = Path(first.stdout.strip())
    assert pdf == house.pdf(house.keys()[0])
    assert pdf.is_file()
    rate = re.search(r"words heard wrong: ([\d.]+)%", first.stderr)
    assert rate is not None
    assert float(rate[1]) < 15
    slides = re.search(r"slides: (\d+)", first.stderr)
    assert slides is not None
    assert int(slides[1]) >= 4
    text = " ".join("".join(page.extract_text() for page in PdfReader(pdf).pages).split())
    for sentence in KEY_SENTENCES:
        assert sentence in text
    slides_at = [slide["start_s"] for slide in json.loads((repo / "samples" / "lecture.json").read_text())["slides"]]
    times = [int(h) * 3600 + int(m) * 60 + int(s) for h, m, s in re.findall(r"Slide \d of 7 *(\d):(\d\d):(\d\d)", text)]
    assert len(times) == len(slides_at)
    assert all(abs(time - start) <= 1 for time, start in zip(times, slides_at, strict=True))
    [run] = house.runs()
    assert run.tags["dagster/sensor_name"] == "recordings"
    again = house.scriptorium("demo")
    assert (again.returncode, again.stdout) == (0, first.stdout), again.stderr
    assert "made before" in again.stderr
    assert len(house.runs()) == 1
    assert hashlib.sha256(sample.read_bytes()).hexdigest() == before


def test_dev_says_when_its_port_is_taken(house) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        done = house.scriptorium("dev", "--port", str(other.getsockname()[1]))
    assert done.returncode == 1
    assert "Choose another --port" in done.stderr

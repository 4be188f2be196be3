"""The product as a person meets it: a video dropped in the inbox, the UI in a browser, the PDF in the library.

One webserver, one daemon and one browser serve all tests of this file, in a temporary home whose path has a space and
letters outside ASCII.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize, expect, sync_playwright

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

CHAIN = ["audio", "slides", "transcript", "subtitles", "summary", "notes", "published"]
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
VIEWPORT: ViewportSize = {"width": 1600, "height": 1000}
SCREENSHOTS = Path(__file__).parent / "screenshots"


@dataclass
class Stack:
    """A running `scriptorium dev` and where it keeps things."""

    home: Path
    url: str

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        answer = json.load(urllib.request.urlopen(request, timeout=30))
        assert "errors" not in answer, answer
        return dict(answer["data"])

    def runs(self) -> list[dict[str, Any]]:
        data = self.graphql(
            "{ runsOrError { ... on Runs { results { runId status jobName creationTime startTime"
            " tags { key value } } } } }"
        )
        upkeep = ("verify_store", "collect_garbage", "store_report")  # by schedule, whenever their hour comes
        return [run for run in data["runsOrError"]["results"] if run["jobName"] not in upkeep]

    def partitions(self) -> list[str]:
        data = self.graphql('{ assetNodeOrError(assetKey: {path: ["audio"]}) { ... on AssetNode { partitionKeys } } }')
        return list(data["assetNodeOrError"]["partitionKeys"])


def wait_for(what: str, condition: Callable[[], Any], timeout_s: float = 120, every_s: float = 0.5) -> Any:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(every_s)
    raise AssertionError(f"waited {timeout_s} s in vain for {what}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("e2e") / "mein Gerät"
    home.mkdir()
    (home / "cache").symlink_to(cache)
    port = _free_port()
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("SCRIPTORIUM_", "DAGSTER_HOME"))},
        "SCRIPTORIUM_HOME": str(home),
        "SCRIPTORIUM_SPEECH_MODEL": "tiny.en",
        "SCRIPTORIUM_SENTENCE_ENCODER": "none",
        "SCRIPTORIUM_SETTLE_SECONDS": "3",
        "PYTHONUNBUFFERED": "1",
    }
    log = (home.parent / "dev.log").open("wb")
    # Signals as a terminal would leave them: a background job inherits an ignored SIGINT, which Dagster keeps.
    process = subprocess.Popen(
        ["env", "--default-signal=INT,TERM", sys.executable, "-m", "dagster_project.cli", "dev", "--port", str(port)],
        env=env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    stack = Stack(home, f"http://127.0.0.1:{port}")

    def up() -> bool:
        assert process.poll() is None, (home.parent / "dev.log").read_text()
        try:
            return "data" in json.load(urllib.request.urlopen(f"{stack.url}/server_info", timeout=5)) or True
        except OSError:
            return False

    try:
        wait_for("the webserver", up, 60)
        yield stack
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        log.close()
        print((home.parent / "dev.log").read_text()[-4000:])


@pytest.fixture(scope="module")
def page(stack: Stack) -> Iterator[Page]:
    SCREENSHOTS.mkdir(exist_ok=True)
    chromium = shutil.which("chromium")
    assert chromium is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport=VIEWPORT)
        page.set_default_timeout(30_000)
        expect.set_options(timeout=30_000)  # its own default of 5 s is short for the first page of a busy machine
        yield page
        browser.close()


@pytest.fixture(scope="module")
def lecture_key(stack: Stack, repo: Path) -> str:
    """The sample lecture, dropped into the inbox and waited for."""
    shutil.copy(repo / "samples" / "lecture.mp4", stack.home / "inbox" / "recordings" / "My lecture.mp4")
    pdf = wait_for("the PDF", lambda: list(stack.home.glob("library/recordings/*/notes.pdf")), 180)[0]
    key = pdf.parent.name
    wait_for("the run to end", lambda: [run["status"] for run in stack.runs()] == ["SUCCESS"], 30)
    return str(key)


def test_a_dropped_video_becomes_a_pdf_by_one_run(stack: Stack, lecture_key: str) -> None:
    assert re.fullmatch(r"my-lecture~[0-9a-f]{16}", lecture_key)
    (run,) = stack.runs()
    assert run["jobName"] == "recordings"
    assert {tag["key"]: tag["value"] for tag in run["tags"]}["dagster/partition"] == lecture_key
    published = {path.name for path in (stack.home / "library" / "recordings" / lecture_key).iterdir()}
    assert published >= {"notes.pdf", "notes.md", "transcript.srt", "transcript.vtt", "slide-001.jpg"}


def test_the_graph_shows_the_chain_and_nothing_red(stack: Stack, lecture_key: str, page: Page) -> None:
    page.set_viewport_size({"width": 2400, "height": 900})  # wide enough for cards instead of boxes
    page.goto(f"{stack.url}/locations/scriptorium/asset-groups/recordings")
    for name in ["recording", *CHAIN]:
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    expect(page.get_by_text("100% filled").first).to_be_visible()
    page.wait_for_timeout(1500)  # the graph slides into place
    page.screenshot(path=SCREENSHOTS / "graph.png")
    page.set_viewport_size(VIEWPORT)
    failed = stack.graphql(
        "{ assetNodes { assetKey { path } groupName partitionStats { numMaterialized numPartitions numFailed } } }"
    )["assetNodes"]
    chain = [node for node in failed if node["groupName"] == "recordings"]
    assert len(chain) == len(CHAIN) + 1
    for node in chain:
        stats = node["partitionStats"]
        assert stats["numFailed"] == 0, node
        assert stats["numMaterialized"] == stats["numPartitions"] == 1, node


def _picture_width(page: Page) -> float:
    """Open the first metadata entry that the UI folds away for its length, and measure the picture in it."""
    page.get_by_text("[Show Markdown]").first.click()
    picture = page.locator("img[src^='data:image/png']").first
    expect(picture).to_be_visible()
    page.wait_for_timeout(500)  # the dialog slides into place
    size = picture.bounding_box()
    assert size is not None
    return size["width"]


def test_the_metadata_picture_is_visible(stack: Stack, lecture_key: str, page: Page) -> None:
    page.goto(f"{stack.url}/assets/audio?view=partitions&partition={lecture_key}")
    assert _picture_width(page) > 200, "the waveform is too small to see"
    page.screenshot(path=SCREENSHOTS / "audio.png")


def test_notes_show_their_first_page_and_their_checks(stack: Stack, lecture_key: str, page: Page) -> None:
    page.goto(f"{stack.url}/assets/notes?view=partitions&partition={lecture_key}")
    assert _picture_width(page) > 200, "the first page is too small to see"
    page.screenshot(path=SCREENSHOTS / "notes.png")
    page.goto(f"{stack.url}/assets/notes?view=checks")
    expect(page.get_by_text("pdf_opens", exact=False).first).to_be_visible()
    page.wait_for_timeout(1000)
    page.screenshot(path=SCREENSHOTS / "checks.png")


def test_a_partition_is_materialized_by_clicking(stack: Stack, lecture_key: str, page: Page) -> None:
    before = {run["runId"] for run in stack.runs()}
    page.goto(f"{stack.url}/assets/subtitles")
    page.get_by_role("button", name="Materialize…").first.click()
    page.get_by_text("Select a partition or create one").click()
    page.get_by_role("menuitem").filter(has_text=lecture_key).click()  # the page below names the partition too
    page.keyboard.press("Escape")
    page.screenshot(path=SCREENSHOTS / "materialize.png")
    page.get_by_role("button", name="Launch 1 run").click()

    def new_run() -> dict[str, Any] | None:
        return next((run for run in stack.runs() if run["runId"] not in before), None)

    run = wait_for("the clicked run", new_run, 30)
    wait_for("its success", lambda: (new_run() or {}).get("status") == "SUCCESS", 60)
    page.goto(f"{stack.url}/runs/{run['runId']}")
    expect(page.get_by_text("Success").first).to_be_visible()
    page.wait_for_timeout(1500)
    page.screenshot(path=SCREENSHOTS / "run.png")


def test_the_sensor_and_its_ticks_are_shown(stack: Stack, lecture_key: str, page: Page) -> None:
    page.goto(f"{stack.url}/locations/scriptorium/sensors/recordings")
    expect(page.get_by_text("recordings").first).to_be_visible()
    page.wait_for_timeout(2500)
    page.screenshot(path=SCREENSHOTS / "sensor.png")


def test_three_files_within_a_second_become_three_pdfs_by_three_runs(
    stack: Stack, lecture_key: str, repo: Path, tmp_path: Path
) -> None:
    before, known = {run["runId"] for run in stack.runs()}, set(stack.partitions())
    clips = [_clip(repo / "samples" / "lecture.mp4", tmp_path / f"talk {n}.wav", 20 * n, 6) for n in range(3)]
    start = time.monotonic()
    for clip in clips:
        shutil.copy(clip, stack.home / "inbox" / "recordings")
    assert time.monotonic() - start < 1

    def made() -> set[str]:
        return {path.parent.name for path in stack.home.glob("library/recordings/talk-*/notes.pdf")}

    wait_for("three PDFs", lambda: len(made()) == 3, 120)
    assert set(stack.partitions()) - known == made()
    wait_for("their runs to end", lambda: all(run["status"] == "SUCCESS" for run in stack.runs()), 30)
    assert len({run["runId"] for run in stack.runs()} - before) == 3


def _clip(source: Path, target: Path, start_s: int, length_s: int) -> Path:
    """Seconds of a recording's sound as a WAV file of 16 kHz, mono."""
    import av

    resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
    with av.open(str(source)) as container:
        sound = b"".join(
            out.to_ndarray().tobytes() for frame in container.decode(audio=0) for out in resampler.resample(frame)
        )
    with wave.open(str(target), "wb") as out:
        out.setparams((1, 2, 16_000, 0, "NONE", "not compressed"))
        out.writeframes(sound[start_s * 32_000 : (start_s + length_s) * 32_000])
    return target


def test_a_bad_file_is_refused_in_words_and_the_next_good_one_runs(stack: Stack, lecture_key: str, repo: Path) -> None:
    inbox = stack.home / "inbox" / "recordings"
    (inbox / "not a video.mp4").write_text("this is a shopping list\n")
    shutil.copy(repo / "samples" / "lecture_ru.mp3", inbox / "Лекция.mp3")
    log = stack.home / "library" / "failures.log"
    wait_for("the refusal", lambda: log.exists() and "not a video.mp4" in log.read_text(), 60)
    wait_for("the good file", lambda: any(key.startswith("lektsiia") for key in stack.partitions()), 60)
    key = next(key for key in stack.partitions() if key.startswith("lektsiia"))
    wait_for("its run", lambda: any(("dagster/partition", key) in [(t["key"], t["value"]) for t in r["tags"]]
                                    for r in stack.runs()), 30)  # fmt: skip
    assert sum("not a video.mp4" in line for line in log.read_text().splitlines()) == 1
    assert (inbox / "not a video.mp4").read_text() == "this is a shopping list\n"

import socket
from pathlib import Path

import dagster as dg
import pytest
from pydantic import SecretStr

from assets.recordings.summary import summary
from dagster_project.partitions import recordings_partitions
from resources.speech.documents import Segment, Transcript, Word
from resources.store.io_manager import ArtifactIOManager, ArtifactStore
from resources.summary.documents import Bullet, Chapter, KeyTerm, Summary
from resources.summary.summarizing import Summarizer

KEY = "lecture~0123456789abcdef"
TEXT = """
    Good morning and welcome. A beehive is ruled by no one. The queen lays the eggs, and the workers do everything else.
    A worker bee begins her life as a cleaner of the cells. After some days the worker bee feeds the larvae in the
    cells. Later she builds the comb from wax that her own body makes. Only in her last weeks does a worker bee leave
    the hive to collect nectar. The dance of a bee tells the other workers where nectar is to be found. The angle of
    the dance gives the direction against the sun, and its length gives the distance. The workers dry the nectar with
    their wings until it becomes honey. Honey is the food on which the hive lives through the winter. In winter the bees
    form a ball around the queen and keep it warm with their muscles. In spring the old queen leaves the hive with half
    of the workers, and a young queen takes over. That is all for today.
"""


def heard(text: str, duration_s: float | None = None) -> Transcript:
    words = [
        Word(start_s=index * 0.4, end_s=index * 0.4 + 0.35, text=word, probability=0.9)
        for index, word in enumerate(text.split())
    ]
    segments = [
        Segment(
            start_s=part[0].start_s,
            end_s=part[-1].end_s,
            text=" ".join(word.text for word in part),
            words=part,
            avg_logprob=-0.2,
            no_speech_prob=0.01,
            compression_ratio=1.5,
        )
        for part in (words[start : start + 10] for start in range(0, len(words), 10))
    ]
    end_s = words[-1].end_s if words else 2.0
    return Transcript(
        language="en",
        language_probability=0.99,
        duration_s=end_s if duration_s is None else duration_s,
        speech_s=end_s,
        segments=segments,
        model="tiny.en",
        model_source="written for a test",
        device="cpu",
        compute_type="int8",
        reason="written for a test",
        settings={},
    )


class Setup:
    """A store and an instance with one recording, whose transcript is `said`."""

    def __init__(self, home: Path) -> None:
        self.instance = dg.DagsterInstance.ephemeral(str(home / "dagster"))
        self.store = ArtifactStore(root=str(home / "store"), library=str(home / "library"))
        self.said = heard(TEXT)

        @dg.asset(partitions_def=recordings_partitions)
        def transcript() -> Transcript:
            return self.said

        self.assets = [transcript, summary]
        self.instance.add_dynamic_partitions("recordings", [KEY])

    def run(self, summarizer: Summarizer | None = None) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            self.assets,
            partition_key=KEY,
            instance=self.instance,
            resources={
                "store": self.store,
                "io_manager": ArtifactIOManager(store=self.store),
                "summarizer": summarizer or Summarizer(encoder="none", offline=True),
            },
            raise_on_error=False,
        )


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {check.check_name: check for check in result.get_asset_check_evaluations()}


def test_a_summary_is_stored_with_its_preview_and_good_checks(setup: Setup) -> None:
    result = setup.run()
    assert result.success
    made = result.output_for_node("summary")
    assert isinstance(made, Summary)
    assert made.method == "extractive"
    assert {name: check.passed for name, check in checks(result).items()} == {
        "bullets_within_recording": True,
        "chapters_cover_recording": True,
        "bullets_from_transcript": True,
        "quarters_covered": True,
        "beginning_and_end_covered": True,
        "faithfulness": True,
    }
    [event] = result.asset_materializations_for_node("summary")
    assert event.metadata["bullets"].value == len(made.bullets) >= 4
    assert event.metadata["key_terms"].value == len(made.key_terms) >= 5
    assert event.metadata["chapters"].value == len(made.chapters) == 1
    assert event.metadata["points"].value == len(made.chapters[0].points)
    assert event.metadata["faithfulness"].value == 1.0
    assert event.metadata["dropped"].value == event.metadata["unsupported"].value == 0
    assert event.metadata["encoder"].value == "their words (TF-IDF)"
    assert 0 < event.metadata["compression"].value < 1  # a share of the words
    preview = event.metadata["preview"].value
    assert all(bullet.text in preview for bullet in made.bullets)
    assert "**0:00:" in preview
    assert made.chapters[0].title in preview
    assert "Key terms: " in preview


def test_made_twice_it_has_the_same_data_version(setup: Setup) -> None:
    versions = []
    for _ in range(2):
        [event] = setup.run().asset_materializations_for_node("summary")
        versions.append(event.tags["dagster/data_version"])
    assert versions[0] == versions[1]


def test_where_nobody_speaks_the_summary_is_empty_says_so_and_passes_its_checks(setup: Setup) -> None:
    setup.said = heard("")
    result = setup.run()
    assert result.success
    made = result.output_for_node("summary")
    assert (made.bullets, made.chapters, made.key_terms) == ([], [], [])
    assert all(check.passed for check in checks(result).values())
    [event] = result.asset_materializations_for_node("summary")
    assert "No words were recognised" in event.metadata["preview"].value


class Wrong(Summarizer):
    """Gives a summary that was made for another recording."""

    def summarize(self, *_: object, **__: object) -> Summary:
        bullets = [
            Bullet(time_s=1.0, text="Ants have queens too.", quoted=True),
            Bullet(time_s=2.0, text="A beehive is ruled by no one.", quoted=True),
        ]
        terms = [KeyTerm(term="ants", times_s=[9000.0])]
        chapters = [
            Chapter(start_s=0.0, end_s=20.0, title="Ants", points=[]),
            Chapter(start_s=25.0, end_s=60.0, title="Queens", points=[]),
        ]
        return Summary(
            language="en",
            bullets=bullets,
            key_terms=terms,
            method=self.model,
            reason="made wrong for a test",
            chapters=chapters,
            faithfulness=0.5,
            dropped=[Bullet(time_s=3.0, text="Ants fly to the Moon.", supported=False)],
        )


def test_what_does_not_fit_the_recording_is_refused_or_told(setup: Setup) -> None:
    result = setup.run(Wrong(model="extractive"))
    found = checks(result)
    # Less than a minute of speech: whatever is said belongs to its last minute.
    assert [name for name, check in found.items() if check.passed] == ["beginning_and_end_covered"]
    assert found["bullets_within_recording"].metadata["outside"].value == "2:30:00"
    assert found["bullets_from_transcript"].metadata["not_in_transcript"].value == "Ants have queens too."
    assert found["chapters_cover_recording"].metadata["edges"].value == "0:00:00, 0:00:20, 0:00:25, 0:01:00"
    blocking = {"bullets_within_recording", "bullets_from_transcript", "chapters_cover_recording"}
    assert {name for name, check in found.items() if check.severity == dg.AssetCheckSeverity.ERROR} == blocking


def test_the_key_of_an_endpoint_is_kept_nowhere_and_its_failure_says_what_to_do(
    tmp_path: Path, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.summary.endpoint._RETRIES", 0)  # the waits between tries last seconds
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    key = SecretStr("sk-secret-0451")
    (tmp_path / "kept").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "kept")) as setup.instance:
        setup.instance.add_dynamic_partitions("recordings", [KEY])
        result = setup.run(Summarizer(url=url, key=key, model="some-model", encoder="none", timeout_s=1))
    assert not result.success
    [failure] = [event for event in result.all_events if event.is_step_failure]
    data = failure.step_failure_data.user_failure_data
    assert data.metadata["error"].value == "EndpointFailed"
    assert "SCRIPTORIUM_SUMMARY_URL" in data.metadata["what_to_do"].value
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert any(b"some-model" in content for content in kept)
    assert not any(b"sk-secret-0451" in content for content in kept)
    assert "sk-secret-0451" not in str(result.all_events)


@pytest.mark.train
def test_a_model_that_can_not_be_had_fails_and_nothing_takes_its_place(setup: Setup) -> None:
    result = setup.run(Summarizer(model="nobody/no-such-model", offline=True))
    assert not result.success
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_failure_data.user_failure_data.metadata["error"].value == "MissingModel"
    assert not result.asset_materializations_for_node("summary")

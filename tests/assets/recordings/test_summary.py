from pathlib import Path

import dagster as dg
import pytest

from assets.recordings.summary import summary
from dagster_project.partitions import recordings_partitions
from resources.speech.documents import Segment, Transcript, Word
from resources.store.io_manager import ArtifactIOManager, ArtifactStore
from resources.summary.documents import Bullet, KeyTerm, Summary
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
                "summarizer": summarizer or Summarizer(offline=True),
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
        "quarters_covered": True,
        "bullets_from_transcript": True,
    }
    [event] = result.asset_materializations_for_node("summary")
    assert event.metadata["bullets"].value == len(made.bullets) >= 4
    assert event.metadata["key_terms"].value == len(made.key_terms) >= 5
    assert 0 < event.metadata["compression"].value < 1
    preview = event.metadata["preview"].value
    assert all(bullet.text in preview for bullet in made.bullets)
    assert "**0:00:" in preview
    assert "Key terms: " in preview


def test_made_twice_it_has_the_same_data_version(setup: Setup) -> None:
    versions = []
    for _ in range(2):
        [event] = setup.run().asset_materializations_for_node("summary")
        versions.append(event.tags["dagster/data_version"])
    assert versions[0] == versions[1]


def test_a_transcript_without_words_fails_and_is_not_tried_again(setup: Setup) -> None:
    setup.said = heard("")
    result = setup.run()
    assert not result.success
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert "no words" in str(failure.step_failure_data.user_failure_data.description)
    assert failure.step_failure_data.user_failure_data.metadata["error"].value == "BadInput"


class Wrong(Summarizer):
    """Gives a summary that was made for another recording."""

    def summarize(self, *_: object, **__: object) -> Summary:
        bullets = [
            Bullet(time_s=1.0, text="Ants have queens too."),
            Bullet(time_s=2.0, text="A beehive is ruled by no one."),
        ]
        terms = [KeyTerm(term="ants", times_s=[9000.0])]
        return Summary(
            language="en", bullets=bullets, key_terms=terms, method=self.model, reason="made wrong for a test"
        )


def test_times_past_the_end_and_invented_quotes_are_refused(setup: Setup) -> None:
    found = checks(setup.run(Wrong(model="extractive")))
    assert {name: check.passed for name, check in found.items()} == {
        "bullets_within_recording": False,
        "quarters_covered": False,
        "bullets_from_transcript": False,
    }
    assert found["bullets_within_recording"].metadata["outside"].value == "2:30:00"
    assert found["bullets_from_transcript"].metadata["not_in_transcript"].value == "Ants have queens too."
    assert found["bullets_from_transcript"].severity == dg.AssetCheckSeverity.ERROR
    assert found["quarters_covered"].severity == dg.AssetCheckSeverity.WARN


def test_what_a_model_made_up_is_a_warning(setup: Setup) -> None:
    found = checks(setup.run(Wrong(model="someone/some-model")))["bullets_from_transcript"]
    assert not found.passed
    assert found.severity == dg.AssetCheckSeverity.WARN


@pytest.mark.train
def test_a_model_that_can_not_be_had_fails_and_nothing_takes_its_place(setup: Setup) -> None:
    result = setup.run(Summarizer(model="nobody/no-such-model", offline=True))
    assert not result.success
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_failure_data.user_failure_data.metadata["error"].value == "MissingModel"
    assert not result.asset_materializations_for_node("summary")

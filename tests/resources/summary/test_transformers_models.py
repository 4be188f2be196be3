"""Real, tiny models: trained here, on the very requests they will get, until they answer them by heart."""

import itertools
import json
import logging
import re
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from resources.errors import MissingModel
from resources.progress import Step, listening
from resources.speech.documents import Transcript
from resources.summary.chapters import Stretch
from resources.summary.length import bullets_for
from resources.summary.sentences import sentences
from resources.summary.summarizing import Summarizer
from resources.summary.support import Support
from resources.summary.transformers_models import TransformersWriter
from resources.summary.vocabulary import Vocabulary
from resources.summary.writer import Answer, WriterFailed
from resources.summary.writing import write

Untrained = Callable[[Path, str, str, int], None]
Answers = dict[str, str]
LOG = logging.getLogger(__name__)
pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]


class Kept(dict[str, bytes]):
    """Answers in memory, with the scratch's two methods."""

    def put(self, name: str, content: bytes) -> None:
        self[name] = content


class Teacher(TransformersWriter):
    """The model with its own tokenizer and measure, whose answers are given by rule; they become its lessons."""

    answers: Answers

    def ask(self, requests: Sequence[str], longest: int, *, again: bool = False) -> list[Answer]:
        return [Answer(self.taught(request), False) for request in requests]

    def taught(self, request: str) -> str:
        text = request.split("\n\n", 1)[1].replace("<say>", "")
        count = int(re.search(r"(?:list the|into the) (\d+)", request)[1])  # type: ignore[index]
        if text.startswith("- "):
            points = text.strip().splitlines()[:count]
        else:
            said = [part for part in re.split(r"(?<=[.])\s+", text) if 4 < len(part.split()) < 24]
            points = [f"- {part}" for part in said[:: max(1, len(said) // count)][:count]]
            points = ["Title: The forces of the tide", *points]
        self.answers[request] = "\n".join(points)
        return self.answers[request]


def teach(folder: Path, answers: Answers) -> None:
    """Train the model in `folder` until it gives every answer by heart."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    config = transformers.AutoConfig.from_pretrained(folder)
    pairs = config.is_encoder_decoder
    maker = transformers.AutoModelForSeq2SeqLM if pairs else transformers.AutoModelForCausalLM
    model = maker.from_pretrained(folder).train()
    batch = []
    for request, answer in answers.items():
        asked = tokenizer(request, add_special_tokens=False)["input_ids"]
        said = [*tokenizer(answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        batch.append((asked, said) if pairs else (asked + said, [-100] * len(asked) + said))

    def padded(rows: list[list[int]], filler: int) -> torch.Tensor:
        longest = max(map(len, rows))
        return torch.tensor([row + [filler] * (longest - len(row)) for row in rows])

    asked = padded([row for row, _ in batch], tokenizer.pad_token_id)
    inputs = {
        "input_ids": asked,
        "attention_mask": (asked != tokenizer.pad_token_id).long(),
        "labels": padded([row for _, row in batch], -100),
    }
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    for _ in range(400):
        loss = model(**inputs).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if loss.item() < 0.02:
            break
    assert loss.item() < 0.05
    model.eval().save_pretrained(folder)


@pytest.fixture(scope="module", params=["llama", "t5"])
def taught(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    short_lecture: Transcript,
    make_untrained: Untrained,
) -> tuple[Path, list[str]]:
    """A trained model's folder, and the bullets it was taught to give for `short_lecture`."""
    folder = tmp_path_factory.mktemp(request.param)
    make_untrained(folder, request.param, short_lecture.text, 330)
    teacher = Teacher(request.param, folder, "cpu")
    teacher.answers = {}
    said = sentences(short_lecture)
    whole = [Stretch(0, len(said), short_lecture.duration_s)]
    support = Support(said, Vocabulary("en"))
    made = write(said, whole, support, teacher, "English", bullets_for(short_lecture.duration_s), LOG)
    teach(folder, teacher.answers)
    return folder, [bullet.text for bullet in made.bullets]


def test_a_model_by_path_writes_the_summary(taught: tuple[Path, list[str]], short_lecture: Transcript) -> None:
    folder, expected = taught
    steps: list[Step] = []
    with listening(steps.append):
        summary = Summarizer(model=str(folder), device="cpu", offline=True).summarize(short_lecture, LOG)
    assert [bullet.text for bullet in summary.bullets] == expected
    starts = {sentence.text: sentence.start_s for sentence in sentences(short_lecture)}
    assert [bullet.time_s for bullet in summary.bullets] == [starts[text] for text in expected]
    assert summary.method == str(folder)
    assert "cpu, float32" in summary.reason
    assert summary.key_terms
    assert summary.faithfulness == 1.0
    assert [chapter.title for chapter in summary.chapters] == ["The forces of the tide"]
    assert steps[-1].done == steps[-1].total >= 2


def test_kept_answers_are_not_asked_for_again(
    taught: tuple[Path, list[str]], short_lecture: Transcript, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = taught
    kept = Kept()
    summarizer = Summarizer(model=str(folder), device="cpu", offline=True)
    first = summarizer.summarize(short_lecture, LOG, kept)
    assert kept

    def refuse(*_: object, **__: object) -> list[Answer]:
        raise AssertionError("asked again")

    monkeypatch.setattr(TransformersWriter, "ask", refuse)
    assert summarizer.summarize(short_lecture, LOG, kept) == first


def test_an_interruption_stops_the_model_between_two_tokens(untrained: Path) -> None:
    # Without an end-of-text token this model talks until it is stopped.
    for name in ("config.json", "generation_config.json"):
        held = json.loads((untrained / name).read_text())
        (untrained / name).write_text(json.dumps({**held, "eos_token_id": None, "pad_token_id": 0}))
    writer = TransformersWriter("endless", untrained, "cpu")
    writer._answer_limit = 10**6
    writer._model.config.max_position_embeddings = 10**6
    started = time.monotonic()
    threading.Timer(1.0, lambda: signal.raise_signal(signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        writer.ask(["Tell me everything."], 10**6)
    assert time.monotonic() - started < 10


def test_a_part_without_an_answer_is_an_error(untrained: Path, short_lecture: Transcript) -> None:
    """A model whose every token is the end of the text says nothing, however often it is asked."""
    import torch
    import transformers

    model = transformers.LlamaForCausalLM.from_pretrained(untrained)
    with torch.no_grad():
        model.lm_head.weight.zero_()
    model.generation_config.suppress_tokens = [token for token in range(model.config.vocab_size) if token != 1]
    model.save_pretrained(untrained)
    with pytest.raises(WriterFailed, match=r"no points for part 1 of \d"):
        Summarizer(model=str(untrained), device="cpu", offline=True).summarize(short_lecture, LOG)


@pytest.mark.parametrize("name", ["nobody/no-such-model", "/no/such/folder", "not a name!"])
def test_a_model_that_is_nowhere_is_named(short_lecture: Transcript, tmp_path: Path, name: str) -> None:
    with pytest.raises(MissingModel, match=re.escape(name)):
        Summarizer(model=name, cache=str(tmp_path), offline=True).summarize(short_lecture, LOG)


def test_a_folder_without_a_model_is_named(short_lecture: Transcript, tmp_path: Path) -> None:
    with pytest.raises(MissingModel, match="can't be loaded"):
        Summarizer(model=str(tmp_path), offline=True).summarize(short_lecture, LOG)


def teach_parrot(folder: Path, phrase: str) -> None:
    """Make the model in `folder` say `phrase` whatever it is asked: each of its tokens is followed by the next one."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    size = len(tokenizer)
    config = transformers.LlamaConfig(
        vocab_size=size,
        hidden_size=size,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        head_dim=8,
        max_position_embeddings=2048,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
        tie_word_embeddings=False,
    )
    model = transformers.LlamaForCausalLM(config)
    says = [tokenizer.convert_tokens_to_ids("<say>"), *tokenizer(phrase)["input_ids"], tokenizer.eos_token_id]
    assert len(set(says)) == len(says)  # each token has one successor
    with torch.no_grad():
        for parameter in model.model.layers.parameters():
            parameter.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(size))
        model.lm_head.weight.zero_()
        for one, following in itertools.pairwise(says):
            model.lm_head.weight[following, one] = 1.0
    model.save_pretrained(folder)


def test_a_sentence_in_the_last_minute_of_two_hours_reaches_the_summary(
    tmp_path: Path, talked: Callable[..., Transcript], make_untrained: Untrained
) -> None:
    """With a model that speaks of the first minutes whatever it is given."""
    marker = "Remember: the exam is on the fourteenth of May in room two hundred and twelve."
    transcript = talked("en", 120, marker)
    phrase = "- Magma makes lava under a volcano."
    make_untrained(tmp_path, "llama", f"{transcript.text[:4000]} {phrase}", 2048)
    teach_parrot(tmp_path, phrase)
    made = Summarizer(model=str(tmp_path), device="cpu", encoder="none", offline=True).summarize(transcript, LOG)
    points = [point for chapter in made.chapters for point in chapter.points]
    assert marker in [bullet.text for bullet in [*made.bullets, *points]]
    assert [bullet.text for bullet in made.bullets] == ["Magma makes lava under a volcano."]
    assert made.faithfulness < 0.5  # in most chapters nobody speaks of magma
    assert {bullet.text for bullet in made.dropped} == {"Magma makes lava under a volcano."}
    assert all(chapter.points for chapter in made.chapters[1:])
    assert all(point.quoted for chapter in made.chapters[2:8] for point in chapter.points)


def in_one_batch_as_alone(writer: TransformersWriter, text: str) -> list[Answer]:
    requests = ["The Moon pulls.", text[:400], "Water is left behind on the far side of the Earth."]
    alone = [writer.ask([request], 12)[0] for request in requests]
    assert writer.batch >= len(requests)
    assert writer.ask(requests, 12) == alone
    return alone


def test_a_decoder_answers_requests_of_any_length_in_one_batch_as_alone(
    untrained: Path, short_lecture: Transcript
) -> None:
    found = in_one_batch_as_alone(TransformersWriter("tiny", untrained, "cpu"), short_lecture.text)
    assert len({answer.text for answer in found}) > 1


@pytest.mark.parametrize("taught", ["t5"], indirect=True)
def test_an_encoder_and_decoder_answers_in_one_batch_as_alone(
    taught: tuple[Path, list[str]], short_lecture: Transcript
) -> None:
    found = in_one_batch_as_alone(TransformersWriter("tiny", taught[0], "cpu"), short_lecture.text)
    assert all(answer.text for answer in found)

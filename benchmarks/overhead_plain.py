"""The yardstick of `overhead.py`: recording to notes in one plain script, without Dagster and without a store.

The same libraries with the same settings: PyAV to 16 kHz FLAC, faster-whisper's own batched pipeline (beam 5, word
timestamps, VAD), the built-in summarizer, fpdf2. The model is loaded once for all files.

    python benchmarks/overhead_plain.py MODEL_FOLDER CACHE OUT BATCH_SIZE FILE...
"""

import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from faster_whisper import BatchedInferencePipeline, WhisperModel

from resources.media import sound
from resources.notes import fonts
from resources.notes.content import Origin, compose
from resources.notes.glyphs import Glyphs
from resources.notes.markdown import markdown
from resources.notes.pdf import draw
from resources.speech import subtitles
from resources.speech.documents import Segment, Transcript, Word
from resources.speech.windows import VAD
from resources.summary import extractive, key_terms
from resources.summary import length as summary_length
from resources.summary.documents import Bullet, Summary
from resources.summary.sentences import sentences
from resources.summary.vocabulary import Vocabulary


def transcribe(pipeline: BatchedInferencePipeline, flac: Path, duration_s: float, batch_size: int) -> Transcript:
    found, info = pipeline.transcribe(
        str(flac), beam_size=5, batch_size=batch_size, word_timestamps=True, temperature=0.0, vad_parameters=VAD
    )
    segments = [
        Segment(
            start_s=s.start, end_s=s.end, text=s.text.strip(), avg_logprob=s.avg_logprob,
            no_speech_prob=s.no_speech_prob, compression_ratio=s.compression_ratio,
            words=[Word(start_s=w.start, end_s=w.end, text=w.word.strip(), probability=w.probability) for w in s.words],
        )
        for s in found
    ]  # fmt: skip
    return Transcript(
        language=info.language, language_probability=info.language_probability, duration_s=duration_s,
        speech_s=info.duration_after_vad, segments=segments, model="plain", model_source="folder", device="cpu",
        compute_type="int8", reason="", settings={},
    )  # fmt: skip


def main(model: str, cache: Path, out: Path, batch_size: int, files: list[Path]) -> None:
    log = logging.getLogger("plain")
    speech = WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=len(os.sched_getaffinity(0)))
    pipeline = BatchedInferencePipeline(speech)
    faces = fonts.faces(cache)
    for file in files:
        folder = out / file.stem
        folder.mkdir(parents=True)
        heard = sound.extract(file, folder / "audio.flac", log)
        transcript = transcribe(pipeline, folder / "audio.flac", heard.duration_s, batch_size)
        said = sentences(transcript)
        vocabulary = Vocabulary(transcript.language)
        vocabulary.learn(sentence.text for sentence in said)
        chosen = extractive.choose(said, vocabulary, summary_length.bullets_for(transcript.duration_s))
        summary = Summary(
            language=transcript.language,
            bullets=[Bullet(time_s=sentence.start_s, text=sentence.text) for sentence in chosen],
            key_terms=key_terms.key_terms(said, vocabulary, summary_length.terms_for(transcript.duration_s)),
            method="extractive",
            reason="",
        )
        origin = Origin(file.stem, file.name, "", datetime.now(UTC), heard.duration_s)
        notes = compose(origin, transcript, summary, [], {})
        printed = notes.mapped(Glyphs(fonts.coverage(faces)).clean)
        (folder / "notes.pdf").write_bytes(draw(printed, {}, faces, "A4").content)
        (folder / "notes.md").write_text(markdown(notes))
        (folder / "transcript.srt").write_text(subtitles.srt(subtitles.cues_of(transcript)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), [Path(name) for name in sys.argv[5:]])

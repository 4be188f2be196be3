"""Files that people and programs write: what is forgiven, and what is named."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3

from resources.errors import BadInput
from resources.speech.edited import Edited, Piece, read_edited

Read = Callable[..., Edited]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def made(content: str | bytes, name: str = "edited.txt", duration_s: float = 100.0) -> Edited:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_edited(path, duration_s)

    return made


def test_plain_text_with_mark_and_other_line_ends(read: Read) -> None:
    content = "\ufeffДобрый день.\r\n\r\n  И  вам.\r\n".encode()
    found = read(content, "мой текст.txt")
    assert (found.name, found.digest, found.kind) == ("мой текст.txt", blake3(content).hexdigest(), "text")
    assert found.pieces == (Piece("line 1", "Добрый день."), Piece("line 3", "И вам."))


SUBRIP = (
    "\ufeff1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>Good</i> {\\an8}morning\r\nto 5 < 6 all.\r\n\r\n\r\n"
    "00:00:03.5 --> 00:00:04,25 X1:100\r\n1984\r\n\r\nstill this cue\r\n"
    "3\r\n01:30 --> 01:31\r\nNo blank line before.\r\n"
)


def test_subrip_as_forgiving_as_players(read: Read) -> None:
    assert read(SUBRIP, "a.srt").pieces == (
        Piece("line 2", "Good morning to 5 < 6 all.", 1.0, 2.5),
        Piece("line 7", "1984 still this cue", 3.5, 4.25),
        Piece("line 12", "No blank line before.", 90.0, 91.0),
    )
    assert read(SUBRIP, "subtitles.txt").kind == "srt", "whatever it is called"


WEBVTT = (
    "WEBVTT - a talk\nKind: captions\n\nNOTE about it\nall\n\nSTYLE\n::cue { color: red }\n\n"
    "opening\n00:01.000 --> 00:02.000 align:start\n<v Ada>Fish &amp; chips<00:01.500> &lt;3\n\nNOTE not said\n\n"
    "00:03.000 --> 00:04.000\n- Yes.\n- No.\n"
)


def test_webvtt_with_remarks_names_and_styles(read: Read) -> None:
    found = read(WEBVTT, "a.vtt")
    assert found.kind == "vtt"
    assert [(piece.text, piece.start_s) for piece in found.pieces] == [("Fish & chips <3", 1.0), ("- Yes. - No.", 3.0)]


def test_webvtt_with_blank_lines_too_few_and_too_many_loses_no_words(read: Read) -> None:
    content = (
        "WEBVTT\n\n00:01.000 --> 00:02.000\nGood morning.\n00:03.000 --> 00:04.000\nTwo parts\n\nof one cue.\n\n"
        "NOTE not said\nnor this\n\nlast\n00:05.000 --> 00:06.000\nEnd.\n"
    )
    assert [piece.text for piece in read(content).pieces] == ["Good morning.", "Two parts of one cue.", "End."]


def test_angle_brackets_and_arrows_among_words_stay(read: Read) -> None:
    subrip = "1\n00:01,000 --> 00:02,000\nWhere x<y and z>w, <b>a<c and d></b> <font color='red'>holds</FONT>.\n"
    assert read(subrip, "a.srt").pieces[0].text == "Where x<y and z>w, a<c and d> holds."
    assert read("From A --> B.\n", "a.txt").pieces == (Piece("line 1", "From A --> B."),)


def test_signs_that_no_file_can_hold_are_left_out_of_json_too(read: Read) -> None:
    content = (
        r'[{"text": "a\u0000b \ud800c \ud83d\ude00", "speaker": "A\u0007",'
        r' "words": [{"word": "a\u0001b", "start": 0, "end": 1}]}]'
    )
    piece = read(content, "a.json").pieces[0]
    assert (piece.text, piece.speaker) == ("a b c \U0001f600", "A")
    assert piece.words is not None
    assert [word.text for word in piece.words] == ["a", "b"]


def test_json_as_a_list_and_with_words_that_lack_times(read: Read) -> None:
    segments = [
        {"start": 1, "end": 2.5, "text": " Hi ", "speaker": " A ", "words": [{"word": " Hi", "start": 1, "end": 2}]},
        {"text": "4 fish", "words": [{"word": "4"}, {"word": "fish", "start": 3, "end": 4}]},
        {"text": " "},
    ]
    first, second = read(json.dumps(segments), "a.json").pieces
    assert (first.text, first.start_s, first.end_s, first.speaker) == ("Hi", 1.0, 2.5, "A")
    assert first.words is not None
    assert [(word.text, word.start_s, word.end_s) for word in first.words] == [("Hi", 1.0, 2.0)]
    assert (second.text, second.start_s, second.words) == ("4 fish", None, None)


@pytest.mark.parametrize(
    ("name", "content", "message", "remedy"),
    [
        ("a.txt", "", "a.txt holds no words", "not an empty file"),
        ("a.vtt", "WEBVTT\n", "a.vtt holds no words", "not an empty file"),
        ("a.txt", "ok\nein Fuß".encode("latin-1"), "a.txt, line 2: this is not UTF-8", "UTF-8"),
        ("a.txt", "word".encode("utf-16"), "line 1: this is not UTF-8", "UTF-8"),
        ("a.txt", b"PK\x00\x01", "no text", "UTF-8"),
        ("a.docx", b"PK\x03\x04 and so on", "a Word or PDF file", "transcript.txt"),
        ("a.pdf", b"%PDF-1.7", "a Word or PDF file", "transcript.txt"),
        ("a.md", "**0:00:01** Good morning", "is Markdown", "transcript.txt"),
        ("a.srt", "1\n00:00:01,000 --> soon\nHi\n", 'line 2: "00:00:01,000 --> soon" is no time', "00:01:02,500"),
        ("a.srt", "00:00:61,000 --> 00:01:62,000\nHi\n", "line 1", "00:01:02,500"),
        ("a.srt", "00:00:02,0 --> 00:00:01,0\nHi\n", "line 1: it begins at 0:00:02 and ends before", "times"),
        ("a.srt", "00:00:02,0 --> 00:02:01,0\nHi\n", "ends at 0:02:01, but the recording at 0:01:40", "this recording"),
        (
            "a.srt",
            "00:02,0 --> 00:03,0\nB\n\n00:01,0 --> 00:04,0\nA\n",
            "line 4: it begins at 0:00:01, before",
            "order",
        ),
        ("a.json", "good", "line 1: a JSON transcript begins with {", "transcript.json"),
        ("a.json", '{"segments": [\n{"text": "a",}]}', "line 2: ", "Mend"),
        ("a.json", '{"text": "a"}', 'no list "segments"', "keep its form"),
        ("a.json", '{"segments": [{"text": "a"}, {"start": 1}]}', 'segment 2: it has no "text"', '"start": 1.5'),
        ("a.json", '[{"text": "a", "start": true, "end": 2}]', 'segment 1: "start" is true', "61.5"),
        ("a.json", '[{"text": "a", "start": 1}]', 'segment 1: "end" is null', "61.5"),
        ("a.json", '[{"text": "a", "start": 1, "end": NaN}]', '"end" is NaN', "61.5"),
        ("a.json", '[{"text": "a", "speaker": 1}]', '"speaker" is no text', '"A"'),
        ("a.json", '[{"text": "a", "words": [1]}]', "word 1 has no", '"words" out'),
        ("a.json", f'[{{"text": "a", "start": 1{"0" * 400}, "end": 2}}]', '"start" is 1000', "61.5"),
        ("a.json", f'[{{"text": "a", "start": 1{"0" * 5000}, "end": 2}}]', "a.json can't be read", "keep its form"),
        ("a.json", "[" * 100_000, "nested too deeply", "keep its form"),
    ],
    ids=range(25),
)
def test_what_is_wrong_is_named_with_its_line_and_what_to_do(
    read: Read, name: str, content: str | bytes, message: str, remedy: str
) -> None:
    with pytest.raises(BadInput) as raised:
        read(content, name)
    assert message in raised.value.message
    assert remedy in raised.value.remedy


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="There is no file"):
        read_edited(tmp_path / "none.txt", 10.0)

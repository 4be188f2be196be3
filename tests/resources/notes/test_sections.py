from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from resources.notes.sections import (
    Omission,
    Paragraph,
    Picture,
    Section,
    Word,
    cut_chapters,
    cut_sections,
    paragraphs,
)


def spoken(text: str, start_s: float = 0.0, pace_s: float = 0.5, pause_s: float = 0.1) -> list[Word]:
    """The words of `text` at an even pace, with a pause after each sentence."""
    said: list[Word] = []
    for word in text.split():
        said.append(Word(start_s, start_s + pace_s, word, False))
        start_s += pace_s + (pause_s if word.endswith(".") else 0.0)
    return said


def slide(time_s: float) -> Picture:
    return Picture(f"slide-{time_s}.jpg", time_s, 1280, 720)


def texts(sections: list[Section]) -> list[str]:
    return [" ".join(block.text(" ") for block in section.paragraphs) for section in sections]


timed = st.lists(st.tuples(st.floats(0, 30), st.floats(0, 4), st.sampled_from(["a", "b.", "c?"])), max_size=80)


@given(timed, st.lists(st.floats(0, 900), max_size=20))
def test_no_word_and_no_slide_is_lost_or_moved(steps: list[tuple[float, float, str]], shown: list[float]) -> None:
    said, now = [], 0.0
    for wait, length, text in steps:
        said.append(Word(now + wait, now + wait + length, text, False))
        now += wait + length
    pictures = [slide(time_s) for time_s in sorted(shown)]
    sections = cut_sections(said, pictures)
    assert [word for section in sections for block in section.paragraphs for word in block.words] == said
    assert [picture for section in sections for picture in section.pictures] == pictures
    assert all(block.words for section in sections for block in section.paragraphs)
    assert [section.part for section in sections if not section.pictures] == list(
        range(1, sum(not section.pictures for section in sections) + 1)
    )


def test_a_slide_begins_with_the_sentence_it_interrupts_by_a_moment() -> None:
    said = spoken("One two three four. Five six seven eight.")
    assert texts(cut_sections(said, [slide(0), slide(2.9)])) == ["One two three four.", "Five six seven eight."]
    assert texts(cut_sections(said, [slide(0), slide(1.2)])) == ["One two three four.", "Five six seven eight."]


def test_far_from_any_sentence_a_slide_begins_with_the_next_word() -> None:
    said = spoken("a b c d e f g h i j k l m n o p q r s t")
    assert texts(cut_sections(said, [slide(0), slide(5.1)])) == ["a b c d e f g h i j k", "l m n o p q r s t"]


def test_speech_before_the_first_slide_comes_before_it() -> None:
    sections = cut_sections(spoken("One two three four five six. Seven eight."), [slide(3.1)])
    assert [len(section.pictures) for section in sections] == [0, 1]
    assert texts(sections) == ["One two three four five six.", "Seven eight."]


def test_slides_without_speech_between_them_share_a_section() -> None:
    sections = cut_sections(spoken("Hello there. Good day.", start_s=20), [slide(0), slide(5), slide(10)])
    assert [[picture.time_s for picture in section.pictures] for section in sections] == [[0, 5, 10]]


def test_slides_without_any_speech_stay() -> None:
    [section] = cut_sections([], [slide(1), slide(2)])
    assert len(section.pictures) == 2
    assert section.paragraphs == ()


def test_a_long_recording_is_cut_into_parts_at_pauses() -> None:
    said = [word for minute in range(0, 30) for word in spoken("Some words were said. " * 20, start_s=minute * 60)]
    sections = cut_sections(said, [])
    assert 4 <= len(sections) <= 6  # half an hour in parts of five to seven minutes
    assert all(section.start_s % 60 == 0 for section in sections)


def test_three_hours_make_no_more_parts_than_fit_on_a_page() -> None:
    said = [word for minute in range(0, 180) for word in spoken("Some words were said. " * 20, start_s=minute * 60)]
    assert 20 <= len(cut_sections(said, [])) <= 30  # 30 at most, of six minutes up to 1.4 times as much


def test_a_short_recording_without_slides_is_one_section() -> None:
    assert len(cut_sections(spoken("Some words were said. " * 100), [])) == 1


def test_a_paragraph_ends_at_a_long_pause_but_not_after_a_few_words() -> None:
    sentence = "These are in all exactly eight words long. " * 2
    first = spoken(sentence)
    after = spoken(sentence, start_s=first[-1].end_s + 3)
    assert len(paragraphs([*first, *after])) == 2
    few = spoken("Just this.")
    assert len(paragraphs([*few, *spoken(sentence, start_s=few[-1].end_s + 3)])) == 1
    assert len(paragraphs([*few, *spoken(sentence, start_s=few[-1].end_s + 10)])) == 2


def test_speech_without_a_pause_or_a_stop_is_cut_all_the_same() -> None:
    assert max(len(block.words) for block in paragraphs(spoken("word " * 1000))) <= 220
    assert max(len(block.words) for block in paragraphs(spoken("This is a sentence. " * 200, pause_s=0))) <= 113


def test_a_section_is_named_after_its_first_sentence() -> None:
    [section] = cut_sections(spoken("So. Water rises in trees. It is pulled."), [])
    assert section.opening(" ") == "So. Water rises in trees."
    [section] = cut_sections(spoken("word, " * 40), [])
    assert section.opening(" ").endswith("word…")
    assert len(section.opening(" ")) <= 65


def voiced(text: str, speaker: str, start_s: float) -> list[Word]:
    return [replace(word, speaker=speaker) for word in spoken(text, start_s)]


def test_a_paragraph_ends_where_another_person_speaks_and_names_who_begins() -> None:
    said = [*voiced("How are you?", "A", 0), *voiced("Fine.", "B", 2), *voiced("Good.", "A", 3)]
    blocks = paragraphs(said)
    assert [(block.speaker, block.text(" ")) for block in blocks if isinstance(block, Paragraph)] == [
        ("A", "How are you?"),
        ("B", "Fine."),
        ("A", "Good."),
    ]
    long = paragraphs(voiced("This is a sentence. " * 100, "A", 0))
    assert [block.speaker for block in long if isinstance(block, Paragraph)] == ["A", None, None, None]


def test_what_was_left_out_is_marked_where_it_was_and_neighbours_are_one() -> None:
    gaps = [Omission(1.0, 2.0, 1, ("loop",)), Omission(1.5, 4.0, 1, ("rate",))]
    said = sorted([*spoken("One two."), *spoken("Three four.", start_s=5), *gaps], key=lambda item: item.start_s)
    first, gap, second = paragraphs(said)
    assert isinstance(first, Paragraph)
    assert isinstance(second, Paragraph)
    assert (first.text(" "), second.text(" ")) == ("One two.", "Three four.")
    assert gap == Omission(1.0, 4.0, 2, ("loop", "rate"))


@given(timed, st.lists(st.floats(0, 900), max_size=20), st.lists(st.floats(0, 900), min_size=1, max_size=9))
def test_chapters_lose_no_word_and_no_slide(
    steps: list[tuple[float, float, str]], shown: list[float], starts: list[float]
) -> None:
    said, now = [], 0.0
    for wait, length, text in steps:
        said.append(Word(now + wait, now + wait + length, text, False))
        now += wait + length
    pictures = [slide(time_s) for time_s in sorted(shown)]
    chapters = cut_chapters(said, pictures, sorted(starts))
    assert len(chapters) == len(starts)
    sections = [section for chapter in chapters for section in chapter]
    assert [word for section in sections for block in section.paragraphs for word in block.words] == said
    assert [picture for section in sections for picture in section.pictures] == pictures
    assert [section.first_slide for section in sections if section.pictures] == [
        1 + sum(len(before.pictures) for before in sections[:at])
        for at, section in enumerate(sections)
        if section.pictures
    ]


def test_a_chapter_begins_with_its_first_word_and_a_slide_goes_with_what_is_said_over_it() -> None:
    said = [*spoken("One two three four."), *spoken("Five six seven eight.", start_s=10)]
    # The slide appears a second before the second chapter's first word.
    first, second = cut_chapters(said, [slide(9.0)], [0.0, 10.0])
    assert texts(first) == ["One two three four."]
    assert texts(second) == ["Five six seven eight."]
    assert [len(section.pictures) for section in (*first, *second)] == [0, 1]

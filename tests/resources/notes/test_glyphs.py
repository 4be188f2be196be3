import pytest

from resources.notes.glyphs import Glyphs

LATIN_AND_CYRILLIC = frozenset([*range(0x20, 0x7F), *range(0xC0, 0x250), *range(0x400, 0x460), 0x301, 0xFFFD])


@pytest.mark.parametrize(
    ("text", "shown", "replaced"),
    [
        ("plain text", "plain text", 0),
        ("Привет, ёжик", "Привет, ёжик", 0),
        ("cafe\u0301", "café", 0),
        ("за\u0301мок", "за\u0301мок", 0),
        ("tree 🌱.", "tree �.", 1),
        ("a 👩‍🔬 works", "a � works", 1),
        ("thumbs 👍🏽 up", "thumbs � up", 1),
        ("日本", "��", 2),
        ("👍👍", "��", 2),
        ("ｆｕｌｌ", "full", 0),
        ("one\ntwo\tthree\u00a0four", "one two three four", 0),
        ("be\u00adtween\u200b \x00\x07end", "between end", 0),
        ("\ud800", "�", 1),
        ("", "", 0),
    ],
)
def test_what_no_font_has_is_replaced_and_counted(text: str, shown: str, replaced: int) -> None:
    glyphs = Glyphs(LATIN_AND_CYRILLIC)
    assert glyphs.clean(text) == shown
    assert glyphs.replaced == replaced


def test_the_count_goes_on_over_several_texts() -> None:
    glyphs = Glyphs(LATIN_AND_CYRILLIC)
    for _ in range(3):
        glyphs.clean("♪ la la ♪")
    assert glyphs.replaced == 6


def test_the_stand_in_is_itself_in_the_fonts() -> None:
    assert Glyphs(frozenset(range(0x20, 0x7F))).stand_in == "?"

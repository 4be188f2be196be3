"""The file of answers, and figures where the files say what is true."""

import csv
import io

import numpy as np
import pytest

pytest.importorskip("torch")

from assets.sentiment import answers, questions
from assets.sentiment.labels import Options

pytestmark = pytest.mark.train
LABELS = ("negative", "positive")


def rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


def test_files_with_other_columns_share_one_table() -> None:
    first = questions.read("a.csv", b"text,label,user\n=1+1 is bad,neg,+49 30\n,neg,gone\nfine,pos,-5\n", Options())
    second = questions.read("b.txt", b"@somebody well\n", Options())
    shares = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    table = rows(answers.table([first, second], LABELS, shares))
    assert table[0] == ["file", "line", "text", "label", "p_negative", "p_positive", "label (input)", "user"]
    assert table[1] == ["a.csv", "2", "'=1+1 is bad", "negative", "0.900000", "0.100000", "neg", "'+49 30"]
    assert table[2] == ["a.csv", "4", "fine", "positive", "0.200000", "0.800000", "pos", "-5"]
    assert table[3] == ["b.txt", "1", "'@user well", "negative", "0.500000", "0.500000", "", ""]


def test_columns_that_repeat_are_all_kept() -> None:
    asked = questions.read("a.csv", b"text,x,x,line,\nvery well,1,2,3,4\n", Options())
    table = rows(answers.table([asked], LABELS, np.array([[0.4, 0.6]])))
    assert table[0][6:] == ["x", "x (2)", "line (input)", "column 5"]
    assert table[1][6:] == ["1", "2", "3", "4"]


def test_figures_are_of_the_rows_with_a_label_alone() -> None:
    asked = questions.read("a.csv", b"text,label\na b,pos\nc d,neg\ne f,neutral\ng h,pos\n", Options())
    shares = np.array([[0.1, 0.9], [0.3, 0.7], [0.0, 1.0], [1.0, 0.0]])
    found = answers.compared([asked], LABELS, shares)
    assert found == pytest.approx({"labelled": 3, "accuracy": 1 / 3, "macro_f1": 0.25, "macro_recall": 0.25}, abs=1e-6)
    one_class = questions.read("a.csv", b"text,label\na b,pos\nc d,pos\n", Options())
    assert answers.compared([one_class], LABELS, shares[:2]) == {"labelled": 2, "accuracy": 1.0}
    assert answers.compared([questions.read("a.txt", b"x\n", Options())], LABELS, shares[:1]) == {}

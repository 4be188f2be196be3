"""The inboxes of the training products `cifar10` and `housing`.

Belongs here: which folder feeds which job. Does not belong here: how a folder is watched (`batches.py`), what follows
from a new dataset (`chain.py`), and what the jobs do (`jobs/training.py`).
"""

from pathlib import Path

import dagster as dg

from resources.intake.batch_events import Batches
from resources.intake.files import Names
from sensors.batches import always, batch_sensor, first_made
from sensors.chain import CHAIN_TAG
from sensors.inbox import Limits

IMAGES = Names(
    taken=frozenset({
        ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif",
        ".tiff", ".webp",
    }),
    never=frozenset(),
)  # fmt: skip
"""What Pillow reads without plugins, and people have. Files of other names are left alone."""
TABLES = Names(taken=frozenset({".csv"}), never=frozenset())

CIFAR10_IMAGES = Batches("cifar10_images", "cifar10_batches", IMAGES, "cifar10_predict", "cifar10_predictions")
HOUSING_FILES = Batches("housing_files", None, TABLES, "housing_prepare", "housing_dataset")
HOUSING_QUESTIONS = Batches("housing_questions", "housing_batches", TABLES, "housing_predict", "housing_predictions")


def cifar10_inbox(*, folder: Path, failures: Path, limits: Limits) -> dg.SensorDefinition:
    """The sensor `cifar10_images`: one run of `cifar10_predict` for the images dropped together into `folder`."""
    return batch_sensor(
        name="cifar10_images",
        batches=CIFAR10_IMAGES,
        folder=folder,
        limits=limits,
        failures=failures,
        ready=first_made("cifar10_champion", by="scriptorium train cifar10"),
        description=(
            f"Takes the images dropped into {folder}, subfolders included, once all of them have stopped changing, as"
            " one batch: one partition and one run, at most 5,000 images. Images that were taken before make no new"
            " batch, whatever they are called. They wait until there is a champion."
        ),
    )


def housing_inbox(*, folder: Path, questions: Path, failures: Path, limits: Limits) -> dg.SensorDefinition:
    """The sensor `housing_files`: a run of `housing_prepare` when the contents of `folder` have changed.

    `questions` is the folder in it that `housing_questions_inbox` watches.
    """
    return batch_sensor(
        name="housing_files",
        batches=HOUSING_FILES,
        folder=folder,
        exclude=[questions],
        limits=limits,
        failures=failures,
        ready=always,
        tags={CHAIN_TAG: "inbox"},
        description=(
            f"Takes all CSV files in {folder} together, once they have stopped changing, and makes the dataset of them"
            " anew whenever one was added, removed or edited; training and the choice of the champion follow. Names"
            " do not matter, nor does their order."
        ),
    )


def housing_questions_inbox(*, folder: Path, failures: Path, limits: Limits) -> dg.SensorDefinition:
    """The sensor `housing_questions`: one run of `housing_predict` for the CSV files dropped together into `folder`."""
    return batch_sensor(
        name="housing_questions",
        batches=HOUSING_QUESTIONS,
        folder=folder,
        limits=limits,
        failures=failures,
        ready=first_made("housing_champion", by="scriptorium train housing"),
        description=(
            f"Takes the CSV files dropped into {folder} together, once they have stopped changing, as one batch: one"
            " partition and one run that estimates the prices. They wait until there is a champion."
        ),
    )

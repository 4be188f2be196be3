"""Every PartitionsDefinition of the platform."""

from pathlib import Path

import dagster as dg

from resources.training import presets

_ASSETS = Path(__file__).resolve().parent.parent / "assets"

recordings_partitions = dg.DynamicPartitionsDefinition(name="recordings")
"""One key per recording: `<slug of the file's stem>~<first 16 hex of the BLAKE3 of its bytes>`."""

cifar10_presets = dg.StaticPartitionsDefinition(presets.keys(_ASSETS / "cifar10" / "presets.yaml"))
housing_presets = dg.StaticPartitionsDefinition(presets.keys(_ASSETS / "housing" / "presets.yaml"))
"""One key per entry of a product's presets.yaml: adding an entry adds a partition of its checkpoint."""

cifar10_batches = dg.DynamicPartitionsDefinition(name="cifar10_batches")
housing_batches = dg.DynamicPartitionsDefinition(name="housing_batches")
"""One key per batch of dropped files: `<slug of the first name>~<first 16 hex of the digest over all of them>`."""

sentiment_files = dg.DynamicPartitionsDefinition(name="sentiment_files")
"""One key per CSV file of labelled tweets, as for recordings."""
sentiment_batches = dg.DynamicPartitionsDefinition(name="sentiment_batches")
tweet_batches = dg.DynamicPartitionsDefinition(name="tweet_batches")
"""One key per batch of dropped files, as above."""

lstm_presets = dg.StaticPartitionsDefinition(presets.keys(_ASSETS / "tweets" / "lstm_presets.yaml"))
transformer_presets = dg.StaticPartitionsDefinition(presets.keys(_ASSETS / "tweets" / "transformer_presets.yaml"))
"""One key per entry of these: two kinds of network, each with fields of its own."""

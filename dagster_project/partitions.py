"""Every PartitionsDefinition of the platform."""

import dagster as dg

recordings_partitions = dg.DynamicPartitionsDefinition(name="recordings")
"""One key per recording: `<slug of the file's stem>~<first 16 hex of the BLAKE3 of its bytes>`."""

"""Jobs over the recordings: the whole chain, and the part that follows from the transcript.

Belongs here: named selections of recording assets. Does not belong here: what starts them (`sensors/`).
"""

import dagster as dg

from dagster_project.partitions import recordings_partitions

_CHAIN = dg.AssetSelection.groups("recordings").materializable()

# One run, one process: what one asset made, the next finds in memory, and a failed recording is one failed run.
recordings = dg.define_asset_job(
    "recordings",
    selection=_CHAIN,
    partitions_def=recordings_partitions,
    executor_def=dg.in_process_executor,
    description="The whole chain for one recording: audio, slides, transcript, subtitles, summary, notes, published.",
)

renotes = dg.define_asset_job(
    "renotes",
    selection=dg.AssetSelection.assets("summary").downstream() & _CHAIN,
    partitions_def=recordings_partitions,
    executor_def=dg.in_process_executor,
    description="Summary, notes and library again from the transcript that is there; nothing is listened to again.",
)

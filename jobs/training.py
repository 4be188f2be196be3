"""The jobs of a training product: its dataset, one preset's checkpoint and evaluation, its champion, predictions.

Belongs here: named selections of a product's assets. Does not belong here: in which order they run (`scriptorium
train`, `sensors/training.py`), what starts them.
"""

import dagster as dg


def training_jobs(
    product: str, presets: dg.PartitionsDefinition, batches: dg.PartitionsDefinition
) -> list[dg.JobDefinition]:
    """`<product>_prepare`, `<product>_train`, `<product>_promote` and `<product>_predict`.

    The dataset has a job of its own: in one job with the checkpoints it would be made again for every preset. No job is
    called like an asset: Dagster keeps both under one kind of name.
    """

    def job(
        name: str, assets: list[str], partitions: dg.PartitionsDefinition | None, description: str
    ) -> dg.JobDefinition:
        return dg.define_asset_job(  # type: ignore[return-value]  # resolved when the definitions are
            f"{product}_{name}",
            selection=dg.AssetSelection.assets(*(f"{product}_{asset}" for asset in assets)),
            partitions_def=partitions,
            # One run, one process: the dataset and the weights stay on the device from asset to asset.
            executor_def=dg.in_process_executor,
            description=description,
        )

    return [
        job("prepare", ["dataset"], None, f"Makes the dataset of {product}. What learned from another is out of date."),
        job(
            "train",
            ["checkpoint", "evaluation"],
            presets,
            f"Trains and evaluates one preset of {product} on the dataset that is there. A sweep is a backfill of it.",
        ),
        job("promote", ["champion"], None, f"Lets the evaluated presets of {product} compete to be its champion."),
        job("predict", ["predictions"], batches, f"Predictions for one batch of files by the champion of {product}."),
    ]

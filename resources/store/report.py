"""What a step moved to and from the store, as it is shown in the log and in the output's metadata.

Belongs here: lines and tables. Does not belong here: measuring (`artifacts.py`).
"""

from dataclasses import dataclass

import dagster as dg

from resources.store.artifacts import Transfer
from resources.store.manifests import Manifest

WARNINGS = "store_warnings"  # metadata key: tensors that are not where they belong
_MAX_ROWS = 50  # every event stores the table; a wide fan-in is summed up in the last row
_COLUMNS = [
    dg.TableColumn("name", "string", "Asset, and partition."),
    dg.TableColumn(
        "what",
        "string",
        "stored: written; kept: the store had the content; read: from the disk; uploaded: from host memory to the"
        " device; resident: handed over without reading or copying.",
    ),
    dg.TableColumn("device", "string", "Where the tensors are; empty if the value has none."),
    dg.TableColumn("bytes", "int", "Size of the value."),
    dg.TableColumn("seconds", "float", "Time it took."),
    dg.TableColumn("GB/s", "float", "10^9 bytes per second really written or read; empty if none were."),
]


@dataclass(frozen=True)
class Line:
    """One store or load."""

    name: str
    what: str
    bytes: int
    seconds: float
    gb_per_s: float | None
    device: str | None = None
    warning: str | None = None

    def __str__(self) -> str:
        where = "" if self.device is None else f" on {self.device}"
        speed = "" if self.gb_per_s is None or self.bytes < 1e6 else f", {self.gb_per_s:.2f} GB/s"
        return f"{self.what} {self.name}{where}: {readable(self.bytes)} in {self.seconds:.3f} s{speed}"

    def row(self) -> dg.TableRecord:
        speed = None if self.gb_per_s is None else round(self.gb_per_s, 3)
        return dg.TableRecord(
            {
                "name": self.name,
                "what": self.what,
                "device": self.device or "",
                "bytes": self.bytes,
                "seconds": round(self.seconds, 4),
                "GB/s": speed,
            }
        )


def stored(transfer: Transfer) -> Line:
    """The line of a store."""
    return _line(transfer, "stored" if transfer.moved else "kept")


def loaded(transfer: Transfer) -> Line:
    """The line of a load."""
    return _line(transfer, transfer.how or ("read" if transfer.moved else "resident"))


def io_table(lines: list[Line]) -> dg.TableMetadataValue:
    """All stores and loads of a step, oldest first."""
    shown, rest = lines[:_MAX_ROWS], lines[_MAX_ROWS:]
    if rest:
        total = Line(
            f"{len(rest)} more", "all", sum(line.bytes for line in rest), sum(line.seconds for line in rest), None
        )
        shown = [*shown, total]
    return dg.MetadataValue.table([line.row() for line in shown], schema=dg.TableSchema(columns=_COLUMNS))


def files_table(manifest: Manifest) -> dg.TableMetadataValue:
    """The files a value is made of."""
    rows = [
        dg.TableRecord({"name": file.name, "bytes": file.size, "digest": file.digest})
        for file in manifest.files[:_MAX_ROWS]
    ]
    if len(manifest.files) > _MAX_ROWS:
        rest = manifest.files[_MAX_ROWS:]
        rows.append(
            dg.TableRecord({"name": f"{len(rest)} more", "bytes": sum(file.size for file in rest), "digest": ""})
        )
    columns = [dg.TableColumn("name", "string"), dg.TableColumn("bytes", "int"), dg.TableColumn("digest", "string")]
    return dg.MetadataValue.table(rows, schema=dg.TableSchema(columns=columns))


def readable(size: int) -> str:
    """A size in B, kB, MB or GB (powers of 1000)."""
    if size < 1000:
        return f"{size} B"
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size / 1e3:.1f} kB"


def _line(transfer: Transfer, what: str) -> Line:
    manifest = transfer.manifest
    name = manifest.asset if manifest.partition is None else f"{manifest.asset} [{manifest.partition}]"
    return Line(name, what, manifest.bytes, transfer.seconds, transfer.gb_per_s, transfer.device, transfer.warning)

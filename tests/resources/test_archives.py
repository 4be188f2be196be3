"""What comes out of archives and folders, and what never does."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from resources.archives import Limits, Member, members
from resources.errors import BadInput, MissingOriginal

FILES = {"a/1.txt": b"one", "a/b/2.txt": b"two" * 1000, "ü.txt": b""}
HIDDEN = {".DS_Store": b"x", "a/.hidden": b"x", "__MACOSX/a/1.txt": b"x", ".git/config": b"x"}


def write_tar(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


@pytest.mark.parametrize(
    "write",
    [
        write_folder,
        write_zip,
        write_tar,
        lambda path, files: write_tar(path, files, "w:gz"),
        lambda path, files: write_tar(path, files, "w:bz2"),
        lambda path, files: write_tar(path, files, "w:xz"),
    ],
    ids=["folder", "zip", "tar", "gzip", "bzip2", "xz"],
)
def test_files_come_out_as_they_went_in(tmp_path: Path, write: Callable[[Path, dict[str, bytes]], Path]) -> None:
    path = write(tmp_path / "whatever it is called", FILES | HIDDEN)
    assert {member.name: member.content for member in members(path)} == FILES


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    "member",
    [
        special("../outside", tarfile.REGTYPE),
        special("a/../../outside", tarfile.REGTYPE),
        special("link", tarfile.SYMTYPE, "/etc/passwd"),
        special("link", tarfile.SYMTYPE, "inside"),
        special("hard", tarfile.LNKTYPE, "../../etc/passwd"),
        special("device", tarfile.CHRTYPE),
        special("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda member: f"{member.name}->{member.linkname}",
)
def test_a_tar_that_leads_elsewhere_is_refused(tmp_path: Path, member: tarfile.TarInfo) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.addfile(member)
    with pytest.raises(BadInput):
        list(members(tmp_path / "x.tar"))


def test_absolute_names_in_a_tar_lose_their_root(tmp_path: Path) -> None:
    write_tar(tmp_path / "x.tar", {"/etc/passwd": b"x"})
    assert list(members(tmp_path / "x.tar")) == [Member("etc/passwd", b"x")]


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../outside", "..\\outside", "C:/x"])
def test_a_zip_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    write_zip(tmp_path / "x.zip", {name: b"x"})
    with pytest.raises(BadInput, match="leads out of it"):
        list(members(tmp_path / "x.zip"))


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(BadInput, match="a link"):
        list(members(tmp_path / "x.zip"))


@pytest.mark.parametrize(
    "write", [write_zip, lambda path, files: write_tar(path, files, "w:gz")], ids=["zip", "tar.gz"]
)
def test_limits(tmp_path: Path, write: Callable[[Path, dict[str, bytes]], Path]) -> None:
    path = write(tmp_path / "bomb", {str(i): bytes(1_000_000) for i in range(5)})
    assert path.stat().st_size < 20_000
    assert len(list(members(path, Limits(5, 1_000_000, 5_000_000)))) == 5
    for limits in (Limits(members=4), Limits(member_bytes=999_999), Limits(total_bytes=4_999_999)):
        with pytest.raises(BadInput):
            list(members(path, limits))


def test_a_tar_header_that_asks_for_much_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """tarfile reads a pax header whole, as long as it says it is."""
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 1 << 30
    (tmp_path / "x.tar").write_bytes(header.tobuf(tarfile.USTAR_FORMAT) + bytes(10_000))
    with pytest.raises(BadInput, match="a part of more than"):
        list(members(tmp_path / "x.tar", Limits(member_bytes=1 << 20)))


def test_a_tar_header_with_a_size_below_zero_does_not_lead_back(tmp_path: Path) -> None:
    header = bytearray(tarfile.TarInfo("x").tobuf(tarfile.USTAR_FORMAT))
    header[124:136] = (-1024).to_bytes(12, "big", signed=True)  # the size, in GNU's form for numbers beyond octal
    header[148:156] = b"%06o\0 " % tarfile.calc_chksums(header)[0]
    (tmp_path / "x.tar").write_bytes(bytes(header) * 3 + bytes(1024))
    with pytest.raises(BadInput):
        list(members(tmp_path / "x.tar"))


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("kind", ["zip", "gz", "xz"])
def test_damage_is_named(tmp_path: Path, kind: str, keep: float) -> None:
    files = {str(i): bytes([i]) * 5000 for i in range(20)}
    path = write_zip(tmp_path / "x", files) if kind == "zip" else write_tar(tmp_path / "x", files, f"w:{kind}")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(BadInput, match="no archive, or it is damaged"):
        list(members(path))


def test_a_flipped_byte_in_a_zip_is_found(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {"a": bytes(range(256)) * 100})
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadInput):
        list(members(path))


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(MissingOriginal):
        list(members(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("field", "value", "said"), [(8, 1, "password"), (10, 97, "compression")], ids=["flags", "method"]
)
def test_a_zip_with_a_password_or_an_unknown_method_is_refused(
    tmp_path: Path, field: int, value: int, said: str
) -> None:
    """The field lies so far into a member's entry of the central directory (APPNOTE 4.3.12); 97 is WavPack."""
    path = tmp_path / "locked.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", b"secret")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + field] = value
    path.write_bytes(content)
    with pytest.raises(BadInput, match=f"locked.zip can't be unpacked: .*{said}"):
        list(members(path))

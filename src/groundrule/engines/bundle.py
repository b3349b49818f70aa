"""What decisions are a function of besides observations, as one file for other machines: a home without history and secrets.

    home.json, manifests/, rulebooks/, areas/     as in the home, as far as its runs name them
    governance/objects/                           the emergencies that runs were decided under
    the registers, in SQLite                      what decisions rest on; no name of a party, no address, no salt

It is a zip that is named by its SHA-256. Whoever receives it unpacks it once beside it, and opens it as a home: rulebooks, areas
and emergencies are read by the same functions as everywhere, which check their digests.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from groundrule.errors import GroundruleError, IntegrityError, StoreError
from groundrule.pipeline.emergency_overlay import overlay_of_run
from groundrule.pipeline.home import store_rulebook
from groundrule.pipeline.manifests import manifest_path, read_manifest
from groundrule.pipeline.overlay import Overlay
from groundrule.rules.model import Rulebook
from groundrule.store.home import Home
from groundrule.store.policy import put_object
from groundrule.store.register_dump import copy_deciding

_SUFFIX: Final = ".bundle.zip"
_STAMP: Final = (1980, 1, 1, 0, 0, 0)
_HEX: Final = 64


def pack(
    home: Home,
    folder: Path,
    *,
    runs: Sequence[int] = (),
    rulebooks: Sequence[Rulebook] = (),
    areas: Sequence[str] = (),
    overlays: Sequence[Overlay] = (),
) -> Path:
    """Write the bundle of a home.

    Args:
        home: whose.
        folder: where it goes.
        runs: take what these were decided under. What cannot be read is left out, and missed where it is needed.
        rulebooks, areas, overlays: take these besides; areas by their digest.
    Returns:
        Its path.
    Raises:
        StoreError: the registers cannot be read, or the file cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="bundle-", dir=folder) as made:
        small = Home.create(Path(made) / "home", home_id=home.id)
        copy_deciding(home.registers_url, small)
        for run in runs:
            _take(manifest_path(home, run), small.manifests)
            with suppress(GroundruleError):
                manifest = read_manifest(home, run)
                _take(home.rulebooks / f"{_hex(manifest['rulebook'])}.yaml", small.rulebooks)
                _take(home.areas / f"{_hex(manifest['areas'])}.parquet", small.areas)
                overlay = overlay_of_run(home, manifest)
                if overlay.measures:
                    put_object(small, overlay.data)
        for book in rulebooks:
            store_rulebook(small, book)
        for digest in areas:
            _take(home.areas / f"{_hex(digest)}.parquet", small.areas)
        for overlay in overlays:
            put_object(small, overlay.data)
        packed = Path(made) / "packed.zip"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for path in sorted(each for each in small.path.rglob("*") if each.is_file()):
                about = zipfile.ZipInfo(path.relative_to(small.path).as_posix(), _STAMP)
                about.compress_type = zipfile.ZIP_DEFLATED
                about.external_attr = 0o600 << 16
                with path.open("rb") as source, archive.open(about, "w") as target:
                    shutil.copyfileobj(source, target)
        target_path = folder / f"{_digest(packed)}{_SUFFIX}"
        packed.replace(target_path)
    return target_path


def unpack(path: Path) -> Home:
    """Open a bundle, once for all processes that share its folder.

    Args:
        path: as `pack` named it, or a copy under the same name.
    Raises:
        IntegrityError: it is not what its name says.
        StoreError: it cannot be unpacked.
    """
    wanted = path.name.removesuffix(_SUFFIX)
    place = path.with_name(f"{wanted}.home")
    if not place.exists():
        if len(wanted) != _HEX or _digest(path) != wanted:
            raise IntegrityError(f"the bundle `{path}` is not what its name says", help="start again")
        try:
            with closing(_Staging(path.parent)) as staging:
                with zipfile.ZipFile(path) as archive:
                    archive.extractall(staging.path)
                (staging.path / "cache").mkdir(exist_ok=True)
                # Whoever comes second finds the folder there, and it is the same.
                with suppress(OSError):
                    staging.path.rename(place)
        except OSError as error:
            raise StoreError(f"cannot unpack `{path}`: {error.strerror or error}", path=str(path)) from error
    return Home.open(place)


class _Staging:
    """A folder of this process alone."""

    def __init__(self, parent: Path) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=f".unpacking-{os.getpid()}-", dir=parent))

    def close(self) -> None:
        """Remove it, if it is still there."""
        shutil.rmtree(self.path, ignore_errors=True)


def _take(path: Path, folder: Path) -> None:
    if path.is_file():
        shutil.copyfile(path, folder / path.name)


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        sink = sha256()
        while block := stream.read(1 << 20):
            sink.update(block)
    return sink.hexdigest()

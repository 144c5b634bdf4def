"""Names of session folders: one per source, the same whatever the order in which sources are given.

A source that was annotated before gets its folder back, found by the path in the metadata. A new source is named after
its file; where that name belongs to another source, as much of the path is added as tells them apart, to all that
contend for it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.session.folder import SessionFolder
from app.session.identity import has_content, source_path
from engine.capture.opening import source_stem
from engine.capture.source import SourceKind
from engine.files import read_bytes
from engine.records import MAX_JSON_BYTES

#: Folders above a file that its name may take in.
_MAX_PARENTS: Final = 3
_MAX_NAME: Final = 120
#: Kinds of sources that are files. Sessions of these kinds without a path were written by an older version.
_FILES: Final = (SourceKind.VIDEO.value, SourceKind.PICTURES.value)


@dataclass(frozen=True, slots=True)
class _Owner:
    """The source of an existing session."""

    name: str  # of its folder
    path: str | None
    size_bytes: int | None
    sha256: str | None
    kind: str


def session_folders(out: Path, specs: Sequence[str]) -> list[SessionFolder]:
    """Choose a folder in ``out`` for each source; the specs name different sources."""
    owners = _owners(out)
    named = {spec: _name_of_owner(spec, owners) for spec in specs}
    names = {spec: name for spec, name in named.items() if name is not None}
    # a camera or the demo may write to its own folder again, a file to one of an older version
    of_paths = {owner.name for owner in owners if owner.path is not None}
    of_others = {owner.name for owner in owners if owner.kind not in _FILES}
    live = [spec for spec in specs if source_path(spec) is None]
    names |= _new_names(live, {*of_paths, *names.values()})
    new = [spec for spec in specs if spec not in names]
    names |= _new_names(new, {*of_paths, *of_others, *names.values()})
    return [SessionFolder(out / names[spec]) for spec in specs]


def new_session_folders(out: Path, taken: Iterable[str], specs: Sequence[str]) -> list[Path]:
    """Choose a folder in ``out`` for each source that neither exists nor is ``taken``.

    The same source may be given several times; each time it gets another folder.
    """
    try:
        existing = [item.name for item in out.iterdir()]
    except OSError:
        existing = []  # missing or unreadable, which the job reports
    names = _new_names(list(dict.fromkeys(specs)), ())
    used = {name.casefold() for name in (*existing, *taken)}
    own = {name.casefold() for name in names.values()}
    folders = []
    for spec in specs:
        name = names[spec]
        if name.casefold() in used:
            name = _numbered(name, used | own)
        used.add(name.casefold())
        folders.append(out / name)
    return folders


def _owners(out: Path) -> list[_Owner]:
    """The sources of all sessions in a folder; sessions without readable metadata are left out."""
    owners = []
    try:
        files = sorted(out.glob("*/metadata.json"))
    except OSError:
        return []
    for file in files:
        try:
            source: Any = json.loads(read_bytes(file, MAX_JSON_BYTES))["source"]
            owners.append(
                _Owner(
                    file.parent.name,
                    source.get("path"),
                    source.get("size_bytes"),
                    source.get("sha256"),
                    str(source.get("kind")),
                )
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
    return owners


def _name_of_owner(spec: str, owners: Sequence[_Owner]) -> str | None:
    """Name of the session folder of a source, also after the source was moved; None if there is none."""
    path = source_path(spec)
    if path is None:
        return None
    for owner in owners:
        if owner.path == path:
            return owner.name
    for owner in owners:
        is_gone = owner.path is not None and Path(owner.path).name == Path(path).name and not Path(owner.path).exists()
        if is_gone and has_content(Path(path), owner.size_bytes, owner.sha256):
            return owner.name
    return None


def _new_names(specs: Sequence[str], taken: Iterable[str]) -> dict[str, str]:
    """Choose names that differ from each other and from ``taken``, also where case is ignored."""
    used = {name.casefold() for name in taken}
    candidates = {spec: _candidates(spec) for spec in specs}
    level = dict.fromkeys(specs, 0)
    while True:
        names = {spec: candidates[spec][level[spec]] for spec in specs}
        count = Counter(name.casefold() for name in names.values())
        contested = [spec for spec, name in names.items() if count[name.casefold()] > 1 or name.casefold() in used]
        higher = [spec for spec in contested if level[spec] + 1 < len(candidates[spec])]
        if not higher:
            break
        for spec in higher:
            level[spec] += 1
    for spec in sorted(contested):  # even the names with a hash are taken: by folders of the same source
        names[spec] = _numbered(names[spec], used | {name.casefold() for name in names.values()})
    return names


def _candidates(spec: str) -> list[str]:
    """Names for a source, from the shortest to one that no other source has."""
    stem = source_stem(spec)
    path = source_path(spec)
    digest = hashlib.sha256((path or spec).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    names = [stem]
    if path is not None:
        parts = Path(path).parts[1:]
        with_parents = [
            _safe("-".join((*parts[-1 - count : -1], stem)))
            for count in range(1, min(_MAX_PARENTS, len(parts) - 1) + 1)
        ]
        names += [*with_parents[:1], *map(_safe, parts[-1:]), *with_parents[1:]]
    return [*names, f"{stem}-{digest}"]


def _safe(name: str) -> str:
    return re.sub(r"[^\w.]+", "-", name).strip("-._")[:_MAX_NAME] or "source"


def _numbered(name: str, used: set[str]) -> str:
    number = 2
    while f"{name}-{number}".casefold() in used:
        number += 1
    return f"{name}-{number}"

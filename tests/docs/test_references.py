"""References resolve: sections of docs/spec.md cited in code, files named in docstrings and pages, links, modules."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("app", "engine", "training")
CODE = sorted(path for folder in (*PACKAGES, "tests", "packaging") for path in (ROOT / folder).rglob("*.py"))
SETTINGS = sorted((ROOT / "training" / "configs").glob("*.toml"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "assets").rglob("*.md")])

SECTION = re.compile(r"\bSPEC (\d+(?:\.\d+)?)((?:, \d+\.\d+|-\d+\.\d+)*)")
LINKED_SECTION = re.compile(r"spec\.md\)? (\d+(?:\.\d+)?)")
FILE = re.compile(
    r"(?<![\w/.<>{-])((?:app|engine|training|tests|docs|packaging|assets)/[\w./-]*\.(?:py|md|toml|json|sh|svg|jpg|png|onnx|txt))\b"
)
FOLDER = re.compile(r"(?<![\w/.<>{-])((?:app|engine|training|tests|docs|packaging|assets)/[\w/]*\w)/?(?![\w./*{<-])")
MODULE = re.compile(r"(?<![\w./-])((?:app|engine|training)(?:\.[A-Za-z_]\w*)+)(?![\w(])")
LINK = re.compile(r"\]\(([^)#\s]+)?(#[^)\s]*)?\)")


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def prose_of(path: Path) -> str:
    """Docstrings and comments of a Python file; all of another file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text
    nodes = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    parts = [ast.get_docstring(node) or "" for node in ast.walk(ast.parse(text)) if isinstance(node, nodes)]
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    parts += [token.string for token in tokens if token.type == tokenize.COMMENT]
    return "\n".join(parts)


def cited_sections(text: str) -> Iterator[str]:
    for found in SECTION.finditer(text):
        yield found[1]
        yield from re.findall(r"\d+\.\d+", found[2])
    yield from LINKED_SECTION.findall(text)


def headings(page: Path) -> list[str]:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.findall(r"^#+ +(.+?) *$", text, flags=re.MULTILINE)


def anchor(heading: str) -> str:
    """The fragment that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).lower()).replace(" ", "-")


def is_module(dotted: str) -> bool:
    """Whether a dotted name is a package, a module, or a name defined in one."""
    place = ROOT
    names = dotted.split(".")
    for number, name in enumerate(names):
        if (place / name).is_dir():
            place = place / name
            continue
        module = place / f"{name}.py"
        if module.is_file():
            place, number = module, number + 1
        elif number == 1 or not (place / "__init__.py").is_file():
            return False  # a package at the top level exports nothing that prose would name by a dotted path
        else:
            place = place / "__init__.py"
        rest = names[number:]
        return not rest or re.search(rf"\b{rest[0]}\b", place.read_text(encoding="utf-8")) is not None
    return True


SECTIONS = {found[1] for line in headings(ROOT / "docs" / "spec.md") if (found := re.match(r"(\d+(?:\.\d+)?)\b", line))}


def test_spec_has_the_sections_of_every_method() -> None:
    assert {"1", "2.7", "3.6", "4.4", "5.3", "6", "7"} <= SECTIONS


def test_cited_sections_exist() -> None:
    missing = [
        f"{relative(path)}: SPEC {section}"
        for path in (*CODE, *SETTINGS, *PAGES)
        for section in sorted(set(cited_sections(path.read_text(encoding="utf-8"))) - SECTIONS)
    ]
    assert not missing, "not in docs/spec.md:\n" + "\n".join(missing)


def test_files_and_modules_named_in_prose_exist() -> None:
    missing = []
    for path in (*CODE, *SETTINGS, *PAGES):
        text = prose_of(path)
        gone = {name for name in FILE.findall(text) + FOLDER.findall(text) if not (ROOT / name).exists()}
        if path.suffix == ".py":
            gone |= {name for name in MODULE.findall(text) if not is_module(name)}
        missing += [f"{relative(path)}: {name}" for name in sorted(gone)]
    assert not missing, "not in the repository:\n" + "\n".join(missing)


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_resolve(page: Path) -> None:
    broken = []
    for target, fragment in LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (fragment and fragment[1:] not in map(anchor, headings(file))):
            broken.append(f"{target}{fragment}")
    assert not broken, f"broken links: {', '.join(broken)}"

"""The programs in the documentation run, and what it names exists."""

import pathlib
import re
import subprocess
import sys

import pytest

from children import complaints_of

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = [
    page
    for page in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "SECURITY.md",
        *sorted(ROOT.glob("docs/*.md")),
    )
    if page.exists()
]
ARCHITECTURE = ROOT / "docs/architecture.md"
PATIENCE = 60

# Pages and sources may be elsewhere when the tests are run against a wheel.
pytestmark = pytest.mark.skipif(
    not ARCHITECTURE.exists(), reason="the documentation is not beside the tests"
)
with_sources = pytest.mark.skipif(
    not (ROOT / "csrc").exists(), reason="the sources are not beside the tests"
)

CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"[\w./]*\b\w+\.(?:c|h|py|pyx|pxd|pyi)\b")
LINK = re.compile(r"\]\(([^)#]*)(#[^)]*)?\)")


def programs():
    for page in PAGES:
        for i, code in enumerate(CODE.findall(page.read_text()), 1):
            yield pytest.param(code, id=f"{page.name} {i}")


def quoted(text):
    """Return what stands in backquotes, and the lines of drawings."""
    drawings = "\n".join(re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return "\n".join([drawings, *re.findall(r"`([^`\n]+)`", prose)])


def tree():
    """Return the files of the project, as paths from its root."""
    folders = ("csrc", "src", "tests", "bench")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    return {path.relative_to(ROOT).as_posix() for path in [*found, *ROOT.glob("*.py")]}


def anchor_of(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.slow
@pytest.mark.parametrize("code", list(programs()))
def test_a_program_runs_by_itself_without_a_warning(code):
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )

    assert (done.returncode, complaints_of(done.stderr)) == (0, "")
    assert done.stdout


def test_the_readme_has_programs_and_a_place_for_figures():
    text = (ROOT / "README.md").read_text()

    assert len(CODE.findall(text)) >= 3
    assert text.count("<!-- bench:begin -->") == text.count("<!-- bench:end -->") == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target, anchor in LINK.findall(page.read_text()):
        if target.startswith("https://"):
            continue
        linked = page.parent / target if target else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
            assert anchor[1:] in map(anchor_of, headings)


@with_sources
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page):
    files = tree()
    names = {name for name in FILE.findall(quoted(page.read_text())) if name != "Python.h"}

    missing = {name for name in names if not any(f"/{file}".endswith(f"/{name}") for file in files)}

    assert missing == set()


@with_sources
def test_every_source_has_its_place_in_the_architecture():
    named = set(FILE.findall(quoted(ARCHITECTURE.read_text())))
    generated = {path.with_suffix(".c").name for path in ROOT.glob("src/procession/*.pyx")}
    sources = {
        path.name
        for pattern in (
            "csrc/*.[ch]",
            "src/procession/*.py",
            "src/procession/*.p[yx][xd]",
            "src/procession/*.[ch]",
            "src/procession/cli/**/*.py",
        )
        for path in ROOT.glob(pattern)
    }

    assert sources - generated - named == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tests_that_are_named_exist(page):
    defined = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        defined |= set(re.findall(r"def (test_\w+)\(", path.read_text()))
    named = set(re.findall(r"(?<![\w/])test_\w+(?![\w.])", quoted(page.read_text())))

    assert named - defined == set()

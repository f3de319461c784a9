"""The picture of a run: what is refused beforehand, what is kept, what can be seen."""

import gc
import os
import re
import sys

import pytest

from helpers.made import ended, job
from procession.cli.errors import UsageError
from procession.cli.summary.plot import Plot
from procession.cli.summary.spans import Spans

GREEN, RED, AMBER = (58, 157, 110), (214, 40, 57), (242, 165, 65)


@pytest.fixture
def no_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)


@pytest.fixture(scope="module")
def matplotlib(tmp_path_factory):
    """Return matplotlib, with the fonts open that it keeps open ever after."""
    folder = tmp_path_factory.mktemp("matplotlib")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPLCONFIGDIR", str(folder))
        module = pytest.importorskip("matplotlib", reason="it draws the picture")
        Plot(str(folder / "run.png")).save()
        # Many objects that live on, with which the guard's collections would take long.
        gc.collect()
        gc.freeze()
        yield module


@pytest.fixture(scope="module")
def figure(matplotlib):
    from procession.cli.summary import figure

    return figure


def add(plot, number, started, seconds, slot, code=0, attempts=1):
    """Add a job that ran at so many seconds after some moment in the past."""
    known = {"started": 1.8e9 + started, "duration": seconds, "attempts": attempts}
    plot.add(ended(job(number, slot=slot), code, **known))


def spans_of(rows, limit=10):
    spans = Spans(limit)
    for row in rows:
        spans.add(*row)
    return spans


def dots(figure, path, slots):
    """Return the dots between the axes, as an array of colours."""
    import numpy as np
    from matplotlib import image

    rows = min(max(slots * figure.ROW, figure.LEAST), figure.MOST)
    top, left = round(figure.ABOVE * figure.DPI), round(figure.LEFT * figure.DPI)
    bottom, right = top + int(rows * figure.DPI), left + figure.COLUMNS
    picture = image.imread(path)[top:bottom, left:right, :3]
    return np.rint(picture * 255).astype(int)


def columns_of(colour, row):
    """Return the first and the last part of a row of dots that has a colour, of its length."""
    (columns,) = (abs(row - colour) <= 3).all(axis=1).nonzero()
    return columns.min() / len(row), (columns.max() + 1) / len(row)


def texts_of(svg):
    """Return the texts of a picture, which are drawn as paths and named in comments."""
    return re.findall(r"<!-- (.*?) -->", svg.read_text())


def test_without_matplotlib_it_is_said_how_to_get_it(no_matplotlib, tmp_path):
    with pytest.raises(UsageError, match=r"pip install 'procession\[plot\]'"):
        Plot(str(tmp_path / "run.png"))


def test_an_ending_that_tells_no_kind_of_picture_is_refused(matplotlib, tmp_path):
    for name in ("run", "run.gif", "run.png.gz", ".png"):
        with pytest.raises(UsageError, match=r"has to end with \.png, \.svg or \.pdf"):
            Plot(str(tmp_path / name))


def test_a_file_that_cannot_be_written_is_refused(matplotlib, tmp_path):
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    for path, error in (
        (tmp_path / "no" / "run.png", "No such file or directory"),
        (tmp_path / "folder.png", "Is a directory"),
        (tmp_path / "pipe.png", "No such device or address"),
        ("/proc/run.png", "No such file or directory"),
    ):
        with pytest.raises(UsageError, match=f"^--plot {path}: {error}$"):
            Plot(str(path))


def test_asking_leaves_no_file_and_changes_none(matplotlib, tmp_path):
    (tmp_path / "old.png").write_bytes(b"old")
    Plot(str(tmp_path / "old.png"))
    Plot(str(tmp_path / "new.png"))

    assert os.listdir(tmp_path) == ["old.png"]
    assert (tmp_path / "old.png").read_bytes() == b"old"


def test_a_name_without_a_directory_is_one_here(matplotlib, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    Plot("run.svg").save()

    assert os.path.getsize("run.svg") > 1000


def test_spans_beyond_the_limit_are_thinned_out_evenly():
    spans = spans_of(((number, 1.0, 1, False) for number in range(1000)), limit=100)

    assert spans.seen == 1000
    assert spans.step == 16
    assert [int(number) // 16 for number in spans.started] == list(range(63))
    assert len(spans.seconds) == len(spans.slots) == len(spans.retried) == len(spans)


def test_slots_that_take_turns_are_all_in_the_sample():
    spans = spans_of(((number, 1.0, number % 8, False) for number in range(64_000)), limit=1000)

    for slot in range(8):
        assert 70 < list(spans.slots).count(slot) < 180


def test_as_many_spans_as_the_limit_are_all_kept():
    spans = spans_of(((number, 1.0, 1, True) for number in range(100)), limit=100)

    assert (len(spans), spans.step, spans.again) == (100, 1, 100)


def test_a_span_takes_17_bytes():
    spans = spans_of([(1.8e9, 1.0, 1, False)])
    columns = (spans.started, spans.seconds, spans.slots, spans.retried)

    assert sum(column.itemsize for column in columns) == 17


def test_jobs_are_where_and_when_they_ran(figure, tmp_path):
    path = tmp_path / "run.png"
    plot = Plot(str(path))
    add(plot, 1, 0, 10, slot=1)
    add(plot, 2, 0, 4, slot=2)
    add(plot, 3, 5, 5, slot=2, code=1, attempts=3)
    plot.save()

    picture = dots(figure, path, slots=2)
    first, second, foot = (picture[round(part * len(picture))] for part in (0.25, 0.75, 0.93))
    near = {"abs": 0.003}
    assert columns_of(GREEN, first) == pytest.approx((0, 1), **near)
    assert columns_of(GREEN, second) == pytest.approx((0, 0.4), **near)
    assert columns_of(RED, second) == pytest.approx((0.5, 1), **near)
    assert columns_of(GREEN, foot) == pytest.approx((0, 0.4), **near)
    assert columns_of(AMBER, foot) == pytest.approx((0.5, 1), **near)


@pytest.mark.parametrize(
    "ending, begin", [("png", b"\x89PNG"), ("svg", b"<?xml"), ("PDF", b"%PDF")]
)
def test_the_ending_tells_the_kind(matplotlib, tmp_path, ending, begin):
    path = tmp_path / f"run.{ending}"
    plot = Plot(str(path))
    add(plot, 1, 0, 1, slot=1)
    plot.save()

    assert path.read_bytes().startswith(begin)


def test_title_axes_and_legend_say_what_is_seen(matplotlib, tmp_path):
    path = tmp_path / "run.svg"
    plot = Plot(str(path))
    for number in range(1200):
        known = {"code": number % 400, "attempts": 1 + number % 2}
        add(plot, number, number, 1, 1 + number % 8, **known)
    plot.save()

    texts = texts_of(path)
    assert {"1,200 jobs on 8 slots in 20 min 00 s", "slot"} <= set(texts)
    assert {"minutes since the first job began", "8", "20"} <= set(texts)
    assert {"ok", "failed", "had been tried before"} <= set(texts)
    assert "1,197 failed; 600 tried more than once" in texts


@pytest.mark.parametrize(
    "seconds, unit",
    [(0.01, "milliseconds"), (100, "seconds"), (1000, "minutes"), (20_000, "hours"), (1e6, "days")],
)
def test_time_has_a_unit_that_fits(matplotlib, tmp_path, seconds, unit):
    path = tmp_path / "run.svg"
    plot = Plot(str(path))
    add(plot, 1, 0, seconds, slot=1)
    plot.save()

    assert f"{unit} since the first job began" in texts_of(path)


def test_no_jobs_are_a_picture_as_well(matplotlib, tmp_path):
    Plot(str(tmp_path / "run.svg")).save()

    assert {"no jobs", "none failed"} <= set(texts_of(tmp_path / "run.svg"))


@pytest.mark.parametrize("jobs, words", [(2, "2 jobs"), (100_001, "100,001 jobs")])
def test_jobs_that_took_no_time_are_no_trouble(figure, tmp_path, jobs, words):
    path = tmp_path / "run.svg"
    failed = spans_of(((5.0, 0.0, 1, False) for _ in range(jobs)), limit=200_000)

    figure.draw(str(path), spans_of([]), failed)

    assert f"{words} on 1 slot in 0 us" in texts_of(path)


@pytest.mark.parametrize(
    "slots, ticks",
    [
        (1, [1]),
        (3, [1, 2, 3]),
        (20, [1, *range(2, 21, 2)]),
        (64, [1, *range(5, 61, 5)]),
        (2000, [1, *range(200, 2001, 200)]),
    ],
)
def test_slots_have_round_numbers(figure, slots, ticks):
    assert figure.ticks_of(slots) == ticks


def test_density_is_the_part_of_the_time_that_a_slot_was_busy(figure):
    # One second is two columns.
    last = figure.COLUMNS / 2
    scene = figure.Scene(
        spans_of([(0, 1.0, 1, False), (2.25, 0.125, 1, False), (2.375, 0.125, 1, False)]), 0
    )

    busy = figure.density(scene, 2, 2, last)

    assert busy[0, :7].tolist() == pytest.approx([1, 1, 0, 0, 0.5, 0, 0])
    assert busy[1].sum() == pytest.approx(0)


def test_slots_that_share_a_row_share_its_density(figure):
    rows = [(0, 10.0, slot, False) for slot in range(1, 11) if slot % 5]
    scene = figure.Scene(spans_of(rows), 0)

    busy = figure.density(scene, 2, 10, 10.0)

    assert busy.min() == pytest.approx(0.8)
    assert busy.max() == pytest.approx(0.8)


def test_a_sample_has_the_density_of_the_whole(figure):
    spans = spans_of(((number / 100, 0.005, 1, False) for number in range(100_000)), limit=20_000)

    busy = figure.density(figure.Scene(spans, 0), 1, 1, 1000.0)

    assert spans.step == 8
    assert busy.mean() == pytest.approx(0.5, rel=0.01)
    assert busy.std() < 0.1


@pytest.mark.slow
def test_of_many_jobs_a_failure_is_still_seen_and_what_is_left_out_is_said(figure, tmp_path):
    rows = ((number / 100, 0.01, 1 + number % 4, number % 7 == 0) for number in range(150_000))
    ok = spans_of(rows, limit=110_000)
    failed = spans_of([(700.0, 0.001, 3, False)])
    path = tmp_path / "run.png"

    figure.draw(str(path), ok, failed)
    figure.draw(str(tmp_path / "run.svg"), ok, failed)

    # Red over green.
    picture = dots(figure, path, slots=4)
    reddish = (picture[:, :, 0] > 150) & (picture[:, :, 1] < 90)
    rows, columns = reddish.nonzero()
    assert len(set(columns)) == 2
    assert columns.mean() / figure.COLUMNS == pytest.approx(700 / 1500, abs=0.002)
    assert 0.5 <= rows.min() / len(picture) < rows.max() / len(picture) <= 0.75
    texts = texts_of(tmp_path / "run.svg")
    assert "150,001 jobs on 4 slots in 25 min 00 s" in texts
    assert "1 failed; 21,429 tried more than once; one in 2 of the ok ones drawn" in texts


def test_settings_of_the_user_do_not_change_the_picture(matplotlib, tmp_path):
    pictures = []
    for size in (10, 40):
        with matplotlib.rc_context({"font.size": size, "axes.facecolor": "black"}):
            path = tmp_path / f"{size}.png"
            plot = Plot(str(path))
            add(plot, 1, 0, 1, slot=1)
            plot.save()
            assert matplotlib.rcParams["font.size"] == size
        pictures.append(path.read_bytes())

    assert pictures[0] == pictures[1]

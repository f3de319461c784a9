"""Several sources: combinations and links, whatever the pieces in which the first one comes."""

from itertools import chain, cycle, islice, product

from hypothesis import given
from hypothesis import strategies as st

from procession.cli.inputs.combining import LARGEST, Combination, how_many

rows = st.lists(st.lists(st.text("ab", max_size=2), min_size=1, max_size=2).map(tuple), max_size=5)
flagged = st.lists(st.tuples(rows, st.booleans()), max_size=3)


def joined(rows):
    return tuple(chain.from_iterable(rows))


def expected(sources, linked, link):
    if not any(sources):
        return []
    sources = [source or [("",)] for source in sources]
    if link:
        longest = max(map(len, sources))
        return [joined(some) for some in islice(zip(*map(cycle, sources), strict=True), longest)]
    groups = [[sources[0]]]
    for source, flag in zip(sources[1:], linked, strict=True):
        if flag:
            groups[-1].append(source)
        else:
            groups.append([source])
    zipped = [[joined(some) for some in zip(*group, strict=False)] for group in groups]
    return [joined(some) for some in product(*zipped)]


def combined(first, others, linked, link, size):
    combination = Combination(others, linked, link)
    found = []
    for begin in range(0, len(first), size):
        found += combination.add(first[begin : begin + size])
        if combination.is_complete:
            break
    found += combination.end()
    assert all(len(some) <= LARGEST for some in found)
    return [row for some in found for row in some]


@given(rows, flagged, st.booleans(), st.integers(1, 5))
def test_the_rows_are_all_combinations_of_what_is_linked(first, more, link, size):
    others = [other for other, _ in more]
    linked = [flag for _, flag in more]

    found = combined(first, others, linked, link, size)

    assert found == expected([first, *others], linked, link)
    assert len(found) == how_many([len(first), *map(len, others)], linked, link)


def test_no_more_of_the_first_is_wanted_than_what_is_linked_to_it_has():
    combination = Combination([[("1",), ("2",)]], [True], False)

    found = list(combination.add([("a",), ("b",), ("c",)]))

    assert found == [[("a", "1"), ("b", "2")]]
    assert combination.is_complete


def test_rows_are_made_as_they_are_taken():
    many = [(str(number),) for number in range(100_000)]
    combination = Combination([many, many, many], [False] * 3, False)

    first = next(combination.add([("a",)]))

    assert len(first) == LARGEST
    assert first[1] == ("a", "0", "0", "1")


def test_what_is_recycled_is_made_in_parts():
    many = [(str(number),) for number in range(2 * LARGEST + 1)]

    assert combined([("a",)], [many], [False], True, 1) == [("a", *row) for row in many]

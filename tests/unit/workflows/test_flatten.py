"""From a tree of steps to jobs that are numbers, and the joins between them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from conformance.flows import ALLOW, chain, group, leaf, leaves
from portaria.core.errors import Violation
from portaria.v1.workflows_pb2 import Chord, FailurePolicy, Group, Step
from portaria.workflows.flatten import DEEPEST, MOST_JOBS, flatten
from portaria.workflows.shape import Range, Shape, is_before, ranges

FAIL = FailurePolicy.FAILURE_POLICY_FAIL
CONTINUE = FailurePolicy.FAILURE_POLICY_CONTINUE


def chord(header: Sequence[Step], body: Step) -> Step:
    return Step(chord=Chord(header=Group(steps=header), body=body))


def shape(root: Step) -> Shape:
    found, wrong = flatten(root)
    assert wrong == []
    return found


def faults(root: Step) -> list[tuple[str, str]]:
    """Path and reason of each."""
    return [(each.field, each.reason) for each in flatten(root)[1]]


def exits(found: Shape, join: int) -> list[int]:
    return [number for number, _ in found.joins[join].exits]


def test_one_job_is_a_workflow() -> None:
    found = shape(leaf())

    assert [(each.waits, each.join) for each in found.leaves] == [(0, 0)]
    assert exits(found, 0) == [0]
    assert found.nodes[0].node_id == "0"


def test_each_job_of_a_chain_waits_for_the_one_before() -> None:
    found = shape(chain(*leaves(3)))

    assert [(each.waits, each.join) for each in found.leaves] == [(0, 1), (1, 2), (2, 0)]
    assert [(found.joins[each].upto, found.joins[each].rest) for each in (1, 2)] == [(2, 3), (3, 3)]


def test_what_follows_a_group_waits_for_all_of_it() -> None:
    found = shape(chain(group(*leaves(3)), leaf()))

    assert exits(found, 3) == [0, 1, 2]
    assert [each.bit - found.leaves[0].bit for each in found.leaves[:3]] == [0, 1, 2]
    assert exits(found, 0) == [3]


def test_all_of_a_group_waits_for_what_is_before_it() -> None:
    found = shape(chain(leaf(), group(leaf(), chain(leaf(), leaf()))))

    assert [each.waits for each in found.leaves] == [0, 1, 1, 3]
    assert found.joins[1].upto == 4


def test_the_body_of_a_chord_waits_for_the_last_job_of_each_chain() -> None:
    found = shape(chord([leaf(), chain(leaf(), leaf())], leaf()))

    assert exits(found, 3) == [0, 2]
    assert [each.node_id for each in found.nodes] == [
        "0", "0.0", "0.0.0", "0.0.1", "0.0.1.0", "0.0.1.1", "0.1",
    ]  # fmt: skip


def test_a_chain_that_fails_tells_what_follows_it() -> None:
    """The join within it ends the rest of the chain, and then tells that after the chain."""
    found = shape(chain(chain(leaf(), leaf()), leaf()))

    within = found.joins[1]
    assert (within.upto, within.rest, within.tells, within.spared) == (2, 2, 2, False)


@pytest.mark.parametrize("policy", [ALLOW, CONTINUE])
def test_a_failure_is_spared_where_a_step_around_it_says_so(
    policy: FailurePolicy.ValueType,
) -> None:
    inner = chain(leaf(), leaf(), on_failure=policy)
    found = shape(chain(group(inner, leaf(on_failure=policy), leaf()), leaf()))

    assert [each.spared for each in found.leaves] == [False, True, True, False, False]
    assert found.joins[1].spared
    assert [each for _, each in found.joins[4].exits] == [policy, policy, FAIL]


def test_bits_of_two_joins_are_in_no_byte_together() -> None:
    """BITCOUNT counts bytes."""
    found = shape(chain(group(*leaves(9)), group(*leaves(3)), leaf()))

    taken: list[int] = []
    for join in found.joins.values():
        taken += range(join.byte, join.byte + join.bytes)
    assert len(taken) == len(set(taken))
    for each in found.leaves:
        join = found.joins[each.join]
        assert join.byte <= each.bit // 8 < join.byte + join.bytes
    assert len({each.bit for each in found.leaves}) == len(found.leaves)


def test_regular_inputs_are_told_in_few_words() -> None:
    pairs = [chain(leaf(), leaf()) for _ in range(500)]

    found = shape(chain(group(*pairs), leaf()))

    assert ranges(found.joins[1000].exits) == [Range(1, 1000, 2, FAIL)]


def test_ranges_tell_the_same_numbers_in_the_same_order() -> None:
    numbers = [0, 1, 2, 5, 7, 9, 20]

    told = [
        number
        for each in ranges([(number, FAIL) for number in numbers])
        for number in range(each.start, each.stop, each.stride)
    ]

    assert told == numbers


def test_a_range_has_one_policy() -> None:
    assert ranges([(0, FAIL), (1, ALLOW), (2, ALLOW)]) == [
        Range(0, 1, 1, FAIL),
        Range(1, 3, 1, ALLOW),
    ]


def test_only_what_is_in_another_step_of_a_chain_is_before() -> None:
    found = shape(chain(leaf(node_id="a"), group(leaf(node_id="b"), leaf(node_id="c"))))
    places = {each.node_id: place for place, each in enumerate(found.nodes)}

    before = {
        (one, other)
        for one in "abc"
        for other in "abc"
        if is_before(found, places[one], places[other])
    }

    assert before == {("a", "b"), ("a", "c")}


def nested(depth: int) -> Step:
    found = leaf()
    for _ in range(depth):
        found = chain(found)
    return found


def test_what_is_nested_too_deep_is_refused() -> None:
    """Where it begins to be too deep."""
    assert flatten(nested(DEEPEST))[1] == []
    path = "root" + ".chain.steps[0]" * DEEPEST

    assert faults(nested(DEEPEST + 1)) == [(path, "TOO_DEEP")]


def test_the_header_of_a_chord_is_no_level_of_its_own() -> None:
    found = leaf()
    for _ in range(DEEPEST):
        found = chord([found], leaf())

    assert flatten(found)[1] == []


def test_too_many_jobs_are_refused() -> None:
    assert flatten(group(*leaves(MOST_JOBS)))[1] == []
    assert faults(group(*leaves(MOST_JOBS + 1))) == [("root", "TOO_MANY")]


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        (Step(), ("root", "REQUIRED")),
        (chain(), ("root.chain.steps", "TOO_FEW")),
        (group(leaf(), group()), ("root.group.steps[1].group.steps", "TOO_FEW")),
        (Step(chord=Chord(body=leaf())), ("root.chord.header", "REQUIRED")),
        (chord([], leaf()), ("root.chord.header.steps", "TOO_FEW")),
        (Step(chord=Chord(header=Group(steps=[leaf()]))), ("root.chord.body", "REQUIRED")),
        (leaf(node_id="0.1"), ("root.node_id", "FORMAT")),
        (leaf(node_id="a" * 64), ("root.node_id", "FORMAT")),
        (leaf(node_id="é"), ("root.node_id", "FORMAT")),
        (
            chain(leaf(node_id="a"), group(leaf(node_id="a"))),
            ("root.chain.steps[1].group.steps[0].node_id", "DUPLICATE"),
        ),
        (leaf(on_failure=9), ("root.on_failure", "UNKNOWN")),
        (chain(leaf(), bindings=[{"to_field": "a"}]), ("root.bindings", "NOT_ALLOWED")),
        (leaf(bindings=[{"to_field": "a"}] * 65), ("root.bindings", "TOO_MANY")),
    ],
)
def test_a_wrong_tree_is_refused_by_its_path(root: Step, expected: tuple[str, str]) -> None:
    assert expected in faults(root)


def test_all_that_is_wrong_is_told_at_once() -> None:
    root = chain(Step(), leaf(node_id="1"), group())

    assert {path for path, _ in faults(root)} == {
        "root.chain.steps[0]", "root.chain.steps[1].node_id", "root.chain.steps[2].group.steps",
    }  # fmt: skip


def test_a_thousand_faults_are_enough() -> None:
    assert len(flatten(group(*[Step()] * 5_000))[1]) == 1_000


def test_wide_steps_of_irregular_inputs_are_refused() -> None:
    """Each of the jobs would carry all of the numbers."""
    irregular = [chain(*leaves(1 + number % 3)) for number in range(1_500)]

    wrong: list[Violation] = flatten(chain(group(*irregular), group(*leaves(2_000))))[1]

    assert [(each.field, each.reason) for each in wrong] == [("root", "TOO_LARGE")]

"""The indexes: a job is found by what never changes of it, from its submission to its purge."""

from __future__ import annotations

from typing import Any

from conformance.kernel import Kernel, ended
from portaria.store import calls, keys
from portaria.store.events import encode_labels

NOOP = "acme_jobs.lab.v1.Noop"


def indexes(kernel: Kernel) -> dict[str, list[str]]:
    """Every index, by what follows portaria:index: in its name."""
    names: Any = kernel.redis.keys("portaria:index:*")
    return {
        name.decode().removeprefix("portaria:index:"): kernel.members(name.decode())
        for name in sorted(names)
    }


def end_and_purge(kernel: Kernel, *job_ids: str) -> None:
    """Cancels and forgets."""
    kernel.cancel(*job_ids)
    for job_id in job_ids:
        kernel.redis.zadd(keys.PURGE, {job_id: 1})
    kernel.store.run(calls.purge())


def test_a_job_is_in_the_index_of_its_namespace_and_of_its_type(kernel: Kernel) -> None:
    """And in no other, where it has neither workflow nor labels."""
    kernel.submit("j1")

    assert indexes(kernel) == {"default": ["j1"], f"default:type:{NOOP}": ["j1"]}
    assert kernel.redis.smembers(keys.NAMESPACES) == {b"default"}


def test_workflow_and_labels_have_one_each(kernel: Kernel) -> None:
    """Under the names that the keys module gives them, whatever a value holds."""
    labels = [("tenant", "a b&c=d/é"), ("x", "")]
    kernel.submit("j1", workflow_id="w1", labels=labels)

    expected = [
        keys.index("default"),
        keys.index("default", "type", NOOP),
        keys.index("default", "workflow", "w1"),
        *(keys.index("default", "label", encode_labels([label])) for label in labels),
    ]
    assert {f"portaria:index:{name}" for name in indexes(kernel)} == set(expected)
    assert all(kernel.members(name) == ["j1"] for name in expected)


def test_ids_stand_by_age(kernel: Kernel) -> None:
    """All scores are the same, so by name; ids of ours begin with their moment."""
    for job_id in ("02", "10", "01"):
        kernel.submit(job_id)

    name: Any = keys.index("default")
    assert kernel.members(name) == ["01", "02", "10"]
    assert kernel.redis.zrange(name, 0, -1, withscores=True)[0][1] == 0


def test_namespaces_are_apart(kernel: Kernel) -> None:
    """Nobody finds another's job."""
    kernel.submit("j1", namespace="one")
    kernel.submit("j2", namespace="two")

    assert indexes(kernel)["one"] == ["j1"]
    assert indexes(kernel)["two"] == ["j2"]
    assert kernel.redis.smembers(keys.NAMESPACES) == {b"one", b"two"}


def test_a_job_stays_in_them_when_it_ends(kernel: Kernel) -> None:
    """Until it is forgotten: then in none, also where it was moved meanwhile."""
    kernel.submit("j1", workflow_id="w1", labels=[("a", "1")])
    kernel.submit("j2")
    kernel.update("j1", queue="lab:low")
    kernel.turn("ana", ended(kernel.claim()), want=0)
    everywhere = indexes(kernel)
    assert len([ids for ids in everywhere.values() if "j1" in ids]) == 4

    end_and_purge(kernel, "j1")

    assert indexes(kernel) == {"default": ["j2"], f"default:type:{NOOP}": ["j2"]}


def test_after_the_last_purge_nothing_is_left_of_them(kernel: Kernel) -> None:
    """No empty key, no entry."""
    kernel.submit("j1", labels=[("a", "1")])
    kernel.submit("j2", namespace="other", workflow_id="w")
    kernel.cancel("j2", namespace="other")

    end_and_purge(kernel, "j1", "j2")

    assert indexes(kernel) == {}


def test_a_repeated_submission_is_in_them_once(kernel: Kernel) -> None:
    """Under the id that counts."""
    kernel.submit("j1")
    kernel.submit("j2", request_id="r-j1")

    assert indexes(kernel)["default"] == ["j1"]


def test_a_job_of_an_older_release_is_forgotten_all_the_same(kernel: Kernel) -> None:
    """It stands in no index."""
    kernel.submit("j1")
    kernel.redis.delete(*[f"portaria:index:{name}" for name in indexes(kernel)])

    end_and_purge(kernel, "j1")

    assert kernel.store.get("j1") is None


def test_a_job_that_repeats_another_is_named_by_it(kernel: Kernel) -> None:
    """And names it."""
    kernel.submit("j1")
    kernel.cancel("j1")

    kernel.submit("j2", retried_from="j1")
    kernel.submit("j3", request_id="r-j2", retried_from="j1")

    assert kernel.field("j2", "retried_from") == "j1"
    assert kernel.field("j1", "retried_as") == "j2"
    assert kernel.told("j1") == ["PENDING", "CANCELLED"]


def test_a_job_that_repeats_a_forgotten_one_brings_nothing_back(kernel: Kernel) -> None:
    """No hash with one field."""
    kernel.submit("j2", retried_from="gone")

    assert kernel.field("j2", "retried_from") == "gone"
    assert not kernel.redis.exists(keys.job("gone"))

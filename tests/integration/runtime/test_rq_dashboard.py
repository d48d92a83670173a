"""rq-dashboard beside our workers: it shows our jobs, and looking changes nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from rq_dashboard.cli import make_flask_app

from integration.runtime.scene import QUEUES, Scene
from portaria.up.ports import free_port
from stack import Stack
from stack.lab import Lab

REGISTRIES = ("queued", "started", "finished", "failed", "deferred", "scheduled", "canceled")
# What changes things though it is a GET, and a folder that the program does not have.
LEFT_OUT = {"rq_dashboard.requeue_all", "static"}


@pytest.fixture
def dashboard(stack: Stack) -> str:
    """Where it serves."""
    port = free_port()
    process = stack.processes.start(
        "dashboard",
        Path(sys.executable).with_name("rq-dashboard"),
        *("--bind", "127.0.0.1", "--port", str(port)),
        RQ_DASHBOARD_REDIS_URL=stack.redis_server.url,
    )
    address = f"http://127.0.0.1:{port}"
    process.wait_until(lambda: _serves(address))
    return address


def test_every_page_shows_our_jobs_and_changes_nothing(
    stack: Stack, lab: Lab, dashboard: str
) -> None:
    """Each page, and the data behind it, of each queue, registry and job: 200, all as before."""
    scene = Scene(stack, lab)
    before = scene.dump()

    pages = {path: _get(dashboard + path) for path in _paths(scene)}

    assert scene.dump() == before
    jobs = {
        name: json.loads(pages[f"/0/data/job/{job_id}.json"]) for name, job_id in scene.ids.items()
    }
    assert {name: job["status"] for name, job in jobs.items()} == {
        "succeeded": "finished", "failed": "failed", "retries": "scheduled", "runs": "started",
        "expired": "canceled", "waits": "queued", "later": "scheduled",
    }  # fmt: skip
    assert {job["description"].rpartition(".")[0] for job in jobs.values()} == {"acme_jobs.lab.v1"}
    (worker,) = json.loads(pages["/0/data/workers.json"])["workers"]
    assert (worker["name"], worker["current_job"]["job_id"]) == ("porter-1", scene.ids["runs"])
    listed = json.loads(pages["/0/data/jobs/lab:low/queued/8/asc/1.json"])["jobs"]
    assert [job["id"] for job in listed] == [scene.ids["waits"]]
    assert scene.ends() == scene.ENDS


def _serves(address: str) -> bool:
    try:
        return bool(_get(address))
    except URLError:
        return False


def _get(url: str) -> str:
    """What is served there. Raises HTTPError where that is an error."""
    with urlopen(url, timeout=10) as answer:
        assert answer.status == 200, url
        return str(answer.read().decode(errors="replace"))


def _paths(scene: Scene) -> Iterator[str]:
    """All that can be fetched, by the program's own table of routes."""
    values = {
        "instance_number": [0], "queue_name": QUEUES, "registry_name": REGISTRIES,
        "per_page": [8], "order": ["asc", "dsc"], "page": [1], "job_id": scene.ids.values(),
        "filename": ["css/bootstrap.min.css"],
    }  # fmt: skip
    app = make_flask_app(None, None, None, "")
    urls = app.url_map.bind("")
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and rule.endpoint not in LEFT_OUT:
            names = sorted(rule.arguments)
            for each in product(*(values[name] for name in names)):
                yield urls.build(rule.endpoint, dict(zip(names, each, strict=True)))

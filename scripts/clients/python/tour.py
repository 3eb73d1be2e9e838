"""A tour of the service with the client that openapi-python-client generates."""

import os
from datetime import UTC, date, datetime
from typing import TypeVar
from uuid import UUID, uuid4

from tasks import AuthenticatedClient
from tasks.api.changes import list_changes
from tasks.api.tasks import batch_tasks, create_task, get_task, list_tasks, update_task
from tasks.models import (
    TaskBatch,
    TaskBatchComplete,
    TaskBatchCreate,
    TaskBatchResult,
    Change,
    ChangePage,
    Problem,
    Task,
    TaskCreate,
    TaskDateInputType0,
    TaskDatePatchType0,
    TaskDateType0,
    TaskPage,
    TaskPriority,
    TaskUpdate,
)
from tasks.types import UNSET, Unset

user = os.environ["TASKS_USER"]
client = AuthenticatedClient(base_url=os.environ["TASKS_URL"], token=os.environ["TASKS_TOKEN"])
missing = UUID("01a19b7c-a680-7bde-9be2-8c463465bc89")

T = TypeVar("T")


def equal(actual: object, expected: object) -> None:
    """Fails, also with `python -O`, unless the two are equal."""
    if actual != expected:
        raise SystemExit(f"expected {expected!r}, got {actual!r}")


def expect(kind: type[T], body: object) -> T:
    """The body of a response if it is of that kind; fails if it is a problem."""
    if not isinstance(body, kind):
        raise SystemExit(f"expected {kind.__name__}, got {body!r}")
    return body


def all_tasks(client: AuthenticatedClient) -> list[Task]:
    """All tasks, two per page."""
    tasks: list[Task] = []
    cursor: str | Unset | None = UNSET
    while cursor is not None:
        page = expect(TaskPage, list_tasks.sync(user, client=client, limit=2, cursor=cursor))
        tasks.extend(page.data)
        cursor = page.next_cursor
    return tasks


def changes_since(client: AuthenticatedClient, token: str | Unset) -> tuple[list[Change], str]:
    """The changes since a sync token, two per page, and the next token."""
    changes: list[Change] = []
    while True:
        page = expect(ChangePage, list_changes.sync(user, client=client, limit=2, sync_token=token))
        changes.extend(page.data)
        token = page.next_sync_token
        if not page.has_more:
            return changes, token


titles = ["one", "two", "three", "four", "five"]
created = [expect(Task, create_task.sync(user, client=client, body=TaskCreate(title=title))) for title in titles]
first, second = created[:2]
equal((first.user_id, first.description), (user, None))
equal(sorted(task.title for task in all_tasks(client)), sorted(titles))
snapshot, token = changes_since(client, UNSET)
equal(len(snapshot), len(titles))

# Only one of two writes with the same revision succeeds.
revision = f'"{first.revision}"'
changed = TaskUpdate(description="Changed")
updated = update_task.sync_detailed(user, first.id, client=client, if_match=revision, body=changed)
equal(updated.headers["ETag"], f'"{expect(Task, updated.parsed).revision}"')
cleared = TaskUpdate(description=None)
outdated = update_task.sync_detailed(user, first.id, client=client, if_match=revision, body=cleared)
equal((outdated.status_code, expect(Problem, outdated.parsed).code), (412, "precondition_failed"))
equal(expect(Task, update_task.sync(user, first.id, client=client, body=cleared)).description, None)

# The retry gets the response of the first request.
key = str(uuid4())
once = TaskCreate(title="Once")
sent = create_task.sync_detailed(user, client=client, idempotency_key=key, body=once)
retried = create_task.sync_detailed(user, client=client, idempotency_key=key, body=once)
equal(expect(Task, retried.parsed).id, expect(Task, sent.parsed).id)
equal((sent.headers.get("Idempotent-Replayed"), retried.headers.get("Idempotent-Replayed")), (None, "true"))

batch = TaskBatch(
    items=[
        TaskBatchCreate(action="create", task=TaskCreate(title="From a batch")),
        TaskBatchComplete(action="complete", id=second.id, completed=True),
    ]
)
results = expect(TaskBatchResult, batch_tasks.sync(user, client=client, body=batch)).items
written = [(item.task.title, item.task.completed) for item in results if item.task]
equal(written, [("From a batch", False), ("two", True)])

changes, _ = changes_since(client, token)
seen = [(change.kind, change.task.title) for change in changes if change.task]
equal(seen, [("task", "one"), ("task", "Once"), ("task", "From a batch"), ("task", "two")])

# A date comes back as it was sent, and a patch of one part keeps the others.
due = TaskDateInputType0(date=date(2027, 3, 28), time="02:30", time_zone="Europe/Berlin")
start = TaskDateInputType0(date=date(2027, 3, 1))
dated = TaskCreate(title="Dated", due=due, start=start, priority=TaskPriority.HIGH, tags=["errands", "home"])
created_dated = expect(Task, create_task.sync(user, client=client, body=dated))
read = expect(Task, get_task.sync(user, created_dated.id, client=client))
equal({**expect(TaskDateType0, read.due).to_dict(), "at": None}, {**due.to_dict(), "at": None})
equal(expect(TaskDateType0, read.due).at, datetime(2027, 3, 28, 1, 30, tzinfo=UTC))
day = {"date": "2027-03-01", "time": None, "time_zone": None, "at": None}
equal(expect(TaskDateType0, read.start).to_dict(), day)
next_day = TaskUpdate(due=TaskDatePatchType0(date=date(2027, 3, 29)))
moved = expect(TaskDateType0, expect(Task, update_task.sync(user, read.id, client=client, body=next_day)).due)
equal((moved.date, moved.time, moved.time_zone), (date(2027, 3, 29), "02:30", "Europe/Berlin"))
undated = expect(Task, update_task.sync(user, read.id, client=client, body=TaskUpdate(due=None)))
equal((undated.due, expect(TaskDateType0, undated.start).to_dict()), (None, day))
important = [TaskPriority.HIGH, TaskPriority.URGENT]
found = expect(TaskPage, list_tasks.sync(user, client=client, tag=["errands", "home"], priority=important))
equal([task.title for task in found.data], ["Dated"])

unknown = get_task.sync_detailed(user, missing, client=client)
equal((unknown.status_code, expect(Problem, unknown.parsed).code), (404, "task_not_found"))
invalid = create_task.sync_detailed(user, client=client, body=TaskCreate(title=""))
equal(invalid.status_code, 400)
errors = expect(Problem, invalid.parsed).errors or []
equal([(error.in_, error.pointer, error.code) for error in errors], [("body", "/title", "too_short")])

# A later version of the service.
future = AuthenticatedClient(base_url=os.environ["FUTURE_URL"], token=os.environ["TASKS_TOKEN"])
equal(sum("added_later" in task for task in all_tasks(future)), len(titles) + 3)
later = get_task.sync_detailed(user, missing, client=future)
equal((later.status_code, expect(Problem, later.parsed).code), (404, "added_later"))
rejected = create_task.sync_detailed(user, client=future, body=TaskCreate(title=""))
equal(rejected.status_code, 400)
rules = [(error.in_, error.code, "added_later" in error) for error in expect(Problem, rejected.parsed).errors or []]
equal(rules, [("added_later", "added_later", True), ("body", "too_short", True)])
ahead, _ = changes_since(future, UNSET)
equal(sum(isinstance(change.task, Task) for change in ahead if change.kind == "task"), len(titles) + 3)
equal(any(change.kind == "added_later" for change in ahead), True)

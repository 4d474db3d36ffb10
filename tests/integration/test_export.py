"""GET /api/data/sessions and /api/timeseries."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

import api.sessions.export
from api.reading import cursor
from tests.support.read_api import FoldedLine, folding_into, read_client, stamp

DATA = "/api/data/sessions"


@pytest.fixture(scope="module")
async def line(module_database: str) -> AsyncIterator[FoldedLine]:
    async with folding_into(module_database) as folded:
        await fill(folded)
        yield folded


@pytest.fixture(scope="module")
async def client(module_database: str, line: FoldedLine) -> AsyncIterator[httpx.AsyncClient]:
    async with read_client(module_database) as opened:
        yield opened


async def fill(line: FoldedLine) -> None:
    """Sessions named after what became of them, created in this order."""

    async def hang(session_id: str, **where: Any) -> None:
        await line.put("event", session_id, {"name": "application_appears_hung"}, **where)

    now = datetime.now(UTC)
    await line.created("plain", product="Shop", version="2", hostname="h1", machine_id="m1")
    await line.put("state", "plain", {"step": {"n": 1, "tags": ["a", 5]}})
    await line.put("state", "plain", {"step": {"n": 2, "old": "x"}})
    await line.put("state", "plain", {"step": {"old": None}})
    await line.created("ended")
    await line.put("ended", "ended")
    await line.created("crashed")
    await line.put("crashed", "crashed")
    await line.created("suspended")
    await line.put("heartbeat", "suspended", stored_at=now - timedelta(seconds=100))
    await line.created("hung", site="b")
    await hang("hung", site="b")
    await line.created("recovered")
    await hang("recovered")
    await line.put("event", "recovered", {"name": "application_recovered"})
    await line.created("hung-ended")
    await hang("hung-ended")
    await line.put("ended", "hung-ended")
    await line.created("hung-crashed")
    await hang("hung-crashed")
    await line.put("crashed", "hung-crashed")
    for session_id, values in {"plain": [1, 5, 3], "ended": [10], "hung": [2, 4]}.items():
        for value in values:
            site = "b" if session_id == "hung" else "local"
            await line.put("metric", session_id, {"name": "ms", "value": value}, site=site)
    await line.put("state", "late", {"product": "First"})
    await line.created("late", product="Second")


ALL = ["plain", "ended", "crashed", "suspended", "hung", "recovered", "hung-ended", "hung-crashed", "late"]


async def ids(client: httpx.AsyncClient, query: str) -> list[str]:
    response = await client.get(f"{DATA}?timelines=false&{query}")
    assert response.status_code == 200, response.text
    return [session["id"] for session in response.json()]


async def test_everything(client: httpx.AsyncClient) -> None:
    response = await client.get(DATA)
    assert response.status_code == 200
    assert response.headers["foldline-total"] == str(len(ALL))
    assert "foldline-next-cursor" not in response.headers
    assert response.headers["foldline-position"].count("SESSIONS/") >= 5
    sessions = response.json()
    assert [session["id"] for session in sessions] == ALL
    for session in sessions:
        one = await client.get(f"/api/sessions/{session['id']}")
        assert one.json() == session


async def test_empty(client: httpx.AsyncClient) -> None:
    for query in ("product=None", "product=None&limit=5"):
        response = await client.get(f"{DATA}?{query}")
        assert (response.json(), response.headers["foldline-total"]) == ([], "0")
        assert response.headers["foldline-position"]


async def test_without_timelines(client: httpx.AsyncClient) -> None:
    plain = (await client.get(f"{DATA}?timelines=false&limit=1")).json()[0]
    assert (plain["event_count"], plain["metric_count"]) == (0, 3)
    assert not {"events", "metrics", "state_history"} & plain.keys()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=active", "plain hung recovered late"),
        ("status=suspended", "suspended"),
        ("status=ended", "ended hung-ended"),
        ("status=crashed", "crashed hung-crashed"),
        ("status=hung", "hung hung-ended"),
        ("status=ever_hung", "hung recovered hung-ended hung-crashed"),
        ("status=hung_recovered", "recovered"),
        ("status=hung_ended", "hung-ended"),
        ("status=hung_crashed", "hung-crashed"),
        ("product=Shop", "plain"),
        ("product=App&version=1&site=b", "hung"),
        ("machine_id=m1", "plain"),
        ("hostname=h1&machine_id=m2", ""),
        ("site=b", "hung"),
        (f"created_before={stamp(6)}", "plain ended"),
        (f"created_after={stamp(7)}&created_before={stamp(10)}", "crashed suspended"),
        ("has_event=application_appears_hung&has_event=application_recovered", "recovered"),
        ("has_event=session_crashed_detected", "crashed hung-crashed"),
        ("state=step.n=2", "plain"),
        ("state=step.n=2.0", "plain"),
        ('state=step.n="2"', ""),
        ("state=step.n=1", ""),
        ("state=step.tags.1=5", "plain"),
        ('state=step.tags=["a", 5]', "plain"),
        ('state=step={"n":2,"tags":["a",5]}', "plain"),
        ("state=product=Shop&state=version=2", "plain"),
        ("state=product=Shop&state=version=3", ""),
        ("state=step.n=", ""),
        ("state_ever=step.n=1", "plain"),
        ("state_ever=step.old=x", "plain"),
        ("state_ever=step.old=x&state_ever=step.n=2", "plain"),
        ("state_ever=step.old=y", ""),
        ("state_ever=product=Second", ""),
        ("state_ever=product=First", "late"),
        ("state_ever=product=Shop", "plain"),
    ],
)
@pytest.mark.parametrize("limit", ["", "&limit=1000"])
async def test_filters(client: httpx.AsyncClient, query: str, expected: str, limit: str) -> None:
    assert await ids(client, query + limit) == expected.split()


@pytest.mark.parametrize("sort", ["created_at", "updated_at", "status", "events", "metrics"])
@pytest.mark.parametrize("limit", [1, 2, 4, 9])
async def test_paging_meets_each_session_once(client: httpx.AsyncClient, sort: str, limit: int) -> None:
    whole = await ids(client, f"sort={sort}")
    assert sorted(whole) == sorted(ALL)
    assert await ids(client, f"sort=-{sort}") == whole[::-1]
    for direction, expected in (("", whole), ("-", whole[::-1])):
        url, found = f"{DATA}?sort={direction}{sort}&limit={limit}&timelines=false", []
        while url:
            response = await client.get(url)
            assert response.headers["foldline-total"] == str(len(ALL))
            found += [session["id"] for session in response.json()]
            url = response.links.get("next", {}).get("url", "")
            assert (f"cursor={response.headers.get('foldline-next-cursor')}" in url) == bool(url)
        assert found == expected


@pytest.mark.parametrize("sort", ["created_at", "-updated_at", "status", "-metrics"])
@pytest.mark.parametrize("timelines", ["true", "false"])
@pytest.mark.parametrize("most_bytes", [1, 600, 1500, 4000])
async def test_a_page_ends_early_by_bytes(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, sort: str, timelines: str, most_bytes: int
) -> None:
    query = f"{DATA}?sort={sort}&timelines={timelines}"
    whole = (await client.get(query)).json()
    monkeypatch.setattr(api.sessions.export, "PAGE_BYTES", most_bytes)
    url, found = f"{query}&limit=1000", []
    while url:
        response = await client.get(url)
        assert response.headers["foldline-total"] == str(len(ALL))
        page = response.json()
        assert len(page) == 1 or len(response.content) <= most_bytes + len(json.dumps(page[-1]))
        found += page
        url = response.links.get("next", {}).get("url", "")
    assert found == whole


async def test_sorted_by_status(client: httpx.AsyncClient) -> None:
    sessions = (await client.get(f"{DATA}?sort=status&limit=9")).json()
    order = [
        next((flag for flag in ("crashed", "suspended", "active") if session[flag]), "ended")
        for session in sessions
    ]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("status=gone", ["status", "'hung_recovered'"]),
        ("sort=size", ["sort", "'-created_at'"]),
        ("limit=0", ["limit", "1"]),
        ("limit=1001", ["limit", "1000"]),
        ("limit=99999999999999999999999", ["limit"]),
        ("limit=x", ["limit"]),
        ("limit=1&limit=2", ["limit", "more than once"]),
        ("state=plain", ["state", "dotted.path=value"]),
        ("state==x", ["state", "dotted.path=value"]),
        ('state_ever=step={"n":1}', ["state_ever"]),
        ("created_after=yesterday", ["created_after", "RFC 3339"]),
        ("created_after=0000-00-00T00:00:00Z", ["created_after"]),
        ("product=%00", ["product", "NUL"]),
        ("has_event=%00", ["has_event", "NUL"]),
        ("state=a=%00", ["state", "NUL"]),
        ("timelines=maybe", ["timelines"]),
        ("colour=red", ["colour", "created_before"]),
        ("cursor=abc", ["cursor"]),
        ("cursor=%ff", ["cursor"]),
        ("cursor=WyJjcmVhdGVkX2F0IiwiTk9XISIsIngiLCJ5Il0", ["cursor"]),  # of this list, but no time in it
        ("cursor=WyJjcmVhdGVkX2F0IiwxLCJ4IiwieSJd", ["cursor"]),
    ],
)
async def test_bad_parameters(client: httpx.AsyncClient, query: str, names: list[str]) -> None:
    response = await client.get(f"{DATA}?{query}")
    assert response.status_code == 400
    body = response.json()
    assert body.keys() == {"error", "details"}
    for name in names:
        assert name in body["details"]


@pytest.mark.parametrize(
    "query",
    [
        "product=%ff%fe",
        'state=a="\\ud800"',
        'state=a="\\u0000"',
        "state=a=1e999",
        "state=a." + "b." * 500 + "c=1",
    ],
)
async def test_odd_values_match_nothing(client: httpx.AsyncClient, query: str) -> None:
    assert await ids(client, query) == []


@pytest.mark.parametrize("time", ["2024-01-01T10:00:00+23:59", "2024-01-01T10:00:00,5Z"])
async def test_a_cursor_with_a_time_of_another_form(client: httpx.AsyncClient, time: str) -> None:
    text = cursor.encode("created_at", time, "local", "x")
    assert (await client.get(f"{DATA}?limit=1&cursor={text}")).status_code == 200


async def test_cursor_belongs_to_its_sort(client: httpx.AsyncClient) -> None:
    cursor = (await client.get(f"{DATA}?limit=1")).headers["foldline-next-cursor"]
    assert (await client.get(f"{DATA}?limit=1&cursor={cursor}")).status_code == 200
    assert (await client.get(f"{DATA}?limit=1&cursor={cursor}&sort=events")).status_code == 400
    assert (await client.get(f"/v1/rejected?cursor={cursor}")).status_code == 400


async def series(client: httpx.AsyncClient, query: str) -> dict[str, Any]:
    response = await client.get(f"/api/timeseries?{query}")
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def test_timeseries(client: httpx.AsyncClient) -> None:
    body = await series(client, "metric=ms")
    points = body.pop("Points")
    assert [point["Value"] for point in points] == [1, 5, 3, 10, 2, 4]
    assert points[0].keys() == {"Timestamp", "Value", "SessionID", "Site"}
    assert points == sorted(points, key=lambda point: point["Timestamp"])
    assert body == {
        "MetricName": "ms",
        "AggregationType": "all",
        "SessionsMatched": 3,
        "PointsMatched": 6,
        "Truncated": False,
        "Peak": 10,
        "Average": pytest.approx(25 / 6),
        "Min": 1,
        "Median": 3.5,
        "StdDev": pytest.approx(2.9107, rel=1e-4),
    }


@pytest.mark.parametrize(
    ("aggregation", "values"), [("peak", [5, 10, 4]), ("average", [3, 10, 3]), ("min", [1, 10, 2])]
)
async def test_one_point_a_session(client: httpx.AsyncClient, aggregation: str, values: list[float]) -> None:
    body = await series(client, f"metric=ms&aggregation={aggregation}")
    assert [point["Value"] for point in body["Points"]] == values
    assert (body["SessionsMatched"], body["PointsMatched"]) == (3, 3)
    assert (body["Peak"], body["Min"]) == (max(values), min(values))


@pytest.mark.parametrize(
    ("query", "sessions"),
    [
        ("filter_mode=none", 3),
        ("filter_mode=current_state&filter_path=step.n&filter_value=2", 1),
        ("filter_mode=current_state&filter_path=step.n&filter_value=1", 0),
        ("filter_mode=state_history&filter_path=step.n&filter_value=1", 1),
        ("filter_mode=state_array_contains&filter_path=step.tags&filter_value=5", 1),
        ("filter_mode=state_array_contains&filter_path=step.tags&filter_value=b", 0),
        ("filter_mode=state_array_contains&filter_path=step.n&filter_value=2", 0),
        ("filter_mode=current_state&filter_path=product&filter_value=App", 2),
    ],
)
async def test_timeseries_filters(client: httpx.AsyncClient, query: str, sessions: int) -> None:
    assert (await series(client, f"metric=ms&{query}"))["SessionsMatched"] == sessions


async def test_timeseries_is_bounded(client: httpx.AsyncClient) -> None:
    body = await series(client, "metric=ms&limit=2")
    assert [point["Value"] for point in body["Points"]] == [2, 4]
    assert (body["Truncated"], body["Peak"], body["PointsMatched"]) == (True, 10, 6)


async def test_no_such_metric(client: httpx.AsyncClient) -> None:
    body = await series(client, "metric=nothing")
    assert (body["Points"], body["Peak"], body["Average"], body["Min"]) == ([], None, None, None)
    assert body["SessionsMatched"] == 0


@pytest.mark.parametrize(
    "query",
    [
        "",
        "metric=",
        "metric=a%00",
        "metric=ms&aggregation=sum",
        "metric=ms&filter_mode=all",
        "metric=ms&filter_mode=current_state",
        "metric=ms&filter_mode=current_state&filter_path=a",
        "metric=ms&filter_mode=state_history&filter_path=a&filter_value={}",
        "metric=ms&limit=100001",
        "metric=ms&since=1",
        "metric=ms&x=1",
    ],
)
async def test_timeseries_bad_parameters(client: httpx.AsyncClient, query: str) -> None:
    response = await client.get(f"/api/timeseries?{query}")
    assert response.status_code == 400
    assert response.json().keys() == {"error", "details"}


async def test_extreme_values(line: FoldedLine, client: httpx.AsyncClient) -> None:
    for value in (1.7e308, 1.7e308, -1.7e308):
        await line.put("metric", "plain", {"name": "huge", "value": value})
    for aggregation in ("all", "average", "peak", "min"):
        body = await series(client, f"metric=huge&aggregation={aggregation}")
        assert json.dumps(body, allow_nan=False)
    body = await series(client, "metric=huge")
    assert body["Average"] == pytest.approx(1.7e308 / 3)
    assert (body["Median"], body["Min"]) == (1.7e308, -1.7e308)


async def test_the_smallest_beside_the_largest(line: FoldedLine, client: httpx.AsyncClient) -> None:
    for value in (5e-324, 1e308, 1e-300):
        await line.put("metric", "plain", {"name": "both", "value": value})
    for aggregation in ("all", "average", "peak", "min"):
        assert json.dumps(await series(client, f"metric=both&aggregation={aggregation}"), allow_nan=False)
    body = await series(client, "metric=both")
    assert (body["Min"], body["Peak"]) == (5e-324, 1e308)
    assert body["Average"] == pytest.approx(1e308 / 3)

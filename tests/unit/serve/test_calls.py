"""The calls of page and scripts, with an engine that draws nothing: photographs, run, progress, cancel, review, download."""

import io
import json
import zipfile

import pytest
from tests.unit.serve.conftest import TOKEN

KEY = "/api/people/p1"
ALL = list(range(1, 11))


def put(page, name="before.jpg", content=b"a photograph", key=KEY):
    return page.put(f"{key}/photographs/{name}", content=content)


def done(page, key=KEY):
    told = page.get(key).json()
    return told if told["state"] not in ("waiting", "running") else None


def run(page, wait, key=KEY, **choices):
    answer = page.post(f"{key}/run", json=choices)
    assert answer.status_code == 202, answer.text
    return wait(lambda: done(page, key))


def names(answer):
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return archive.namelist()


def test_the_whole_way_of_a_pair(page, wait):
    assert put(page).status_code == 201
    assert put(page, "after.jpg").json()["number"] == 2
    told = wait(lambda: (known := page.get(KEY).json())["photographs"][1]["look"] and known)
    assert told["photographs"][0]["look"]["faces"][0]["box"] == [1, 2, 30, 40]
    assert page.get(f"{KEY}/photographs/1/view").headers["content-type"] == "image/jpeg"
    assert page.get(f"{KEY}/photographs/1/regions").json()[0]["name"] == "mouth"
    told = run(page, wait, preserve=["mouth"], keep_identity=True)
    assert (told["state"], told["outcome"]["verdict"], told["outcome"]["recognisers"][0]["nearest"]) == ("written", "PASS", 0.75)
    assert page.get(f"{KEY}/results/before.png").content == b"before.png"
    assert page.get(f"{KEY}/result.zip").status_code == 409  # nobody has looked at it
    assert page.post(f"{KEY}/review", json={"reviewer": "Dr Ito", "checked": ALL[:-1]}).status_code == 422
    assert page.post(f"{KEY}/review", json={"reviewer": " ", "checked": ALL}).status_code == 422
    assert page.post(f"{KEY}/review", json={"reviewer": "Dr Ito", "checked": ALL}).status_code == 200
    packed = page.get(f"{KEY}/result.zip")
    outputs = ["before.png", "before.preserved.png", "after.png", "after.preserved.png", "audit.json", "person-0001.report.html"]
    assert names(packed) == [*outputs, "face.identity", "review.json"]
    assert page.post(f"{KEY}/review", json={"reviewer": "Dr Abe", "checked": ALL}).status_code == 200
    with zipfile.ZipFile(io.BytesIO(page.get(f"{KEY}/result.zip").content)) as archive:
        assert json.loads(archive.read("review.json"))["reviewer"] == "Dr Abe"  # not the ZIP of the review before
    told = run(page, wait, seed=6)  # another face: the review was of the other one
    assert (told["outcome"]["seed"], told["reviewed"]) == (6, False)
    assert page.delete(f"{KEY}/photographs/2").status_code == 204
    assert page.get(f"{KEY}/results/before.png").status_code == 409


def test_scripts_need_three_calls(stranger, server):
    own = {"authorization": f"Bearer {TOKEN}"}
    assert stranger.put("/api/people/s1/photographs/a.jpg", content=b"a photograph", headers=own).status_code == 201
    told = stranger.post("/api/people/s1/run?wait=true", json={"seed": 1}, headers=own).json()
    assert told["state"] == "written"
    assert names(stranger.get("/api/people/s1/result.zip", headers=own)) == [
        "a.png",
        "a.preserved.png",
        "audit.json",
        "person-0001.report.html",
    ]
    assert stranger.delete("/api/people/s1", headers=own).status_code == 204
    assert not [path for path in server.patients.folder.rglob("*") if path.is_file()]


def test_a_refusal_says_why_and_gives_nothing(page, wait):
    put(page)
    told = run(page, wait, person="refuse")
    assert (told["state"], told["outcome"]["verdict"], told["message"]) == ("refused", "REFUSED", "before.jpg is still recognised")
    assert page.get(f"{KEY}/result.zip").status_code == 409


@pytest.mark.parametrize(("person", "says"), [("fail", "no face found in 'before.jpg'"), ("die", "the process that works on the")])
def test_a_failure_says_why_without_the_machines_folders(page, wait, person, says):
    put(page)
    told = run(page, wait, person=person)
    assert told["state"] == "failed"
    assert told["message"].startswith(says)
    assert run(page, wait)["state"] == "written"  # with a new process, if the old one died


def test_a_call_is_cancelled_while_it_runs_and_while_it_waits(page, wait):
    put(page)
    put(page, key="/api/people/p2")
    page.post(f"{KEY}/run", json={"person": "slow"})
    page.post("/api/people/p2/run", json={"person": "slow"})
    running = wait(lambda: (told := page.get(KEY).json())["state"] == "running" and told["step"]["of"] and told)
    assert running["step"] == {"what": "drawing", "done": running["step"]["done"], "of": 600}
    assert put(page, "other.jpg").status_code == 422  # not while it runs
    assert page.get("/api/people/p2").json()["state"] == "waiting"
    page.post("/api/people/p2/cancel")
    page.post(f"{KEY}/cancel")
    assert wait(lambda: done(page))["state"] == wait(lambda: done(page, "/api/people/p2"))["state"] == "cancelled"
    assert run(page, wait)["state"] == "written"


def test_a_photograph_that_cannot_be_read_says_so(page, wait):
    put(page, content=b"broken")
    assert wait(lambda: page.get(KEY).json()["photographs"][0]["problem"]) == "'before.jpg' can't be read"
    assert page.get(f"{KEY}/photographs/1/view").status_code == 404
    assert page.get(f"{KEY}/photographs/1/regions?face=2").json() == {"error": "photograph 'before.jpg' shows 1 face"}


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ({"colour": 1}, "there is no choice 'colour'"),
        ({"preserve": ["moth"]}, "did you mean 'mouth'"),
        ({"preserve": ["/etc/passwd"]}, "unknown region"),
        ({"preserve": "mouth"}, "no list"),
        ({"seed": -1}, "seed is no whole number"),
        ({"face": True}, "face is no whole number"),
        ({"method": "smear"}, "there is no method 'smear'"),
        ({"method": "blur", "seed": 1}, "draws no new face"),
        ({"use_identity": True}, "add its file"),
        ({"rename": "yes"}, "neither true nor false"),
        ({"person": "a\nb"}, "no text"),
        ({"drawn": {"1": [{"kind": "brush", "radius": 1e9, "points": [[1, 1]]}]}}, "can't be read"),
        ({"drawn": {"1": [{"kind": "polygon", "points": [[1, 1]]}]}}, "can't be read"),
        ({"drawn": {"7": [{"kind": "brush", "radius": 2, "points": [[1, 1]]}]}}, "no photograph 7"),
        ([], "no mapping"),
    ],
)
def test_choices_are_checked(page, choices, says):
    put(page)
    answer = page.post(f"{KEY}/run", content=json.dumps(choices))
    assert answer.status_code == 422
    assert says in answer.json()["error"]
    assert "/" not in answer.json()["error"].replace("'/etc/passwd'", "")


def test_there_is_no_choice_without_people_photographs_and_results(page):
    assert page.post(f"{KEY}/run", json={}).status_code == 404
    assert put(page).status_code == 201
    assert [put(page, f"{n}.jpg").status_code for n in range(3)] == [201, 201, 422]
    assert page.delete(f"{KEY}/photographs/9").status_code == 404
    for number in range(3):
        assert put(page, key=f"/api/people/q{number}").status_code == 201
    assert put(page, key="/api/people/q4").status_code == 422


def test_news_come_at_once(server, page, wait):
    import asyncio

    async def first_two():
        stream = server._news()
        first = await anext(stream)
        server.patients.changed()
        second = await anext(stream)
        await stream.aclose()
        return first, second

    first, second = asyncio.run(first_two())
    assert first == second == 'data: {"people": []}\n\n'
    assert not server.patients.listeners

"""An engine without networks, importable by the worker's process: quick, and its photographs need not be ones."""

import hashlib
import time

from vera.types import VeraError

RECOGNISER = {"name": "fake", "threshold": 0.5, "refusal_threshold": 0.5, "output_to_source": [[0.75]], "between_outputs": []}


class FakeEngine:
    """Writes what it is told; persons named `slow`, `refuse`, `fail` and `die` do so."""

    def look(self, photograph, view, *, tell):
        if photograph.read_bytes() == b"broken":
            raise VeraError(f"'{photograph}' can't be read")
        view.write_bytes(b"\xff\xd8\xff view")
        return {"size": [60, 50], "faces": [{"box": [1, 2, 30, 40], "outline": []}], "further": 0, "turned": None, "warnings": []}

    def regions(self, photograph, face, *, tell):
        if face > 1:
            raise VeraError(f"photograph '{photograph}' shows 1 face")
        return [{"name": "mouth", "pixels": 4, "rings": [[[1, 1], [1, 3], [3, 3], [3, 1]]]}]

    def run(self, job, *, tell):
        person = job.choices.person
        for step in range(10**6 if person == "slow" else 2):  # a slow call ends only by being cancelled
            tell("drawing", step % 600, 600)
            time.sleep(0.05 if person == "slow" else 0)
        if person == "die":
            import os

            os._exit(9)
        if person == "fail":
            raise VeraError(f"no face found in '{job.photographs[0]}'")
        job.out.mkdir()
        record = {"status": "refused" if person == "refuse" else "written", "warnings": [], "seed": job.choices.seed or 5, "attempt": 1}
        record |= {"identity": "drawn", "verification": {"recognisers": [RECOGNISER]}, "files": []}
        if person == "refuse":
            return {"record": record | {"reason": f"{job.photographs[0]} is still recognised"}, "rings": []}
        for path in job.photographs:
            written = {}
            for name in (f"{path.stem}.png", f"{path.stem}.preserved.png"):
                (job.out / name).write_bytes(name.encode())
                written[name] = hashlib.sha256(name.encode()).hexdigest()
            record["files"].append({"written": written})
        (job.out / "audit.json").write_text("{}")
        (job.out / "person-0001.report.html").write_text("PASS")
        record["report"] = {"person-0001.report.html": hashlib.sha256(b"PASS").hexdigest()}
        if job.keep_identity:
            job.keep_identity.write_bytes(b"face")
        return {"record": record, "rings": [[] for _ in job.photographs]}

"""Turned photographs through the whole anonymizer: is the person still to be seen in what is written? See README.md beside this file.

python experiments/turned/whole.py --photos DIR --data NAME [--out DIR] [--limit N] [--shard 0/2] [--leave-out-donors] [--publish]
DIR holds PERSON_neutral.jpg, upright, one face each. Each is turned by twelve angles and anonymized, with the mouth kept. What was done is
in --out and is not done again; with --publish, the counts are written to results_whole.jsonl beside this script, in the place of
earlier ones of the same data.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

from run import rotated

from vera.anonymization.interface import embedded
from vera.anonymization.pipeline import VeraAnonymizer
from vera.anonymization.request import Options
from vera.anonymization.verification import embeddings
from vera.distributed import parse_shard
from vera.faces.photograph import read_photograph
from vera.faces.turns import distinct, search_turns
from vera.files import write_whole
from vera.types import Photograph, Semantic, VeraError

HERE = Path(__file__).parent
ANGLES = tuple(range(0, 360, 30))
WORDS = {"not upright": "turned", "faces found": "several", "no face found": "none", "cut off": "cut off", "turned by about": "head turned"}
"""What a refusal says, and how it is counted; everything else is refused by the verification or for the face."""


def main() -> int:
    """Anonymize what is missing, then count; exit code 1 when somebody is recognised, or refused as turned while upright."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--data", required=True, help="what the photographs are, for the record")
    parser.add_argument("--out", type=Path, default=Path("outputs/turned"))
    parser.add_argument("--limit", type=int, help="only the first N people")
    parser.add_argument("--shard", help="NUMBER/COUNT: only this share of the people")
    parser.add_argument("--leave-out-donors", action="store_true", help="for the bank's donors: no row that a person went into is used")
    parser.add_argument("--publish", action="store_true")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    files = sorted(chosen.photos.glob("*_neutral.jpg"))[: chosen.limit]
    if not files:
        sys.exit(f"no photographs PERSON_neutral.jpg in '{chosen.photos}'")
    number, count = parse_shard(chosen.shard) or (0, 1)
    options = Options(preserve=(Semantic.MOUTH,), seed=0)
    anonymizer = embedded(None, "cpu", options, renderer="exemplars", leave_out_person=chosen.leave_out_donors)
    for path in files[number::count]:
        done = chosen.out / f"{path.stem}.json"
        if not done.is_file():
            write_whole(done, json.dumps(person(anonymizer, path)).encode())
            print(done.read_text(), flush=True)
    return 0 if chosen.shard else report([chosen.out / f"{path.stem}.json" for path in files], chosen.data, publish=chosen.publish)


def person(anonymizer: VeraAnonymizer, path: Path) -> dict[str, str]:
    """What became of one person's photograph at each angle."""
    photograph, found = read_photograph(path), {}
    for angle in ANGLES:
        given = rotated(photograph, angle) if angle else photograph
        try:
            made = anonymizer([given], person=path.stem.rpartition("_")[0])
        except VeraError as error:
            found[str(angle)] = next((name for word, name in WORDS.items() if word in str(error)), "refused")
            continue
        output = Photograph(made.photographs[0].image, path.stem, "")
        found[str(angle)] = "recognised" if recognised(anonymizer, photograph, output, angle) else "written"
    return found


def recognised(anonymizer: VeraAnonymizer, source: Photograph, output: Photograph, angle: int) -> bool:
    """Whether any recogniser takes anything that looks like a face in the output, or in the output turned back, for the person."""
    face = anonymizer.detector.detect(source)[0]
    for view in (output, rotated(output, -angle)) if angle % 90 else (output,):
        # A face is compared in the turn in which it is found best: upside down, with eyes taken for a mouth, it is like anybody.
        margins = {other.name: other.turn_margin for other in anonymizer.others}
        finds = distinct(search_turns([anonymizer.detector, *anonymizer.others], view), margins)
        places = [find.face.landmarks for find in finds] + [face.landmarks]
        for recogniser in anonymizer.recognisers:
            own = recogniser.embed(source.pixels, face.landmarks)
            seen = [one for place in places for one in embeddings(recogniser, view.pixels, place, scales=(1.0,))]
            if any(not recogniser.distance(own, one) >= recogniser.threshold for one in seen):
                return True
    return False


def report(done: list[Path], data: str, *, publish: bool) -> int:
    """Print the counts for each angle, and write them."""
    missing = [path.name for path in done if not path.is_file()]
    if missing:
        sys.exit(f"{len(missing)} people are missing ({missing[0]} ...): run the other shards first")
    people = [json.loads(path.read_text()) for path in done]
    angles = {str(angle): dict(Counter(person[str(angle)] for person in people)) for angle in ANGLES}
    for angle, counts in angles.items():
        print(f"{angle:>4} degrees: {counts}")
    if publish:
        row = json.dumps({"data": data, "people": len(people), "angles": angles})
        published = HERE / "results_whole.jsonl"
        others = [line for line in published.read_text().splitlines() if json.loads(line)["data"] != data]
        write_whole(published, "".join(f"{line}\n" for line in (*others, row)).encode())
    failed = any("recognised" in counts for counts in angles.values()) or "turned" in angles["0"]
    print("failures: " + ("yes" if failed else "none"))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

"""An engine that draws pictures without networks, for tests of the page: everything that it can show, in a moment."""

import numpy as np
from PIL import Image
from tests.unit.serve.fake_engine import RECOGNISER, FakeEngine

SIZE = (400, 300)
"""Height and width of all its pictures."""


def picture(shade):
    rows, columns = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    return Image.fromarray(np.stack([rows % 256, columns % 256, np.full(SIZE, shade)], axis=2).astype(np.uint8))


class PaintedEngine(FakeEngine):
    """Shows two faces in files called `two`, turned ones in `turned`; the person `review` gets a warning."""

    def look(self, photograph, view, *, tell):
        found = super().look(photograph, view, tell=tell)
        picture(80).save(view, "JPEG")
        faces = [{"box": [90, 100, 210, 260], "outline": []}, {"box": [10, 10, 60, 70], "outline": []}]
        found |= {"size": list(SIZE), "faces": faces[: 2 if "two" in photograph.name else 1], "warnings": []}
        if "turned" in photograph.name:
            found |= {"turned": f"'{photograph.name}' is turned by 90 degrees: turn it upright", "warnings": ["it is dark"], "further": 1}
        return found

    def regions(self, photograph, face, *, tell):
        (mouth,) = super().regions(photograph, face, tell=tell)
        mouth["rings"] = [[[120, 200], [180, 200], [180, 230], [120, 230]]]
        return [mouth, {"name": "teeth", "missing": "the mouth is closed"}]

    def run(self, job, *, tell):
        made = super().run(job, tell=tell)
        for file in made["record"]["files"]:
            for name in file["written"]:
                picture(200).save(job.out / name)
        made["rings"] = [[[[120, 200], [180, 200], [180, 230], [120, 230]]] for _ in job.photographs]
        if job.choices.person == "review":
            made["record"]["warnings"] = ["photograph 1: something in the background looks like a face"]
        if len(job.photographs) > 1:
            made["record"]["verification"] = {"recognisers": [RECOGNISER | {"between_outputs": [0.21]}]}
        return made

"""An engine that draws pictures without networks, for tests of the page: everything that it can show, in a moment."""

import numpy as np
from PIL import Image
from tests.unit.serve.fake_engine import RECOGNISER, FakeEngine

SIZE, LARGE = (400, 300), (5800, 8700)
"""Height and width of all its pictures, and of those in files called `large`: 50 megapixels."""


def picture(shade, size=SIZE):
    rows = np.arange(size[0], dtype=np.uint8)[:, None]  # from 0 to 255, again and again
    columns = np.arange(size[1], dtype=np.uint8)[None, :]
    return Image.fromarray(np.stack(np.broadcast_arrays(rows, columns, np.uint8(shade)), axis=2))


class PaintedEngine(FakeEngine):
    """Shows two faces in files called `two`, turned ones in `turned`, 50 megapixels in `large`; the person `review` gets a warning."""

    def look(self, photograph, view, *, tell):
        found = super().look(photograph, view, tell=tell)
        size = LARGE if "large" in photograph.name else SIZE
        picture(80, size).save(view, "JPEG")
        wide, high = size[1] / SIZE[1], size[0] / SIZE[0]
        boxes = [[90 * wide, 100 * high, 210 * wide, 260 * high], [10, 10, 60, 70]]
        faces = [{"box": box, "outline": []} for box in boxes]
        found |= {"size": list(size), "faces": faces[: 2 if "two" in photograph.name else 1], "warnings": []}
        if "turned" in photograph.name:
            found |= {"turned": f"'{photograph.name}' is turned by 90 degrees: turn it upright", "warnings": ["it is dark"], "further": 1}
        return found

    def regions(self, photograph, face, *, tell):
        (mouth,) = super().regions(photograph, face, tell=tell)
        mouth |= {"rings": [[[120, 200], [180, 200], [180, 230], [120, 230]]], "mm": 2.0}
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

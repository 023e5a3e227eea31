"""Compute the outlines of the ten classes of Shapes-10 and write them where the kit reads them.

    python benchmarks/forms.py

Writes distill_kit/assets/shapes10.npy. Every image of Shapes-10 comes from these outlines: change nothing here unless
all that was computed from the images is to be made anew.
"""
import numpy as np

from distill_kit.data.shapes10 import ANGLES, CLASSES, FORMS, UNIT


def main() -> None:
    np.save(FORMS, forms())


def forms() -> np.ndarray:
    """Compute the classes' own outlines: int16 [10, ANGLES], radius by angle, all of one area."""
    turn = 2 * np.pi * np.arange(360) / 360
    sin, cos = np.sin(turn), np.cos(turn)
    ring = np.stack([sin, -cos], 1)                                                      # (360, 2), y points down
    zigzag = 2 * np.pi * np.arange(10) / 10
    arm = .39
    forms = {
        "circle": ring,
        "drop": np.concatenate([[(0, -2.05)], ring[40:321]]),
        "heart": np.stack([16 * sin**3, -13 * cos + 5 * np.cos(2 * turn) + 2 * np.cos(3 * turn) + np.cos(4 * turn)], 1),
        "leaf": np.stack([.53 * np.sign(sin) * np.abs(sin)**1.3, -cos], 1),
        "triangle": ring[[0, 120, 240]],
        "square": ring[[45, 135, 225, 315]],
        "cross": [(-arm, -1), (arm, -1), (arm, -arm), (1, -arm), (1, arm), (arm, arm),
                  (arm, 1), (-arm, 1), (-arm, arm), (-1, arm), (-1, -arm), (-arm, -arm)],
        "star": np.stack([np.sin(zigzag), -np.cos(zigzag)], 1) * np.array([1, .35] * 5)[:, None],
        "flower": ring * (1 + .25 * np.cos(5 * turn))[:, None],
        "fish": [(-.9, 0), (-.55, -.45), (-.1, -.57), (.3, -.42), (.6, -.12), (1, -.5),
                 (1, .5), (.6, .12), (.3, .42), (-.1, .57), (-.55, .45)],
    }
    return np.stack([radii(np.array(forms[name], dtype=float)) for name in CLASSES]).astype(np.int16)


def radii(corners: np.ndarray) -> np.ndarray:
    """Compute a polygon's reach from its centre of gravity at each angle, at unit area: [K, 2] -> int64 [ANGLES]."""
    after = np.roll(corners, -1, 0)
    triangles = corners[:, 0] * after[:, 1] - corners[:, 1] * after[:, 0]                # twice their areas, (K,)
    centre = ((corners + after) * triangles[:, None]).sum(0) / (3 * triangles.sum())
    (ax, ay), (ex, ey) = (corners - centre).T, (after - corners).T                     # edges: start and way, (K,) each
    angle = 2 * np.pi * np.arange(ANGLES)[:, None] / ANGLES + 1e-6                     # (ANGLES, 1), past every corner
    x, y = np.sin(angle), -np.cos(angle)
    with np.errstate(divide="ignore", invalid="ignore"):                                 # rays along an edge miss it
        reach = (ax * ey - ay * ex) / (x * ey - y * ex)                                  # along the ray, (ANGLES, K)
        place = (ax * y - ay * x) / (x * ey - y * ex)                                    # along the edge, 0 to 1
        hit = (reach > 0) & (place >= -1e-9) & (place <= 1 + 1e-9)
    radius = np.where(hit, reach, 0).max(1)
    return np.rint(UNIT * radius / np.sqrt((radius**2).mean())).astype(np.int64)


if __name__ == "__main__":
    main()

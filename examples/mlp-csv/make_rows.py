"""Write rows.csv: 160 made-up rows, the same on every machine.

The target mixes two features linearly and two through a bend at zero, so that a hidden ReLU layer
has something to find that a linear model can't.
"""

import csv
import random
from pathlib import Path

FEATURES = [f"x{i}" for i in range(8)]


def rows(count: int = 160, seed: int = 7) -> list[list[str]]:
    """Return ``count`` rows of eight features and the target, with four decimals."""
    # random() is the one stream that Python promises to keep between versions.
    generator = random.Random(seed)
    result = []
    for _ in range(count):
        x = [2 * generator.random() - 1 for _ in FEATURES]
        noise = 0.1 * (generator.random() - 0.5)
        y = 0.8 * x[0] - 0.5 * x[1] + 1.2 * max(x[2], 0.0) - 0.9 * max(-x[3], 0.0) + noise
        result.append([f"{value:.4f}" for value in (*x, y)])
    return result


def write(path: Path) -> None:
    """Write the file with its header."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*FEATURES, "y"])
        writer.writerows(rows())


if __name__ == "__main__":
    write(Path(__file__).with_name("rows.csv"))

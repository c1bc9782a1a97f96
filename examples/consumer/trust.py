"""Act on a model's decisions: each inference once, proven for us by the model that we pinned."""

import json
import sys
from pathlib import Path

from zkdescent.core.errors import ZkDescentError
from zkdescent.core.records import InferenceRecord, Manifest
from zkdescent.verifier import Chain, PinnedModel

URL = "http://127.0.0.1:8545"
US = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def accept(row: list[float], proof: Path, folder: Path = Path()) -> tuple[float, ...]:
    """Return what the pinned model says of a row, if the proof shows it, for our next nonce."""
    pin = json.loads((folder / "pin.json").read_text())
    manifest = Manifest.from_json(json.loads((folder / "manifest.json").read_text()))
    record = InferenceRecord.from_json(json.loads(proof.read_text()))
    counter = folder / "nonce"
    nonce = int(counter.read_text()) if counter.exists() else 0
    with Chain.reader(URL) as chain:
        model = PinnedModel.open(
            chain, manifest, int(pin["model_id"], 16), bytes.fromhex(pin["commitment_hash"][2:])
        )
        outputs = model.check(record, row, requester=US, nonce=nonce)
    counter.write_text(str(nonce + 1))
    return outputs


if __name__ == "__main__":
    rows = json.loads(Path(sys.argv[1]).read_text())
    try:
        print("accepted:", *accept(rows[0], Path(sys.argv[2])))
    except ZkDescentError as error:
        sys.exit(f"refused: {error}")

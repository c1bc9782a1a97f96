"""What a circuit's sponges absorb, and whether the challenge binds what it should.

The challenge is the last digest of a circuit with Freivalds' checks. Whatever enters those checks
must follow from what it is a hash of, by the rules of determined.py, without the checks themselves:
else a prover could choose it after he knows the challenge.
"""

from __future__ import annotations

from .checker import Checker
from .determined import Analysis, Equation


class NotInjectiveError(Exception):
    """What is hashed could be read in two ways."""


def sponges(analysis: Analysis) -> list[tuple[int, set[int]]]:
    """Digest, and all that is absorbed, of each chain of permutations.

    Raises:
        NotInjectiveError: numbers that share a field element do not follow from it.
    """
    found: list[tuple[int, set[int]]] = []
    before: list[int] | None = None
    for inputs, outputs in analysis.hashes:
        if before is None or inputs[3] != before[3]:
            if inputs[3] not in analysis.constants:
                raise NotInjectiveError("a capacity that is no constant")
            before = None
            found.append((0, set()))
        _, absorbed = found.pop()
        for lane in range(3):
            absorbed |= _absorbed(analysis, inputs[lane], before[lane] if before else None)
        found.append((outputs[0], absorbed))
        before = outputs
    return found


def _absorbed(analysis: Analysis, word: int, before: int | None) -> set[int]:
    if word == before or word in analysis.constants:
        return set()
    if word in analysis.bits:
        return {word}
    for equation in analysis.users[word]:
        terms = dict(equation.linear)
        unit = terms.pop(word, 0)
        if equation.products or abs(unit) != 1 or (before is not None and before not in terms):
            continue
        if before is not None and terms.pop(before) != -unit:
            continue
        if before is None and max(terms, default=word) > word:
            continue  # it reads the word, it does not make it
        if len(terms) > 1 and not analysis.is_radix(terms):
            raise NotInjectiveError(f"word {word}")
        return set(terms)
    if before is not None:
        raise NotInjectiveError(f"word {word} forgets what was absorbed before it")
    return {word}


def unbound(checker: Checker) -> set[int]:
    """Witnesses of a circuit with a challenge that do not follow from what is hashed, or from that
    and the challenge alone: what a prover could choose after he knows it.

    The last digest is the challenge. Equations with what is computed from it decide nothing else.

    Raises:
        NotInjectiveError: see `sponges`.
    """
    analysis = Analysis(checker, [0])
    chains = sponges(analysis)
    challenge, hashed = chains[-1]
    for digest, _ in chains[:-1]:
        names = {digest}.union(*(e.witnesses for e in analysis.users[digest] if e.is_copy))
        if names.isdisjoint(hashed):
            return names
    analysis.known |= set[int]().union(*(absorbed for _, absorbed in chains))
    after = {challenge}

    def follows_the_challenge(equation: Equation) -> bool:
        return not after.isdisjoint(equation.witnesses)

    while True:
        analysis.run(follows_the_challenge)
        fresh: set[int] = set()
        for equation in analysis.equations:
            if not follows_the_challenge(equation):
                continue
            found = equation.witnesses - analysis.known - after
            if len(found) == 1 and not found & equation.squared and min(found) > challenge:
                fresh |= found
        if not fresh:
            return set(range(checker.witnesses)) - analysis.known - after
        after |= fresh

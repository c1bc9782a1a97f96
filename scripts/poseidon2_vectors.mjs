// What Barretenberg itself computes for Poseidon2: the golden vectors of the unit tests.
//
//   npm install --ignore-scripts @aztec/bb.js@5.0.0
//   node scripts/poseidon2_vectors.mjs > tests/unit/barretenberg/poseidon2_vectors.json
//
// `permutations` are the opcode's, on states of four elements. `hashes` are bb's own sponge, whose
// initial capacity element is the number of elements shifted left by 64 bits. All numbers are hex.

import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(process.cwd() + '/');
const { BarretenbergSync } = await import(pathToFileURL(require.resolve('@aztec/bb.js')).href);
const R = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;

const word = (value) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex');
const hex = (bytes) => '0x' + Buffer.from(bytes).toString('hex');
const drawn = (name) => BigInt('0x' + createHash('sha256').update(name).digest('hex')) % R;

const states = [
  [0n, 0n, 0n, 0n],
  [0n, 1n, 2n, 3n],
  [R - 1n, R - 1n, R - 1n, R - 1n],
  [1n, 0n, 0n, 0n],
  [0n, 0n, 0n, 1n],
  ...[...Array(5).keys()].map((i) => [0, 1, 2, 3].map((j) => drawn(`state ${i} ${j}`))),
];
const messages = [1, 2, 3, 4, 6, 7, 20].map((n) =>
  [...Array(n).keys()].map((i) => drawn(`message ${n} ${i}`)),
);

await BarretenbergSync.initSingleton();
const bb = BarretenbergSync.getSingleton();
const vectors = {
  made_with: '@aztec/bb.js 5.0.0, scripts/poseidon2_vectors.mjs',
  permutations: states.map((state) => ({
    input: state.map((value) => hex(word(value))),
    output: bb.poseidon2Permutation({ inputs: state.map(word) }).outputs.map(hex),
  })),
  hashes: messages.map((message) => ({
    input: message.map((value) => hex(word(value))),
    output: hex(bb.poseidon2Hash({ inputs: message.map(word) }).hash),
  })),
};
console.log(JSON.stringify(vectors, null, 1));
process.exit(0);

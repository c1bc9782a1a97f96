// Compiles Noir programs and executes them. On stdin a JSON list of {program, inputs}: the path of a
// source file and a list of input maps. Prints a JSON list with, for each program, a list of results:
// {"public": [...]}, the witness's public values in the circuit's order, or {"refused": message}.

import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Noir, acvm } from '@noir-lang/noir_js';
import { compile_program, createFileManager } from '@noir-lang/noir_wasm';

const MANIFEST = '[package]\nname = "rendering"\ntype = "bin"\nauthors = [""]\n[dependencies]\n';

async function compiled(source) {
  const folder = mkdtempSync(join(tmpdir(), 'zkdescent-noir-'));
  try {
    mkdirSync(join(folder, 'src'));
    copyFileSync(source, join(folder, 'src', 'main.nr'));
    writeFileSync(join(folder, 'Nargo.toml'), MANIFEST);
    const log = (...words) => console.error(...words);
    return (await compile_program(createFileManager(folder), undefined, log, log)).program;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function publicSize(abi) {
  const size = (type) => (type.kind === 'array' ? type.length * size(type.type) : 1);
  const open = abi.parameters.filter((parameter) => parameter.visibility === 'public');
  return open.reduce((sum, parameter) => sum + size(parameter.type), 0);
}

async function executed(noir, places, inputs) {
  try {
    const witness = acvm.decompressWitness((await noir.execute(inputs)).witness);
    return { public: places.map((place) => witness.get(place)) };
  } catch (error) {
    return { refused: String(error.message ?? error) };
  }
}

const answers = [];
for (const { program: source, inputs } of JSON.parse(readFileSync(0, 'utf8'))) {
  const program = await compiled(source);
  const noir = new Noir(program);
  const places = [...Array(publicSize(program.abi)).keys()]; // public parameters come first
  const results = [];
  for (const map of inputs) results.push(await executed(noir, places, map));
  answers.push(results);
}
console.log(JSON.stringify(answers));

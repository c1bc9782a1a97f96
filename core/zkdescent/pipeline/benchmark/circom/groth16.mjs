// One Groth16 operation with snarkjs in a process of its own, so that its memory can be measured.
//
//     node groth16.mjs FOLDER < request.json
//
// FOLDER holds node_modules. The request is {"operation": NAME, ...arguments}; the answer is JSON on
// the last line of stdout, with "seconds", wall-clock after the libraries were loaded, and
// "peak_memory_mb", of resident memory in mebibytes.

import { randomBytes } from "node:crypto";
import { readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

import { writePowers } from "./unsafe_powers.mjs";

const load = createRequire(join(resolve(process.argv[2]), "package.json"));
const snarkjs = load("snarkjs");

const operations = {
    // Powers of tau by somebody who knows tau: unsafe, for tests.
    async powers({ power, path }) {
        await writePowers(load("ffjavascript"), power, path);
    },

    // Constraints, and the power of two that holds them with one row per public signal and the one.
    async size({ r1cs }) {
        const { nConstraints, nOutputs, nPubInputs } = await snarkjs.r1cs.info(r1cs);
        const rows = nConstraints + nOutputs + nPubInputs + 1;
        return { constraints: nConstraints, power: Math.ceil(Math.log2(rows)) };
    },

    // Keys of one circuit, with one contribution: whoever ran this can forge proofs.
    async setup({ r1cs, powers, key, verifyingKey }) {
        const first = `${key}.first`;
        const failed = await snarkjs.zKey.newZKey(r1cs, powers, first);
        if (failed === -1) {
            throw new Error("the circuit does not fit the powers of tau");
        }
        await snarkjs.zKey.contribute(first, key, "unsafe", randomBytes(64).toString("hex"));
        unlinkSync(first);
        writeFileSync(verifyingKey, JSON.stringify(await snarkjs.zKey.exportVerificationKey(key)));
    },

    async prove({ inputs, program, witness, key }) {
        await snarkjs.wtns.calculate(JSON.parse(readFileSync(inputs, "utf8")), program, witness);
        return await operations.proveWitness({ witness, key });
    },

    // A proof of whatever witness, which nothing checks here.
    async proveWitness({ witness, key }) {
        const { proof, publicSignals } = await snarkjs.groth16.prove(key, witness);
        return { proof, publicSignals };
    },

    async verify({ verifyingKey, publicSignals, proof }) {
        const parsed = JSON.parse(readFileSync(verifyingKey, "utf8"));
        return { accepted: await snarkjs.groth16.verify(parsed, publicSignals, proof) };
    },
};

function peakMemoryMb() {
    // Linux hands the peak of the parent on through fork and exec; the address space's starts anew.
    try {
        return Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) / 1024;
    } catch {
        return process.resourceUsage().maxRSS / 1024;
    }
}

const { operation, ...request } = JSON.parse(readFileSync(0, "utf8"));
const started = performance.now();
let answer;
try {
    answer = (await operations[operation](request)) ?? {};
    answer.seconds = (performance.now() - started) / 1000;
    answer.peak_memory_mb = peakMemoryMb();
} catch (error) {
    answer = { error: String(error?.message ?? error) };
}
// snarkjs leaves worker threads behind that would keep the process alive.
process.stdout.write(`\n${JSON.stringify(answer)}\n`, () => process.exit(answer.error ? 1 : 0));

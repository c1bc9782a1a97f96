// Powers of tau of a locally drawn tau, in snarkjs's file format, as far as a Groth16 setup reads it.
//
// Unsafe: this process knew tau, and whoever knows it can forge every proof. Knowing it is also what
// makes this fast: snarkjs derives the Lagrange points from powers it cannot know the logarithms of,
// which took seven minutes for 2**14 (measured); multiples of the generators take seconds.
//
// Sections written, with n = power, L_i the Lagrange polynomials of a domain, points affine, little
// endian, Montgomery: 1 header; 2 tau**i G1, 2**(n+1) - 1 of them; 4 alpha G1; 5 beta G1; 6 beta G2;
// 12 L_i(tau) G1 for all domains up to 2**(n+1); 13 L_i(tau) G2, 14 alpha L_i(tau) G1, 15 beta
// L_i(tau) G1 up to 2**n. The domain of 2**k points starts at point 2**k - 1. A setup reads the domain
// of its circuit and, of section 12, the next one; smaller domains are left zero, so a file serves
// circuits of exactly its size.

import { closeSync, openSync, writeSync } from "node:fs";

const WINDOW_BITS = 8;

export async function writePowers(ffjavascript, power, path) {
    const { getCurveFromName, Scalar } = ffjavascript;
    const curve = await getCurveFromName("bn128");
    const { Fr } = curve;
    const [tau, alpha, beta] = [Fr.random(), Fr.random(), Fr.random()];
    const times = { G1: multiplier(curve.G1, Fr), G2: multiplier(curve.G2, Fr) };

    const lagrange = lagrangeAt(Fr, tau, power);
    const scaled = (factor) => lagrange.map((value) => Fr.mul(value, factor));
    const file = openSync(path, "w");
    const section = (id, size, parts) => {
        const head = Buffer.alloc(12);
        head.writeUInt32LE(id, 0);
        head.writeBigUInt64LE(BigInt(size), 4);
        writeSync(file, head);
        parts.forEach((part) => writeSync(file, part));
    };
    const points = (id, group, scalars, start) => {
        const part = times[group](scalars);
        const pointSize = part.length / scalars.length;
        section(id, start * pointSize + part.length, [new Uint8Array(start * pointSize), part]);
    };

    const preamble = Buffer.from("ptau\0\0\0\0\0\0\0\0");
    preamble.writeUInt32LE(1, 4);
    preamble.writeUInt32LE(9, 8);
    writeSync(file, preamble);
    const size = curve.F1.n8;
    const header = new Uint8Array(4 + size + 8);
    const view = new DataView(header.buffer);
    view.setUint32(0, size, true);
    Scalar.toRprLE(header, 4, curve.q, size);
    view.setUint32(4 + size, power, true);
    view.setUint32(8 + size, power, true);
    section(1, header.length, [header]);
    const powers = [Fr.one];
    while (powers.length < 2 ** (power + 1) - 1) {
        powers.push(Fr.mul(powers[powers.length - 1], tau));
    }
    points(2, "G1", powers, 0);
    points(4, "G1", [alpha], 0);
    points(5, "G1", [beta], 0);
    points(6, "G2", [beta], 0);

    // Section 12 holds two domains, one after the other.
    const both = [...lagrange, ...lagrangeAt(Fr, tau, power + 1)];
    points(12, "G1", both, 2 ** power - 1);
    points(13, "G2", lagrange, 2 ** power - 1);
    points(14, "G1", scaled(alpha), 2 ** power - 1);
    points(15, "G1", scaled(beta), 2 ** power - 1);
    closeSync(file);
    await curve.terminate();
}

// L_i(tau) = w**i (tau**N - 1) / (N (tau - w**i)) for a root of unity w of order N = 2**power.
function lagrangeAt(Fr, tau, power) {
    const count = 2 ** power;
    const vanishing = Fr.sub(Fr.exp(tau, count), Fr.one);
    const common = Fr.div(vanishing, Fr.e(count));
    const values = [];
    let root = Fr.one;
    for (let i = 0; i < count; i++) {
        values.push(Fr.div(Fr.mul(common, root), Fr.sub(tau, root)));
        root = Fr.mul(root, Fr.w[power]);
    }
    return values;
}

// Multiples of a group's generator, from a table of all its multiples by one digit.
function multiplier(G, Fr) {
    const digits = (Fr.n8 * 8) / WINDOW_BITS;
    const table = [];
    let base = G.g;
    for (let digit = 0; digit < digits; digit++) {
        const row = [G.zero];
        for (let i = 1; i < 2 ** WINDOW_BITS; i++) {
            row.push(G.add(row[i - 1], base));
        }
        table.push(row);
        base = G.add(row[row.length - 1], base);
    }
    return (scalars) => {
        const pointSize = G.F.n8 * 2;
        const out = new Uint8Array(scalars.length * pointSize);
        const bytes = new Uint8Array(Fr.n8);
        scalars.forEach((scalar, index) => {
            Fr.toRprLE(bytes, 0, scalar);
            let sum = G.zero;
            bytes.forEach((value, digit) => {
                sum = value === 0 ? sum : G.add(sum, table[digit][value]);
            });
            G.toRprLEM(out, index * pointSize, G.toAffine(sum));
        });
        return out;
    };
}

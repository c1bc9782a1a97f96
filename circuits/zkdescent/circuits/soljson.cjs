// solc as WebAssembly (`soljson.js` of npm's package solc) with two flags of the native compiler:
//   node soljson.cjs path/to/soljson.js --version | --standard-json < input.json
// Every source must come with its content: nothing is read from disk.
"use strict";

const [file, flag] = process.argv.slice(2);
const compiler = require(require("path").resolve(file));
const version = compiler.cwrap("solidity_version", "string", []);
const compile = compiler.cwrap("solidity_compile", "string", ["string", "number", "number"]);

if (flag === "--version") {
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${version()}\n`);
} else if (flag === "--standard-json") {
  // No call-back and no context: an import that is not among the sources is an error.
  process.stdout.write(compile(require("fs").readFileSync(0, "utf8"), 0, 0));
} else {
  process.stderr.write("usage: soljson.cjs soljson.js --version | --standard-json\n");
  process.exitCode = 2;
}

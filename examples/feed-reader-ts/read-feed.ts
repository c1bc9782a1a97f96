// Read a proven feed with viem: the number, how old its newest input is, and whether to act on it.
//
//   npm ci && npm run build
//   node dist/read-feed.js URL FEED [MAX_AGE_SECONDS]
//
// Prints one JSON object; exits 2 if the answer must not be acted on.

import { createPublicClient, getAddress, http, parseAbi } from "viem";

// Every proven feed answers these. The first is Chainlink's interface, so what reads a Chainlink feed
// reads this one; `status` says the rest in one call.
const FEED = parseAbi([
  "function latestRoundData() view returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)",
  "function description() view returns (string)",
  "function decimals() view returns (uint8)",
  "function model() view returns (uint256 modelId, bytes32 commitmentHash)",
  "function status() view returns (((int128 value, uint48 round, uint40 startedAt, uint40 updatedAt) latest, bool tripped, bool stale, uint40 pausedUntil) status)",
  "error NoAnswerYet()",
]);

export interface Reading {
  description: string;
  decimals: number;
  round: string;
  answer: string;
  updatedAt: number;
  ageSeconds: number;
  modelId: string;
  usable: boolean;
  why: string;
}

export async function readFeed(url: string, feed: string, maxAgeSeconds: number): Promise<Reading> {
  const client = createPublicClient({ transport: http(url) });
  const contract = { address: getAddress(feed), abi: FEED } as const;
  // One block for all of it: two blocks could belong to two rounds.
  const { number: blockNumber, timestamp } = await client.getBlock();
  const at = { ...contract, blockNumber };
  const [description, decimals, [modelId], status] = await Promise.all([
    client.readContract({ ...at, functionName: "description" }),
    client.readContract({ ...at, functionName: "decimals" }),
    client.readContract({ ...at, functionName: "model" }),
    client.readContract({ ...at, functionName: "status" }),
  ]);
  const { value, round, updatedAt } = status.latest;
  const ageSeconds = Number(timestamp) - updatedAt;
  const why =
    round === 0 ? "no answer yet"
    : status.tripped ? "the breaker has tripped: this is the answer before"
    : status.stale ? "older than the feed allows"
    : ageSeconds > maxAgeSeconds ? `older than ${maxAgeSeconds} s`
    : "";
  return {
    description,
    decimals,
    round: String(round),
    answer: value.toString(),
    updatedAt,
    ageSeconds,
    modelId: `0x${modelId.toString(16).padStart(64, "0")}`,
    usable: why === "",
    why,
  };
}

const [url, feed, maxAge = "600"] = process.argv.slice(2);
if (url === undefined || feed === undefined) {
  console.error("usage: node dist/read-feed.js URL FEED [MAX_AGE_SECONDS]");
  process.exit(1);
}
const reading = await readFeed(url, feed, Number(maxAge));
console.log(JSON.stringify(reading, null, 1));
process.exit(reading.usable ? 0 : 2);

// Decides every case of a file of vectors (docs/device-protocol/vectors.json, or the one that is named) and compares.

import { readFileSync } from "node:fs";
import { decide } from "./index.mjs";

const file = process.argv[2] ?? new URL("../../docs/device-protocol/vectors.json", import.meta.url);
const { bundle, cases } = JSON.parse(readFileSync(file, "utf8"));
const spelled = (value) =>
  JSON.stringify(value, (_, v) =>
    v && typeof v === "object" && !Array.isArray(v) ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1))) : v,
  );
const same = (mine, theirs) =>
  Object.keys({ ...mine, ...theirs }).length === Object.keys(mine).length &&
  Object.entries(mine).every(([name, score]) => Math.abs(score - theirs[name]) <= 1e-9);

let agreed = 0;
for (const { features, decision } of cases) {
  const { scores = {}, ...made } = decide(features, bundle);
  const { scores: wanted = {}, ...expected } = decision;
  if (spelled(made) === spelled(expected) && same(scores, wanted)) agreed += 1;
  else console.log("differs:", features.request_id, spelled({ made, scores }), spelled({ expected, wanted }));
}
console.log(`${agreed} of ${cases.length} cases decided the same`);
process.exitCode = agreed === cases.length ? 0 : 1;

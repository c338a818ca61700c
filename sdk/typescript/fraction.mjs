// The draw by which equals are told apart: the first 53 bits of a SHA-256, as a number in [0, 1).

import { createHash } from "node:crypto";

/** A number in [0, 1) that depends on the key alone; 53 bits, so exact as a double. */
export function stableFraction(key) {
  const digest = createHash("sha256").update(key, "utf8").digest();
  return Number(digest.readBigUInt64BE() >> 11n) / 2 ** 53;
}

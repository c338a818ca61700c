// Opens signed documents: DSSE with ed25519, as docs/device-protocol.md says.

import { createHash, createPublicKey, verify } from "node:crypto";

export const BUNDLE_TYPE = "application/vnd.tierwise.bundle.v1+json";
const SPKI = Buffer.from("302a300506032b6570032100", "hex");

/** The payload of an envelope signed by one of the trusted keys (32 bytes, base64). Throws for anything else. */
export function open(envelope, trust, kind = BUNDLE_TYPE) {
  const document = JSON.parse(envelope);
  if (document.payloadType !== kind) throw new Error("the envelope holds another kind of document");
  const payload = Buffer.from(document.payload, "base64");
  const message = Buffer.concat([Buffer.from(`DSSEv1 ${Buffer.byteLength(kind)} ${kind} ${payload.length} `), payload]);
  for (const text of trust) {
    const raw = Buffer.from(text, "base64");
    const id = createHash("sha256").update(raw).digest("hex").slice(0, 16);
    const key = createPublicKey({ key: Buffer.concat([SPKI, raw]), format: "der", type: "spki" });
    const fits = ({ keyid, sig }) => keyid === id && verify(null, message, key, Buffer.from(sig, "base64"));
    if (document.signatures.slice(0, 8).some(fits)) return payload;
  }
  throw new Error("no signature of a trusted key fits");
}

/** The bundle of an envelope that is valid at `nowS` (seconds since the epoch). Throws for any other. */
export function openBundle(envelope, trust, nowS = Date.now() / 1000) {
  const bundle = JSON.parse(open(envelope, trust).toString("utf8"));
  if (bundle.schema !== 1) throw new Error("this bundle has another schema");
  if (nowS >= bundle.expires_s || nowS < bundle.issued_s - 300) throw new Error("this bundle is not valid now");
  return bundle;
}

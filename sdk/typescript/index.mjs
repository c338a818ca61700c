export { decide } from "./decide.mjs";
export { BUNDLE_TYPE, open, openBundle } from "./envelope.mjs";
export { stableFraction } from "./fraction.mjs";

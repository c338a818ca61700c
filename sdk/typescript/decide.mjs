// decide(): the decision of docs/device-protocol.md over given features. Filter, score, pick, fall back.
// All numbers are IEEE doubles and every sum is taken in the order of the Python code, so that scores agree to the bit.

import { stableFraction } from "./fraction.mjs";

const LEVELS = ["public", "internal", "confidential", "restricted"];
const THERMALS = ["nominal", "fair", "serious", "critical"];
const BITS = [["text", 1], ["image", 2], ["audio", 4]];
const DROP = { device: 1.0, mec: 0.6, cloud: 0.6 };
const TIER_PRIVACY = { device: 1.0, mec: 0.6, cloud: 0.2 };
const WEIGHTS = ["quality", "latency", "cost", "energy", "privacy", "load", "affinity"];
const RESTRICTED = 3;
const FALLBACKS = 8;
const KM_TO_MS = 6371.0 * 0.02;
const PREFIX_SHARE = 0.5;
const DEFAULTS = {
  modalities: 1, tools: false, json: false, logprobs: false, many_choices: false, dimensions: null, stream: false,
  privacy: 1, residency: [], optimize: "balanced", tiers: ["device", "mec", "cloud"], pinned: null, fallback: true,
  max_latency_ms: null, max_cost_usd: null, offline: false, executes: false, battery: null, charging: false,
  thermal: null, memory_free_mb: null, cpu_load: null, rtt_ms: null, position: null, session_target: null,
  prefix_target: null,
};

const given = (value) => value !== null && value !== undefined;
const clamp = (x) => Math.min(1.0, Math.max(0.0, x));

/** @returns {import("./index.d.ts").Decision} */
export function decide(features, bundle) {
  if (features.foreseen?.length) throw new Error("features of a learned scorer are not served by this client");
  const context = { ...DEFAULTS, ...features };
  const policy = bundle.policy.document;
  const targets = [...bundle.targets].sort((a, b) => (a.spec.name < b.spec.name ? -1 : 1));
  if (targets.some((t) => t.state.quality_fit?.length)) throw new Error("fitted quality is not served by this client");
  const weighed = targets.map((target) => weigh(context, target, policy, targets));
  const reasons = targets.map((target, i) => reason(context, target, policy, weighed[i]));
  const named = Object.fromEntries(targets.map((t, i) => [t.spec.name, reasons[i]]).filter(([, why]) => why));
  const allowed = targets.map((_, i) => i).filter((i) => reasons[i] === null);
  if (allowed.length === 0) return { target: null, rejected: named };
  const scores = weighed.map((one) => one.score);
  const { chosen, order } = pick(context, targets, scores, allowed, policy);
  return {
    target: targets[chosen].spec.name,
    fallbacks: context.fallback
      ? order.slice(0, FALLBACKS + 1).filter((i) => i !== chosen).slice(0, FALLBACKS).map((i) => targets[i].spec.name)
      : [],
    scores: Object.fromEntries(order.map((i) => [targets[i].spec.name, scores[i]])),
    rejected: named,
  };
}

// ---- filter ------------------------------------------------------------------------------------------------------------

/** The first word of why a target may not serve, or null. What is only busy or ill gives way to what is forbidden. */
function reason(context, target, policy, weighed) {
  const standing = forbidden(context, target.spec, policy) ?? incapable(target.state, policy);
  if (standing !== null && standing !== "busy" && standing !== "health") return standing;
  return numeric(context, target.spec, policy, weighed) ?? standing;
}

function forbidden(context, spec, policy) {
  if (context.pinned && !context.fallback && spec.name !== context.pinned) return "pinned";
  if (!policy.tiers[spec.tier].enabled || !context.tiers.includes(spec.tier)) return "tier";
  if (context.privacy >= RESTRICTED && spec.tier === "cloud") return "privacy";
  const bound = spec.max_privacy ?? policy.tiers[spec.tier].max_privacy;
  if (context.privacy > LEVELS.indexOf(bound)) return "privacy";
  if (context.residency.some((group) => !spec.groups.includes(group) && !spec.groups.includes("*"))) return "privacy";
  const unable = able(context, spec);
  if (unable !== null) return unable;
  if (context.offline && spec.tier !== "device") return "network";
  return spec.tier === "device" && unfit(context, policy.tiers.device) ? "device" : null;
}

function able(context, spec) {
  if (!spec.tasks.includes(context.task)) return "task";
  if (BITS.some(([name, bit]) => context.modalities & bit && !spec.modalities.includes(name))) return "modality";
  if (context.tools && !spec.tools) return "tools";
  if (context.json && !spec.json_output) return "json";
  if (context.logprobs && !spec.logprobs) return "logprobs";
  if (context.many_choices && !spec.many_choices) return "choices";
  const lengths = spec.dimensions;
  return given(context.dimensions) && lengths.length && !lengths.includes(context.dimensions) ? "dimensions" : null;
}

function unfit(context, bounds) {
  if (given(context.battery) && !context.charging && context.battery < bounds.min_battery) return true;
  if (given(context.thermal) && THERMALS.indexOf(context.thermal) > THERMALS.indexOf(bounds.max_thermal)) return true;
  return given(context.cpu_load) && context.cpu_load > bounds.max_cpu_load;
}

function incapable(state, policy) {
  if (["down", "draining"].includes(state.health) || state.breaker === "open") return "health";
  return state.throttled || state.saturation >= policy.thresholds.saturation ? "busy" : null;
}

/** In the order of Python's checks, each of which leaves what an earlier one has removed. */
function numeric(context, spec, policy, weighed) {
  if (spec.context_tokens < context.fit_tokens) return "context";
  if (given(context.max_latency_ms) && weighed.ms > context.max_latency_ms) return "deadline";
  const cap = policy.limits.max_cost_usd;
  const budget = given(context.max_cost_usd) ? Math.min(cap, context.max_cost_usd) : cap;
  const worst = (spec.price_in / 1e6) * context.prompt_tokens + (spec.price_out / 1e6) * context.max_output_tokens;
  if (worst > budget) return "budget";
  const short = given(context.memory_free_mb) && spec.tier === "device" && spec.memory_mb > context.memory_free_mb;
  return short ? "device" : null;
}

// ---- score -------------------------------------------------------------------------------------------------------------

function weigh(context, { spec, state }, policy, targets) {
  const weights = objective(context, policy);
  const references = policy.references;
  const total = WEIGHTS.reduce((sum, name) => sum + weights[name], 0) * (1.0 + 1e-12);
  const wait = (state.rtt_ms ?? spec.rtt_ms) + (state.ttft_ms ?? spec.ttft_ms) + state.queue_ms;
  const decode = state.decode_ms ?? spec.decode_ms;
  let ms = decode * (context.stream ? 0 : context.output_tokens) + spec.prefill_ms * context.prompt_tokens + wait;
  ms += extra(context, spec, targets);
  const usd = (spec.price_out / 1e6) * context.output_tokens + (spec.price_in / 1e6) * context.prompt_tokens;
  const joules = spec.energy_token_j * context.output_tokens + spec.energy_request_j;
  const prior = clamp((spec.quality[context.task] ?? spec.quality_default) + state.quality_delta + 0.0);
  const excess = context.complexity - spec.capability;
  const q = Math.max(0.0, excess > 0.0 ? prior - DROP[spec.tier] * excess : prior);
  const fixed = (weights.privacy / total) * TIER_PRIVACY[spec.tier] + (weights.load / total) * (1.0 - clamp(state.saturation));
  const trust = (1.0 - state.error_rate) * (state.health === "up" ? 1.0 : policy.thresholds.unknown_health);
  let score =
    q * (weights.quality / total) +
    (references.latency_ms * weights.latency) / total / (references.latency_ms + ms) +
    (references.cost_usd * weights.cost) / total / (references.cost_usd + usd) +
    (references.energy_j * weights.energy) / total / (references.energy_j + joules) +
    fixed;
  score *= trust;
  const affinity = weights.affinity / total;
  if (context.session_target === spec.name) score += affinity * trust;
  else if (context.prefix_target === spec.name) score += affinity * PREFIX_SHARE * trust;
  return { ms, score };
}

function objective(context, policy) {
  const own = context.optimize === "balanced" ? policy.classes[context.request_class].optimize : null;
  return policy.objectives[own ?? context.optimize];
}

function extra(context, spec, targets) {
  let ms = 0.0;
  const located = targets.some((target) => given(target.spec.lat));
  if (located && given(context.position)) ms += distance(context.position, place(spec));
  if (context.executes && given(context.rtt_ms)) ms += (spec.tier === "device" ? 0.0 : 1.0) * context.rtt_ms;
  return ms;
}

function place({ lat, lon }) {
  if (!given(lat) || !given(lon)) return null;
  const [a, b] = [(lat * Math.PI) / 180, (lon * Math.PI) / 180];
  const at = [Math.cos(a) * Math.cos(b), Math.cos(a) * Math.sin(b), Math.sin(a)];
  return at.map((x) => Math.round(x * 1e6) / 1e6);
}

function distance(here, there) {
  if (there === null) return 0.0;
  const [dx, dy, dz] = here.map((x, i) => there[i] - x);
  return Math.sqrt(dx * dx + dy * dy + dz * dz) * KM_TO_MS;
}

// ---- pick --------------------------------------------------------------------------------------------------------------

function pick(context, targets, scores, allowed, policy) {
  const order = [...allowed].sort((a, b) => scores[b] - scores[a]);
  const tied = order.filter((i) => scores[i] === scores[order[0]]).length;
  if (tied > 1) order.unshift(...order.splice(Math.floor(stableFraction(context.request_id) * tied), 1));
  const index = (name) => (given(name) ? order.find((i) => targets[i].spec.name === name) : undefined);
  const pinned = index(context.pinned);
  if (pinned !== undefined) return { chosen: pinned, order };
  const last = index(context.session_target);
  const stays = last !== undefined && scores[last] >= scores[order[0]] - policy.thresholds.stickiness;
  const best = stays ? last : order[0];
  const rate = explorationRate(context, policy.exploration);
  if (!rate || order.length === 1) return { chosen: best, order };
  const draw = stableFraction(`explore:${context.request_id}`);
  return { chosen: draw < rate ? order[Math.floor((draw / rate) * order.length)] : best, order };
}

function explorationRate(context, exploration) {
  const guarded =
    context.privacy >= RESTRICTED ||
    context.request_class === "critical" ||
    !exploration.classes.includes(context.request_class) ||
    given(context.max_cost_usd) ||
    given(context.max_latency_ms);
  return guarded ? 0.0 : exploration.rate;
}

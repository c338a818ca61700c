/** One decision. `target` is null where none may serve; `rejected` holds the first word of each target's reason. */
export interface Decision {
  target: string | null;
  fallbacks?: string[];
  scores?: Record<string, number>;
  rejected: Record<string, string>;
}

export interface Target {
  spec: Record<string, unknown> & { name: string; tier: "device" | "mec" | "cloud"; kind: string; model: string };
  state: Record<string, unknown>;
}

/** A policy bundle, see docs/device-protocol.md. */
export interface Bundle {
  schema: 1;
  serial: number;
  issued_s: number;
  expires_s: number;
  policy: { label: string; sha256: string; document: Record<string, unknown> };
  targets: Target[];
  models: Array<Record<string, unknown> & { name: string }>;
}

export const BUNDLE_TYPE: string;
export function decide(features: Record<string, unknown>, bundle: Bundle): Decision;
export function open(envelope: string, trust: string[], kind?: string): Uint8Array;
export function openBundle(envelope: string, trust: string[], nowS?: number): Bundle;
export function stableFraction(key: string): number;

/**
 * App settings: put into `process.env` for as long as a host runs, and looked up for `%NAME%` in bindings. Several hosts of
 * one process lay their settings on top of one another, so that closing them in any order restores the environment.
 */
import { readFileSync } from 'node:fs';
import type { Binding } from './core-types.ts';

type Settings = Record<string, string>;

const layers: Settings[] = [];
const original = new Map<string, string | undefined>();

function refresh(name: string): void {
  const value = layers.findLast((layer) => Object.hasOwn(layer, name))?.[name] ?? original.get(name);
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}

/** Returns the function that takes the settings out again. */
export function applySettings(settings: Settings): () => void {
  const layer = { ...settings };
  for (const name of Object.keys(layer)) {
    if (!layers.some((other) => Object.hasOwn(other, name))) original.set(name, process.env[name]);
  }
  layers.push(layer);
  for (const name of Object.keys(layer)) refresh(name);
  return () => {
    const index = layers.indexOf(layer);
    if (index < 0) return;
    layers.splice(index, 1);
    for (const name of Object.keys(layer)) refresh(name);
  };
}

/** Setting names are case-insensitive to the host, as .NET configuration is. */
export function setting(name: string): string | undefined {
  const exact = process.env[name];
  if (exact !== undefined) return exact;
  const lower = name.toLowerCase();
  const key = Object.keys(process.env).find((candidate) => candidate.toLowerCase() === lower);
  return key === undefined ? undefined : process.env[key];
}

/** A binding with every `%NAME%` in its strings replaced; a name without a value is an indexing error. */
export function resolveBinding(binding: Binding): Binding {
  const resolved: Binding = { ...binding };
  for (const [key, value] of Object.entries(binding)) {
    if (typeof value !== 'string') continue;
    resolved[key] = value.replace(/%([^%\s]+)%/g, (whole, name: string) => {
      const found = setting(name);
      if (found === undefined) throw new Error(`'${whole}' does not resolve to a value.`);
      return found;
    });
  }
  return resolved;
}

/** The values of a local.settings.json; what the environment already defines wins, as with `func start`. */
export function readSettingsFile(file: string): { settings: Settings; skipped: string[] } {
  const parsed = JSON.parse(readFileSync(file, 'utf8')) as { IsEncrypted?: boolean; Values?: Record<string, unknown> };
  if (parsed.IsEncrypted === true) throw new Error(`${file} is encrypted; decrypt it with "func settings decrypt".`);
  const settings: Settings = {};
  const skipped: string[] = [];
  for (const [name, value] of Object.entries(parsed.Values ?? {})) {
    if (process.env[name] === undefined) settings[name] = String(value);
    else skipped.push(name);
  }
  return { settings, skipped };
}

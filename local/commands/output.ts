/** What a user sees: progress lines with times, colours only on a terminal. */
import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** `styleText` looks at the stream, NO_COLOR and FORCE_COLOR. */
const styled = (style: Style, text: string): string => styleText(style, text, { stream: process.stdout });

export const bold = (text: string): string => styled('bold', text);
export const dim = (text: string): string => styled('dim', text);
export const green = (text: string): string => styled('green', text);
export const red = (text: string): string => styled('red', text);
export const yellow = (text: string): string => styled('yellow', text);

/** Not by `console`, which is the app's while a host runs in this process. */
export const say = (text = ''): void => void process.stdout.write(`${text}\n`);

export interface Reporter {
  report: (part: string, text: string) => void;
  warn: (text: string) => void;
  seconds: () => string;
}

export function createReporter(): Reporter {
  const started = performance.now();
  const seconds = (): string => ((performance.now() - started) / 1000).toFixed(1);
  return {
    seconds,
    report: (part, text) => say(`${dim(`${seconds().padStart(5)} s`)}  ${bold(part.padEnd(8))} ${text}`),
    warn: (text) => void process.stderr.write(`${yellow(text)}\n`),
  };
}

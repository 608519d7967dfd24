// One line for one call and its answer, in the words of the protocol.

import type { FillRequest, InvalidateRequest, LeaseRequest, Watermark } from '../../../src/core/ports.ts';
import type { Call, Reply } from '../explorer/process.ts';
import { textOf } from '../explorer/text.ts';

export function describe({ port, method, args }: Call, reply: Reply, how?: string): string {
  const answer = how ?? ('error' in reply ? reply.error.message : answerOf(method, reply.value));
  if (port === 'clock') return `wakes ${answer}`;
  return `${method} ${subject(String(args[0]))}${detail(method, args[1])} → ${answer}`;
}

const subject = (key: string): string =>
  key.replace(/^wf:x:(c:\{widget\/(.*)\}|(hw|q|qh):\{[^}]*\}:?(.*))$/, '$2$3 $4').trim();

function detail(method: string, of: unknown): string {
  switch (method) {
    case 'lease':
      return (of as LeaseRequest).force ? ' by force' : '';
    case 'fill': {
      const { version, asOf, guarantee } = of as FillRequest;
      return ` v${version} as of ${asOf} ${guarantee}`;
    }
    case 'invalidate':
      return ` v${(of as InvalidateRequest).version ?? '?'}`;
    case 'advance':
      return ` ${String(of)}`;
    default:
      return '';
  }
}

function answerOf(method: string, value: unknown): string {
  if (method === 'lease') return (value as { kind: string }).kind;
  if (method === 'get') return value === undefined ? 'nothing' : 'a record';
  if (method === 'generations') return (value as { values: string[] }).values.join(' ');
  if (method !== 'watermark') return typeof value === 'string' ? value : textOf(value);
  const watermark = value as Watermark;
  if (watermark.state === 'known') return `known ${watermark.position}`;
  return watermark.state === 'unknown'
    ? `unknown for ${watermark.ageMs} ms, pending ${watermark.pending}`
    : watermark.state;
}

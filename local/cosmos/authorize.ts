/** Who may ask: the master key's signature, or, where the emulator was started so, any Entra ID token. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { CosmosError } from './errors.ts';
import { type CosmosRequest, header } from './request.ts';

export interface Access {
  key: string;
  acceptAad: boolean;
}

const unauthorized = (message: string) => new CosmosError(401, message);

const decode = (value: string): string => {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
};

/** Names are signed as they are, rids in lower case; SDKs differ in whether names are encoded. */
const resourceLinks = ({ path, segments }: CosmosRequest): string[] => {
  const own = segments.length % 2 === 0 ? segments : segments.slice(0, -1);
  const raw = path.split('/').filter((part) => part !== '');
  return [
    own.join('/'),
    raw.slice(0, own.length).join('/'),
    own.join('/').toLowerCase(),
    (own.at(-1) ?? '').toLowerCase(),
  ];
};

const typeOf = (segments: string[]): string => (segments.length % 2 === 0 ? segments.at(-2) : segments.at(-1)) ?? '';

const checkMaster = (request: CosmosRequest, key: string, signature: string): void => {
  const date = (header(request, 'x-ms-date') ?? header(request, 'date') ?? '').toLowerCase();
  const given = Buffer.from(signature, 'base64');
  const secret = Buffer.from(key, 'base64');
  const valid = [...new Set(resourceLinks(request))].some((link) => {
    const payload = `${request.method.toLowerCase()}\n${typeOf(request.segments).toLowerCase()}\n${link}\n${date}\n\n`;
    const expected = createHmac('sha256', secret).update(payload).digest();
    return expected.length === given.length && timingSafeEqual(expected, given);
  });
  if (!valid)
    throw unauthorized(
      "The input authorization token can't serve the request. The wrong key is being used or the expected payload is not built as per the protocol.",
    );
};

const controlPlane = new Set([
  'create-database',
  'delete-database',
  'create-container',
  'replace-container',
  'delete-container',
]);

export const authorize = (request: CosmosRequest, { key, acceptAad }: Access): void => {
  const value = decode(header(request, 'authorization') ?? '');
  const [, type, signature] = /^type=(\w+)&ver=[\d.]+&sig=(.+)$/s.exec(value) ?? [];
  if (type === undefined || signature === undefined)
    throw unauthorized('Required Header authorization is missing. Ensure a valid Authorization token is passed.');
  if (type === 'master') return checkMaster(request, key, signature);
  if (type !== 'aad' || !acceptAad) throw unauthorized(`Authorization of type ${type} is not accepted.`);
  // Data-plane tokens make no databases or containers: why lease containers have to be there beforehand.
  if (controlPlane.has(request.operation))
    throw new CosmosError(
      403,
      `Request blocked by Auth: ${request.operation} cannot be authorized by AAD token in data plane.`,
      5300,
    );
};

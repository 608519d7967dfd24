/** Windows-1252, in which `varchar` travels. */
const decoder = new TextDecoder('windows-1252');
const codes = new Map(Array.from({ length: 256 }, (_, code) => [decoder.decode(Uint8Array.of(code)), code]));

export const fromCodepage = (bytes: Buffer): string => decoder.decode(bytes);

/** What it lacks becomes a question mark, as in the service. */
export const toCodepage = (text: string): Buffer =>
  Buffer.from(Array.from(text, (character) => codes.get(character) ?? 63));

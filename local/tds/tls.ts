/** Encryption: inside PRELOGIN messages while hands are shaken and bare after that (TDS 7.4), or TLS first (strict). */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import type { Certificate } from './certificate.ts';
import { createAssembler, packetTypes, sendMessage } from './packets.ts';

export const secureContext = ({ key, cert }: Certificate): SecureContext => createSecureContext({ key, cert });

/** TLS before anything else, with the protocol's name. */
export const strictTls = (socket: Socket, context: SecureContext): TLSSocket =>
  new TLSSocket(socket, { isServer: true, secureContext: context, ALPNProtocols: ['tds/8.0'] });

/** TLS that is wrapped until hands are shaken. The driver knows 1.2 there, and awaits one message for each of its own. */
export function wrappedTls(socket: Socket, context: SecureContext): TLSSocket {
  const assemble = createAssembler();
  let bare = false;
  let held: Buffer[] = [];
  const flush = (): void => {
    if (held.length > 0) sendMessage(socket, packetTypes.prelogin, Buffer.concat(held));
    held = [];
  };
  const carrier = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, finished) {
      if (bare) {
        socket.write(chunk, finished);
        return;
      }
      held.push(chunk);
      if (held.length === 1) setImmediate(flush);
      finished();
    },
    final(finished) {
      socket.end(finished);
    },
    destroy(error, finished) {
      socket.destroy();
      finished(error);
    },
  });
  const receive = (chunk: Buffer): void => {
    // A client that is through begins at once with records of TLS (0x17 is its application data).
    bare ||= chunk[0] === 0x17;
    if (bare) carrier.push(chunk);
    else for (const { body } of assemble(chunk)) carrier.push(body);
  };
  socket.on('data', (chunk: Buffer) => {
    try {
      receive(chunk);
    } catch {
      socket.destroy();
    }
  });
  socket.once('close', () => carrier.destroy());
  socket.on('error', () => carrier.destroy());
  const secure = new TLSSocket(carrier, { isServer: true, secureContext: context, maxVersion: 'TLSv1.2' });
  secure.once('secure', () =>
    setImmediate(() => {
      flush();
      bare = true;
    }),
  );
  return secure;
}

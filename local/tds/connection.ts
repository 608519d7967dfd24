/** One socket: PRELOGIN and encryption, login, then one request after the other, between which an attention may come. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContext } from 'node:tls';
import type { Hooks } from './control.ts';
import type { Database } from './database.ts';
import { SqlError } from './errors.ts';
import { encryption, type Login, parseLogin, parsePrelogin, preloginReply } from './login.ts';
import { createAssembler, type Message, packetTypes, sendMessage } from './packets.ts';
import { createSession, type Session } from './session.ts';
import { strictTls, wrappedTls } from './tls.ts';
import { changed, done, doneStatus, errorToken, loginAcknowledged } from './tokens.ts';

export interface ConnectionOptions {
  database: Database;
  hooks: Hooks;
  context: SecureContext;
  user: string;
  password: string;
  id: number;
  nextDescriptor: () => bigint;
}

const tlsHandshake = 0x16;

/** Serves a socket until it ends. */
export function serve(socket: Socket, options: ConnectionOptions): void {
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.once('readable', () => {
    const first = socket.read() as Buffer | null;
    if (!first) return void socket.destroy();
    socket.unshift(first);
    if (first[0] === tlsHandshake) converse(strictTls(socket, options.context), socket, options);
    else converse(socket, socket, options);
  });
}

function converse(stream: Duplex, socket: Socket, options: ConnectionOptions): void {
  const assemble = createAssembler();
  let session: Session | undefined;
  let queue: Promise<void> = Promise.resolve();
  const end = (): void => void socket.destroy();
  socket.once('close', () => {
    const ending = session;
    session = undefined;
    ending?.cancel();
    void queue.then(() => ending?.close());
  });

  async function answer(message: Message): Promise<void> {
    if (message.type === packetTypes.prelogin) return negotiate(message);
    if (message.type === packetTypes.login) return login(parseLogin(message.body));
    if (message.type === packetTypes.attention) {
      return sendMessage(stream, packetTypes.reply, done({ kind: 'done', status: doneStatus.attention }));
    }
    if (!session) return end();
    if (message.ignore) return sendMessage(stream, packetTypes.reply, done({ kind: 'done', status: 0 }));
    const reply = await session.handle(message);
    if (reply) sendMessage(stream, packetTypes.reply, reply);
    else end();
  }

  function negotiate({ body }: Message): void {
    const wanted = parsePrelogin(body);
    const encrypted = wanted === encryption.on || wanted === encryption.required;
    // After strict TLS there is nothing left to settle.
    const mode = stream === socket && encrypted ? encryption.on : encryption.notSupported;
    sendMessage(stream, packetTypes.reply, preloginReply(mode));
    if (mode !== encryption.on) return;
    stream.removeListener('data', receive);
    converse(wrappedTls(socket, options.context), socket, options);
  }

  async function login(wanted: Login): Promise<void> {
    const { database } = options;
    const refusal = options.hooks.refusal() ?? refusalOf(wanted, options);
    if (refusal) {
      const failed = done({ kind: 'done', status: doneStatus.error });
      sendMessage(stream, packetTypes.reply, Buffer.concat([errorToken(refusal), failed]));
      stream.end();
      return;
    }
    const client = await database.connect(wanted.user);
    if (socket.destroyed) return void client.end();
    session = createSession({ ...options, client });
    client.once('end', end);
    const tokens = [
      changed.database(database.name, 'master'),
      changed.collation(),
      changed.language(),
      loginAcknowledged(),
      changed.packetSize(4096),
      done({ kind: 'done', status: 0 }),
    ];
    sendMessage(stream, packetTypes.reply, Buffer.concat(tokens));
  }

  function receive(chunk: Buffer): void {
    try {
      for (const message of assemble(chunk)) {
        if (message.type === packetTypes.attention) session?.cancel();
        queue = queue.then(() => answer(message)).catch(end);
      }
    } catch {
      end();
    }
  }

  stream.on('data', receive);
  stream.on('error', end);
}

function refusalOf({ user, password, database }: Login, options: ConnectionOptions): SqlError | undefined {
  if (user.toLowerCase() !== options.user.toLowerCase() || password !== options.password) {
    return new SqlError(18_456, `Login failed for user '${user}'.`, { severity: 14 });
  }
  if (database === '' || database.toLowerCase() === options.database.name.toLowerCase()) return undefined;
  return new SqlError(4060, `Cannot open database "${database}" requested by the login. The login failed.`, {
    severity: 11,
  });
}

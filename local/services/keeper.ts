/**
 * Child processes that never outlive this one, even if it is killed with -9: a shell beside the child reads a pipe from us,
 * and ends the child when the pipe ends. They have a session of their own, so Ctrl-C reaches only us and we stop them in order.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { sleep } from './service.ts';

/** The child is asked (by the first argument, a signal), and after 3 s made (KILL). When it ends by itself, so do shell and watcher. */
const keeper = `exec 3<&0
signal=$1
shift
"$@" </dev/null 3<&- &
child=$!
{ cat
  kill -$signal $child
  tries=0
  while kill -0 $child && [ $tries -lt 30 ]; do sleep 0.1; tries=$((tries + 1)); done
  kill -KILL $child
} <&3 >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait $child
code=$?
kill -KILL $watcher 2>/dev/null
exit $code`;

const outputKept = 8_000;

export interface Kept {
  pid: number;
  /** The last of what it wrote, for error messages. */
  output(): string;
  exited: Promise<number | null>;
  running(): boolean;
  stop(): Promise<void>;
}

export interface KeepOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Gets the output as it comes. */
  onOutput?: (text: string) => void;
  /** By which it ends in good order. */
  stopSignal?: 'TERM' | 'INT';
  /** Another user to run as; only root may name one. */
  uid?: number;
  gid?: number;
}

export function keep(command: string, args: readonly string[], options: KeepOptions = {}): Kept {
  const signal = options.stopSignal ?? 'TERM';
  const kept =
    process.platform === 'win32' ? [command, ...args] : ['/bin/sh', '-c', keeper, 'keeper', signal, command, ...args];
  const [file = command, ...rest] = kept;
  const child = spawn(file, rest, {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: process.platform !== 'win32',
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  });
  let output = '';
  const collect = (chunk: Buffer): void => {
    const text = chunk.toString();
    output = (output + text).slice(-outputKept);
    options.onOutput?.(text);
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  child.stdin.on('error', () => {});
  const exited = exitOf(child, (error) => {
    output += error.message;
  });
  // The watcher's `cat` may be left; it ends with the pipe.
  const release = (): void => void child.stdin.destroy();
  exited.then(release, release);
  const running = (): boolean => child.exitCode === null && child.signalCode === null && child.pid !== undefined;
  return {
    pid: child.pid ?? 0,
    output: () => output.trim(),
    exited,
    running,
    async stop() {
      child.stdin.end();
      if (process.platform === 'win32') child.kill();
      await Promise.race([exited, sleep(5_000).then(() => killGroup(child))]);
    },
  };
}

function exitOf(child: ChildProcess, onError: (error: Error) => void): Promise<number | null> {
  return new Promise((done) => {
    child.once('exit', (code) => done(code));
    child.once('error', (error) => {
      onError(error);
      done(null);
    });
  });
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}

/** The shapes that cross the line between the host and the programming model (`@azure/functions-core`), as far as this host uses them. */

export type LogLevel = 'trace' | 'debug' | 'information' | 'warning' | 'error' | 'critical' | 'none';
export type LogCategory = 'user' | 'system' | 'customMetric';

export interface LogEntry {
  level: LogLevel;
  category: string;
  message: string;
}
export type Log = (entry: LogEntry) => void;

export interface RpcDuration {
  seconds?: number;
}

export interface RetryOptions {
  maxRetryCount: number;
  retryStrategy: string;
  delayInterval?: RpcDuration | undefined;
  minimumInterval?: RpcDuration | undefined;
  maximumInterval?: RpcDuration | undefined;
}

export interface RetryContext {
  retryCount: number;
  maxRetryCount: number;
  exception?: { message: string; source: string; stackTrace: string };
}

export type Binding = Record<string, unknown> & { type: string; direction?: string };

export interface FunctionMetadata {
  name: string;
  functionId?: string;
  bindings: Record<string, Binding>;
  retryOptions?: RetryOptions;
}

export type FunctionCallback = (...args: unknown[]) => unknown;
export type HookCallback = (context: object) => unknown;

export interface Nullable<T> {
  value?: T | null;
}

export interface RpcHttpData {
  url?: string;
  method?: string;
  statusCode?: string | null;
  headers?: Record<string, string> | null;
  nullableHeaders?: Record<string, Nullable<string>>;
  nullableQuery?: Record<string, Nullable<string>>;
  nullableParams?: Record<string, Nullable<string>>;
  query?: Record<string, string>;
  params?: Record<string, string>;
  cookies?: RpcHttpCookie[] | null;
  body?: TypedData | null;
}

export interface RpcHttpCookie {
  name?: string | null;
  value?: string | null;
  domain?: Nullable<string> | null;
  path?: Nullable<string> | null;
  expires?: Nullable<{ seconds?: number }> | null;
  secure?: Nullable<boolean> | null;
  httpOnly?: Nullable<boolean> | null;
  sameSite?: string | null;
  maxAge?: Nullable<number> | null;
}

export interface TypedData {
  string?: string | null;
  json?: string | null;
  bytes?: Uint8Array | null;
  int?: number | null;
  double?: number | null;
  http?: RpcHttpData | null;
}

export interface InvocationRequest {
  invocationId: string;
  functionId: string;
  inputData: { name: string; data: TypedData }[];
  triggerMetadata: Record<string, TypedData>;
  traceContext: { traceParent: string; traceState: string; attributes: Record<string, string> };
  retryContext?: RetryContext;
}

export interface InvocationResponse {
  invocationId?: string;
  outputData?: { name: string; data: TypedData }[];
  returnValue?: TypedData | null;
}

export interface CoreInvocationContext {
  invocationId: string;
  request: InvocationRequest;
  metadata: FunctionMetadata;
  state: 'preInvocationHooks' | 'invocation' | 'postInvocationHooks' | undefined;
  log(level: LogLevel, category: LogCategory, message: string): void;
}

export interface InvocationModel {
  getArguments(): Promise<{ context: unknown; inputs: unknown[] }>;
  invokeFunction(context: unknown, inputs: unknown[], callback: FunctionCallback): Promise<unknown>;
  getResponse(context: unknown, result: unknown): Promise<InvocationResponse>;
}

export interface ProgrammingModel {
  name: string;
  version: string;
  getInvocationModel(context: CoreInvocationContext): InvocationModel | Promise<InvocationModel>;
  getCapabilities?(capabilities: Record<string, string>): Promise<Record<string, string>>;
}

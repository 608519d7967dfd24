/**
 * One invocation, in the worker's order: arguments, preInvocation hooks, the function, postInvocation hooks, response. It
 * knows neither retries nor triggers.
 */
import { randomUUID } from 'node:crypto';
import type { App, RegisteredFunction } from './app.ts';
import { inApp, programmingModel } from './core-module.ts';
import type { CoreInvocationContext, InvocationResponse, RetryContext, TypedData } from './core-types.ts';
import { errorText } from './error-text.ts';

export interface InvocationInput {
  data: TypedData;
  reason: string;
  triggerMetadata?: Record<string, TypedData>;
  traceParent?: string | undefined;
  retryContext?: RetryContext;
}

export const triggerOf = (fn: RegisteredFunction): { name: string; type: string } => {
  for (const [name, binding] of Object.entries(fn.metadata.bindings)) {
    if (/trigger$/i.test(binding.type)) return { name, type: binding.type };
  }
  throw new Error('No trigger binding.');
};

export function invoke(app: App, fn: RegisteredFunction, input: InvocationInput): Promise<InvocationResponse> {
  return inApp(app, () => logged(app, fn, input));
}

async function logged(app: App, fn: RegisteredFunction, input: InvocationInput): Promise<InvocationResponse> {
  const { name } = fn.metadata;
  const id = randomUUID();
  const category = `Function.${name}`;
  const started = performance.now();
  const took = (): string => `${Math.round(performance.now() - started)}ms`;
  app.log({
    level: 'information',
    category,
    message: `Executing 'Functions.${name}' (Reason='${input.reason}', Id=${id})`,
  });
  try {
    const response = await run(app, fn, input, id);
    app.log({
      level: 'information',
      category,
      message: `Executed 'Functions.${name}' (Succeeded, Id=${id}, Duration=${took()})`,
    });
    return response;
  } catch (error) {
    app.log({
      level: 'error',
      category,
      message: `Executed 'Functions.${name}' (Failed, Id=${id}, Duration=${took()})\n${errorText(error)}`,
    });
    throw error;
  }
}

async function run(app: App, fn: RegisteredFunction, input: InvocationInput, id: string): Promise<InvocationResponse> {
  const model = programmingModel(app);
  if (!model) throw new Error('The app has set no programming model.');
  let logContext: unknown;
  const core: CoreInvocationContext = {
    invocationId: id,
    metadata: fn.metadata,
    state: undefined,
    request: {
      invocationId: id,
      functionId: fn.metadata.functionId ?? fn.metadata.name,
      inputData: [{ name: triggerOf(fn).name, data: input.data }],
      triggerMetadata: input.triggerMetadata ?? {},
      traceContext: { traceParent: traceParent(id, input.traceParent), traceState: '', attributes: {} },
      ...(input.retryContext && { retryContext: input.retryContext }),
    },
    log: (level, category, message) =>
      app.workerLog(`Function.${fn.metadata.name}`, level, category, message, logContext),
  };
  const invocation = await model.getInvocationModel(core);
  const { context, inputs } = await invocation.getArguments();
  logContext = context;
  const shared = { hookData: {}, appHookData: app.appHookData, invocationContext: context };

  const pre = { ...shared, functionCallback: fn.callback, inputs };
  core.state = 'preInvocationHooks';
  try {
    await app.runHooks('preInvocation', pre);
  } finally {
    core.state = undefined;
  }

  const post: { inputs: unknown[]; result: unknown; error: unknown } = {
    ...shared,
    inputs: pre.inputs,
    result: null,
    error: null,
  };
  core.state = 'invocation';
  try {
    post.result = await invocation.invokeFunction(context, pre.inputs, pre.functionCallback);
  } catch (error) {
    post.error = error;
  } finally {
    core.state = undefined;
  }

  core.state = 'postInvocationHooks';
  try {
    await app.runHooks('postInvocation', post);
  } finally {
    core.state = undefined;
  }
  // A hook may have cleared the error, which makes the invocation a success, or set one.
  if (post.error !== null && post.error !== undefined) throw post.error;
  return invocation.getResponse(context, post.result);
}

function traceParent(id: string, incoming: string | undefined): string {
  const trace = id.replaceAll('-', '');
  const parts = /^00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})$/.exec(incoming ?? '');
  return parts ? `00-${parts[1]}-${trace.slice(16)}-${parts[2]}` : `00-${trace}-${trace.slice(16)}-00`;
}

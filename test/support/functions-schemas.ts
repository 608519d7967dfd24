// What the host reads of host.json and local.settings.json, as far as this app uses it: a typing error there is ignored in
// silence by the host. Written for this project after the reference pages "host.json reference for Azure Functions 2.x and
// later", "Azure Cosmos DB bindings" (host.json settings) and "Local settings file" of Microsoft Learn; SchemaStore has a
// schema of all of host.json, which no package carries.

const text = { type: 'string', minLength: 1 } as const;
const flag = { type: 'boolean' } as const;
/** -1: unbounded. */
const bound = { type: 'integer', minimum: -1 } as const;
const section = (properties: object, required: readonly string[] = []) =>
  ({ type: 'object', properties, required, additionalProperties: false }) as const;

const LEVELS = ['Trace', 'Debug', 'Information', 'Warning', 'Error', 'Critical', 'None'];
const TELEMETRY = '(Dependency|Event|Exception|PageView|Request|Trace)';

export const hostSchema = section(
  {
    version: { const: '2.0' },
    // A range of NuGet. Bundles below 4.37 bring a Cosmos DB extension without changeFeedMode for Node.
    extensionBundle: section(
      {
        id: { const: 'Microsoft.Azure.Functions.ExtensionBundle' },
        version: { type: 'string', pattern: '^\\[4\\.(3[7-9]|[4-9]\\d)\\.\\d+, ?5\\.0\\.0\\)$' },
      },
      ['id', 'version'],
    ),
    functionTimeout: { type: 'string', pattern: '^(-1|([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d)$' },
    logging: section({
      fileLoggingMode: { enum: ['never', 'always', 'debugOnly'] },
      logLevel: { type: 'object', additionalProperties: { enum: LEVELS } },
      applicationInsights: section({
        samplingSettings: section({
          isEnabled: flag,
          maxTelemetryItemsPerSecond: { type: 'number', exclusiveMinimum: 0 },
          excludedTypes: { type: 'string', pattern: `^${TELEMETRY}(;${TELEMETRY})*$` },
        }),
      }),
    }),
    telemetryMode: { const: 'OpenTelemetry' },
    extensions: section({
      http: section({
        routePrefix: { type: 'string', pattern: '^(?!/)(.*[^/])?$' },
        maxConcurrentRequests: bound,
        maxOutstandingRequests: bound,
        dynamicThrottlesEnabled: flag,
      }),
      cosmosDB: section({ connectionMode: { enum: ['Gateway', 'Direct'] }, userAgentSuffix: text }),
    }),
    concurrency: section({ dynamicConcurrencyEnabled: flag, snapshotPersistenceEnabled: flag }),
  },
  ['version', 'extensionBundle'],
);

/** Values are texts: the host takes no others. */
export const localSettingsSchema = section(
  {
    IsEncrypted: { const: false },
    Values: {
      type: 'object',
      additionalProperties: { type: 'string' },
      required: ['FUNCTIONS_WORKER_RUNTIME', 'AzureWebJobsStorage'],
      properties: { FUNCTIONS_WORKER_RUNTIME: { const: 'node' }, AzureWebJobsStorage: text },
    },
  },
  ['IsEncrypted', 'Values'],
);

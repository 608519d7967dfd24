// A real storage emulator for tests: azurite on a free port, in memory, and a client for it.

import { BlobServiceClient } from '@azure/storage-blob';
import { startStorage } from '../../local/services/storage.ts';

export async function startAzurite(ports: readonly [number, number, number] = [0, 0, 0]) {
  const service = await startStorage({ ports });
  await service.ready;
  const connection = service.settings['AzureWebJobsStorage'] ?? '';
  const client = BlobServiceClient.fromConnectionString(connection);
  const container = client.getContainerClient('content');
  await container.createIfNotExists();
  return {
    connection,
    container,
    async put(name: string, body: string | Uint8Array, headers: Record<string, string> = {}) {
      const bytes = Buffer.from(body as string);
      await container.getBlockBlobClient(name).uploadData(bytes, { blobHTTPHeaders: headers });
    },
    remove: (name: string) => container.deleteBlob(name),
    stop: () => service.stop(),
  };
}

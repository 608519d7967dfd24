// Azure Managed Redis: TLS only, no access keys, and an eviction policy under which watermarks survive.

param name string
param location string
param tags object
param sku string
param highAvailability bool
@allowed(['NoCluster', 'EnterpriseCluster', 'OSSCluster'])
param clusteringPolicy string
@description('Object ids of the identities that may use it.')
param principalIds string[]
param isPrivate bool

var port = 10000

resource cluster 'Microsoft.Cache/redisEnterprise@2025-07-01' = {
  name: name
  location: location
  tags: tags
  sku: { name: sku }
  properties: {
    minimumTlsVersion: '1.2'
    highAvailability: highAvailability ? 'Enabled' : 'Disabled'
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
  }
}

resource database 'Microsoft.Cache/redisEnterprise/databases@2025-07-01' = {
  parent: cluster
  name: 'default'
  properties: {
    clientProtocol: 'Encrypted'
    port: port
    clusteringPolicy: clusteringPolicy
    // Records have a TTL and may go; watermarks, generations and query hashes have none and must stay: without a
    // watermark reads and changes of its partition are not ordered until it is seeded again (docs/consistency.md).
    evictionPolicy: 'VolatileLRU'
    accessKeysAuthentication: 'Disabled'
  }
}

// One after the other: the service refuses two at a time.
@batchSize(1)
resource access 'Microsoft.Cache/redisEnterprise/databases/accessPolicyAssignments@2025-07-01' = [
  for principalId in principalIds: {
    parent: database
    name: 'id${uniqueString(principalId)}'
    properties: {
      accessPolicyName: 'default'
      user: { objectId: principalId }
    }
  }
]

output id string = cluster.id
output url string = 'rediss://${cluster.properties.hostName}:${port}'

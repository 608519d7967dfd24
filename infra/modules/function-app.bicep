// The Function App on Flex Consumption. What scales together: all HTTP functions; each change function by itself.

param name string
param location string
param tags object
param identityId string
@description('Url of the blob container that holds the deployed package.')
param packageContainerUrl string
param runtimeVersion '22' | '24'
@description('Functions that one instance each is kept ready for, besides HTTP.')
param changeFunctions string[]
param alwaysReady int
param instanceMemoryMB 512 | 2048 | 4096
param maximumInstanceCount int
param httpConcurrency int
@description('Empty: no virtual network.')
param subnetId string
param isPrivate bool
param settings { *: string }

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'plan-${name}'
  location: location
  tags: tags
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  kind: 'functionapp'
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: 'func-${name}'
  location: location
  // How azd finds what to deploy to.
  tags: union(tags, { 'azd-service-name': 'app' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: { minTlsVersion: '1.2' }
    functionAppConfig: {
      runtime: { name: 'node', version: runtimeVersion }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageContainerUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        // A change function that was scaled to nothing may not wake: the feed would stand still without a word.
        alwaysReady: alwaysReady == 0
          ? []
          : concat(
              [{ name: 'http', instanceCount: alwaysReady }],
              map(changeFunctions, function => { name: 'function:${function}', instanceCount: alwaysReady })
            )
        triggers: { http: { perInstanceConcurrency: httpConcurrency } }
      }
    }
  }
}

// Nothing is published with a password.
resource ftp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'ftp'
  properties: { allow: false }
}

resource scm 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = {
  parent: app
  name: 'scm'
  properties: { allow: false }
}

resource appSettings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: app
  name: 'appsettings'
  properties: settings
}

output id string = app.id
output name string = app.name
output url string = 'https://${app.properties.defaultHostName}'

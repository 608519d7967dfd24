// Names that the infrastructure shares with the app, in one place. test/infra compares them with the app: its settings
// (src/config/settings.ts), its connections (src/cache.config.ts) and the functions that its bundle registers.

@export()
@description('Container of the change-feed leases: the default of WARMFEED_LEASE_CONTAINER.')
var leaseContainer = 'leases'

@export()
@description('Names of the connections in src/cache.config.ts; settings of an identity begin with them.')
var connections = {
  cosmos: 'COSMOS'
  sql: 'SQL'
  postgres: 'POSTGRES'
  content: 'CONTENT'
}

@export()
@description('The change function of a Cosmos DB container, as src/functions/cosmos-changes.ts names it.')
func cosmosChanges(database string, container string) string =>
  'changes-${replace(replace(database, '.', '-'), ' ', '-')}-${replace(replace(container, '.', '-'), ' ', '-')}'

@export()
@description('Azure built-in roles, by id.')
var roles = {
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  storageBlobDataReader: '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  monitoringMetricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
}

@export()
@description('Built-in data-plane roles of Cosmos DB, by id.')
var cosmosRoles = {
  dataReader: '00000000-0000-0000-0000-000000000001'
  dataContributor: '00000000-0000-0000-0000-000000000002'
}

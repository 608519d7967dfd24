-- Gives the app's identity what it needs in PostgreSQL. Run the first statement in the database `postgres`, the others in the app's,
-- signed in as the Entra administrator; replace id-… by the output WARMFEED_IDENTITY_NAME.
SELECT * FROM pgaadauth_create_principal('id-warmfeed', false, false);
GRANT USAGE ON SCHEMA public TO "id-warmfeed";
GRANT SELECT ON ALL TABLES IN SCHEMA public TO "id-warmfeed";
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO "id-warmfeed";
-- After infra/sql/postgres.sql: the outbox.
SELECT warmfeed.allow('"id-warmfeed"');

-- Gives the app's identity what it needs in Azure SQL: reads, and the versions of change tracking. Run it in the database, signed in
-- as its Entra administrator; replace id-… by the output WARMFEED_IDENTITY_NAME.
CREATE USER [id-warmfeed] FROM EXTERNAL PROVIDER;
ALTER ROLE db_datareader ADD MEMBER [id-warmfeed];
GRANT VIEW CHANGE TRACKING ON SCHEMA::dbo TO [id-warmfeed];

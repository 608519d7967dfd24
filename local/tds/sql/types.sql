-- Schemas, collations and types that T-SQL has and PostgreSQL has not. Runs once in a new database, as superuser.
CREATE SCHEMA tds;
CREATE SCHEMA tds_ct;
CREATE SCHEMA dbo;
CREATE SCHEMA sys;
CREATE SCHEMA tds_information_schema;

CREATE COLLATION tds.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE COLLATION tds.cs (provider = icu, locale = 'und', deterministic = true);

CREATE DOMAIN tds.tinyint AS int2 CONSTRAINT tinyint CHECK (VALUE BETWEEN 0 AND 255);

-- money is numeric with four digits; a type of its own, so that results say which it is.
CREATE TYPE tds.money;
CREATE FUNCTION tds.money_in(cstring, oid, int4) RETURNS tds.money LANGUAGE internal IMMUTABLE STRICT AS 'numeric_in';
CREATE FUNCTION tds.money_out(tds.money) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'numeric_out';
CREATE TYPE tds.money (INPUT = tds.money_in, OUTPUT = tds.money_out, LIKE = numeric, CATEGORY = 'N');
CREATE CAST (tds.money AS numeric) WITHOUT FUNCTION AS IMPLICIT;
CREATE FUNCTION tds.money_of(numeric) RETURNS tds.money LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  IF abs(round($1, 4)) > 922337203685477.5807 THEN
    RAISE EXCEPTION '8115|Arithmetic overflow error converting numeric to data type money.';
  END IF;
  RETURN round($1, 4)::text::tds.money;
END $$;
CREATE CAST (numeric AS tds.money) WITH FUNCTION tds.money_of(numeric) AS ASSIGNMENT;
CREATE FUNCTION tds.money_of(int4) RETURNS tds.money LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $1::text::tds.money $$;
CREATE CAST (int4 AS tds.money) WITH FUNCTION tds.money_of(int4) AS IMPLICIT;

-- A bit takes 0, 1 and any other number.
UPDATE pg_cast SET castcontext = 'a' WHERE castsource = 'int4'::regtype AND casttarget = 'bool'::regtype;
CREATE FUNCTION tds.bit_equals(bool, int4) RETURNS bool LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $1::int4 = $2 $$;
CREATE FUNCTION tds.bit_differs(bool, int4) RETURNS bool LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $1::int4 <> $2 $$;
CREATE OPERATOR tds.= (LEFTARG = bool, RIGHTARG = int4, FUNCTION = tds.bit_equals);
CREATE OPERATOR tds.<> (LEFTARG = bool, RIGHTARG = int4, FUNCTION = tds.bit_differs);

-- The time in UTC, and the minutes that the local time is ahead of it.
CREATE TYPE tds.datetimeoffset AS (utc timestamp, minutes int2);
CREATE FUNCTION tds.datetimeoffset_of(bpchar) RETURNS tds.datetimeoffset LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  parts text[] := regexp_match($1::text, '^(\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,7})?)?)?) ?(?:(Z)|([+-])(\d\d):(\d\d))?$');
  minutes int2;
BEGIN
  IF parts IS NULL THEN
    RAISE EXCEPTION '241|Conversion failed when converting date and/or time from character string.';
  END IF;
  minutes := coalesce((parts[3] || '1')::int * (parts[4]::int * 60 + parts[5]::int), 0);
  RETURN ROW(replace(parts[1], 'T', ' ')::timestamp - make_interval(mins => minutes), minutes);
END $$;
CREATE FUNCTION tds.datetimeoffset_of(timestamp) RETURNS tds.datetimeoffset LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT ROW($1, 0)::tds.datetimeoffset $$;
CREATE FUNCTION tds.datetimeoffset_of(tds.datetimeoffset) RETURNS tds.datetimeoffset LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT $1 $$;
CREATE FUNCTION tds.local_time(tds.datetimeoffset) RETURNS timestamp LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT ($1).utc + make_interval(mins => ($1).minutes) $$;
CREATE CAST (tds.datetimeoffset AS timestamp) WITH FUNCTION tds.local_time(tds.datetimeoffset);

CREATE FUNCTION tds.offset_compare(tds.datetimeoffset, tds.datetimeoffset) RETURNS int4 LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT timestamp_cmp(($1).utc, ($2).utc) $$;
DO $$
DECLARE sign text;
BEGIN
  FOREACH sign IN ARRAY ARRAY['=', '<>', '<', '>', '<=', '>='] LOOP
    EXECUTE format('CREATE FUNCTION tds.%I(tds.datetimeoffset, tds.datetimeoffset) RETURNS bool LANGUAGE sql IMMUTABLE STRICT AS
      %L', 'offset' || sign, format('SELECT tds.offset_compare($1, $2) %s 0', sign));
    EXECUTE format('CREATE OPERATOR tds.%s (LEFTARG = tds.datetimeoffset, RIGHTARG = tds.datetimeoffset, FUNCTION = tds.%I)',
      sign, 'offset' || sign);
  END LOOP;
END $$;

-- SQL Server orders guids by their last six bytes first.
CREATE FUNCTION tds.sort_key(uuid) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT substr(b, 11, 6) || substr(b, 9, 2) || substr(b, 8, 1) || substr(b, 7, 1) || substr(b, 6, 1) || substr(b, 5, 1)
      || substr(b, 4, 1) || substr(b, 3, 1) || substr(b, 2, 1) || substr(b, 1, 1)
  FROM (SELECT uuid_send($1) AS b) bytes $$;
CREATE FUNCTION tds.sort_key(tds.datetimeoffset) RETURNS timestamp LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT ($1).utc $$;
CREATE FUNCTION tds.sort_key(anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE AS $$ SELECT $1 $$;
DO $$
DECLARE sign text;
BEGIN
  FOREACH sign IN ARRAY ARRAY['<', '>', '<=', '>='] LOOP
    EXECUTE format('CREATE FUNCTION tds.%I(uuid, uuid) RETURNS bool LANGUAGE sql IMMUTABLE STRICT AS %L',
      'guid' || sign, format('SELECT tds.sort_key($1) %s tds.sort_key($2)', sign));
    EXECUTE format('CREATE OPERATOR tds.%s (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = tds.%I)', sign, 'guid' || sign);
  END LOOP;
END $$;

-- Text and text; trailing spaces are kept, which bpchar's own conversion to text would not do.
CREATE FUNCTION tds.join_text(bpchar, bpchar) RETURNS bpchar LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT concat($1, $2)::bpchar $$;
CREATE OPERATOR tds.+ (LEFTARG = bpchar, RIGHTARG = bpchar, FUNCTION = tds.join_text);

CREATE SEQUENCE tds.rowversions START 2001;
CREATE FUNCTION tds.next_rowversion() RETURNS bytea LANGUAGE sql AS $$ SELECT int8send(nextval('tds.rowversions')) $$;
CREATE FUNCTION tds.bump_rowversion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RETURN jsonb_populate_record(NEW, jsonb_build_object(TG_ARGV[0], tds.next_rowversion()::text));
END $$;
